"""The two forms that draws are asked for in, and the one reader of both.

A prompt asks for tags, which every model can write. With it goes a bounded JSON schema: an endpoint that enforces one
gives JSON of the same fields, and even a small model then keeps to the form and comes to an end. Which of the two came
is told from the reply alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from labgen.formats.reading import read_blocks, read_json
from labgen.formats.schemas import CHARS_PER_TOKEN, array_of, bounded_text, object_of
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Schema

_FORM_CHARS = 60
"""Characters of one item beside its texts: names, quotation marks, brackets and white space."""

_QUESTION_SHARE = 0.25
"""Part of a pair's characters that its question may have."""

_TITLE_CHARS = 120
"""Characters that the title of a document may have."""

_STARTS_AS_JSON = re.compile(r"\s*(?:```\w*\s*)?(?:\{|\[\s*[\"{])")
_HEADER = r"^[ \t]*## Task:"
_SECTIONS = "example|task_description|domain|outline|document|passage|query"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One thing read from a reply to a draw.

    Attributes:
        instruction: or question, or context.
        response: a pair's answer; empty where there is none.
        raw: the part of the reply that it was read from.
        cut: whether the schema's bound ended it, so that it may break off in the middle.
    """

    instruction: str
    response: str = ""
    raw: str = ""
    cut: bool = False


@dataclass(frozen=True)
class DrawForm:
    """What one kind of draw is asked to come as.

    Attributes:
        tag: of one item; fields: of its parts, in order; none where the item is one text.
        bounds: field (or the tag) to the most characters that the schema lets it have.
        schema: sent along; the sum of its bounds fits the call's token limit.
    """

    tag: str
    fields: tuple[str, ...]
    bounds: Mapping[str, int]
    schema: Schema

    def read(self, text: str) -> list[Drawn] | None:
        """The items of a reply, in tags or as JSON; None where not one whole item can be read."""
        text = before_invented(text, self.tag)
        first, second = self._from_tags, self._from_json
        if _STARTS_AS_JSON.match(text):
            first, second = second, first
        for look in (first, second):
            found = look(text)
            if any(each.instruction and (each.response or not self.fields) for each in found):
                return found
        return None

    def _from_tags(self, text: str) -> list[Drawn]:
        if not self.fields:
            return [Drawn(block, raw=block) for block in read_blocks(text, self.tag) if block]
        # Each item runs from its first part to the next one's, whether or not the tags around it are closed.
        blocks = [block.strip() for block in _beginning(self.fields[0]).split(text)[1:]]
        return [Drawn(_first(block, self.fields[0]), _first(block, self.fields[1]), block) for block in blocks]

    def _from_json(self, text: str) -> list[Drawn]:
        found = []
        value = read_json(text)
        if isinstance(value, list) and not self.fields and not _STARTS_AS_JSON.match(text):
            return []  # brackets in prose are no list of texts
        for item in _items(value, self.tag, self.fields):
            texts = [_said(item, field) for field in self.bounds]
            if texts[0]:
                # A grammar ends a text at its bound, in the middle of a word.
                cut = any(len(each) == bound for each, bound in zip(texts, self.bounds.values(), strict=True))
                raw = "\n".join(texts).strip()
                found.append(Drawn(_bare(texts[0]), _bare(texts[1]) if self.fields else "", raw, cut))
        return found


def before_invented(text: str, tag: str = "") -> str:
    """A reply up to where it goes on with a further example or prompt of its own making, as base models do.

    Args:
        tag: what is asked for; a reply may open that.
    """
    sections = _SECTIONS if tag == "context" else f"{_SECTIONS}|context"
    found = _invented(sections).search(text)
    return text[: found.start()] if found else text


@lru_cache(maxsize=8)
def _invented(sections: str) -> re.Pattern[str]:
    return re.compile(rf"<\s*(?:{sections})\b[^<>]{{0,200}}>|{_HEADER}", re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=64)
def pairs_form(count: int, max_tokens: int) -> DrawForm:
    """Question/answer pairs: at most `count` of them in a reply of at most `max_tokens`."""
    room = _room(count, max_tokens)
    bounds = {"question": int(room * _QUESTION_SHARE), "answer": int(room * (1 - _QUESTION_SHARE))}
    pair = object_of({field: bounded_text(most, least=1) for field, most in bounds.items()})
    return DrawForm("pair", tuple(bounds), bounds, object_of({"pairs": array_of(pair, least=1, most=count)}))


@lru_cache(maxsize=64)
def instructions_form(count: int, max_tokens: int) -> DrawForm:
    """Instructions: at most `count` of them in a reply of at most `max_tokens`."""
    room = _room(count, max_tokens)
    texts = array_of(bounded_text(room, least=1), least=1, most=count)
    return DrawForm("instruction", (), {"instruction": room}, object_of({"instructions": texts}))


@lru_cache(maxsize=64)
def context_form(max_tokens: int) -> DrawForm:
    """One context in a reply of at most `max_tokens`."""
    room = _room(1, max_tokens)
    return DrawForm("context", (), {"context": room}, object_of({"context": bounded_text(room, least=1)}))


@lru_cache(maxsize=64)
def document_form(max_tokens: int) -> DrawForm:
    """One document, a title and a text, in a reply of at most `max_tokens`."""
    bounds = {"title": _TITLE_CHARS, "text": _room(1, max_tokens) - _TITLE_CHARS}
    texts = {field: bounded_text(most, least=1) for field, most in bounds.items()}
    return DrawForm("document", tuple(bounds), bounds, object_of(texts))


@lru_cache(maxsize=4)
def _beginning(field: str) -> re.Pattern[str]:
    return re.compile(rf"(?=<\s*{field}\b)", re.IGNORECASE)


def _room(count: int, max_tokens: int) -> int:
    return max(40, (max_tokens * CHARS_PER_TOKEN - _FORM_CHARS) // count - _FORM_CHARS)


def _items(value: Any, tag: str, fields: Sequence[str]) -> Iterable[Any]:
    """What a JSON value holds of the items that were asked for, whatever they are wrapped in."""
    for _ in range(3):
        if isinstance(value, list):
            return value if fields else [item for item in value if isinstance(item, str | dict)]
        if not isinstance(value, dict):
            return ()
        names = {str(name).casefold(): name for name in value}
        if (fields[0] if fields else tag) in names:
            return [value]
        inside = names.get(f"{tag}s", names.get(tag))
        if inside is None and len(value) != 1:
            return ()
        value = value[inside] if inside is not None else next(iter(value.values()))
    return ()


def _said(item: Any, field: str) -> str:
    if isinstance(item, dict):
        item = next((value for name, value in item.items() if str(name).casefold() == field), None)
    elif not isinstance(item, str):
        return ""
    return item.strip() if isinstance(item, str) else str(item) if isinstance(item, int | float) else ""


def _bare(value: str) -> str:
    """A text of a JSON reply without the tags that the prompt shows around it."""
    found = re.match(r"<\s*(question|answer|instruction|context|title|text)\b[^<>]{0,200}>", value, re.IGNORECASE)
    return _first(value, found[1]) if found else value


def _first(block: str, tag: str) -> str:
    found = read_blocks(block, tag)
    return found[0] if found else ""
