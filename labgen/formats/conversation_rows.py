"""A row of somebody else's dataset as turns of a conversation: the usual fields, in words what can't be taken.

Known are `messages` (`role`, `content`), `conversations` (`from`, `value`), and a question with an answer, by their
usual names. What belongs to a row is kept, a system text and earlier turns too; a row that holds more than texts, such
as pictures or calls of tools, is refused, for what would be left of it is another row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labgen.errors import UsageError
from labgen.records import Message
from labgen.text.printable import shown

ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "model": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip
"""Names of who speaks, to ours."""

LISTS = ("messages", "conversations")
QUESTIONS = ("instruction", "question", "prompt")
ANSWERS = ("response", "output", "completion", "answer")
CONTEXT = "context"

_TEXT_PARTS = (None, "text", "input_text", "output_text")


def read_conversation(record: Mapping[str, Any], *, with_context: bool = False) -> list[Message]:
    """The turns of a row: those before the last answer, and the answer, which may be empty.

    `input` and earlier turns (`history`: pairs of question and answer, or turns) are kept, and `system` comes first.

    Args:
        with_context: put a question's `context` before it, as labgen's own rows do. Turns in a list have theirs.
    Raises: UsageError: the row is of no form that is known, or holds what is no text; in words that follow "row 3".
    """
    if record.get("tools"):
        raise UsageError("has `tools`, and calls of tools can't be taken")
    listed = next((record[name] for name in LISTS if record.get(name)), None)
    turns = _turns(listed, "turn") if listed is not None else _question_and_answer(record, with_context)
    system = record.get("system")
    if system and (not turns or turns[0].role != "system"):
        turns = [Message("system", _text(system, "`system`")), *turns]
    if not turns or turns[-1].role != "assistant" or all(turn.role != "user" for turn in turns):
        raise UsageError("has no question with an answer at its end")
    return turns


def _question_and_answer(record: Mapping[str, Any], with_context: bool) -> list[Message]:
    question, answer = _first(record, QUESTIONS), _first(record, ANSWERS)
    if not question or not answer:
        raise UsageError(
            f"has neither `{'` nor `'.join(LISTS)}` nor a question ({', '.join(QUESTIONS)}) with an answer "
            f"({', '.join(ANSWERS)})"
        )
    asked = _said(record[question], "user", f"`{question}`")
    answered = _said(record[answer], "assistant", f"`{answer}`")
    more, context = record.get("input"), record.get(CONTEXT) if with_context else None
    texts = [_text(context, f"`{CONTEXT}`")] if context else []
    texts += [asked[-1].content] + ([_text(more, "`input`")] if more else [])
    asked[-1] = Message(asked[-1].role, "\n\n".join(texts))
    return [*_history(record.get("history")), *asked, *answered]


def _first(record: Mapping[str, Any], names: Sequence[str]) -> str:
    """The field that says something, else one that is there and empty."""
    there = [name for name in names if record.get(name) is not None]
    return next((name for name in there if record[name]), there[0] if there else "")


def _said(value: Any, role: str, name: str) -> list[Message]:
    """One turn, or a list of them (TRL's `prompt` and `completion`)."""
    if isinstance(value, list) and value and all(_speaker(turn) for turn in value):
        return _turns(value, f"{name}, turn")
    return [Message(role, _text(value, name))]


def _history(value: Any) -> list[Message]:
    if not value:
        return []
    if not isinstance(value, list):
        raise UsageError(f"`history` is a {type(value).__name__}, and a list of earlier turns can be taken")
    if all(_speaker(turn) for turn in value):
        return _turns(value, "`history`, turn")
    turns = []
    for number, pair in enumerate(value, 1):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise UsageError(f"`history`, entry {number} is no pair of a question and its answer")
        turns += [Message("user", _text(pair[0], f"`history`, question {number}"))]
        turns += [Message("assistant", _text(pair[1], f"`history`, answer {number}"))]
    return turns


def _speaker(turn: Any) -> Any:
    return (turn.get("role") or turn.get("from")) if isinstance(turn, Mapping) else None


def _turns(value: Any, name: str) -> list[Message]:
    if not isinstance(value, list):
        raise UsageError(f"has a {type(value).__name__} where a list of turns should be")
    turns = []
    for number, turn in enumerate(value, 1):
        where = f"{name} {number}"
        if not isinstance(turn, Mapping):
            raise UsageError(
                f"{where} is a {type(turn).__name__}, and an object with `role` and `content` can be taken"
            )
        said = _speaker(turn)
        role = ROLES.get(str(said))
        if role is None:
            raise UsageError(f"{where} is by {shown(str(said), 40)}, and user, assistant and system can be taken")
        if turn.get("tool_calls") or turn.get("function_call"):
            raise UsageError(f"{where} calls a tool, which can't be taken")
        content = turn.get("content")
        turns.append(Message(role, _text(turn.get("value") if content is None else content, where)))
    return turns


def _text(value: Any, where: str) -> str:
    """A text, or the texts of a list of parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise UsageError(f"{where} is {'empty' if value is None else f'a {type(value).__name__}'}, and no text")
    texts = []
    for number, part in enumerate(value, 1):
        kind, text = (part.get("type"), part.get("text")) if isinstance(part, Mapping) else (None, None)
        if kind not in _TEXT_PARTS or not isinstance(text, str):
            what = shown(str(kind), 40) if kind else f"a {type(part).__name__}"
            raise UsageError(f"{where} has {what} as part {number}, and only texts can be taken")
        texts.append(text)
    return "\n\n".join(texts)
