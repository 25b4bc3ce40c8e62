"""ROUGE-L as `rouge_score` computes it: the last word on every near-duplicate.

Source: the `rouge-score` package, whose `RougeScorer` self-instruct (arXiv 2212.10560) and its successors use, without
stemming. Texts with non-ASCII letters are given to it in the words of `labgen.text.rouge_words`, all others in its own.

It is loaded with the first pair, so that a command that meets no near-duplicate never loads it; and without nltk, of
which it wants the stemmer alone, and that only where it is to stem: nltk takes as long to load as a small build lasts.
A pair takes 0.8 microseconds for each token of the one times each of the other: 3 ms for 60 tokens each, 2 s at
`MOST_STEPS`. So it is asked only about pairs that `labgen.filters.near_duplicates`, whose arithmetic is the same and
some thousand times as fast, has found too close.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from labgen.filters.near_duplicates import rouge_l
from labgen.text.rouge_words import has_foreign_letters, tokenize

MOST_STEPS = 3_000_000
"""Tokens of one text times tokens of the other, above which a pair is left to our arithmetic."""


def reference_rouge_l(a: str, b: str) -> float:
    """ROUGE-L F-measure of two texts by `rouge_score`, 0 to 1; symmetric.

    Two very long texts (see `MOST_STEPS`) are measured by `near_duplicates.rouge_l`: `rouge_score` writes a table of
    all tokens by all tokens, so that one leaf with two copies of a book would take hours and all memory.
    """
    if len(tokenize(a)) * len(tokenize(b)) > MOST_STEPS:
        return rouge_l(a, b)
    return _score(a, b)


@lru_cache(maxsize=256)  # several instructions on one context come in a row
def _score(a: str, b: str) -> float:
    return float(_scorer().score(a, b)["rougeL"].fmeasure)


@cache
def _scorer() -> Any:
    with _nltk_on_demand():
        from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False, tokenizer=_Tokenizer())


class _OnDemand(ModuleType):
    """Stands for a module, which is imported when something of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _nltk_on_demand() -> Iterator[None]:
    """What imports nltk meanwhile has it when it uses it; what imports it afterwards has it at once, as ever."""
    names = ("nltk", "nltk.stem", "nltk.stem.porter")
    if not any(name in sys.modules for name in names):
        nltk, stem, porter = (_OnDemand(name) for name in names)
        stem.__dict__["porter"] = porter
        sys.modules.update({"nltk": nltk, "nltk.stem": stem, "nltk.stem.porter": porter})
    try:
        yield
    finally:
        for name in names:
            if isinstance(sys.modules.get(name), _OnDemand):
                del sys.modules[name]


class _Tokenizer:
    """What `rouge_score` calls a tokenizer: its own, but for texts in which that sees no letters or not all."""

    def __init__(self) -> None:
        from rouge_score.tokenizers import DefaultTokenizer

        self._own = DefaultTokenizer(use_stemmer=False)

    def tokenize(self, text: str) -> list[str]:
        """A text's words, in order."""
        words: list[str] = tokenize(text) if has_foreign_letters(text) else self._own.tokenize(text)
        return words
