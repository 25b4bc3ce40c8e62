"""The dataset folder: its manifest, who may write it, what may replace what, and how it is replaced whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from labgen.errors import OutputError, UsageError, remedy
from labgen.export.files import hash_file
from labgen.export.rows import BuildInfo

MANIFEST = "manifest.json"
FORMAT = "labgen-dataset"
FORMAT_VERSION = 1


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset folder. It is written last, so its presence means a whole dataset.

    Raises:
        UsageError: there is none, or it is not one that this version of labgen can read.
        OutputError: the machine does not let us read it.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{folder}: no dataset of labgen's ({MANIFEST} is missing). Check the path.") from None
    except OSError as error:
        advice = remedy(error) or "See that it can be read"
        raise OutputError(f"{path}: can't be read ({error.strerror or error}). {advice}, and try again.") from None
    except ValueError as error:
        raise UsageError(
            f"{path}: can't be read ({error}). Build the dataset again, or choose another folder."
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UsageError(f"{path}: not a manifest of labgen's.")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UsageError(f"{path}: written by labgen {manifest.get('labgen')}, in a form unknown to this one. Update.")
    return manifest


def write_manifest(folder: Path, contents: dict[str, Any]) -> None:
    """Write the manifest, with size and hash of every file that lies in the folder by now."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest, size = hash_file(path)
            files[path.relative_to(folder).as_posix()] = {"bytes": size, "sha256": digest}
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, **contents, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_output(folder: Path, *, wanted: Mapping[str, int], about: BuildInfo, replace: bool = False) -> None:
    """Say whether a build of leaves may be written to `folder`; best asked before anything is paid for.

    A folder that holds anything but a dataset of labgen's is never replaced. A dataset is replaced only by a build
    that covers it: every leaf that still exists in the taxonomy, with as many rows asked for; not by an incomplete
    build if it is complete, by a rehearsal if it is not one, or by a build that has no leaf in common with it. A leaf
    that the taxonomy no longer has (neither built, unselected nor excluded) is not missed. `replace` waives all of
    this paragraph, but never the first rule.

    Args:
        wanted: leaf to the rows asked for.
    Raises: UsageError: it may not; the message says what to do.
    """
    place_of(folder)
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder}: a file is there. Choose another folder with --output.")
    if not any(folder.iterdir()):
        return
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{folder}: holds files that labgen did not write, and is left alone. Choose another folder with --output."
        )
    manifest = read_manifest(folder)
    loss = None if replace else _loss(manifest, wanted, about)
    if loss:
        raise UsageError(
            f"{folder}: {loss}. Choose another folder with --output, or say --replace to have it replaced. "
            "Every reply stays in the ledger either way."
        )


def place_of(folder: Path) -> Path:
    """Where a folder is, or will be, without links and `..`.

    Raises: UsageError: something is there, which the name as it stands does not say.
    """
    place = _real(folder)
    if place.exists() and not folder.exists():  # it goes through a folder that is not there, and back
        raise UsageError(f"{folder}: leads through a folder that does not exist. If you mean {place}, write that.")
    return place


def _real(folder: Path) -> Path:
    """A folder without links and `..`: as `resolve`, which raises for a circle of links, before Python 3.13."""
    return Path(os.path.realpath(folder))


def _loss(manifest: dict[str, Any], now: Mapping[str, int], about: BuildInfo) -> str | None:
    """What replacing the dataset would lose, in words that follow the folder's name; None for nothing."""
    if about.rehearsal and not manifest["rehearsal"] and any(leaf["rows"] for leaf in manifest["leaves"].values()):
        return f"holds rows of {manifest['teacher']}, which a rehearsal would replace"
    if manifest["complete"] and not about.complete:
        return "holds a complete build, and this one is incomplete"
    before: dict[str, int] = {path: leaf["wanted"] for path, leaf in manifest["leaves"].items()}
    here = set(now) | set(about.unselected) | set(about.excluded)
    if before and not here & set(before):
        return "holds the build of another taxonomy (no leaf in common)"
    lost = sorted(path for path in before if before[path] and path in here and path not in now)
    if lost:
        return f"holds a fuller build: this run leaves out {_some(lost)}"
    fewer = sorted(path for path in before if path in now and now[path] < before[path])
    if fewer:
        return f"holds a fuller build: this run asks for fewer rows of {_some(fewer)}"
    return None


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more leaves" if len(paths) > 3 else "")


@contextmanager
def claim_output(folder: Path) -> Iterator[None]:
    """Keep other runs from writing to `folder` meanwhile; may be locked again inside.

    Raises: OutputError: another run has it, or its parent folder can't be written to.
    """
    from filelock import FileLock, Timeout

    folder = _real(folder)
    path = folder.parent / f".{folder.name}.lock"
    lock = FileLock(path, timeout=0, is_singleton=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"{folder}: another run of labgen is writing there. Wait for it, or choose another folder with --output."
        ) from None
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be written to ({error.strerror}). See that the folder around it can be written and that "
            "there is room, or choose another folder with --output."
        ) from error
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            # Removed while it is held: whoever waits on the removed file finds it without a name and starts over.
            path.unlink(missing_ok=True)
        lock.release()


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say what to do where writing a dataset fails. Raises: OutputError: in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: the dataset can't be written ({error.strerror or error}). "
            f"{remedy(error) or 'Make room'}, or choose another folder with --output, and run again: every reply is in "
            "the ledger, and nothing is asked twice."
        ) from error


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, and put it in `folder`'s place once the block has ended well.

    The old folder is moved aside, never written to; files in it that labgen did not write move over to the new one.
    Where the block fails, nothing has changed and nothing half-written is left.

    Raises:
        OutputError: another run is writing there, the disk is full, or the folder can't be written to.
        UsageError: see `place_of`.
    """
    folder = place_of(folder)
    new, old = (folder.parent / f".{folder.name}.{word}" for word in ("new", "old"))
    with claim_output(folder):
        with explained(folder):
            if old.exists() and not folder.exists():
                old.rename(folder)  # a run was killed between its two renames
            elif old.exists():
                _keep_foreign(old, folder)  # or after them
            for leftover in (new, old):
                shutil.rmtree(leftover, ignore_errors=True)
            new.mkdir(parents=True)
        try:
            yield new
            with explained(folder):
                if folder.exists():
                    folder.rename(old)
                _take_the_place(new, folder, old)
                if old.exists():
                    _keep_foreign(old, folder)
                    shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _take_the_place(new: Path, folder: Path, old: Path) -> None:
    """Rename the new folder; where that fails, what was there before goes back to its place at once."""
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            with suppress(OSError):  # else the next run does it
                old.rename(folder)
        raise


def _keep_foreign(old: Path, folder: Path) -> None:
    """Move what labgen did not write (notes, a `.git` folder) from the old folder to the new one."""
    if not (old / MANIFEST).is_file():
        return
    ours = {MANIFEST, *read_manifest(old)["files"]}
    for path in sorted(old.rglob("*")):
        name = path.relative_to(old)
        target = folder / name
        if (path.is_file() or path.is_symlink()) and name.as_posix() not in ours and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
