"""A dataset's row in the export format that a user chose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError, UsageError
from labgen.formats.chat import ChatFormat
from labgen.formats.known import SHIPPED_TEMPLATES as TEMPLATES
from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.formats.training.reasoning import CEREBRUM, NO_REASONING, with_reasoning
from labgen.formats.training.registry import find_export_format, shipped_formats
from labgen.lazy.dataclasses import dataclass
from labgen.records import Message

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A format, with what the user chose for it.

    Attributes:
        about: the format.
        shape: that of its shapes which the choices lead to.
        template, system_prompt, bos, reasoning: as in `row_format`.
    """

    about: ExportFormat
    shape: RowShape
    template: ChatFormat | None = None
    system_prompt: str | None = None
    bos: bool = False
    reasoning: str = NO_REASONING

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of its rows."""
        import pyarrow as pa

        own = self.shape.columns.items()
        kept = [("leaf", pa.string()), ("form", pa.string()), ("rehearsal", pa.bool_())]
        return pa.schema([("id", pa.string()), *own, *kept])

    def with_reasoning(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row of the dataset whose turns say what they will say in this format; measure it so."""
        return with_reasoning(row, self.reasoning)

    def for_each_answer(self, row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """A row as the rows that it comes as: itself, or one for each of its answers where the format learns from one.

        The id of a further one says which turn it ends with.
        """
        turns = row.get("messages") or ()
        ends = [place for place, turn in enumerate(turns, start=1) if turn["role"] == "assistant"]
        if not self.about.one_answer or len(ends) < 2:
            yield row
            return
        for number, end in enumerate(ends, start=1):
            yield {**row, "id": row["id"] if number == 1 else f"{row['id']}-turn_{number}", "messages": turns[:end]}

    def convert(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the dataset, with the columns `base.READS` or those of the config that it is `of`, in this format.

        `with_reasoning` has been through it.

        Raises: UsageError, ConfigError: the format can't hold it, or the template refuses it; the message has its id.
        """
        turns = [Message(turn["role"], turn["content"]) for turn in row["prompt" if self.about.of else "messages"]]
        if self.system_prompt is not None and not any(turn.role == "system" for turn in turns):
            turns.insert(0, Message("system", self.system_prompt))
        conversation = Conversation(MappingProxyType(row), tuple(turns), self.template, self.bos)
        try:
            own = self.shape.convert(conversation)
        except (UsageError, ConfigError) as error:
            raise type(error)(f"row {row['id']}: {error}") from error
        kept = {"leaf": row["leaf"], "form": row.get("form", ""), "rehearsal": row["rehearsal"]}
        return {"id": row["id"], **own, **kept}


def row_format(
    name: str,
    *,
    template: ChatFormat | None = None,
    system_prompt: str | None = None,
    bos: bool = False,
    reasoning: str = NO_REASONING,
) -> RowFormat:
    """The export format called `name`, set up.

    Args:
        name: a shipped format's, or that of one which an installed package adds.
        template: chat template to write rows through, for formats that may or must have one.
        system_prompt: system text for rows that have none of their own.
        bos: write the beginning-of-sequence token as text. Off: tokenizers add it when training starts.
        reasoning: one of `REASONING_STYLES`: how a row's reasoning is written before its answer. `cerebrum` goes with
            Cerebrum's own template, here or in training.
    Raises:
        UsageError: unknown name, or a template where there can't be one or must be one, or must be another.
        ConfigError: another package's format can't be used.
    """
    format = find_export_format(name)
    if reasoning == CEREBRUM and template is not None and template.name != CEREBRUM:
        raise UsageError(
            f"--reasoning cerebrum is the form of Cerebrum's own template, not of `{template.name}`. Leave out "
            "--template, or take `--reasoning think`."
        )
    if template is not None:
        shape = format.templated
    elif system_prompt is not None and format.with_system is not None:
        shape = format.with_system
    else:
        shape = format.plain
    if shape is not None:
        return RowFormat(format, shape, template, system_prompt, bos, reasoning)
    if template is None:
        raise UsageError(f"`{name}` needs --template: {', '.join(TEMPLATES)}, or the path of a Jinja chat template.")
    takers = ", ".join(each.name for each in shipped_formats() if each.templated is not None)
    raise UsageError(f"`{name}` leaves the chat template to the trainer: --template is for {takers}.")
