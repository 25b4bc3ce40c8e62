"""`messages`: turns as chat APIs have them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.records import Message

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
TURNS = pa.list_(TURN)

LLAMA_FACTORY = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}
AXOLOTL = {
    "type": "chat_template",
    "field_messages": "messages",
    "message_property_mappings": {"role": "role", "content": "content"},
}


def as_turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as a column of type `TURNS` holds them."""
    return [{"role": turn.role, "content": turn.content} for turn in messages]


def _convert(conversation: Conversation) -> dict[str, object]:
    return {"messages": as_turns(conversation.turns)}


FORMAT = ExportFormat(
    name="messages",
    description="Turns with `role` and `content`, as chat APIs and TRL have them.",
    plain=RowShape({"messages": TURNS}, _convert, LLAMA_FACTORY, AXOLOTL),
)
