"""`preference`: prompt, better and worse response as turns, as TRL's DPO and reward trainers have them."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import PREFERENCES, Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import TURNS, as_turns


def _convert(conversation: Conversation) -> dict[str, object]:
    row = conversation.row
    return {"prompt": as_turns(conversation.turns), **{name: row[name] for name in _OWN}}


_OWN = {
    "chosen": TURNS,
    "rejected": TURNS,
    "margin": pa.float64(),
    "reason": pa.string(),
    "kind": pa.string(),
}

FORMAT = ExportFormat(
    name="preference",
    description="Of `preferences`: `prompt`, `chosen` and `rejected` as turns, with `margin`, as TRL has them for DPO "
    "and reward models.",
    plain=RowShape({"prompt": TURNS, **_OWN}, _convert),
    of=PREFERENCES,
)
