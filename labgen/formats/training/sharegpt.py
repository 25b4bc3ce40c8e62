"""`sharegpt`: turns with ShareGPT's names."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import Conversation, ExportFormat, RowShape

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def _convert(conversation: Conversation) -> dict[str, object]:
    return {
        "conversations": [{"from": SPEAKERS[turn.role], "value": turn.content} for turn in conversation.turns],
    }


FORMAT = ExportFormat(
    name="sharegpt",
    description="Turns with `from` (`system`, `human`, `gpt`) and `value`, as ShareGPT has them.",
    plain=RowShape(
        columns={"conversations": pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))},
        convert=_convert,
        llama_factory={"formatting": "sharegpt", "columns": {"messages": "conversations"}},
        axolotl={
            "type": "chat_template",
            "field_messages": "conversations",
            "message_property_mappings": {"role": "from", "content": "value"},
        },
    ),
)
