"""What people who reviewed a dataset say of its rows: `marks.yaml` in the taxonomy's root, read as a stranger's file.

One entry for each row, under the row's id. A pull request carries them, and the next build obeys.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from labgen.errors import TaxonomyError
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import ID_CHARS, Candidate, Severity, Violation
from labgen.taxonomy.names import leads_out
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.source import near
from labgen.text.printable import shorten
from labgen.text.yaml_guess import explain_yaml_error
from labgen.text.yamltree import Node, Positions, TreeError, parse_tree

MARKS_FILE = "marks.yaml"
MAX_MARKS_BYTES = 20_000_000
"""Some forty thousand marks, or four thousand rows written anew."""
MAX_MARKS_NODES = 1_000_000
MAX_CHARS = {"leaf": 500, "reason": 500, "note": 5_000, "by": 100, "about": 500, "text": 16}
"""Of a mark's texts, by key; `instruction` and `response` have `MAX_EDIT_CHARS`."""
MAX_EDIT_CHARS = 100_000
KEYS = ("leaf", "about", "verdict", "reason", "note", "by", "instruction", "response", "text")
"""Of a mark, in the order in which they are written."""

_ID = re.compile(rf"[0-9a-f]{{{ID_CHARS}}}")
_CONFLICT = re.compile(r"^(?:<<<<<<<|=======|>>>>>>>)(?: |$)", re.MULTILINE)


class MarkVerdict(enum.StrEnum):
    """What a reviewer says of a row. A `note` says nothing of it that a build could obey."""

    GOOD = "good"
    BAD = "bad"
    EDITED = "edited"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class RowMark:
    """What a reviewer says of one row.

    Attributes:
        leaf: the row's leaf.
        reason: why it is bad; note: anything else. Both for people.
        by: the reviewer's name.
        instruction, response: what the row says from now on (edited); None for as it was drawn.
        about: the row's instruction, shortened, for whoever reads the file.
        text: `Candidate.text_id` of the row as drawn; empty where nobody has looked it up.
    """

    leaf: str
    verdict: MarkVerdict
    reason: str = ""
    note: str = ""
    by: str = ""
    instruction: str | None = None
    response: str | None = None
    about: str = ""
    text: str = ""

    @property
    def changes_rows(self) -> bool:
        """Whether a build comes to other rows by it."""
        return self.verdict in (MarkVerdict.BAD, MarkVerdict.EDITED)


@dataclass(frozen=True)
class LeafMarks:
    """The marks on rows of one leaf: id to mark, sorted by id."""

    marks: tuple[tuple[str, RowMark], ...] = ()

    @cached_property
    def _by_id(self) -> dict[str, RowMark]:
        return dict(self.marks)

    @cached_property
    def _by_text(self) -> dict[str, RowMark]:
        return {mark.text: mark for _, mark in self.marks if mark.text and mark.changes_rows}

    def on(self, candidate: Candidate) -> RowMark | None:
        """The mark on a candidate: by its id, else (of one that changes rows) by its text; None for none."""
        if not self.marks:
            return None
        return self._by_id.get(candidate.id) or self._by_text.get(candidate.text_id)

    def count(self, verdict: MarkVerdict) -> int:
        """Rows of a verdict."""
        return sum(mark.verdict is verdict for _, mark in self.marks)

    @property
    def fingerprint(self) -> list[list[str | None]]:
        """What of them changes rows, as plain data."""
        return [
            [id, mark.verdict, mark.text, mark.instruction, mark.response, mark.by if mark.instruction else ""]
            for id, mark in self.marks
            if mark.changes_rows
        ]


@dataclass(frozen=True)
class MarksFile:
    """A marks file as read.

    Attributes:
        marks: id to mark, in the file's order.
        starts: id to the character at which its entry begins.
        violations: what is wrong with it, each with line and column.
    """

    text: str = ""
    marks: Mapping[str, RowMark] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()

    @property
    def errors(self) -> list[Violation]:
        """What keeps a build from obeying."""
        return [each for each in self.violations if each.severity is Severity.ERROR]

    @property
    def sound(self) -> bool:
        """Whether every mark can be obeyed."""
        return not self.errors

    def of_leaf(self, path: str) -> LeafMarks:
        """The marks on rows of a leaf."""
        return self.by_leaf.get(path, LeafMarks())

    @cached_property
    def by_leaf(self) -> dict[str, LeafMarks]:
        """Leaf to the marks on its rows."""
        found: dict[str, list[tuple[str, RowMark]]] = {}
        for id, mark in sorted(self.marks.items()):
            found.setdefault(mark.leaf, []).append((id, mark))
        return {path: LeafMarks(tuple(marks)) for path, marks in found.items()}


def load_marks(root: Path) -> MarksFile:
    """The marks of a taxonomy; none where it has no such file.

    Raises: TaxonomyError: something in the file is wrong. A build that passed over a mark would bring back what
        somebody has found to be bad.
    """
    found = read_marks(root)
    if not found.sound:
        first, *others_wrong = found.errors
        more = len(others_wrong)
        others = f" (and {more} more: `labgen check` lists them)" if more else ""
        raise TaxonomyError(
            f"{Path(root, MARKS_FILE)}:{first.line}:{first.column}: {first.message}{others} Mend it first: every mark "
            "has to be obeyed."
        )
    return found


def read_marks(root: Path) -> MarksFile:
    """The marks of a taxonomy, and what is wrong with their file. Nothing is raised."""
    file = root / MARKS_FILE
    try:
        if not file.is_symlink() and not file.exists():
            return MarksFile()
        if not file.is_file() or leads_out(file, root):
            return _unread("LG109", "this is no plain file in the taxonomy; put the file itself here.")
        with file.open("rb") as stream:
            data = stream.read(MAX_MARKS_BYTES + 1)
    except OSError as error:
        return _unread("LG109", f"the file cannot be opened ({error.strerror or 'unknown reason'}).")
    if len(data) > MAX_MARKS_BYTES:
        return _unread("LG104", f"the file is larger than {MAX_MARKS_BYTES // 1_000_000} MB.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8")
        words = f"this is not UTF-8 text (byte 0x{data[error.start]:02X}); save the file as UTF-8."
        return _unread("LG105", words, good, len(good))
    return parse_marks(text.removeprefix("\ufeff"))


def check_marks(root: Path, leaves: Iterable[str]) -> MarksFile:
    """As `read_marks`, with what `labgen check` says of marks beside: those of leaves that are not in `leaves`."""
    found, known = read_marks(root), set(leaves)
    unknown = {path: _no_leaf(path, known) for path in {mark.leaf for mark in found.marks.values()} - known}
    positions = Positions(found.text)
    strangers = [
        Violation("LG503", RULES["LG503"].severity, MARKS_FILE, *positions.at(found.starts[id]), unknown[mark.leaf])
        for id, mark in found.marks.items()
        if mark.leaf in unknown
    ]
    return replace(found, violations=(*found.violations, *strangers))


def _no_leaf(path: str, known: set[str]) -> str:
    meant = near(path, sorted(known))
    hint = f"; is `{meant}` meant?" if meant else "; delete the mark if the leaf is gone."
    return f"there is no leaf `{shorten(path, 100)}`{hint}"


@lru_cache(maxsize=2)
def parse_marks(text: str) -> MarksFile:
    """The marks that a text holds, and what is wrong with it. A text just written need not be read again."""
    if conflict := _CONFLICT.search(text):
        words = "git could not merge this by itself; keep the marks of both sides and delete the three marked lines."
        return _unread("LG501", words, text, conflict.start())
    try:
        tree = parse_tree(text, max_nodes=MAX_MARKS_NODES)
    except TreeError as error:
        offset, message = explain_yaml_error(text, error)
        return _unread(error.code, message, text, offset)
    return _Reader(text).read(tree.root, tree.repeated, tree.tags)


def _unread(code: str, message: str, text: str = "", offset: int = 0) -> MarksFile:
    line, column = Positions(text).at(offset)
    return MarksFile(text, violations=(Violation(code, RULES[code].severity, MARKS_FILE, line, column, message),))


class _Reader:
    """Makes marks of a parsed file, and notes what is none."""

    def __init__(self, text: str) -> None:
        self._text, self._positions = text, Positions(text)
        self._violations: list[Violation] = []

    def read(
        self, root: Node | None, repeated: Iterable[tuple[Node, Node]], tags: Iterable[tuple[Node, str]]
    ) -> MarksFile:
        for key, first in repeated:
            line = self._positions.at(first.start)[0]
            self._note("LG102", key, f"`{shorten(key.text)}` is already set in line {line}; keep one of the two.")
        for node, tag in tags:
            self._note("LG110", node, f"the tag `{shorten(tag)}` is not for marks; write plain text, in quotes.")
        marks: dict[str, RowMark] = {}
        starts: dict[str, int] = {}
        if root is not None and root.kind != "mapping" and (root.kind != "null" or root.text):
            self._note("LG106", root, "the file is not made of marks, each under the id of its row.")
        for key, value in root.entries if root else ():
            if mark := self._mark(key, value):
                marks[key.text], starts[key.text] = mark, key.start
        return MarksFile(self._text, marks, starts, tuple(self._violations))

    def _mark(self, key: Node, value: Node) -> RowMark | None:
        if key.kind in ("list", "mapping") or not _ID.fullmatch(key.text):
            words = f"`{shorten(key.text)}` is no id of a row: those have {ID_CHARS} digits of 0 to 9 and a to f."
            return self._wrong(key, words)
        if value.kind != "mapping":
            return self._wrong(value if value.text else key, "a mark has `leaf` and `verdict` below its row's id.")
        before = len(self._violations)
        read = [(name.text, self._text_of(name, node)) for name, node in value.entries]
        texts = {name: text for name, text in read if text is not None}
        for name, _ in value.entries:
            if name.text not in KEYS:
                meant = near(name.text, KEYS)
                hint = f"; is `{meant}` meant?" if meant else f"; known are {', '.join(KEYS)}."
                self._wrong(name, f"marks have no `{shorten(name.text)}`{hint}")
        for needed in ("leaf", "verdict"):
            if not texts.get(needed):
                self._wrong(key, f"this mark has no `{needed}`.")
        if len(self._violations) > before:
            return None
        return self._judged(key, value, texts)

    def _judged(self, key: Node, value: Node, texts: dict[str, str]) -> RowMark | None:
        said = texts.pop("verdict")
        if said not in list(MarkVerdict):
            known = ", ".join(MarkVerdict)
            return self._wrong(value.get("verdict") or key, f"there is no verdict `{shorten(said)}`; known: {known}.")
        mark = RowMark(texts.pop("leaf"), MarkVerdict(said), **texts)
        if mark.verdict is MarkVerdict.EDITED and mark.instruction is None and mark.response is None:
            return self._wrong(key, "this edit has neither `instruction` nor `response`: the text to use instead.")
        if mark.verdict is not MarkVerdict.EDITED and (mark.instruction, mark.response) != (None, None):
            return self._wrong(key, f"texts to use instead belong to the verdict `edited`, not to `{said}`.")
        if mark.verdict is MarkVerdict.BAD and not mark.reason:
            self._note("LG502", key, "say with `reason:` what is bad about this row.")
        return mark

    def _text_of(self, name: Node, node: Node) -> str | None:
        if node.kind in ("list", "mapping"):
            self._wrong(node, f"`{shorten(name.text)}` of a mark is text.")
            return None
        if node.kind == "null":
            return None
        edit = name.text in ("instruction", "response")
        most = MAX_EDIT_CHARS if edit else MAX_CHARS.get(name.text, MAX_CHARS["leaf"])
        if len(node.text) > most:
            self._wrong(node, f"`{shorten(name.text)}` has {len(node.text):,} characters, and {most:,} at most.")
        if edit and not node.text.strip():
            self._wrong(name, f"`{name.text}` of an edit is empty; mark the row `bad` to be rid of it.")
        return node.text

    def _wrong(self, node: Node, message: str) -> RowMark | None:
        self._note("LG501", node, message)
        return None

    def _note(self, code: str, node: Node, message: str) -> None:
        line, column = self._positions.at(node.start)
        self._violations.append(Violation(code, RULES[code].severity, MARKS_FILE, line, column, message))
