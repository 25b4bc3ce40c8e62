"""`labgen review`: marks on the rows of a dataset, set by whoever looks at it, kept in the taxonomy's `marks.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from labgen.config.whole import Config
from labgen.errors import UsageError
from labgen.export.agreement import AGREEMENT, Agreement
from labgen.export.configs import CHOICE, DOCUMENTS, HELD_OUT, REJECTED
from labgen.export.files import read_dataset_json, read_rows
from labgen.export.find import find_row
from labgen.export.folder import read_manifest
from labgen.formats.conversation_text import texts_by_role
from labgen.git.history import author_name
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES, ID_CHARS, Candidate
from labgen.taxonomy.marks import MAX_CHARS, MAX_EDIT_CHARS, MarksFile, MarkVerdict, RowMark, load_marks
from labgen.taxonomy.write_marks import set_mark
from labgen.text.printable import one_line
from labgen.text.secrets import find_sensitive

ABOUT_CHARS = 100
"""Of a row's instruction that stand with its mark, so that whoever reads the file knows what it is about."""

_ID = re.compile(rf"[0-9a-f]{{{ID_CHARS}}}")
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What YAML can't hold, or nobody can see."""


@dataclass(frozen=True)
class Reviewer:
    """Somebody who marks the rows of a dataset.

    Attributes:
        folder: of the dataset; root: of the taxonomy that it is built from.
        by: the name that marks and edited rows bear; git's `user.name` (never an address).
    """

    folder: Path
    root: Path
    by: str = field(default_factory=lambda: clean(author_name(), MAX_CHARS["by"]))

    @classmethod
    def of(cls, config: Config) -> Reviewer:
        """Whoever runs labgen, with the dataset and the taxonomy of a configuration.

        Raises: UsageError: there is no dataset, or no taxonomy; TaxonomyError: marks that can't be read.
        """
        read_manifest(config.output)
        if not config.taxonomy.is_dir():
            raise UsageError(f"{config.taxonomy}: there is no such folder. Name the taxonomy's root with --taxonomy.")
        load_marks(config.taxonomy)
        return cls(config.output, config.taxonomy)

    def marks(self) -> MarksFile:
        """All marks of the taxonomy as they are now. Raises: TaxonomyError: they can't be read."""
        return load_marks(self.root)

    def mark(self, id: str, said: Mapping[str, str]) -> RowMark:
        """Put a mark on a row or a rejection, in place of the one that it has.

        Args:
            id: the row's, whole.
            said: `verdict`, `reason`, `note`, `instruction`, `response`; what is left out is empty.
        Raises: UsageError: no such row, or a mark that says too little or too much; TaxonomyError, OutputError: the
            file.
        """
        if not _ID.fullmatch(id):
            raise UsageError(f"`{one_line(id, 40)}` is no id of a row: those have {ID_CHARS} digits of 0 to 9, a to f.")
        row = find_row(self.folder, id)
        if row["config"] == CHOICE:
            raise UsageError(f"{id} is of `{CHOICE}`, made of the row {row['of']}: mark that one.")
        mark = self._mark_of(row, _texts(said))
        set_mark(self.root, id, mark)
        return mark

    def unmark(self, id: str) -> None:
        """Take the mark on a row away; one that is not there is no problem. Raises: as `mark`."""
        set_mark(self.root, id, None)

    def prune(self) -> list[str]:
        """Take away the marks on rows that the dataset does not have, of leaves that it has.

        Returns: their ids. Raises: UsageError: the dataset can't tell, since not all of it is here.
        """
        if why := self._lacks():
            raise UsageError(f"{self.folder}: {why}, so no mark is taken out. `labgen generate` first.")
        leaves = read_manifest(self.folder)["leaves"]
        ids = set(self.marks().marks)
        there = {row["id"] for row in marked_rows(self.folder, ids)} | set(marked_held_out(self.folder, ids))
        gone = [id for id, mark in self.marks().marks.items() if id not in there and mark.leaf in leaves]
        for id in gone:
            set_mark(self.root, id, None)
        return gone

    def agreement(self) -> dict[str, Any]:
        """How far the filters of the dataset agree with the marks as they are now: see `labgen.export.agreement`."""
        marks, found = self.marks().marks, Agreement()
        leaves = read_manifest(self.folder)["leaves"]
        missing = {id for id, mark in marks.items() if mark.leaf in leaves}
        for row in marked_rows(self.folder, set(marks)):
            found.add({"rejected_by": "", "edited_by": None, **row}, marks[row["id"]])
            missing.discard(row["id"])
        found.held_out = marked_held_out(self.folder, set(marks))
        found.unmatched = [] if self._lacks() else list(missing - set(found.held_out))
        return found.to_json()

    def _lacks(self) -> str:
        """Why a row that is not in the dataset may be one of its build all the same; empty where it can't be."""
        manifest = read_manifest(self.folder)
        if not manifest["complete"]:
            return "the build is incomplete"
        names = list(manifest["files"])
        whole = any(name.startswith("lineage/") for name in names)  # which does not travel, as rejections do not
        return "" if whole and all((self.folder / name).is_file() for name in names) else "files of it are not here"

    def _mark_of(self, row: Mapping[str, Any], said: Mapping[str, str]) -> RowMark:
        drawn = _drawn(row)
        verdict = _verdict(said)
        mark = RowMark(
            leaf=row["leaf"],
            verdict=verdict,
            reason=said["reason"] if verdict is MarkVerdict.BAD else "",
            note=said["note"],
            by=self.by,
            about=one_line(drawn.instruction, ABOUT_CHARS),
            text=drawn.text_id,
        )
        if verdict is MarkVerdict.NOTE and not mark.note:
            raise UsageError("A note without words says nothing. Write one, or take the mark away.")
        if verdict is MarkVerdict.EDITED:
            mark = _edited(mark, drawn, said)
        _check_nothing_secret(mark)
        return mark


def clean(text: str, most: int) -> str:
    """A short text on one line, as a mark holds it."""
    return one_line(_UNSEEN.sub(" ", text), most)


def marked_rows(
    folder: Path, ids: set[str], of: Iterable[str] = (*BRANCHES, DOCUMENTS, REJECTED)
) -> Iterator[dict[str, Any]]:
    """The rows and rejections of a dataset that have one of these ids. `of`: configs."""
    configs = read_manifest(folder)["configs"]
    for config in of if ids else ():
        for name in configs.get(config, {"files": []})["files"]:
            if (folder / name).is_file():  # rejections do not travel with a dataset
                yield from (row for row in read_rows(folder / name) if row["id"] in ids)


def marked_held_out(folder: Path, ids: set[str]) -> list[str]:
    """Those of some ids that are of held-out rows, or were before the last build obeyed a mark and drew anew."""
    file = folder / AGREEMENT
    obeyed = read_dataset_json(file).get("held_out", []) if file.is_file() else []
    return sorted(ids & {*obeyed, *(row["id"] for row in marked_rows(folder, ids, HELD_OUT))})


def _texts(said: Mapping[str, str]) -> dict[str, str]:
    """What was said, all parts of it, in texts that the file can hold."""
    found = {}
    for name in ("verdict", "reason", "note", "instruction", "response"):
        text = said.get(name) or ""
        if not isinstance(text, str):
            raise UsageError(f"`{name}` of a mark is text.")
        text = _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
        most = MAX_EDIT_CHARS if name in ("instruction", "response") else MAX_CHARS.get(name, 20)
        if len(text) > most:
            raise UsageError(f"`{name}` has {len(text):,} characters, and {most:,} at most.")
        found[name] = text
    return found | {"reason": one_line(found["reason"], MAX_CHARS["reason"])}


def _verdict(said: Mapping[str, str]) -> MarkVerdict:
    try:
        return MarkVerdict(said["verdict"])
    except ValueError:
        known = ", ".join(MarkVerdict)
        raise UsageError(f"There is no verdict `{one_line(said['verdict'], 20)}`; known: {known}.") from None


def _drawn(row: Mapping[str, Any]) -> Candidate:
    """The candidate that a row was made of, as far as a mark needs it: with the texts that were drawn.

    A second turn is no part of what a row is known by.
    """
    context = row["context"]
    instruction, response = (texts_by_role(row["messages"], role)[0] for role in ("user", "assistant"))
    if context and not row["source"]:  # a context of its own stands before the instruction
        instruction = instruction.removeprefix(f"{context}\n\n")
    if drawn := row["drawn"]:
        instruction, response = drawn["instruction"], drawn["response"]
    return Candidate(row["leaf"], 0, 0, instruction, response, context, reasoning=row["reasoning"] or "")


def _edited(mark: RowMark, drawn: Candidate, said: Mapping[str, str]) -> RowMark:
    """A mark with the texts that differ from those that were drawn."""
    instruction, response = said["instruction"] or drawn.instruction, said["response"] or drawn.response
    if not instruction or not response:
        raise UsageError("An edited row needs an instruction and a response.")
    if (instruction.split(), response.split()) == (drawn.instruction.split(), drawn.response.split()):
        raise UsageError("The edit changes nothing of what was drawn. Mark the row good, or take the mark away.")
    return replace(
        mark,
        instruction=None if instruction == drawn.instruction else instruction,
        response=None if response == drawn.response else response,
    )


def _check_nothing_secret(mark: RowMark) -> None:
    """Raises: UsageError: a text of the mark holds what should not stand in a repository."""
    for name in ("reason", "note", "instruction", "response"):
        for found in find_sensitive(getattr(mark, name) or ""):
            raise UsageError(
                f"`{name}` holds what looks like a secret or personal data ({found.category}), and marks are published "
                "with the taxonomy. Leave it out."
            )
