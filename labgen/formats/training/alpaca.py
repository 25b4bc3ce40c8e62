"""`alpaca`: one question and one answer, what the question is on apart from it."""

from __future__ import annotations

import pyarrow as pa

from labgen.errors import UsageError
from labgen.formats.training.base import Conversation, ExportFormat, RowShape

_COLUMNS = {"instruction": pa.string(), "input": pa.string(), "output": pa.string()}
_LLAMA_FACTORY = {"prompt": "instruction", "query": "input", "response": "output"}


def _convert(conversation: Conversation) -> dict[str, object]:
    """One exchange. The context that a user turn begins with becomes `input`, as the format has it."""
    spoken = conversation.spoken
    if [turn.role for turn in spoken] != ["user", "assistant"]:
        raise UsageError("`alpaca` holds one question and one answer. Export as `messages`.")
    asked, context = spoken[0].content, conversation.row["context"]
    if context and asked.startswith(f"{context}\n\n"):
        return {"instruction": asked[len(context) + 2 :], "input": context, "output": spoken[1].content}
    return {"instruction": asked, "input": "", "output": spoken[1].content}


def _convert_with_system(conversation: Conversation) -> dict[str, object]:
    return {**_convert(conversation), "system": conversation.system}


FORMAT = ExportFormat(
    name="alpaca",
    description="One question and one answer, as Stanford Alpaca has them; the text that a task is on is its `input`.",
    plain=RowShape(_COLUMNS, _convert, {"columns": _LLAMA_FACTORY}, {"type": "alpaca"}),
    with_system=RowShape(
        _COLUMNS | {"system": pa.string()},
        _convert_with_system,
        {"columns": _LLAMA_FACTORY | {"system": "system"}},
        {"type": "alpaca_w_system"},
    ),
)
