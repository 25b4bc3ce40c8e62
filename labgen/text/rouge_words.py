"""Words as ROUGE counts them, in any script.

Source: the tokenizer of the `rouge-score` package (lower case, runs of ASCII letters and digits, all else separates),
which self-instruct and its successors measure near-duplicates with. Ours is the same for every text without a non-ASCII
letter. It differs for the others, since the reference drops every such letter: two identical Chinese instructions have
no tokens there and score 0, and `café` becomes `caf`. For a text with at least one non-ASCII letter (or an accent that
is written as a character of its own):

- the text is normalised (NFKC) and case-folded, so that composed and decomposed, full-width and half-width forms agree;
- a word is a run of letters, digits and combining marks of any script;
- in scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan, Yi and kin) every letter, with the
  marks that follow it, is a token of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from labgen.lazy import re
from labgen.text.unspaced import is_unspaced

_WORD = re.compile(r"[a-z0-9]+")

_SEPARATOR, _LETTER, _SINGLE, _MARK, _NOTHING = range(5)

_ACCENT, _JOINER = "\u0301", "\u200d"


def tokenize(text: str) -> list[str]:
    """The tokens that near-duplicates and contamination are measured on, in order; deterministic.

    Equals `rouge_score`'s default tokenizer without stemming for every text that has no non-ASCII letter.
    """
    if text.isascii() or not has_foreign_letters(text):
        return _WORD.findall(text.lower())
    return _unicode_tokens(text)


def untokenize(tokens: Iterable[str]) -> str:
    """A text of these tokens, which `tokenize` takes apart into the same ones.

    Args:
        tokens: of one text, as `tokenize` gives them.
    """
    text = " ".join(tokens)
    if text.isascii():
        return text
    # The accent, which is in no word, makes it a text in Unicode words even where all its letters are ASCII. Joiners,
    # which are dropped, keep normalisation from composing what a token holds uncomposed (there was one between).
    return _ACCENT + _JOINER.join(text)


def has_foreign_letters(text: str) -> bool:
    """Whether the text has a letter that is not ASCII, so that the Unicode tokenization applies."""
    return any(char > "\x7f" and (char.isalpha() or unicodedata.combining(char)) for char in text)


def _unicode_tokens(text: str) -> list[str]:
    tokens: list[str] = []
    word: list[str] = []
    alone = False  # whether `word` is a single letter of an unspaced script, which takes marks only
    for char in unicodedata.normalize("NFKC", text).casefold():
        kind = _kind(char)
        if kind == _NOTHING:
            continue
        if kind == _MARK:
            if word:
                word.append(char)
            continue
        if word and (kind != _LETTER or alone):
            tokens.append("".join(word))
            word = []
        if kind != _SEPARATOR:
            word.append(char)
            alone = kind == _SINGLE
    if word:
        tokens.append("".join(word))
    return tokens


def _kind(char: str) -> int:
    if char.isascii():
        return _LETTER if char.isalnum() else _SEPARATOR
    if "\ufe00" <= char <= "\ufe0f":
        return _NOTHING  # variation selectors: how a symbol is drawn
    category = unicodedata.category(char)
    if category == "Cf":
        return _NOTHING  # joiners, soft hyphens, direction marks: they stand inside words
    if category[0] == "M":
        return _MARK
    if category[0] not in "LN":
        return _SEPARATOR
    if category[0] == "L" and is_unspaced(char):
        return _SINGLE
    return _LETTER
