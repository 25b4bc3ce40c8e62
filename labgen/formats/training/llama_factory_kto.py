"""`llama-factory-kto`: single responses with a label, as llama-factory reads them for KTO."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import FEEDBACK, Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import LLAMA_FACTORY, TURNS, as_turns


def _convert(conversation: Conversation) -> dict[str, object]:
    row = conversation.row
    return {"messages": [*as_turns(conversation.turns), *row["completion"]], "label": row["label"]}


FORMAT = ExportFormat(
    name="llama-factory-kto",
    description="Of `feedback`: `messages` with a truth value `label`, and the `dataset_info.json` by which "
    "llama-factory reads them (`kto_tag`).",
    plain=RowShape(
        {"messages": TURNS, "label": pa.bool_()},
        _convert,
        llama_factory={**LLAMA_FACTORY, "columns": {"messages": "messages", "kto_tag": "label"}},
    ),
    of=FEEDBACK,
)
