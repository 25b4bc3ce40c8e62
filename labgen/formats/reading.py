"""The one tolerant reader for what a teacher replies: blocks in tags, JSON, labelled lines, yes and no, scores.

What can't be read is None, never a guess: the caller asks once more to restate, and then the candidate is `unparsed`.
No text makes these functions raise, and none of it is ever evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from labgen.formats.answers import read_score, read_yes_no
from labgen.formats.jsonish import MAX_CHARS, read_json
from labgen.formats.prompts import TAGS
from labgen.lazy import re

__all__ = ["read_blocks", "read_fields", "read_json", "read_score", "read_yes_no"]

KINDS = ("yes_no", "score3", "score10", "text", "list")
"""What a field may be; with a `?` at the end it may be missing (and is None then)."""

_OWN_TAG = re.compile(rf"<\s*+(?:/\s*+)?(?:{'|'.join(TAGS)})\b[^<>]{{0,200}}>", re.IGNORECASE)
_NOTHING = re.compile(r"\W*(?:none|no|nil|n/a|empty|keine|aucun|нет|无)?\W*", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d{1,3}[.)])\s+")


def read_blocks(text: str, tag: str) -> list[str]:
    """The contents of every `<tag>...</tag>`, outer white space removed, in order.

    Case and attributes don't matter. Where the closing tag is missing, a block ends at the next opening of the same
    tag, at any other of the prompts' own tags, or at the end of the text.
    """
    opening, closing = _tag_patterns(tag)
    starts = list(opening.finditer(text))
    blocks = []
    for number, start in enumerate(starts):
        limit = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        end = closing.search(text, start.end(), limit) or _OWN_TAG.search(text, start.end(), limit)
        blocks.append(text[start.end() : end.start() if end else limit].strip())
    return blocks


@lru_cache(maxsize=64)
def _tag_patterns(tag: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    name = re.escape(tag)
    return (
        re.compile(rf"<\s*{name}(?:\s[^<>]{{0,200}})?>", re.IGNORECASE),
        re.compile(rf"<\s*/\s*{name}\s*(?:>|(?=<)|$)", re.IGNORECASE),
    )


def read_fields(text: str, fields: Mapping[str, str]) -> dict[str, object] | None:
    """Named fields of a reply: from JSON, else from `label: value` lines, else from `<label>` tags.

    Args:
        text: the reply.
        fields: name to kind, one of `KINDS`: `yes_no` gives bool, `score3` and `score10` int from 1 to 3 or to 10,
            `text` str, `list` list. A kind that ends in `?` may be missing or unreadable; its value is None then.
    Returns: all the names with their values, or None when one that must be there can't be read.
    """
    for kind in fields.values():
        if kind.removesuffix("?") not in KINDS:
            raise ValueError(f"unknown kind of field `{kind}`; known: {', '.join(KINDS)}")
    text = text[:MAX_CHARS]
    labelled = False
    for look in (_from_json, _from_lines, _from_tags):
        found = look(text, fields)
        values = _convert(found, fields)
        if values is not None:
            return values
        labelled = labelled or bool(found)
    return None if labelled else _convert(_from_bare_answer(text, fields), fields)


def _convert(found: Mapping[str, list[Any]], fields: Mapping[str, str]) -> dict[str, object] | None:
    """One value per field: what all readings of a label agree on. None where a required field has none."""
    values: dict[str, object] = {}
    if not found:
        return None
    for name, kind in fields.items():
        readings = [
            reading for raw in found.get(name, ()) if (reading := _read(raw, kind.removesuffix("?"))) is not None
        ]
        agreed = bool(readings) and (kind.startswith(("text", "list")) or all(each == readings[0] for each in readings))
        if not agreed and not kind.endswith("?"):
            return None
        values[name] = readings[0] if agreed else None
    return values


def _read(raw: Any, kind: str) -> object | None:
    if kind == "yes_no":
        return read_yes_no(raw)
    if kind.startswith("score"):
        return read_score(raw, low=1, high=int(kind.removeprefix("score")))
    if kind == "list":
        return _read_list(raw)
    if raw is None:
        return ""
    if isinstance(raw, str):
        return raw.strip()
    if isinstance(raw, list | tuple):
        return "\n".join(str(item) for item in raw)
    return str(raw)


def _read_list(raw: Any) -> list[Any] | None:
    if isinstance(raw, list):
        return raw
    if isinstance(raw, dict):
        return [raw]
    if not isinstance(raw, str):
        return [] if raw is None else None
    if _NOTHING.fullmatch(raw):
        return []
    value = read_json(raw)
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value]
    return [_BULLET.sub("", line).strip() for line in raw.splitlines() if line.strip()]


def _from_json(text: str, fields: Mapping[str, str]) -> dict[str, list[Any]]:
    value = read_json(text)
    wanted = {_plain_label(name): name for name in fields}
    for _ in range(3):  # an object in a list of one, or under a single key such as "verdict"
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            return {}
        labels = {_plain_label(str(key)): key for key in value}
        if any(label in wanted for label in labels):
            return {wanted[label]: [value[key]] for label, key in labels.items() if label in wanted}
        if len(value) != 1:
            return {}
        value = next(iter(value.values()))
    return {}


@lru_cache(maxsize=256)
def _plain_label(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _from_lines(text: str, fields: Mapping[str, str]) -> dict[str, list[Any]]:
    pattern = _label_pattern(tuple(fields))
    wanted = {_plain_label(name): name for name in fields}
    labels = list(pattern.finditer(text))
    found: dict[str, list[Any]] = {}
    for number, label in enumerate(labels):
        name = wanted[_plain_label(label["label"])]
        end = labels[number + 1].start() if number + 1 < len(labels) else len(text)
        value = text[label.end() : end].strip().strip("|").strip()
        if fields[name].startswith(("yes_no", "score")):
            value = next((line for line in value.splitlines() if line.strip()), "")
        found.setdefault(name, []).append(value.strip("*_`").strip())
    return found


@lru_cache(maxsize=64)
def _label_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    # `on_task` is also written "On task", "on-task" and "OnTask".
    labels = "|".join(r"[ _-]?".join(map(re.escape, re.split(r"[ _-]", name))) for name in names)
    return re.compile(
        rf"^[ \t>|#•*+_`\"'-]*+(?:\d{{1,3}}[.)][ \t]++[*_`\"'#]*+)?(?P<label>{labels})\b"
        rf"[*_`\"' \t]*+(?:\([^()\n]{{0,40}}\)[*_`\"' \t]*+)?"
        rf"(?:[:：=|]|[-–—](?=\s))[ \t]*+",
        re.IGNORECASE | re.MULTILINE,
    )


def _from_tags(text: str, fields: Mapping[str, str]) -> dict[str, list[Any]]:
    found = {}
    names = sorted(fields)
    for name in names:
        blocks = read_blocks(text, name)
        others = [re.escape(other) for other in names if other != name]
        if others:  # a tag that never closed ends where the next field begins
            cut = re.compile(rf"<\s*+(?:/\s*+)?(?:{'|'.join(others)})\b", re.IGNORECASE)
            blocks = [cut.split(block, maxsplit=1)[0].strip() for block in blocks]
        if blocks:
            found[name] = blocks
    return found


def _from_bare_answer(text: str, fields: Mapping[str, str]) -> dict[str, list[Any]]:
    """A reply of nothing but the answer, where only one was asked for."""
    required = [name for name, kind in fields.items() if not kind.endswith("?")]
    if len(required) == 1 and fields[required[0]].startswith(("yes_no", "score")):
        return {required[0]: [text]}
    return {}
