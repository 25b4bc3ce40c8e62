"""`instructlab-knowledge`: knowledge as in InstructLab's own knowledge phase, the passage before the question."""

from __future__ import annotations

from collections.abc import Sequence

from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.formats.training.instructlab import COLUMNS, as_instructlab
from labgen.formats.training.messages import AXOLOTL, LLAMA_FACTORY
from labgen.records import Message


def _convert(conversation: Conversation) -> dict[str, object]:
    """As `instructlab`, with the passage before the question, and all turns of knowledge learned from."""
    knowledge = conversation.row["branch"] == "knowledge"
    turns: Sequence[Message] = conversation.spoken
    if knowledge and not conversation.is_document:
        turns = _with_passage(turns, conversation.row["context"] or "")
    return as_instructlab(conversation, turns, unmask=knowledge)


def _with_passage(turns: Sequence[Message], passage: str) -> Sequence[Message]:
    """The turns with the passage before the first question, where it does not stand in it already."""
    if not passage or not turns or turns[0].role != "user" or passage in turns[0].content:
        return turns
    return (Message("user", f"{passage}\n\n{turns[0].content}"), *turns[1:])


FORMAT = ExportFormat(
    name="instructlab-knowledge",
    description="The same with the passage before every question on documents, and all of it learned from, as in "
    "InstructLab's own knowledge phase.",
    plain=RowShape(COLUMNS, _convert, LLAMA_FACTORY, AXOLOTL),
    file_stem="messages_CONFIG",
    file_kind="jsonl",
)
