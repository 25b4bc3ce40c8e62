"""What an export format is: how the rows of a dataset are written for training programs.

labgen's own formats lie beside this file. Another package adds one with an entry point:

    [project.entry-points."labgen.formats"]
    chatlog = "chatlogs.for_labgen:CHATLOG"

`CHATLOG` is an `ExportFormat` whose name is `chatlog`; `labgen export --format chatlog` then writes it. A package is
imported when its format is asked for, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labgen.formats.chat import ChatFormat
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import DOCUMENT_KINDS, Message

if TYPE_CHECKING:
    import pyarrow as pa

PREFERENCES, FEEDBACK, CHECKABLE = "preferences", "feedback", "checkable"
PREFERENCE_CONFIGS = (PREFERENCES, FEEDBACK, CHECKABLE)
"""Configs that are no rows for supervised training; each is read by formats of its own."""

READS = ("id", "messages", "leaf", "branch", "context", "source", "kind", "form", "reasoning", "teacher", "rehearsal")
"""Columns of the dataset that formats are given."""

KEPT = ("id", "leaf", "form", "rehearsal")
"""Columns that every format has beside its own, so that a row in a training run can be traced back to its leaf, and
rehearsal data never loses its mark. Training programs ignore columns they don't know."""

KINDS = ("parquet", "jsonl")
"""File types that a format can be written as."""

_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_FILE_STEM = re.compile(r"(CONFIG/)?[\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One row of the dataset, as it is given to a format's `convert`.

    Attributes:
        row: its columns `READS`, read-only.
        turns: its messages, one or more; the user's system prompt leads them where they have no system turn. In a
            config of `PREFERENCE_CONFIGS` its prompt; the row then has all columns of that config.
        template: the chat template to write them through; None except in `templated` rows.
        bos: whether the beginning-of-sequence token is wanted as text.
    """

    row: Mapping[str, Any]
    turns: tuple[Message, ...]
    template: ChatFormat | None = None
    bos: bool = False

    @property
    def spoken(self) -> tuple[Message, ...]:
        """The turns of user and assistant."""
        return tuple(turn for turn in self.turns if turn.role != "system")

    @property
    def is_document(self) -> bool:
        """Whether it is a document, all of which is to be learned from: asked for by its title, as turns."""
        return self.row.get("kind", "") in DOCUMENT_KINDS  # datasets of earlier versions lack it

    @property
    def document(self) -> str:
        """A document as one text: title, blank line, text."""
        return "\n\n".join(turn.content for turn in self.spoken)

    @property
    def system(self) -> str:
        """The text of the system turns, a blank line between them; empty where there are none."""
        return "\n\n".join(turn.content for turn in self.turns if turn.role == "system")

    def through_template(self, turns: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """Some of the turns as the template's text. Raises: ConfigError: the template refuses or breaks on them."""
        assert self.template is not None, "only `templated` rows have a template"
        return self.template.render(turns, add_generation_prompt=add_generation_prompt, bos=self.bos)


@dataclass(frozen=True, slots=True)
class RowShape:
    """The columns of a format's rows, how they are filled, and what training programs are told of them.

    Attributes:
        columns: name to Arrow type, in order: text, truth values, whole numbers, 64-bit floating point, and lists and
            structs of these, which Parquet and JSON Lines hold alike. The columns `KEPT` are added to them.
        convert: gives the value of each column, as plain Python data. Raises UsageError, in words that go on after the
            row's id, where the format can't hold the row. Whatever else another package's raises ends the export, too,
            and so does a value that its column can't hold.
        llama_factory: the row's words in llama-factory's `dataset_info.json`, all but `file_name`; None where it does
            not read the format, which then has no such file.
        axolotl: the same for an entry of axolotl's `datasets:`, all but `path`, `ds_type` and `split`.
    Raises:
        ValueError, TypeError: no columns, one of another type or called as in `KEPT`; a `convert` that can't be called;
            words that are not plain data.
    """

    columns: Mapping[str, pa.DataType]
    convert: Callable[[Conversation], Mapping[str, Any]]
    llama_factory: Mapping[str, Any] | None = None
    axolotl: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.columns or set(self.columns) & set(KEPT):
            raise ValueError(f"a format has columns of its own, beside {', '.join(KEPT)}")
        for name, kind in self.columns.items():
            if not _plain(kind):
                raise ValueError(f"column `{name}`: {kind} is not a type that Parquet and JSON Lines hold alike")
        if not callable(self.convert):
            raise TypeError("`convert` can't be called")
        for words in (self.llama_factory, self.axolotl):
            json.dumps({**(words or {})})


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format that training programs read.

    Attributes:
        name: its word for `--format`: ASCII letters, digits, `_`, `.` and `-`. In another package it is the name of the
            entry point, too.
        description: one line that says what the format is and who reads it.
        plain: its rows without a chat template; None where one must be given.
        templated: its rows through a chat template; None where none can be given, since trainers apply their own.
        with_system: its rows without a template where the user gives a system prompt; None: as `plain`, whose turns
            then begin with it.
        file_stem: its files' names without number and end, `CONFIG` standing for the config's name. `CONFIG/NAME` gives
            each config a folder; a name without a folder puts one file for each config into the export's own.
        of: the one config that it holds rows of, of `PREFERENCE_CONFIGS`; empty for all others.
        one_answer: whether one answer of a row is learned from; a conversation of several turns then comes as a row for
            each answer, with what was said before it.
        file_kind: one of `KINDS` where it is always that, whatever the user asks for; empty: as the user asks.
    Raises:
        ValueError, TypeError: a name, description, stem or kind that can't be; no rows, or such as are no `RowShape`.
    """

    name: str
    description: str
    plain: RowShape | None = None
    templated: RowShape | None = None
    with_system: RowShape | None = None
    file_stem: str = "CONFIG/part"
    file_kind: str = ""
    of: str = ""
    one_answer: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"`{self.name}` can't be a format's name: it has ASCII letters, digits, `_`, `.` and `-`")
        if not self.description or not self.description.isprintable():
            raise ValueError("a format's description is one line of text")
        if not all(isinstance(shape, RowShape | None) for shape in (self.plain, self.templated, self.with_system)):
            raise TypeError("`plain`, `templated` and `with_system` are each a RowShape or None")
        if self.plain is None and (self.templated is None or self.with_system is not None):
            raise ValueError("a format has `plain` or `templated` rows, or both, and `with_system` only beside `plain`")
        if not _FILE_STEM.fullmatch(self.file_stem) or "CONFIG" not in self.file_stem:
            raise ValueError(f"`{self.file_stem}` is no `file_stem`: that is CONFIG/NAME, or a name with CONFIG in it")
        if self.file_kind not in ("", *KINDS):
            raise ValueError(f"`{self.file_kind}` is no `file_kind`: it is one of {', '.join(KINDS)}, or empty")
        if self.of not in ("", *PREFERENCE_CONFIGS):
            raise ValueError(f"`{self.of}` is no `of`: it is one of {', '.join(PREFERENCE_CONFIGS)}, or empty")


def _plain(kind: Any) -> bool:
    """Whether Parquet and JSON Lines hold values of this Arrow type alike."""
    import pyarrow.types as types

    if types.is_list(kind):
        return _plain(kind.value_type)
    if types.is_struct(kind):
        return all(_plain(field.type) for field in kind)
    return bool(types.is_string(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_float64(kind))
