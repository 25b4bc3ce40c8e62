"""Words of a text, for the rules that compare texts by their words."""

from __future__ import annotations

from labgen.lazy import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

_LISTED = """the of and to in is it that was for on are as with his they be at this have from or had by but what all
    were we when your can said there use an each which she do how their if will up other about out many then them these
    so some her would make like him into has more not you who where why does did than its"""
COMMON_ENGLISH = frozenset(_LISTED.split())
"""The commonest words of English."""


def words(text: str) -> list[str]:
    """Lower-case words in order, in any script that writes spaces."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Words that say something: numbers, and words of four letters or more that English does not strew everywhere."""
    return [word for word in words(text) if word[0].isdigit() or (len(word) > 3 and word not in COMMON_ENGLISH)]


def normalised(text: str) -> str:
    """Text without what case, punctuation and white space add, for telling repeats."""
    return " ".join(words(text)) or " ".join(text.split())
