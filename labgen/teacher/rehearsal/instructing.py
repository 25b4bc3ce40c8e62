"""Whether a text is an instruction at all, and a whole one."""

from __future__ import annotations

from labgen.lazy import re
from labgen.teacher.rehearsal.sentences import word_list

_ASKS = frozenset(
    word_list(
        "write explain describe list name give tell find identify summarise summarize rewrite translate convert answer "
        "compare create generate make draft compose define complete fill choose pick sort order rank extract "
        "classify calculate compute solve determine suggest provide show turn change correct fix edit improve shorten "
        "state read use consider imagine pretend act play help decide outline propose design implement "
        "given need want build let should take put form only call arrange match group label which what who "
        "schreibe erkläre nenne gib finde übersetze beschreibe ergänze écris explique traduis donne escribe "
        "explica traduce dime scrivi spiega please"
    )
)
_START = re.compile(r"(?:^|\n[^\S\n]*+|[.:]\s++|\b(?:please|now|hello|i)[:,!]?\s+)([^\W\d_]+)", re.IGNORECASE)
_END = re.compile(r"[\W_]$")
USUAL_SHARE = 0.8
"""Share of the examples that must do a thing before a text that does not is held against it."""
FEW_WORDS = 6
LONG_WORDS = 60
_ADDRESSED = re.compile(r"\?|\byou", re.IGNORECASE)
_LISTED = re.compile(r"(?:^|\n)[ \t]*\(?\w{1,2}[.)][^\n]*\Z")
_WORD = re.compile(r"[^\W\d_]+")


def fault_of(text: str, models: tuple[str, ...]) -> str:
    """Why a text can't be worked on as an instruction, in words, judged by the examples' instructions; '' for nothing.

    Without examples nothing is held against it.
    """
    text = text.strip()
    if not models:
        return ""
    if len(text.split()) >= FEW_WORDS and not _ends(text) and _usual([_ends(model) for model in models]):
        return "breaks off"
    if not _END.search(text) and (_fragment(text, models) or _short(text, models)):
        return "breaks off"
    longest = max(len(model.split()) for model in models)
    if len(text.split()) > max(LONG_WORDS, 2 * longest) and not _ADDRESSED.search(text):
        return "is a text of its own, and asks for nothing"
    if text.startswith("```") and not any(model.strip().startswith("```") for model in models):
        return "is code, and asks for nothing"
    if not _asks(text, frozenset()) and _usual([_asks(model, frozenset()) for model in models]):
        firsts = frozenset(model.split()[0].strip(",:").lower() for model in models if model.split())
        if not _asks(text, firsts):
            return "asks for nothing"
    return ""


def _fragment(text: str, models: tuple[str, ...]) -> bool:
    """Whether the last word is the beginning of one that the examples have, and none itself."""
    known = {word.lower() for model in models for word in _WORD.findall(model)}
    last = _WORD.findall(text)[-1:]
    if not last or len(last[0]) < 2 or last[0].lower() in known:
        return False
    return any(word.startswith(last[0].lower()) for word in known)


def _short(text: str, models: tuple[str, ...]) -> bool:
    """Whether a text is clearly shorter than examples that are alike in length."""
    lengths = sorted(map(len, models))
    return len(models) > 1 and lengths[-1] < 1.5 * lengths[0] and len(text) < 0.7 * lengths[0]


def _ends(text: str) -> bool:
    return bool(_END.search(text.strip()) or _LISTED.search(text.strip()))


def _asks(text: str, firsts: frozenset[str]) -> bool:
    if any(mark in text for mark in "？؟") or _ADDRESSED.search(text):
        return True
    starts = {match[1].lower() for match in _START.finditer(text)}
    return bool(starts & _ASKS) or (bool(text.split()) and text.split()[0].strip(",:").lower() in firsts)


def _usual(found: list[bool]) -> bool:
    return sum(found) >= USUAL_SHARE * len(found)
