"""What a prompt asks for, whatever prompt format it came in.

Only the prompts' own headers and tags are read, never what a chat template puts around them. So the same content asks
the same thing as a chat with a system turn, as one merged turn, or as plain text in any prompt format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Message

_HEADER = "## Task: "
_RESTATE = "## Task: restate"
_DATA_END = re.compile(r"</(?:document|example|query|reply|candidate|outline|task_description)>")
_COUNT = re.compile(r"\bWrite (\d{1,4}) ")
_COUNTING = frozenset({"question-answer pairs", "new instructions", "new instructions on a context"})
_CREATIVE = "imaginative writer"


@dataclass(frozen=True, slots=True)
class Example:
    """One seed example in a prompt. Parts that the step does not show are empty."""

    context: str
    instruction: str
    response: str
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """The logical content of a prompt.

    Attributes:
        task: the skill that the prompt's `## Task:` asks for; empty where it has no such header.
        description: task description, or domain and outline.
        examples: the seed examples shown.
        document, query, reply, candidates: the sections of these names; empty where there are none.
        count: how many items are asked for (at least 1).
        creative: whether the creative persona is asked to answer.
        restating: whether this is the turn that asks for the same content in the right form.
    """

    task: str
    description: str
    examples: tuple[Example, ...]
    document: str
    query: str
    reply: str
    candidates: tuple[str, ...]
    count: int
    creative: bool
    restating: bool

    def content(self) -> str:
        """All of it as one string to hash, `restating` left out: the restated content is the same content."""
        return "\1".join(map(repr, (self.task, self.description, self.examples, self.document, self.query, self.reply,
                                    self.candidates, self.count, self.creative)))  # fmt: skip


def read_request(messages: Sequence[Message], tasks: Mapping[str, str]) -> Request:
    """Read a conversation, or a plain prompt given as one user message. Never fails: what is missing is empty.

    Args:
        tasks: the words of a header to the skill that they ask for, where the two differ.
    """
    return _read("\n\n".join(message.content for message in messages if message.role != "assistant"), tasks)


def _read(text: str, tasks: Mapping[str, str]) -> Request:
    start = text.find(_HEADER)
    if start < 0:
        return Request("", "", (), "", text.strip(), "", (), 1, False, False)
    end = len(text)
    restate = text.rfind(_RESTATE)
    # Data cannot hold our closing tags, so a header that some document quotes is always followed by one.
    restating = restate > start and not _DATA_END.search(text, restate)
    if restating:
        end = restate
    line_end = text.find("\n", start)
    task = text[start + len(_HEADER) : line_end if line_end > 0 else len(text)]
    task = task.split("[/INST]")[0].strip()
    task = tasks.get(task, task)
    examples, after = _examples(text, start, end)
    document = _span(text, "document", after, end)
    described = _span(text, "task_description", start, end)
    counted = _COUNT.search(text, max(after, document[1] if document else 0, described[1] if described else 0), end)
    description = "\n".join(filter(None, (_between(text, tag, start, end) for tag in _DESCRIBING)))
    return Request(
        task=task,
        description=description,
        examples=examples,
        document=text[document[0] : document[1]].strip() if document else "",
        query=_between(text, "query", after, end),
        reply=_between(text, "reply", after, end),
        candidates=_candidates(text, after, end),
        count=min(max(int(counted[1]), 1), 64) if counted and task in _COUNTING else 1,
        creative=_CREATIVE in text[:start],
        restating=restating,
    )


_DESCRIBING = ("task_description", "domain", "outline")


def _between(text: str, tag: str, start: int, end: int) -> str:
    found = _span(text, tag, start, end)
    return text[found[0] : found[1]].strip() if found else ""


def _span(text: str, tag: str, start: int, end: int) -> tuple[int, int] | None:
    opened = text.find(f"<{tag}>", start, end)
    if opened < 0:
        return None
    begin = opened + len(tag) + 2
    closed = text.find(f"</{tag}>", begin, end)
    return (begin, closed) if closed >= 0 else None


def _examples(text: str, start: int, end: int) -> tuple[tuple[Example, ...], int]:
    """The examples, and where the last one ends."""
    found = []
    after = start
    while (span := _span(text, "example", after, end)) is not None:
        begin, closed = span
        pairs = []
        place = begin
        while (pair := _span(text, "pair", place, closed)) is not None:
            pairs.append((_between(text, "question", *pair), _between(text, "answer", *pair)))
            place = pair[1]
        found.append(
            Example(
                context=_between(text, "context", begin, closed) or _between(text, "passage", begin, closed),
                instruction=_between(text, "instruction", begin, closed),
                response=_between(text, "response", begin, closed),
                pairs=tuple(pairs),
            )
        )
        after = closed + len("</example>")
    return tuple(found), after


def _candidates(text: str, start: int, end: int) -> tuple[str, ...]:
    found = []
    place = start
    while (opened := text.find("<candidate", place, end)) >= 0:
        begin = text.find(">", opened, end) + 1
        closed = text.find("</candidate>", begin, end)
        if begin == 0 or closed < 0:
            break
        found.append(text[begin:closed].strip())
        place = closed
    return tuple(found)
