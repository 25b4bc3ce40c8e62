"""One leaf's file, opened and parsed once: what reading and every rule of `check` start from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from labgen.errors import TaxonomyError
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES, Severity, Violation
from labgen.taxonomy.names import leads_out, same_elsewhere, unfit_name
from labgen.taxonomy.repeated_keys import find_repeats
from labgen.taxonomy.rules import RULES
from labgen.text.printable import plain, shorten, shown
from labgen.text.yaml_guess import explain_yaml_error
from labgen.text.yamltree import Node, Positions, Tree, TreeError, parse_tree

MAX_BYTES = 1_000_000  # the largest real leaf has 60 kB


@dataclass(slots=True)
class LeafSource:
    """A leaf's file as it is on disk, with the violations found so far.

    Attributes:
        path: folder below the taxonomy root with forward slashes; branch: its first part.
        name: the path of the file as a person would type it, for messages.
        data: the bytes; text: decoded, without a byte order mark; tree: None where it could not be parsed.
        undashed: keys that begin an entry of a list, without the dash before them.
        attribution: text of the attribution file beside it, once a rule has looked at it.
    """

    path: str
    file: Path
    name: str
    data: bytes = b""
    text: str = ""
    tree: Tree | None = None
    violations: list[Violation] = field(default_factory=list)
    undashed: list[Node] = field(default_factory=list)
    attribution: str = ""
    _positions: Positions | None = None

    @property
    def branch(self) -> str:
        """The first folder of the path."""
        return self.path.split("/", 1)[0]

    @property
    def kind(self) -> str:
        """Which schemas judge it: `knowledge` or `skills`."""
        return "knowledge" if self.branch == "knowledge" else "skills"

    @property
    def root(self) -> Node | None:
        """The mapping at the top; None where there is none."""
        root = self.tree.root if self.tree else None
        return root if root is not None and root.kind == "mapping" else None

    @property
    def usable(self) -> bool:
        """Whether nothing found so far keeps the leaf out of a build."""
        return not any(
            found.severity is Severity.ERROR and RULES[found.code].blocks_reading for found in self.violations
        )

    def where(self, offset: int) -> tuple[int, int]:
        """1-based (line, column) of a character offset."""
        if self._positions is None:
            self._positions = Positions(self.text)
        return self._positions.at(offset)

    def add(self, code: str, node: Node | int, message: str) -> None:
        """Note a violation at a value, or at a character offset."""
        if isinstance(node, int):
            self.add_span(code, node, node, message)
        else:
            self.add_span(code, node.start, _end(node), message)

    def add_span(self, code: str, start: int, end: int, message: str) -> None:
        """Note a violation from one character offset to another."""
        line, column = self.where(start)
        end_line, end_column = self.where(end)
        known_end = end_column if end_line == line and end > start else 0
        severity = RULES[code].severity
        self.violations.append(Violation(code, severity, self.name, line, column, message, known_end))


def _end(node: Node) -> int:
    # A block's end is where the next token begins, often lines below; only what ends on its line is underlined.
    return node.start if node.style in ("|", ">") or node.kind in ("list", "mapping") else node.end


def find_leaf_files(root: Path) -> list[Path]:
    """Every `qna.yaml` below a taxonomy's branches, by path. Links to folders are not followed, hidden ones skipped.

    Raises: TaxonomyError: a folder can't be looked into; its leaves would be missed in silence.
    """
    found: list[Path] = []
    for branch in BRANCHES:
        if (root / branch).is_symlink():
            continue
        for folder, folders, files in os.walk(root / branch, onerror=_unreadable):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if "qna.yaml" in files:
                found.append(Path(folder) / "qna.yaml")
    return sorted(found, key=lambda file: leaf_path(root, file))


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # a branch need not be there
        folder = plain(str(error.filename))
        raise TaxonomyError(f"{folder}: can't be looked into ({error.strerror}). Make the folder readable.") from None


def leaf_path(root: Path, file: Path) -> str:
    """A leaf's identity: its folder below the root, with forward slashes."""
    return file.parent.relative_to(root).as_posix()


def read_source(root: Path, file: Path) -> LeafSource:
    """Open and parse one leaf's file; whatever is wrong with it is noted, never raised. Args: see `open_source`."""
    source = open_source(root, file)
    return source if source.violations else parse_source(source)


def open_source(root: Path, file: Path) -> LeafSource:
    """Open one leaf's file, which is yet to be parsed; whatever is wrong with it is noted, never raised.

    Args:
        root: the taxonomy's root; a file that links out of it is not opened.
        file: below the root.
    """
    relative = file.relative_to(root).as_posix()
    source = LeafSource(leaf_path(root, file), file, relative)
    if not _printable(relative):
        source.name = relative.encode(errors="backslashreplace").decode()
        source.add("LG108", 0, "the folder's name is not valid UTF-8; rename it.")
        return source
    if problem := unfit_name(source.path):
        source.name = shown(relative)
        source.add("LG112", 0, f"the path of this leaf {problem}; rename the folder.")
        return source
    if source.branch not in BRANCHES or "/" not in source.path:
        source.add("LG108", 0, _explain_place(source.path))
        return source
    _read_bytes(root, source)
    return source


def note_same_elsewhere(root: Path, sources: Sequence[LeafSource]) -> None:
    """Note of each leaf whether some systems take its path for that of another leaf below the root."""
    same = same_elsewhere(leaf_path(root, file) for file in find_leaf_files(root))
    for source in sources:
        if other := same.get(source.path):
            message = f"macOS and Windows take this path for that of `{shown(other)}`; rename one of the folders."
            source.add("LG112", 0, message)


def parse_source(source: LeafSource, *, pure: bool = False) -> LeafSource:
    """Decode and parse the bytes of a leaf, wherever they are from (`pure` as for `parse_tree`); the same object."""
    _decode(source)
    if not source.violations:
        _parse(source, pure)
    return source


def _printable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _explain_place(path: str) -> str:
    branches = ", ".join(f"`{branch}/`" for branch in BRANCHES)
    if path in BRANCHES:
        return f"a leaf lies in a folder of its own, not directly in `{path}/`; move it to `{path}/SUBJECT/qna.yaml`."
    return f"a leaf lies beneath one of {branches}; move it there."


def _read_bytes(root: Path, source: LeafSource) -> None:
    try:
        if source.file.is_symlink() and leads_out(source.file, root):
            source.add("LG109", 0, "this is a link that leads out of the taxonomy; put the file itself here.")
            return
        if not source.file.is_file():
            source.add("LG109", 0, "this is not a plain file; a leaf is a text file.")
            return
        with source.file.open("rb") as stream:
            source.data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        source.add("LG109", 0, f"the file cannot be opened ({reason}); check that it exists and may be read.")
        return
    if len(source.data) > MAX_BYTES:
        source.data = b""
        source.add("LG104", 0, "the file is larger than 1 MB; keep examples here and put long text into documents.")


def _decode(source: LeafSource) -> None:
    try:
        source.text = source.data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        good = source.data[: error.start].decode("utf-8")
        source.text = good
        byte = source.data[error.start]
        source.add("LG105", len(good), f"this is not UTF-8 text (byte 0x{byte:02X}); save the file as UTF-8.")


def _parse(source: LeafSource, pure: bool) -> None:
    try:
        source.tree = parse_tree(source.text, pure=pure)
    except TreeError as error:
        offset, message = explain_yaml_error(source.text, error)
        source.add(error.code, offset, message)
        return
    repeats, source.undashed = find_repeats(source.tree)
    for key, first in repeats:
        line = source.where(first.start)[0]
        source.add("LG102", key, f"`{shorten(key.text)}` is already set in line {line}; keep one of the two.")
    for key in source.undashed:
        message = f"a new entry begins here, and its dash is missing; write `- {key.text}:` as the other entries do."
        source.add("LG102", key, message)
    for node, tag in source.tree.tags:
        source.add(
            "LG110", node, f"the tag `{shorten(tag)}` is not for leaves; write plain text, in quotes if need be."
        )
    root = source.tree.root
    if root is None or (root.kind == "null" and not root.text):
        source.add("LG111", 0, "the file is empty; write the leaf, or delete the file.")
    elif root.kind != "mapping":
        source.add("LG106", root, _explain_top(root))


def _explain_top(root: Node) -> str:
    if root.kind == "list":
        return "the file starts with a list; put it under `seed_examples:` and add the other keys."
    return "the file is plain text, not `key: value` lines; is there a space after each colon?"


def near(name: str, known: Sequence[str], cutoff: float = 0.6) -> str:
    """The known name that is spelt most like one, or nothing."""
    import difflib

    folded = {entry.lower(): entry for entry in known}
    found = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=cutoff)
    return folded[found[0]] if found else ""
