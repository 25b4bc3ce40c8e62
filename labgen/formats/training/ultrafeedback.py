"""`ultrafeedback`: the columns of UltraFeedback-binarized, the data set that Zephyr was tuned on with DPO."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import PREFERENCES, Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import TURNS, as_turns

BEST_SCORE = 10.0
"""UltraFeedback scores from 1 to 10, a judge of labgen's from 1 to 3."""


def _convert(conversation: Conversation) -> dict[str, object]:
    row, asked = conversation.row, as_turns(conversation.turns)
    chosen, rejected = ([*asked, *row[name]] for name in ("chosen", "rejected"))
    score = row["score_chosen"] if row["score_chosen"] is not None else 3.0
    better = 1.0 + (score - 1.0) * (BEST_SCORE - 1.0) / 2.0
    return {
        "prompt": next(turn["content"] for turn in reversed(asked) if turn["role"] == "user"),
        "prompt_id": row["row"],
        "chosen": chosen,
        "rejected": rejected,
        "messages": chosen,
        "score_chosen": better,
        # Two responses may have the same score; by how much one is better the margin says.
        "score_rejected": max(1.0, better - row["margin"] * (BEST_SCORE - 1.0)),
    }


FORMAT = ExportFormat(
    name="ultrafeedback",
    description="Of `preferences`: the columns of UltraFeedback-binarized, as alignment-handbook reads them; scores "
    "from 1 to 10 that differ by the margin.",
    plain=RowShape(
        {
            "prompt": pa.string(),
            "prompt_id": pa.string(),
            "chosen": TURNS,
            "rejected": TURNS,
            "messages": TURNS,
            "score_chosen": pa.float64(),
            "score_rejected": pa.float64(),
        },
        _convert,
    ),
    of=PREFERENCES,
)
