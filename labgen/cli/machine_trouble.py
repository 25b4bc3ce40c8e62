"""What a machine lacks, in words: the last net below all verbs, which explain their own files themselves."""

from __future__ import annotations

import errno

from labgen.errors import remedy

_AGAIN = "and run the same command again: what was paid for is kept."
NO_MEMORY = (
    f"this machine has no memory left. Close other programs or ask for fewer calls at once (--concurrency), {_AGAIN}"
)


def machine_trouble(error: BaseException) -> str | None:
    """What is to be said of an error that a machine is the cause of, not labgen; None for any other."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return NO_MEMORY
    if not isinstance(error, OSError) or not (advice := remedy(error)):
        return None
    what = error.strerror or type(error).__name__
    where = f"{error.filename}: {what}" if error.filename else what
    return f"{where}. {advice}, {_AGAIN}"
