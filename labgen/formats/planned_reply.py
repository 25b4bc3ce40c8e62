"""Reading a reply that holds a plan and the answer that it leads to, in whatever form a teacher writes the two."""

from __future__ import annotations

from labgen.formats.reading import read_blocks, read_json
from labgen.lazy import re

_PLAN_END = re.compile(r"<\s*+/\s*+plan\s*+>", re.IGNORECASE)
_PLAN_TAG = re.compile(r"<\s*+(?:/\s*+)?plan\b[^<>]{0,200}>", re.IGNORECASE)
_RESPONSE_TAG = re.compile(r"<\s*+(?:/\s*+)?(?:response|answer)\b[^<>]{0,200}>", re.IGNORECASE)
_PLAN_LABEL = re.compile(
    r"\A[ \t]*+(?:[#*_]{1,6}[ \t]*+)?(?:the[ \t]+)?plan[ \t]*+(?:[*_]{1,3}[ \t]*+)?(?::[*_]{0,3}|\n)", re.IGNORECASE
)
_ANSWER_LABEL = re.compile(
    r"^[ \t]*+(?:[#*_]{1,6}[ \t]*+)?(?:(?:the|final)[ \t]++)?(?:response|answer)[ \t]*+(?:[*_]{1,3}[ \t]*+)?"
    r"(?::[*_]{0,3}|$)",
    re.IGNORECASE | re.MULTILINE,
)


def read_planned_reply(text: str) -> tuple[str, str] | None:
    """A reply's plan and its answer, each with what a reader needs and without the marks around it.

    Reads tags (either closing tag, or the response's own, may be missing), JSON, and two labels or headings.

    Returns: None where the two can't be told apart without a guess, or one of them is empty.
    """
    found = _from_tags(text) or _from_json(text) or _from_labels(text)
    if found is None:
        return None
    plan, answer = (part.strip() for part in found)
    # What still holds a mark was cut in the wrong place.
    if not plan or not answer or _PLAN_TAG.search(plan + answer) or _RESPONSE_TAG.search(answer):
        return None
    return plan, answer


def _from_tags(text: str) -> tuple[str, str] | None:
    plans = read_blocks(text, "plan")
    if len(plans) != 1:
        return None
    answers = [*read_blocks(text, "response"), *read_blocks(text, "answer")]
    if len(answers) == 1:
        return plans[0], answers[0]
    ended = _PLAN_END.search(text)
    return (plans[0], text[ended.end() :]) if ended and not answers else None


def _from_json(text: str) -> tuple[str, str] | None:
    found = read_json(text) if "{" in text else None
    if not isinstance(found, dict):
        return None
    named = {str(name).casefold(): value for name, value in found.items()}
    plan, answer = named.get("plan"), named.get("response", named.get("answer"))
    if isinstance(plan, list) and all(isinstance(step, str) for step in plan):
        plan = "\n".join(plan)
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = str(answer)
    return (plan, answer) if isinstance(plan, str) and isinstance(answer, str) else None


def _from_labels(text: str) -> tuple[str, str] | None:
    begun = _PLAN_LABEL.match(text.lstrip("\n"))
    if begun is None or _PLAN_TAG.search(text):
        return None
    rest = text.lstrip("\n")[begun.end() :]
    labels = list(_ANSWER_LABEL.finditer(rest))
    # A second one may belong to the plan or to the answer, and which of them parts the two nobody can say.
    return (rest[: labels[0].start()], rest[labels[0].end() :]) if len(labels) == 1 else None
