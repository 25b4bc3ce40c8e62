"""Reasoning that a model puts into its reply: told from the answer, taken off it, and kept apart.

Servers that know a model's notation deliver its reasoning in a field of its own. Others leave it in the text: in tags,
in other brackets, without the opening one (which the chat template wrote), or without the closing one (the token limit
came first; then there is no answer at all).
"""

from __future__ import annotations

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Notation:
    """How reasoning begins and ends.

    Attributes:
        end_tells: whether the end alone, without a beginning, shows that it was one; begin_tells: the same, the other
            way round. Words that texts use for other things need both.
    """

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    end_tells: bool
    begin_tells: bool


def _marks(opening: str, closing: str, *, end_tells: bool = False, begin_tells: bool = False) -> _Notation:
    return _Notation(re.compile(opening, re.IGNORECASE), re.compile(closing, re.IGNORECASE), end_tells, begin_tells)


def _thinking(opening: str, closing: str) -> _Notation:
    return _marks(opening, closing, end_tells=True, begin_tells=True)


_NOTATIONS = (
    _thinking(r"<think(?:ing)?\s*>", r"</think(?:ing)?\s*>"),
    _thinking(r"\[THINK\]", r"\[/THINK\]"),
    _thinking(r"◁think▷", r"◁/think▷"),
    _thinking(r"<seed:think>", r"</seed:think>"),
    _thinking(r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    _thinking(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    _marks(r"<(?:reasoning|thoughts?|reflection|analysis)\s*>", r"</(?:reasoning|thoughts?|reflection|analysis)\s*>"),
    # OpenAI's open models name channels; a server that drops special tokens leaves only their names.
    _marks(
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>",
        r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final[^<]*<\|message\|>",
        begin_tells=True,
    ),
    _marks(r"analysis(?=[A-Z])", r"assistantfinal"),
)
MOST_THOUGHTS = 20
"""Thoughts in a row that are taken off one reply (count)."""

_LEFT_OVER = re.compile(r"(?:<\|(?:return|end|begin_of_solution|end_of_solution|START_RESPONSE|END_RESPONSE)\|>\s*)+")


def split_reasoning(text: str) -> tuple[str, str]:
    """A reply's answer, and the reasoning before it.

    Only what stands in front of the answer counts: a text may well speak of such tags.
    Returns: (answer, reasoning); the answer is empty where the reasoning never ends, and `text` itself where there is
        none.
    """
    taken: list[str] = []
    rest = text
    while len(taken) < MOST_THOUGHTS and (found := _leading(rest) or (None if taken else _unopened(rest))):
        reasoning, rest = found
        taken.append(reasoning.strip())
    if not taken:
        return text, ""
    return _LEFT_OVER.sub("", rest).strip(), "\n\n".join(filter(None, taken))


def mark_of(text: str) -> str:
    """What marks the reasoning in a reply: how it begins, or ends where the beginning is missing; empty for none."""
    begin = len(text) - len(text.lstrip().lstrip("\ufeff"))
    for notation in _NOTATIONS:
        if opening := notation.opening.match(text, begin):
            return opening.group()
    found = _unopened(text)
    closings = (notation.closing.match(text, len(found[0])) for notation in _NOTATIONS) if found else ()
    return next((closing.group() for closing in closings if closing), "")


def _leading(text: str) -> tuple[str, str] | None:
    begin = len(text) - len(text.lstrip().lstrip("\ufeff"))
    for notation in _NOTATIONS:
        opening = notation.opening.match(text, begin)
        if not opening:
            continue
        closing = notation.closing.search(text, opening.end())
        if closing:
            return text[opening.end() : closing.start()], text[closing.end() :]
        if notation.begin_tells:
            return text[opening.end() :], ""
    return None


def _unopened(text: str) -> tuple[str, str] | None:
    for notation in _NOTATIONS:
        closing = notation.closing.search(text) if notation.end_tells else None
        if closing and not notation.opening.search(text, 0, closing.start()):
            return text[: closing.start()], text[closing.end() :]
    return None
