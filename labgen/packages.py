"""Other packages that add to labgen: how their code is called, what they may hand over, and what messages call them.

A package's code may raise anything at any time, the end of the program included. So every call into it stands in
`guarded`, and every text and number that it hands over is made Python's own before anything else is done with it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OWN_GROUPS = b"[labgen."
"""What the headings of all groups of entry points begin with that labgen looks for."""

MOST_ERROR_CHARS = 200
"""Characters of an error's own words that are repeated."""

MOST_COUNT = 10**9
"""Of tokens, characters or calls: more are a mistake, and could not be added up in the ledger."""


FAULTS = ("filter_", "flow_")
"""How the reasons of candidates begin that failed by a fault in what a package adds; the name follows."""


class PackageFault(Exception):
    """A package's code failed, or gave what it may not; in one line of words."""


@contextmanager
def guarded(passes: Callable[[BaseException], bool] = lambda error: False, *, awaits: bool = False) -> Iterator[None]:
    """What every call into a package's code stands in.

    Args:
        passes: which errors are not the package's but come through its code.
        awaits: whether something is awaited within, so that the work may be withdrawn from outside.
    Raises: PackageFault: whatever the code raised, `SystemExit` and cancellations of its own making included. Only what
        the user (KeyboardInterrupt) or the event loop raise through it comes out as it is, and what `passes`.
    """
    try:
        yield
    except (KeyboardInterrupt, PackageFault):
        raise
    except BaseException as error:
        if passes(error) or (awaits and _withdrawn(error)):
            raise
        raise PackageFault(crash(error)) from error


def _withdrawn(error: BaseException) -> bool:
    """Whether an error says that the running task is cancelled, or its coroutine closed, and by no code within it."""
    import asyncio

    if not isinstance(error, asyncio.CancelledError | GeneratorExit):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None  # no loop runs any more: what is left is being closed
    return task is None or (isinstance(error, asyncio.CancelledError) and task.cancelling() > 0)


def entries_of(group: str, name: str | None = None) -> list[EntryPoint]:
    """The entry points of a group, or those of one name there, in an order that is the same everywhere.

    Raises: ConfigError: what an installer left of some package can't be read.
    """
    try:
        with guarded():
            places = tuple((folder, _changed_ns(folder)) for folder in sys.path)
            found = _entries(places).select(group=group) if _some_add(places) else ()
            chosen = [entry for entry in found if name is None or entry.name == name]
            return sorted(chosen, key=lambda entry: (entry.name, entry.value))
    except PackageFault as fault:
        raise ConfigError(
            f"the entry points of installed packages can't be read ({fault}). `pip check` may tell which package is "
            "broken; install that one anew."
        ) from fault


@lru_cache(maxsize=4)
def _entries(places: tuple[tuple[str, int], ...]) -> Any:
    """All entry points that are installed; read once, since every command asks for several groups.

    Returns: what has `select`; its type differs between Python 3.11 and later ones.
    Args:
        places: the folders that packages are looked for in, and when each was changed: an installer changes one.
    """
    from importlib.metadata import entry_points

    return entry_points()


@lru_cache(maxsize=4)
def _some_add(places: tuple[tuple[str, int], ...]) -> bool:
    """Whether any installed package may add to labgen: what finds their entry points takes long to load, and most
    machines have none. Where packages lie otherwise than in folders, it is not ruled out.

    Args:
        places: as `_entries`.
    """
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return True
    for folder in {Path(folder) for folder, _ in places}:
        with suppress(OSError):
            if folder.suffix == ".egg" or folder.is_file():
                return True
            for each in folder.iterdir():
                if each.name.endswith((".dist-info", ".egg-info")) and OWN_GROUPS in _entry_points(each):
                    return True
    return False


def _entry_points(about: Path) -> bytes:
    """The entry points of a package as an installer left them; empty where there are none, or none to be read."""
    with suppress(OSError):
        return (about / "entry_points.txt").read_bytes()
    return b""


def _changed_ns(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def installed_names(group: str) -> list[str]:
    """The names under which packages add to a group of entry points, sorted, without importing any."""
    return sorted({entry.name for entry in entries_of(group)})


def package_of(entry: EntryPoint) -> str:
    """Name and version of the distribution that an entry point comes from."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def crash(error: BaseException) -> str:
    """An error that anybody's code raised, in one line: its type, and the beginning of what it says."""
    return f"{type(error).__name__}: {error_words(error)[:MOST_ERROR_CHARS]}"


def error_words(error: BaseException) -> str:
    """What an error says, in one line."""
    try:
        return " ".join(str(error).split())
    except KeyboardInterrupt:
        raise
    except BaseException:
        # An error's words are anybody's code, too.
        return "(no words)"


def plain_text(given: Any, what: str) -> str:
    """Text of any kind as Python's own. Raises: PackageFault: it is none; `what` begins the sentence."""
    if not isinstance(given, str):
        raise PackageFault(f"{what} is no text")
    return str.__str__(given)


def plain_count(given: Any, what: str, *, least: int = 0, most: int = MOST_COUNT) -> int:
    """A whole number of any kind as Python's own. Raises: PackageFault: it is none, or out of range."""
    if not isinstance(given, int) or not least <= (number := int.__int__(given)) <= most:
        raise PackageFault(f"{what} is no whole number from {least} to {most}")
    return number


def plain_number(given: Any, what: str) -> float:
    """A number of any kind as Python's own. Raises: PackageFault: it is none, or not finite."""
    try:
        number = float.__float__(given) if isinstance(given, float) else int.__float__(given)
    except (TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise PackageFault(f"{what} is no finite number")
    return number


def plain_key(given: Any, what: str) -> bytes:
    """The ledger's key of a call. Raises: PackageFault: it is none."""
    if not isinstance(given, bytes) or len(given) != 32:
        raise PackageFault(f"{what} is no key of a call")
    return bytes(given)
