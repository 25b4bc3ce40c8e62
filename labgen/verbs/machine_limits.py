"""What this process may take of the machine, before anything is paid for that it could not receive or keep."""

from __future__ import annotations

from contextlib import suppress

from labgen.errors import NEEDED_BYTES, ConfigError, LabgenError, memory_limit_bytes, memory_words

BESIDE_CALLS = 48
"""Files and connections that a build has open beside its calls, at most."""


def require_memory() -> None:
    """Look at the limit on memory before libraries are loaded that would end the process where they get none.

    Raises: LabgenError: it is too low for any build.
    """
    limit_bytes = memory_limit_bytes()
    if limit_bytes is not None and limit_bytes < NEEDED_BYTES:
        raise LabgenError(memory_words(limit_bytes))


def allow_open_files(calls: int) -> None:
    """Raise the soft limit where so many calls at once need it, as far as the machine lets us.

    Each call is a connection; the rehearsal teacher, which answers in this process, has the other end of it open, too.
    Raises: ConfigError: even its hard limit is too low for the calls.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted, endless = 2 * calls + BESIDE_CALLS, resource.RLIM_INFINITY
    if soft == endless or soft >= wanted:
        return
    # macOS says that there is no hard limit, and takes no soft one above what the kernel knows.
    for new in (wanted if hard == endless else min(wanted, hard), 10_240):
        if soft < new:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (new, hard))
                break
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft != endless and soft < calls + BESIDE_CALLS:
        fewer = f", or ask for fewer calls at once (--concurrency {soft - BESIDE_CALLS})" if soft > BESIDE_CALLS else ""
        raise ConfigError(
            f"{calls + BESIDE_CALLS} files and connections are needed at once ({calls} of them for calls), and this "
            f"machine allows {soft}. Raise the limit (`ulimit -n`){fewer}."
        )
