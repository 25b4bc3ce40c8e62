"""A question in a conversation as one text, for whoever judges its answer and has to know what was said before."""

from __future__ import annotations

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
