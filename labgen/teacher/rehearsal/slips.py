"""The rehearsal teacher's errors: made now and then, so that a first run shows what the filters do.

Which reply errs is drawn from the request's content and seed, so the same request errs the same way every time.
At temperature 0 only `MALFORMED_VERDICT_SHARE` applies, and asking to restate mends it.
"""

from __future__ import annotations

from labgen.teacher.rehearsal import lexicon
from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.sentences import numbers
from labgen.teacher.rehearsal.vary import sentence

MALFORMED_SHARE = 0.03
"""Replies whose tags are broken, or that chat instead of keeping to the form."""
UNGROUNDED_SHARE = 0.04
"""Answers with a statement or a figure that the document does not have."""
NEAR_DUPLICATE_SHARE = 0.04
"""Instructions that are a seed's with a word changed."""
REFUSAL_SHARE = 0.01
"""Responses that refuse a harmless instruction."""
TRUNCATED_SHARE = 0.005
"""Replies that stop in mid-sentence, reported as `length`."""
MALFORMED_VERDICT_SHARE = 0.02
"""Verdicts that cannot be read."""

REFUSALS = (
    "I'm sorry, but I can't help with that request.",
    "As an AI language model, I cannot assist with this.",
    "I am unable to answer this question.",
)


def ungrounded(dice: Dice, answer: str) -> str:
    """An answer with one figure altered, or a statement added that is in no document."""
    figures = [figure for figure in numbers(answer) if figure in answer]
    if figures and dice.chance(0.5):
        figure = dice.pick(figures)
        digits = "".join(sign for sign in figure if sign.isdecimal())
        return answer.replace(figure, str(int(digits) + 3 + dice.below(40)), 1)
    return f"{answer} {sentence(dice, lexicon.STORY)}"


def near_duplicate(dice: Dice, seed: str) -> str:
    """A seed's instruction, politely."""
    return f"{dice.pick(('Please: ', 'Now: ', 'Hello! '))}{seed}"


def malformed(dice: Dice, text: str) -> str:
    """A tagged reply that cannot be read: tags cut open, or nothing but chat."""
    kind = dice.below(3)
    if kind == 0:
        return "Certainly! I would be glad to help. Could you tell me a little more about what you have in mind?"
    if kind == 1:
        return text.replace("</", "").replace("<", "[").replace(">", "]")
    return text[: len(text) // 2].replace("</", "<")


def malformed_verdict(dice: Dice) -> str:
    """A verdict that says nothing."""
    return dice.pick(
        (
            "It depends on how one looks at it; there is something to be said for both sides.",
            '{"score": , "reason":',
            "Let me think about this step by step before I come to a conclusion.",
        )
    )
