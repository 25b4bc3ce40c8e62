"""A row's reasoning in front of its answer, as models are trained on it. The dataset keeps the two apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_REASONING, THINK, CEREBRUM = "none", "think", "cerebrum"
REASONING_STYLES = (NO_REASONING, THINK, CEREBRUM)
"""`none`: the answer alone. `think`: between `<think>` tags, as reasoning models have it. `cerebrum`: as the text that
the answer goes on from, which Cerebrum's own template introduces."""


def with_reasoning(row: Mapping[str, Any], style: str) -> Mapping[str, Any]:
    """A row whose last answer has its reasoning before it; the row itself where it has none, or none is wanted."""
    # Datasets of earlier versions lack the column; pairs of responses have neither.
    reasoning, turns = row.get("reasoning") or "", row.get("messages")
    if style == NO_REASONING or not reasoning or not turns or turns[-1]["role"] != "assistant":
        return row
    answer = {**turns[-1], "content": reasoned_answer(reasoning, turns[-1]["content"], style)}
    return {**row, "messages": [*turns[:-1], answer]}


def reasoned_answer(reasoning: str, answer: str, style: str) -> str:
    """An assistant's turn that reasons, then answers; `style` is `think` or `cerebrum`."""
    if style == THINK:
        return f"<think>\n{reasoning}\n</think>\n\n{answer}"
    return f"{reasoning}\n\n{answer}"
