"""Hashes of word n-grams, the same on every machine; 64 bits, so that two n-grams are never confused in practice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


def hash_ngrams(words: Sequence[str], size: int) -> NDArray[numpy.uint64]:
    """One hash for each run of `size` words, in order; empty where there are fewer words.

    A sum of the words' hashes, each times a fixed odd factor for its place (multilinear hashing modulo 2^64).
    """
    import numpy

    count = len(words) - size + 1
    if count < 1:
        return numpy.empty(0, dtype=numpy.uint64)
    values = hash_words(words)
    total = numpy.full(count, _factor(-size), dtype=numpy.uint64)
    for place in range(size):
        total += values[place : place + count] * numpy.uint64(_factor(place))
    return total


def hash_words(words: Sequence[str]) -> NDArray[numpy.uint64]:
    """One hash for each word, in order. Their sum (modulo 2^64) stands for the words in any order."""
    import numpy

    return numpy.fromiter(map(_hash_word, words), dtype=numpy.uint64, count=len(words))


@lru_cache(maxsize=1 << 18)
def _hash_word(word: str) -> int:
    # Surrogates are legal in a teacher's text.
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@cache
def _factor(place: int) -> int:
    return int.from_bytes(blake2b(b"labgen n-gram %d" % place, digest_size=8).digest(), "little") | 1
