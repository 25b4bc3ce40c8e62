"""Whether a response is all there."""

from __future__ import annotations

from labgen.lazy import re
from labgen.teacher.rehearsal.sentences import word_list

_ENDS = tuple(".!?…。！？)]}\"'”’»`:;*_|>")
_DANGLING = frozenset(
    word_list(
        "a an the and or but of to in on at by for from with as is are was were that which who than into its "
        "their his her this these be been has have had not if because der die das und oder ein eine le la les de "
        "du et el los y"
    )
)
FINISHED_SHARE = 0.8
"""Share of the examples that must end whole before a response that does not counts as broken off."""
LIKE_LENGTHS = 1.6
"""Examples whose longest response is less than this times the shortest are alike in length,"""
SHORT_SHARE = 0.75
"""and then a response of less than this share of the shortest is broken off."""
_INNER_END = re.compile(r"[.!?]\s+[A-Z]")
_LETTER_END = re.compile(r"[^\W\d_]$")


def breaks_off(text: str, models: tuple[str, ...], *, sentence_words: int = 6) -> bool:
    """Whether a response breaks off.

    Args:
        models: the examples' responses; where they all end in a punctuation mark, so must this.
        sentence_words: from so many words on, a line without a full stop is taken for a sentence that breaks off
            (where there are no models).
    """
    text = text.rstrip()
    if not text or text.endswith((",", " -", "(", "[", "{")) or text.count("```") % 2:
        return True
    if _left_open(text) and not any(map(_left_open, models)):
        return True
    if len(models) > 1:
        return not _ends_whole(text) and _unlike(text, models)
    if text.endswith(_ENDS) or _ends_whole(text) or not _LETTER_END.search(text):
        return False
    # A sentence of some length on the last line that does not end like one.
    last_line = text.rpartition("\n")[2] if text.count("\n") > 3 else text
    return len(last_line.split()) >= sentence_words and not text[0].islower()


def _left_open(text: str) -> bool:
    """Whether a text ends in a word that needs another, or opens what it does not close."""
    split = text.split()
    dangling = len(split) > 3 and split[-1].lower() in _DANGLING
    # In German, “ closes what „ opens.
    quoted = "„" not in text and text.count("“") > text.count("”")
    return dangling or quoted or text.count("(") > text.count(")")


def _unlike(text: str, models: tuple[str, ...]) -> bool:
    """Whether ending without a punctuation mark sets a text apart from the examples."""
    ended = sum(bool(model.strip()) and _ends_whole(model.rstrip()) for model in models)
    if ended >= FINISHED_SHARE * len(models):
        return True
    ends = [match.end() for match in _INNER_END.finditer(text)]
    if 2 * ended >= len(models) and ends and len(text[ends[-1] :].split()) >= 5 and _LETTER_END.search(text):
        return True  # it ends sentences, only not the last one, which is too long for a signature
    lengths = sorted(map(len, models))
    alike = len(models) > 2 and lengths[-1] < LIKE_LENGTHS * lengths[0]
    return alike and len(text) < SHORT_SHARE * lengths[0]


def _ends_whole(text: str) -> bool:
    """Whether a text ends in a punctuation mark that more need not follow, or as a post does, in its tags."""
    if text.split()[-1].startswith(("#", "@", "http")):
        return True
    return text.endswith(_ENDS) and not text.endswith((":", ";"))
