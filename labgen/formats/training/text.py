"""`text`: the whole conversation as one text, through a chat template."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import Conversation, ExportFormat, RowShape


def _convert(conversation: Conversation) -> dict[str, object]:
    return {"text": conversation.through_template(conversation.turns)}


FORMAT = ExportFormat(
    name="text",
    description="The whole conversation as one text, for trainers that apply no chat template.",
    templated=RowShape(
        columns={"text": pa.string()},
        convert=_convert,
        llama_factory={"columns": {"prompt": "text"}},
        axolotl={"type": "completion", "field": "text"},
    ),
)
