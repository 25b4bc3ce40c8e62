"""A run's state in a small file of the work folder, for `labgen status`; no row, key or teacher's text is in it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.progress.run_state import RunState

NAME = "status.json"
STALE_SEC = 15.0
"""A run that has said nothing for so long is not well, or what it does takes its time."""
LARGEST_BYTES = 1_000_000


def write_status(folder: Path, state: RunState) -> bool:
    """Put a state in the place of the one before it, whole at any moment; gives whether that could be done.

    What endpoints said in their own words stays out: it may repeat what they were asked.
    """
    state = replace(state, waits=tuple(replace(wait, detail="") for wait in state.waits))
    path = folder / NAME
    new = folder / f"{NAME}.{os.getpid()}.new"
    try:
        new.write_bytes(json.dumps(asdict(state), ensure_ascii=False).encode("utf-8", "backslashreplace"))
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        return False
    return True


def read_status(folder: Path) -> RunState | None:
    """The state that was written last; None where there is none. Raises: UsageError: the file can't be read."""
    from msgspec import MsgspecError
    from msgspec.json import decode

    path = folder / NAME
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError
        return decode(path.read_bytes(), type=RunState)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, MsgspecError):
        raise UsageError(
            f"{path}: this is no state of a run, or one of another version of labgen. The next run writes it anew."
        ) from None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a state can be relied on: `words` say what is wrong with it, empty where nothing is."""

    alive: bool
    words: str = ""


def freshness(state: RunState, now: Callable[[], float] = time.time) -> Freshness:
    """Whether the run of a state still goes on, as far as can be told from here."""
    from labgen.text.durations import duration

    if state.ended:
        return Freshness(False)
    age_sec = now() - state.updated
    ago = f"it last said something {duration(age_sec)} ago"
    if age_sec < -STALE_SEC:
        ago = (
            f"what it last said is dated {duration(-age_sec)} ahead of this machine's clock, which was set or is wrong"
        )
    here = state.host == platform.node()
    if here and not _runs(state.pid):
        return Freshness(False, f"stopped without a word (killed?): {ago}. Run it again to go on.")
    if age_sec < -STALE_SEC:
        return Freshness(True, f"{ago[0].upper()}{ago[1:]}. Look again in a few seconds: a run that is well says more.")
    if age_sec > STALE_SEC:
        where = f"its process ({state.pid}) is there" if here else f"it runs on {state.host}"
        return Freshness(True, f"stale: {ago}, and {where}. It is busy, held, or its machine was asleep.")
    return Freshness(True)


def _runs(pid: int) -> bool:
    """Whether there is a process of that number."""
    if pid <= 0:
        return False
    if os.name == "nt":
        return True  # there, to ask a process whether it is there ends it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return not _is_dead(pid)


def _is_dead(pid: int) -> bool:
    """Whether it has ended, and nobody has taken notice yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]
