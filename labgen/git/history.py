"""The git repository that a taxonomy lies in, read through git's own plumbing. Nothing is checked out or changed.

What a person names (a revision) and what a repository holds (paths of any kind) reaches git as data: after
`--end-of-options` or `--`, with zero bytes between paths and no pattern characters in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from labgen.errors import UsageError
from labgen.git.run import GitFailed, run_git
from labgen.lazy.dataclasses import dataclass
from labgen.text.printable import one_line, without_credentials

SUBMODULE = "160000"
TIMEOUT_SEC = 120.0
MAX_OUTPUT_BYTES = 1_000_000_000
"""What one command may say, such as the content of all files that changed: far more than a taxonomy holds."""

_DEFAULT_BRANCHES = ("origin/main", "origin/master", "main", "master")


class GitSaysNo(UsageError):
    """A git command failed; `words` is what git said, without credentials."""

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words


@dataclass(frozen=True, slots=True)
class Blob:
    """A file as a commit holds it: where to find its content."""

    mode: str
    hash: str


@dataclass(frozen=True, slots=True)
class Base:
    """What the working tree is compared with.

    Attributes:
        name: the revision as it was named, or as it was found.
        commit: the commit (or the empty tree) whose files are the old ones: where HEAD and the revision parted.
        note: what a user should know of the choice; empty where nothing.
    """

    name: str
    commit: str
    note: str = ""


def in_repository(folder: Path) -> bool:
    """Whether a folder may lie in a repository: some folder above it has what marks one. git is not run for that."""
    here = folder.resolve()
    return any((parent / ".git").exists() for parent in (here, *here.parents))


class History:
    """A repository and the folder in it that is looked at.

    Attributes:
        top: the working tree's top folder.
        prefix: the looked-at folder below it, with forward slashes and one at the end; empty for the top itself.
    """

    def __init__(self, folder: Path) -> None:
        """Find the repository of `folder`, which may be a submodule or a linked working tree.

        Raises: UsageError: there is no git, or the folder is in no repository.
        """
        self.folder = folder.resolve()
        try:
            top = self._run("rev-parse", "--show-toplevel", cwd=self.folder)
            self.prefix = self._run("rev-parse", "--show-prefix", cwd=self.folder).rstrip("\n")
        except GitSaysNo as error:
            raise UsageError(_explain_no_repository(folder, error.words)) from None
        self.top = Path(top.rstrip("\n"))

    def find_base(self, revision: str | None) -> Base:
        """The commit to compare with: where HEAD (and what is being merged into it) and `revision` parted.

        Args:
            revision: None for the branch that `origin` calls its own, else main or master.
        Raises: UsageError: no such revision, or the history here is too short to tell.
        """
        heads = [head for name in ("HEAD", "MERGE_HEAD") if (head := self.resolve(name))]
        if revision is None:
            if not heads:
                return Base("", self.empty_tree(), "There is no commit yet, so every leaf counts as added.")
            return self._noting_upstream(self.find_base(self._default_revision()))
        commit = self.resolve(revision)
        if commit is None:
            raise UsageError(self._explain_unknown(revision))
        if not heads:
            return Base(revision, commit, "There is no commit on this branch yet; compared with the base as it is.")
        try:
            # Several commits after the first stand for their merge, so an unfinished merge counts as made.
            found = self._run("merge-base", commit, *heads).split()
        except GitSaysNo:
            raise UsageError(self._explain_no_common(revision)) from None
        return Base(revision, found[0])

    def resolve(self, revision: str) -> str | None:
        """The full hash of the commit that a revision names; None where it names none."""
        if not revision or revision.startswith("-") or any(not char.isprintable() for char in revision):
            return None
        try:
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            return self._run(*words).strip() or None
        except GitSaysNo:
            return None

    def files_at(self, commit: str) -> dict[str, Blob]:
        """Path below the looked-at folder to what `commit` holds there, submodules and links too."""
        found = {}
        for entry in _split(self._run("ls-tree", "-r", "-z", "--full-tree", commit, "--", *self._here())):
            about, _, path = entry.partition("\t")
            mode, _, digest = about.split(" ")
            found[path.removeprefix(self.prefix)] = Blob(mode, digest)
        return found

    def changed_since(self, commit: str) -> dict[str, Blob | None]:
        """Tracked paths below the looked-at folder that differ from `commit`, to the blob there; None for new ones."""
        words = ("diff", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules=dirty")
        pieces = iter(_split(self._run(*words, commit, "--", *self._here())))
        found: dict[str, Blob | None] = {}
        for about, path in zip(pieces, pieces, strict=False):
            old_mode, _, old_hash, _, status = about.lstrip(":").split(" ")
            # An unfinished merge lists a path twice: once as unmerged, without its old blob, and once as it is.
            if status != "U":
                found[path.removeprefix(self.prefix)] = None if int(old_mode, 8) == 0 else Blob(old_mode, old_hash)
        return found

    def untracked(self, *, ignored: bool = False) -> list[str]:
        """Untracked paths below the looked-at folder; a repository of its own among them ends with a slash.

        Args:
            ignored: those that a `.gitignore` names instead.
        """
        words = ("ls-files", "--others", "--exclude-standard", "-z", *(["--ignored"] if ignored else []))
        return [path.removeprefix(self.prefix) for path in _split(self._run(*words, "--", *self._here()))]

    def submodules(self) -> dict[str, str]:
        """Path below the looked-at folder to the commit, of the submodules that the index has."""
        found = {}
        for entry in _split(self._run("ls-files", "--stage", "-z", "--", *self._here())):
            about, _, path = entry.partition("\t")
            if about.startswith(SUBMODULE):
                found[path.removeprefix(self.prefix)] = about.split(" ")[1]
        return found

    def read(self, hashes: Iterable[str], max_bytes: int) -> dict[str, bytes]:
        """Content of blobs by hash, without those that are larger than `max_bytes` or not here."""
        asked = "".join(f"{digest}\n" for digest in dict.fromkeys(hashes)).encode()
        if not asked:
            return {}
        sizes = self._run_bytes("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", given=asked)
        found = [line.split(" ") for line in sizes.decode().splitlines()]
        small = [line[0] for line in found if len(line) == 3 and line[1] == "blob" and int(line[2]) <= max_bytes]
        content = self._run_bytes("cat-file", "--batch", given="".join(f"{digest}\n" for digest in small).encode())
        blobs, at = {}, 0
        for digest in small:
            begin = content.index(b"\n", at) + 1
            size = int(content[at:begin].split(b" ")[2])
            blobs[digest] = content[begin : begin + size]
            at = begin + size + 1
        return blobs

    def empty_tree(self) -> str:
        """Hash of the tree without files, which every git knows: what a repository without a commit is compared to."""
        return self._run("hash-object", "-t", "tree", "--stdin").strip()

    def own_hooks(self) -> Path | None:
        """The folder of the hooks that git runs here; None where that is outside the repository's own folder."""
        asked = ("rev-parse", "--git-path", "hooks")
        hooks = self.top / os.fsdecode(_git(asked, self.top, show_hooks=True)).rstrip("\n")
        own = self.top / self._run("rev-parse", "--git-common-dir").rstrip("\n")
        return hooks if hooks.resolve().is_relative_to(own.resolve()) else None

    @property
    def shallow(self) -> bool:
        """Whether this clone's history is cut off somewhere."""
        return self._run("rev-parse", "--is-shallow-repository").strip() == "true"

    def _here(self) -> list[str]:
        """The looked-at folder for git, relative to the top."""
        return [self.prefix.rstrip("/")] if self.prefix else []

    def _default_revision(self) -> str:
        try:
            name = self._run("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").strip()
        except GitSaysNo:
            name = ""
        for revision in (name, *_DEFAULT_BRANCHES):
            if revision and self.resolve(revision):
                return revision
        raise UsageError(
            f"{self.top}: neither `origin` nor a branch main or master is there to compare with. "
            f"Name what to compare with: --base BRANCH.{self._near('')}"
        )

    def _noting_upstream(self, base: Base) -> Base:
        """The base, with a word on the repository that a fork came from, where that is ahead of the fork."""
        other = f"upstream/{base.name.rpartition('/')[2]}"
        if self.resolve(other) is None or other == base.name:
            return base
        try:
            parted = self.find_base(other).commit
        except UsageError:
            return base
        if parted == base.commit:
            return base
        return Base(
            base.name, base.commit, f"What came from `upstream` meanwhile is listed too; --base {other} leaves it out."
        )

    def _explain_unknown(self, revision: str) -> str:
        said = one_line(revision)
        if ".." in revision:
            return f"--base {said}: name one revision, not a range; it is compared from where HEAD parted from it."
        remote, slash, branch = revision.partition("/")
        if slash and remote in self._run("remote").split():
            advice = f" Get it with `git fetch {remote} {branch}`, or check the name."
        else:
            advice = self._near(revision) or " Check the name (`git branch --all` lists branches)."
        if self.shallow:
            advice += " This clone is shallow: `git fetch --unshallow` gets what is missing."
        return f"--base {said}: there is no such revision in {self.top}.{advice}"

    def _explain_no_common(self, revision: str) -> str:
        said = one_line(revision)
        if self.shallow:
            return (
                f"--base {said}: this clone is shallow, and its history ends before the place where HEAD and {said} "
                "parted. Deepen it with `git fetch --unshallow` (or `git fetch --deepen=100`); in a GitHub workflow, "
                "give actions/checkout `fetch-depth: 0`."
            )
        return f"--base {said}: HEAD and {said} have no commit in common. Name a branch that this one came from."

    def _near(self, revision: str) -> str:
        import difflib

        names = self._run("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags")
        known = [name for name in names.split("\n") if name]
        near = difflib.get_close_matches(revision, known, n=3, cutoff=0.5) if revision else known[:3]
        return f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""

    def _run(self, *arguments: str, cwd: Path | None = None) -> str:
        return os.fsdecode(self._run_bytes(*arguments, cwd=cwd))

    def _run_bytes(self, *arguments: str, cwd: Path | None = None, given: bytes = b"") -> bytes:
        return _git(arguments, cwd or self.top, given)


def nested_repository(folder: Path) -> History | None:
    """The repository whose top is `folder` itself (a submodule that is checked out); None where there is none."""
    if not (folder / ".git").exists():
        return None
    history = History(folder)
    return history if not history.prefix else None


def begin_repository(folder: Path) -> None:
    """Make a folder a git repository whose branch is called main. Raises: UsageError: git says no."""
    _git(("init", "--quiet", "--initial-branch=main"), folder)


def _git(arguments: Sequence[str], folder: Path, given: bytes = b"", *, show_hooks: bool = False) -> bytes:
    """Run git in a folder and return what it prints. Raises: GitSaysNo: it failed; UsageError: it can't be run."""
    try:
        return run_git(
            arguments,
            folder,
            timeout_sec=TIMEOUT_SEC,
            given=given,
            transports=None,  # a clone without all blobs gets them from where the user cloned it
            max_stdout_bytes=MAX_OUTPUT_BYTES,
            show_hooks=show_hooks,
        )
    except GitFailed as error:
        if error.why == "status":
            words = without_credentials(error.stderr).strip()
            message = f"{folder}: `git {arguments[0]}` failed: {one_line(words) or 'no reason given'}."
            raise GitSaysNo(message, words) from None
        if error.why == "time":
            raise UsageError(f"{folder}: {error}. Try `git status` there.") from None
        if error.why == "output":
            raise UsageError(f"{folder}: {error}. Is this folder a taxonomy's?") from None
        raise UsageError(f"{error}" if error.why == "missing" else f"{error}.") from None


def author_name() -> str:
    """The name that git would put on a commit, else the name of who is logged in; empty where there is neither."""
    import getpass

    try:
        name = run_git(["config", "--get", "user.name"], Path.cwd(), timeout_sec=TIMEOUT_SEC).decode().strip()
    except (GitFailed, OSError, ValueError):
        name = ""
    try:
        return name or getpass.getuser()
    except (OSError, KeyError):
        return ""


def _split(text: str) -> Iterator[str]:
    return (piece for piece in text.split("\0") if piece)


def _explain_no_repository(folder: Path, words: str) -> str:
    if "dubious ownership" in words:
        return (
            f"{folder}: git refuses to look into a repository that belongs to somebody else. "
            "`git config --global --add safe.directory` with the repository's path allows it."
        )
    if "safe.bareRepository" in words:
        return (
            f"{folder}: files in it (HEAD, objects, refs) make it look like a git repository of its own, which "
            "could run programs. Take them out."
        )
    if "must be run in a work tree" in words:
        return f"{folder}: this is a git repository without files (a bare one). Use a clone of it."
    return (
        f"{folder}: this folder is in no git repository, so there is nothing to compare with. "
        "`git init` makes one; without --base, all leaves are taken."
    )
