"""`llama-factory-ranking`: pairs as llama-factory reads them for DPO, ORPO, SimPO and reward models."""

from __future__ import annotations

from labgen.formats.training.base import PREFERENCES, Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import LLAMA_FACTORY, TURN, TURNS, as_turns


def _convert(conversation: Conversation) -> dict[str, object]:
    row = conversation.row
    return {"messages": as_turns(conversation.turns), "chosen": row["chosen"][0], "rejected": row["rejected"][0]}


FORMAT = ExportFormat(
    name="llama-factory-ranking",
    description="Of `preferences`: `messages` with one `chosen` and one `rejected` turn, and the `dataset_info.json` "
    "by which llama-factory reads them (`ranking`).",
    plain=RowShape(
        {"messages": TURNS, "chosen": TURN, "rejected": TURN},
        _convert,
        llama_factory={
            **LLAMA_FACTORY,
            "ranking": True,
            "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
        },
    ),
    of=PREFERENCES,
)
