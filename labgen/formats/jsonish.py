"""JSON as language models write it: fenced, wrapped in prose, with the wrong quotes, or not closed.

Strict JSON is always tried first, so that a correct reply is never reinterpreted. Text is data: nothing is evaluated,
depth and length are bounded, and no input raises.
"""

from __future__ import annotations

import json
from typing import Any

from labgen.lazy import re

MAX_CHARS = 100_000
"""Longer replies are cut here before they are read; a verdict has a few thousand characters."""

_MAX_DEPTH = 40
_MAX_STARTS = 64  # opening brackets tried per reply, so that a wall of brackets costs no quadratic time
_STRICT = json.JSONDecoder(strict=False)
_CLOSING_QUOTE = {'"': '"“”', "'": "'‘’", "“": '”"', "”": '”"', "‘": "’'", "’": "’'", "`": "`", "«": "»", "„": '“”"'}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_GAP = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?(?=\s*(?:[,}\]\n]|$))")
_BARE_KEY = re.compile(r"[^\W\d][\w-]{0,80}(?: [\w-]{1,40}){0,3}(?=\s*[:=])")
_BARE_VALUE = re.compile(r"[^,\n{}\[\]]+")
_WORDS = {"true": True, "false": False, "null": None, "none": None, "undefined": None}
_BETWEEN = re.compile(r"[\s,;]*")
_LIST_START = re.compile(r"\s*[\[{\"'“‘\d\]-]")
_NEXT_MEMBER = re.compile(r"[^\S\n]*+\n\s*+[\"'“‘]?\w[\w -]{0,40}[\"'”’]?\s*:")
_SPECIAL = {quote: re.compile(rf"[\\{closers}]") for quote, closers in _CLOSING_QUOTE.items()}


class _Unreadable(Exception):
    """Not even tolerantly JSON; never leaves this module."""


def read_json(text: str) -> Any | None:
    """The JSON that a reply holds, or None.

    Reads through code fences, prose, comments, trailing or missing commas, single and typographic quotes, unquoted
    keys, Python's `True`/`None`, and closing brackets that never came. Where a reply holds several objects the last one
    counts (drafts and echoes of the form come first), unless they follow one another with nothing but commas or white
    space between, which makes them a list. Objects are preferred to lists (`[1]` may be a footnote).
    """
    text = text[:MAX_CHARS].strip().lstrip("\ufeff")
    try:
        return _STRICT.decode(text)
    except (ValueError, RecursionError):
        pass
    found = _top_level_values(text)
    telling = [entry for entry in found if _holds_an_object(entry[2])]
    if not telling:
        return found[-1][2] if found else None
    run = [telling.pop()]
    while telling and isinstance(run[0][2], dict) and _BETWEEN.fullmatch(text, telling[-1][1], run[0][0]):
        run.insert(0, telling.pop())
    return run[0][2] if len(run) == 1 else [value for _, _, value in run]


def _holds_an_object(value: Any) -> bool:
    return bool(value) and (isinstance(value, dict) or isinstance(value[0], dict))


def _top_level_values(text: str) -> list[tuple[int, int, Any]]:
    """(start, end, value) of every outermost object or list, in order."""
    found = []
    position = 0
    for _ in range(_MAX_STARTS):
        start = min((at for at in (text.find("{", position), text.find("[", position)) if at >= 0), default=-1)
        if start < 0:
            break
        if text[start] == "[" and not _LIST_START.match(text, start + 1):
            position = start + 1  # brackets in prose
            continue
        try:
            value, position = _STRICT.raw_decode(text, start)
        except (ValueError, RecursionError):
            try:
                value, position = _Lenient(text).value(start, 0)
            except _Unreadable:
                position = start + 1
                continue
        found.append((start, position, value))
    return found


class _Lenient:
    """A recursive-descent reader; every method takes a position and returns (value, position after it)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = len(text)

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        if depth > _MAX_DEPTH:
            raise _Unreadable
        at = self._skip(at)
        char = self._text[at : at + 1]
        if char == "{":
            return self._object(at + 1, depth)
        if char == "[":
            return self._list(at + 1, depth)
        if char in _CLOSING_QUOTE:
            return self._string(at)
        number = _NUMBER.match(self._text, at)
        if number:
            digits = number.group()
            return (int(digits) if digits.lstrip("-").isdigit() else float(digits)), number.end()
        bare = _BARE_VALUE.match(self._text, at)
        if not bare or not bare.group().strip():
            raise _Unreadable
        word = bare.group().strip()
        return _WORDS.get(word.lower(), word), bare.end()

    def _object(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        while True:
            at = self._skip_commas(at)
            char = self._text[at : at + 1]
            if char == "}":
                return members, at + 1
            if char in ("", "]"):
                return self._unclosed(members), at
            key, at = self._key(at)
            at = self._skip(at)
            if self._text[at : at + 1] not in (":", "="):
                if at >= self._end and members:
                    return members, at  # cut off inside a key
                raise _Unreadable
            at = self._skip(at + 1)
            if at >= self._end:
                return self._unclosed(members), at
            if self._text[at] in ",}":
                members[key] = None
                continue
            members[key], at = self.value(at, depth + 1)

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            at = self._skip_commas(at)
            char = self._text[at : at + 1]
            if char == "]":
                return items, at + 1
            if char in ("", "}"):
                return items, at
            item, at = self.value(at, depth + 1)
            items.append(item)

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at] in _CLOSING_QUOTE:
            return self._string(at, after=":=")
        bare = _BARE_KEY.match(self._text, at)
        if not bare:
            raise _Unreadable
        return bare.group(), bare.end()

    def _string(self, at: int, after: str = ",}]:") -> tuple[str, int]:
        """A quoted string. A quote inside it that nothing structural follows belongs to it ("he said "no" twice")."""
        quote = self._text[at]
        piece: list[str] = []
        at += 1
        while special := _SPECIAL[quote].search(self._text, at):
            piece.append(self._text[at : special.start()])
            at = special.start()
            if self._text[at] == "\\":
                decoded, at = self._escape(at + 1)
                piece.append(decoded)
                continue
            following = self._skip(at + 1)
            if following >= self._end or self._text[following] in after or _NEXT_MEMBER.match(self._text, at + 1):
                return "".join(piece), at + 1
            piece.append(self._text[at])
            at += 1
        piece.append(self._text[at:])
        return "".join(piece), self._end

    def _escape(self, at: int) -> tuple[str, int]:
        char = self._text[at : at + 1]
        if not char:
            return "", self._end  # the text breaks off behind its backslash
        if char == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", self._text[at + 1 : at + 5]):
            return chr(int(self._text[at + 1 : at + 5], 16)), at + 5
        return _ESCAPES.get(char, char), at + 1

    def _skip(self, at: int) -> int:
        gap = _GAP.match(self._text, at)
        return gap.end() if gap else at

    def _skip_commas(self, at: int) -> int:
        at = self._skip(at)
        while at < self._end and self._text[at] in ",;":
            at = self._skip(at + 1)
        return at

    @staticmethod
    def _unclosed(members: dict[str, Any]) -> dict[str, Any]:
        if not members:
            raise _Unreadable  # a lone `{` in prose
        return members
