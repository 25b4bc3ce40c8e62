"""`grpo`: prompts whose answer a rule can check, as TRL's GRPO trainer has them."""

from __future__ import annotations

import pyarrow as pa

from labgen.formats.training.base import CHECKABLE, Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import TURNS, as_turns


def _convert(conversation: Conversation) -> dict[str, object]:
    row = conversation.row
    return {"prompt": as_turns(conversation.turns), "answer": row["answer"], "checker": row["checker"]}


FORMAT = ExportFormat(
    name="grpo",
    description="Of `checkable`: `prompt` as turns, `answer` and `checker`, as TRL has them for GRPO; the reward is "
    "`labgen.export.rewards.final_answer_reward`.",
    plain=RowShape({"prompt": TURNS, "answer": pa.string(), "checker": pa.string()}, _convert),
    of=CHECKABLE,
)
