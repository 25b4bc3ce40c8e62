"""Rewards for reinforcement learning on rows of the config `checkable`: whether a completion comes to the answer.

    from labgen.export.rewards import final_answer_reward
    trainer = GRPOTrainer(model, reward_funcs=final_answer_reward, train_dataset=rows, ...)

Only the columns `answer` and `checker` are looked at; the checkers themselves are `labgen.text.final_answer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labgen.text.final_answer import agrees

Completion = str | Sequence[Mapping[str, str]]
"""A text, or turns of which the last one counts."""


def final_answer_reward(
    completions: Sequence[Completion], answer: Sequence[str], checker: Sequence[str], **others: Any
) -> list[float]:
    """1.0 for each completion that comes to its row's answer, else 0.0: a reward function as TRL calls it.

    Args:
        completions: one for each row.
        answer, checker: the rows' columns.
        others: what TRL gives beside them; not looked at.
    Raises: ValueError: a checker that labgen does not have.
    """
    return [
        float(agrees(name, wanted, _text(completion)))
        for completion, wanted, name in zip(completions, answer, checker, strict=True)
    ]


def _text(completion: Completion) -> str:
    if isinstance(completion, str):
        return completion
    return completion[-1]["content"] if completion else ""
