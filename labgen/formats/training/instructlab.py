"""`instructlab`: the files that InstructLab's training reads."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import AXOLOTL, LLAMA_FACTORY, TURNS, as_turns
from labgen.records import Message

COLUMNS = {"messages": TURNS, "metadata": pa.string(), "unmask": pa.bool_()}


def as_instructlab(conversation: Conversation, turns: Sequence[Message], *, unmask: bool) -> dict[str, object]:
    """Turns of user and assistant; the system prompt and all else as JSON text in `metadata`.

    Args:
        unmask: whether all turns are learned from, not only the assistant's.
    """
    about = {name: conversation.row[name] for name in ("leaf", "branch", "context", "source", "teacher")}
    about["system"] = conversation.system
    metadata = json.dumps(about, ensure_ascii=False, sort_keys=True)
    return {"messages": as_turns(turns), "metadata": metadata, "unmask": unmask}


def _convert(conversation: Conversation) -> dict[str, object]:
    return as_instructlab(conversation, conversation.spoken, unmask=conversation.is_document)


FORMAT = ExportFormat(
    name="instructlab",
    description="InstructLab's layout: always JSON Lines, `messages_CONFIG.jsonl` for each config; of documents all is "
    "learned from (`unmask`).",
    plain=RowShape(COLUMNS, _convert, LLAMA_FACTORY, AXOLOTL),
    file_stem="messages_CONFIG",
    file_kind="jsonl",
)
