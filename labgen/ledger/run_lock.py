"""One run at a time in a work folder: the ledger has one writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labgen.errors import LedgerError, UsageError


@contextmanager
def run_lock(work: Path) -> Iterator[None]:
    """Hold the work folder for this run.

    Raises: LedgerError: another run has it, or it can't be made; UsageError: it is a file.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(work / "run.lock", timeout=0)
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LedgerError(
            f"{work}: another run of labgen uses this work folder. Wait for it, or choose another with --work."
        ) from None
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{work}: a file is there. Choose another work folder with --work.") from None
    except OSError as error:
        raise LedgerError(
            f"{work}: can't be used as work folder ({error.strerror}). See that it can be written and that there is "
            "room, or choose another with --work."
        ) from None
    try:
        yield
    finally:
        lock.release()
