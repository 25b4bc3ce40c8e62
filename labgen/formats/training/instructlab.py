"""`instructlab`: the files that InstructLab's training reads."""

from __future__ import annotations

import json

import pyarrow as pa

from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import AXOLOTL, LLAMA_FACTORY, TURNS, as_turns


def _convert(conversation: Conversation) -> dict[str, object]:
    """User and assistant turns; the system prompt and all else as JSON text in `metadata`."""
    about = {name: conversation.row[name] for name in ("leaf", "branch", "context", "source", "teacher")}
    about["system"] = conversation.system
    metadata = json.dumps(about, ensure_ascii=False, sort_keys=True)
    return {"messages": as_turns(conversation.spoken), "metadata": metadata}


FORMAT = ExportFormat(
    name="instructlab",
    description="InstructLab's layout: always JSON Lines, `messages_CONFIG.jsonl` for each config.",
    plain=RowShape({"messages": TURNS, "metadata": pa.string()}, _convert, LLAMA_FACTORY, AXOLOTL),
    file_stem="messages_CONFIG",
    file_kind="jsonl",
)
