"""Plans before answers: the instruction's words as given, the answer's first words as what follows from them."""

from __future__ import annotations

from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.request import Request
from labgen.teacher.rehearsal.sentences import numbers, sentences

_FIRST = ("What is asked", "What this is about", "The task")
_NEXT = ("What follows from it", "What belongs into the answer", "So the answer says")


def plan_of(dice: Dice, request: Request, answer: str) -> str:
    """A plan for an answer, with its result where the answer ends in a number."""
    asked = sentences(request.query)
    said = sentences(answer)
    steps = [f"1. {dice.pick(_FIRST)}: {asked[0].text if asked else request.query}"]
    steps += [f"{place}. {dice.pick(_NEXT)}: {each.text}" for place, each in enumerate(said[:3], start=2)]
    last = numbers(said[-1].text) if said else []
    figures = [figure for figure in last if figure.isdecimal() and answer.rstrip(" .").endswith(figure)]
    if figures:
        steps.append(f"Result: {figures[-1]}")
    return "\n".join(steps)
