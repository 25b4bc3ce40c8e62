"""The error tree. Its branches answer "what should the caller do next?".

    LabgenError
      UsageError          the command or the Python call was wrong                        exit 2
      ConfigError         the user must fix the configuration                             exit 2
      TaxonomyError       the author must fix a leaf or its documents; the others go on   exit 1
      LedgerError         the ledger cannot be read or written; what is in it is safe     exit 1
      OutputError         the dataset cannot be written; the ledger has all replies       exit 1
      PublishError        the data is safe locally; the Hub said no                       exit 1
      TeacherError        carries .request_id                                             exit 1
        TeacherUnavailable, RateLimited, TeacherTimeout, BadReply     retried
          NoConnection                                                the same, and no attempt is spent
            TeacherStarting                                           the same, while it loads its model
        CallRejected                                                  asked again once; then recorded
        ContextTooLong, TeacherRefused                                recorded; the run goes on
        TeacherDown                                                   stops the run      exit 1
        TeacherMisconfigured                                          stops the run      exit 2

A message says where, what, and what to do next. No message ever holds a key or a token.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence


class LabgenError(Exception):
    """Anything that labgen can explain. `exit_status` is what the command line ends with."""

    exit_status = 1


class UsageError(LabgenError):
    """The command line or the call was wrong."""

    exit_status = 2


class ConfigError(LabgenError):
    """The configuration was wrong.

    Args:
        place: names and indices that lead to the setting, such as `("teacher", "endpoints", 0)`; empty where it is not
            about one.
    """

    exit_status = 2

    def __init__(self, message: str = "", place: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.place = tuple(place)

    def within(self, *outer: str | int) -> ConfigError:
        """The same with what its setting, named from there, is part of."""
        return ConfigError(f"{'.'.join(map(str, outer))}.{self}", (*outer, *self.place)) if self.place else self


class TaxonomyError(LabgenError):
    """A leaf or its documents can't be used."""


class LedgerError(LabgenError):
    """The ledger can't be read or written."""


class OutputError(LabgenError):
    """The dataset can't be written."""


class PublishError(LabgenError):
    """The Hub refused, or could not be reached."""


class TeacherError(LabgenError):
    """The teacher did not answer as asked.

    `retry_after_sec` is what the endpoint asked us to wait, where it did. `maybe_paid` says whether the request may
    have been answered, and so be paid for, all the same. `waited_sec` is as that of `labgen.records.Reply`.
    """

    maybe_paid = False
    waited_sec = 0.0

    def __init__(self, message: str, *, request_id: str = "", retry_after_sec: float | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.retry_after_sec = retry_after_sec


class TeacherUnavailable(TeacherError):
    """No connection, or a server error."""


class NoConnection(TeacherUnavailable):
    """Nobody listens at the address. That is the endpoint's fault and not the call's, which was never sent."""


class TeacherStarting(NoConnection):
    """A server is there, and still loads its model."""


class NotSent(TeacherError):
    """The call was taken back before it was sent: it may be asked elsewhere, or later, and this was no attempt."""


class CallRejected(TeacherError):
    """The endpoint turned this call down with a status of 400 or more, for a reason that nobody here knows.

    `status` is the HTTP status. An endpoint that says so is up; said twice of the same call, it is final for that call.
    """

    def __init__(
        self, message: str, *, status: int = 400, request_id: str = "", retry_after_sec: float | None = None
    ) -> None:
        super().__init__(message, request_id=request_id, retry_after_sec=retry_after_sec)
        self.status = status


class RateLimited(TeacherError):
    """The endpoint asked for fewer requests."""


class TeacherTimeout(TeacherError):
    """No answer in time."""

    maybe_paid = True


class BadReply(TeacherError):
    """An answer that is not of the API's form: truncated, HTML, no choices."""

    maybe_paid = True


class ContextTooLong(TeacherError):
    """The prompt does not fit the model; asking again cannot help."""


class TeacherRefused(TeacherError):
    """The endpoint's content policy refused the prompt; asking again cannot help."""


class TeacherDown(TeacherError):
    """No endpoint of a model answers any more. Every reply up to here is kept."""


class TeacherMisconfigured(TeacherError):
    """Wrong key, unknown model, wrong address: no call can succeed until the user mends it."""

    exit_status = 2


RETRYABLE = (TeacherUnavailable, RateLimited, TeacherTimeout, BadReply, CallRejected)
"""The one list of what is asked again."""

PERMANENT = (ContextTooLong, TeacherRefused)
"""Failures that are kept in the ledger like a reply, since no later attempt can end otherwise."""

_REMEDIES = {
    errno.ENOSPC: "Make room on the disk",
    errno.EFBIG: "Raise the limit on the size of files (`ulimit -f`)",
    errno.EMFILE: "Raise the limit on open files (`ulimit -n`)",
    errno.ENFILE: "Close other programs, which hold too many files open",
    errno.EROFS: "Mount that disk so that it can be written to",
    errno.EACCES: "See that you may read and write there",
    errno.EPERM: "See that you may read and write there",
    errno.EIO: "The disk itself fails: copy the work folder to another one",
    errno.EAGAIN: "End other programs, or raise the limit on processes (`ulimit -u`)",
    errno.ENAMETOOLONG: "Choose a shorter name",
}
for _name, _words in {
    "EDQUOT": "Your quota is used up: make room",
    "ESTALE": "The network disk has changed below us: mount it anew",
    "ENOTCONN": "The network disk is gone: mount it anew",
}.items():
    if hasattr(errno, _name):
        _REMEDIES[getattr(errno, _name)] = _words


_AGAIN = "and run the same command again: what was paid for is kept."
_NO_MEMORY = (
    f"this machine has no memory left. Close other programs or ask for fewer calls at once (--concurrency), {_AGAIN}"
)
NEEDED_BYTES = 700_000_000
"""Address space that a small build takes, most of it by the libraries that it loads, and some to spare: on two cores,
20 of 20 ended well in 660 MB, and not all of them in 620."""
_NOT_MAPPED = re.compile("failed to map segment|cannot allocate memory", re.IGNORECASE)
_NO_THREAD = f"this machine has no further thread to give. {_REMEDIES[errno.EAGAIN]}, {_AGAIN}"


def machine_trouble(error: BaseException | None) -> str | None:
    """What is to be said of an error that the machine is the cause of, not labgen; None for any other.

    Verbs explain their own files themselves; this is the net below them.
    """
    limit_bytes = memory_limit_bytes()
    limited = limit_bytes is not None and limit_bytes < 2 * NEEDED_BYTES
    no_thread = _lacks_thread(error)
    if _lacks_memory(error, limited=limited) or (no_thread and limited):
        return memory_words(limit_bytes) if limit_bytes and limited else _NO_MEMORY
    if no_thread:
        return _NO_THREAD
    if not isinstance(error, OSError) or not (advice := remedy(error)):
        return None
    what = error.strerror or type(error).__name__
    where = f"{error.filename}: {what}" if error.filename else what
    return f"{where}. {advice}, {_AGAIN}"


def memory_limit_bytes() -> int | None:
    """The address space that this process may take, where there is a limit (`ulimit -v`)."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def memory_words(limit_bytes: int) -> str:
    """What to say where a limit leaves too little memory."""
    more = "one on many cores more" if limit_bytes < NEEDED_BYTES else "this run took more"
    return (
        f"this process may take {limit_bytes / 1e6:,.0f} MB of memory (`ulimit -v`), which is too little: a small "
        f"build needs {NEEDED_BYTES / 1e6:,.0f} MB, {more}. Raise the limit, {_AGAIN}"
    )


def _lacks_thread(error: BaseException | None) -> bool:
    """Whether an error is that a thread could not be started: in Python's words, or in Arrow's."""
    words = str(error)
    in_python = isinstance(error, RuntimeError) and "can't start new thread" in words
    return in_python or "Failed to launch worker thread" in words


def _lacks_memory(error: BaseException | None, *, limited: bool) -> bool:
    """Whether an error, or one that it came of, is that there was no memory: also for loading a library."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, ImportError | OSError) and _NOT_MAPPED.search(str(error)):
            return True
        if limited and isinstance(error, SystemError):
            return True  # so Python says that a library gave up without a reason, as some do that got no memory
        error = error.__cause__ or error.__context__
    return False


def remedy(error: OSError) -> str:
    """What to do about something that a machine lacks or refuses, as the begin of a sentence; empty where unknown."""
    return _REMEDIES.get(error.errno or 0, "")
