"""Which language a question is in: by its script, in Latin letters by its commonest words. Silent when in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labgen.text.words import STOP_WORDS, words

_SCRIPTS = (
    ("Cyrillic", 0x0400, 0x052F),
    ("Greek", 0x0370, 0x03FF),
    ("Hebrew", 0x0590, 0x05FF),
    ("Arabic", 0x0600, 0x06FF),
    ("Devanagari", 0x0900, 0x097F),
    ("Bengali", 0x0980, 0x09FF),
    ("Tamil", 0x0B80, 0x0BFF),
    ("Telugu", 0x0C00, 0x0C7F),
    ("Thai", 0x0E00, 0x0E7F),
    ("Korean", 0xAC00, 0xD7AF),
    ("Japanese", 0x3040, 0x30FF),
    ("Chinese", 0x4E00, 0x9FFF),
)
_NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
}
MIN_WORDS = 7  # below this, a borrowed title or a name decides
MIN_SHARE = 0.25  # of words that a language's own texts have among its commonest; English questions have about a half
MIN_LEAD = 2.0  # over the second language


def guess_language(text: str) -> str:
    """The language or script of a text (`English`, `Cyrillic`, ...); empty where the text is short or mixed."""
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return ""
    scripts = Counter(_script(char) for char in letters)
    script, count = scripts.most_common(1)[0]
    if script == "Chinese" and scripts["Japanese"] > 0.1 * len(letters):
        script, count = "Japanese", count + scripts["Japanese"]
    if count < 0.7 * len(letters):
        return ""
    if script != "Latin":
        return script if len(letters) >= MIN_WORDS else ""
    found = words(text)
    if len(found) < MIN_WORDS:
        return ""
    ranked = Counter({language: sum(word in marks for word in found) for language, marks in STOP_WORDS.items()})
    (best, hits), (_, second) = ranked.most_common(2)
    return _NAMES[best] if hits >= MIN_SHARE * len(found) and hits >= MIN_LEAD * max(1, second) else ""


def other_languages(texts: Sequence[str]) -> list[tuple[int, str, str]]:
    """(index, its language, the others' language) of texts that differ from a clear majority of three or more."""
    found = [guess_language(text) for text in texts]
    known = Counter(language for language in found if language)
    if len(known) < 2:
        return []
    main, count = known.most_common(1)[0]
    if count < 3 or count < 0.6 * known.total():
        return []
    return [(index, language, main) for index, language in enumerate(found) if language and language != main]


def _script(char: str) -> str:
    code = ord(char)
    if code < 0x0250 or 0x1E00 <= code <= 0x1EFF:
        return "Latin"
    return next((name for name, first, last in _SCRIPTS if first <= code <= last), "other")
