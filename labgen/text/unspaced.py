"""Scripts whose words do not show: those written without spaces, and Hangul, whose words carry endings."""

from __future__ import annotations

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),  # Han iteration mark and zero
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo and Katakana, extended
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA000, 0xA4CF),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Burmese extended
    (0xAA60, 0xAADF),  # Burmese extended, Tai Viet
    (0xF900, 0xFAFF),  # Han compatibility
    (0x1B000, 0x1B16F),  # kana supplements
    (0x20000, 0x323AF),  # Han extensions B to H
)
"""First and last code point of each block of a script that is written without spaces between words."""

HANGUL = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))
"""The same of Hangul. It has spaces, and its words carry endings that in other languages are words."""

WORDS_DO_NOT_SHOW = (*UNSPACED, *HANGUL)
"""Where the end of a word can't be told from the letters beside it."""


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that is written without spaces."""
    return _within(char, UNSPACED)


def hides_words(char: str) -> bool:
    """Whether a character belongs to a script in which a word may end anywhere."""
    return _within(char, WORDS_DO_NOT_SHOW)


def _within(char: str, blocks: tuple[tuple[int, int], ...]) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in blocks)
