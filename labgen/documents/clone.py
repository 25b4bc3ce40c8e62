"""A bare clone on this machine: made without templates and hooks, cleared up after a kill, and what git says in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from labgen.documents.files import write_whole
from labgen.errors import TaxonomyError
from labgen.git.run import MAX_STDOUT_BYTES, GitFailed, Why, run_git

_LOCAL_TIMEOUT_SEC = 30.0
_IN_WORDS: dict[Why, str] = {
    "time": "{} (documents.timeout_sec)",
    "size": "{} (documents.max_clone_bytes)",
    "output": "the repository holds more files than labgen looks at",
}


class CloneFailed(TaxonomyError):
    """git failed in a clone. `stderr` is all that it said, credentials too; the message has none.

    `at_limit`: it was stopped for taking too long, saying too much or growing too large.
    """

    def __init__(self, message: str, stderr: str, *, at_limit: bool) -> None:
        super().__init__(message)
        self.stderr, self.at_limit = stderr, at_limit


def prepare_clone(clone: Path) -> None:
    """An empty bare repository where there is none yet: what `git init` makes, without its templates and hooks."""
    for folder in ("objects", "refs"):
        (clone / folder).mkdir(parents=True, exist_ok=True)
    remove_leftovers(clone)
    if not (clone / "HEAD").is_file():
        sha256 = clone.stem.endswith("-sha256")
        config = f"[core]\n\trepositoryformatversion = {int(sha256)}\n\tbare = true\n"
        if sha256:
            config += "[extensions]\n\tobjectformat = sha256\n"
        write_whole(clone / "config", config.encode())
        write_whole(clone / "HEAD", b"ref: refs/heads/main\n")


def remove_leftovers(clone: Path) -> None:
    """Locks and half packs of a git that was killed. The caller holds the lock on the folder, so nobody else's."""
    for pattern in ("**/*.lock", "objects/pack/tmp_*", "objects/**/tmp_obj_*"):
        for path in clone.glob(pattern):
            path.unlink(missing_ok=True)


def is_whole_clone(clone: Path) -> bool:
    """Whether git finds all that a clone names; a large one that takes too long to look through counts as whole."""
    try:
        run_in_clone(["fsck", "--connectivity-only", "--no-dangling", "--no-progress"], clone)
    except CloneFailed as error:
        return error.at_limit
    return True


def run_in_clone(
    arguments: Sequence[str],
    clone: Path,
    *,
    timeout_sec: float = _LOCAL_TIMEOUT_SEC,
    transports: Sequence[str] = (),
    max_bytes: int | None = None,
    max_stdout_bytes: int = MAX_STDOUT_BYTES,
) -> str:
    """Run git in a clone (see `run_git`). Returns: stdout; what is not UTF-8 in it as lone surrogates.

    Raises: CloneFailed: naming the setting that is the limit, where one was reached.
    """
    try:
        said = run_git(
            arguments,
            clone,
            bare=True,
            timeout_sec=timeout_sec,
            transports=transports,
            max_bytes=max_bytes,
            max_stdout_bytes=max_stdout_bytes,
        )
    except GitFailed as error:
        raise CloneFailed(
            _IN_WORDS.get(error.why, "{}").format(error), error.stderr, at_limit=error.why in _IN_WORDS
        ) from None
    return said.decode("utf-8", "surrogateescape")


def cat_file(clone: Path, hashes: Sequence[str], option: str, most_bytes: int) -> bytes:
    """What `git cat-file` says of each of these objects, one after the other."""
    given = "".join(f"{each}\n" for each in hashes).encode()
    return run_git(
        ["cat-file", option],
        clone,
        bare=True,
        timeout_sec=_LOCAL_TIMEOUT_SEC,
        given=given,
        max_stdout_bytes=most_bytes + MAX_STDOUT_BYTES,
    )


def contents_in(said: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """The contents that `cat-file --batch=` wrote, each after and before the end of a line."""
    at = 0
    for size in sizes:
        content = said[at + 1 : at + 1 + size]
        if len(content) != size or said[at : at + 1] != b"\n":
            raise ValueError("git gave out less than it has")
        yield content
        at += size + 2
