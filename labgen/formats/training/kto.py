"""`kto`: prompt, one response and whether it is good, as TRL's KTO trainer has them."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import FEEDBACK, Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import TURNS, as_turns


def _convert(conversation: Conversation) -> dict[str, object]:
    row = conversation.row
    return {"prompt": as_turns(conversation.turns), "completion": row["completion"], "label": row["label"]}


FORMAT = ExportFormat(
    name="kto",
    description="Of `feedback`: `prompt` and `completion` as turns and a truth value `label`, as TRL has them for KTO.",
    plain=RowShape({"prompt": TURNS, "completion": TURNS, "label": pa.bool_()}, _convert),
    of=FEEDBACK,
)
