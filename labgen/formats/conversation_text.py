"""A conversation as texts: a question with what was said before it, and the turns of one side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_NOW = "Now they ask:\n"


def question_after(question: str, earlier_question: str, earlier_answer: str) -> str:
    """A question with the exchange before it."""
    return (
        f"Earlier in this conversation somebody asked:\n{earlier_question}\n\nand was told:\n{earlier_answer}\n\n"
        f"{_NOW}{question}"
    )


def question_now(text: str) -> str:
    """The question alone of what `question_after` gave; any other text as it is."""
    return text.rpartition(_NOW)[2]


def texts_by_role(turns: Iterable[Mapping[str, str]], role: str) -> tuple[str, str]:
    """What one side said first, and what it said after that (with a blank line between turns); empty for nothing."""
    first, *later = [turn["content"] for turn in turns if turn["role"] == role] or [""]
    return first, "\n\n".join(later)
