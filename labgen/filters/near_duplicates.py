"""Near-duplicates: the pairs that are too close, found without comparing all of them.

Source: self-instruct (arXiv 2212.10560) drops an instruction whose ROUGE-L F-measure with any earlier one is above 0.7,
by comparing it with all of them. What is found here equals `rouge_score`'s decision on every pair, down to the
floating-point comparison; only the search differs. It proposes: who declares two texts near-duplicates asks
`labgen.filters.rouge`, which is `rouge_score` itself, and goes by that number.

For two texts of m and n tokens and a longest common subsequence of L, the measure is 2L / (m + n); so a score above t
needs more than t(m + n)/2 tokens in common. From this follow, all conservative:

- a bound on lengths: n lies between t·m/(2-t) and its inverse;
- a prefix index: with each text's tokens put in one fixed order, rare ones first, two texts that share enough tokens
  must share one among the first few of each, and how many of those they share bounds how many they share in all;
- a bound from 256-bit signatures: every bit that one text has and the other lacks is a token that they don't share;
- what survives is settled by RapidFuzz's bit-parallel LCS, which gives up below the needed length.

Tokens are those of `labgen.text.rouge_words`, which says where ours differ from the reference (non-ASCII letters).
"""

from __future__ import annotations

import math
import statistics
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

from rapidfuzz.distance import LCSseq

from labgen.text.rouge_words import tokenize, untokenize

__all__ = ["Match", "NearDuplicates", "f_measure", "leaf_threshold", "rouge_l", "tokenize"]

_SLACK = 1e-6  # far above rounding errors, far below the step of 1 in which overlaps grow
_FIRST_ORDER = 256  # texts after which the order of tokens is first fixed
_ORDER_GROWTH = 4  # times as many, after which it is fixed anew
_LAST_CHAR = 0x10FFFF
_FEW = 40  # texts that are looked at one by one sooner than all together
_SPARSE = 16  # texts for each number, above which sorting the numbers is faster than counting over all texts
_WORDS = 4  # of 64 bits in a signature
_MOST_NEEDS = 256  # lengths of text for which it is remembered what others must share with them
_FULL = 2 ** (64 * _WORDS) - 1
_NEVER = 2**40  # more than any text has tokens


@dataclass(frozen=True, slots=True)
class Match:
    """An indexed text that is too close: its key and the ROUGE-L F-measure, above the threshold up to 1."""

    key: int
    similarity: float


def f_measure(common: int, length_a: int, length_b: int) -> float:
    """ROUGE's F-measure of an LCS of `common` tokens, in the reference's own order of operations; 0 for empty texts."""
    if not common:
        return 0.0
    precision, recall = common / length_a, common / length_b
    return 2 * precision * recall / (precision + recall)


def rouge_l(a: str, b: str) -> float:
    """ROUGE-L F-measure of two texts, 0 to 1; symmetric; equals `rouge_score`'s where neither has non-ASCII letters."""
    tokens_a, tokens_b = tokenize(a), tokenize(b)
    return f_measure(int(LCSseq.similarity(tokens_a, tokens_b)), len(tokens_a), len(tokens_b))


class _Order(dict[int, int]):
    """Element to its rank. What is in no indexed text is rarest of all, and comes first as it stands in its text."""

    def __missing__(self, element: int) -> float:
        return -math.inf


@dataclass
class _Seen:
    """A text as an index sees it.

    Attributes:
        ids: one for each token; strangers: tokens that are in no indexed text, with the ids they have here.
        elements, prefix: see `_elements` and `NearDuplicates._prefix`.
        indexed: how many texts were in the index then; with another one all of it may be different.
    """

    text: str
    ids: list[int]
    strangers: dict[str, int]
    elements: list[int]
    indexed: int
    prefix: list[int] = field(default_factory=list)

    @cached_property
    def packed(self) -> str | tuple[int, ...]:
        """The ids as they are compared."""
        return _pack(self.ids)

    @cached_property
    def signature(self) -> int:
        """The ids as they are bounded."""
        return _signature(self.ids)

    @property
    def slack(self) -> int:
        """How many more tokens there are than bits in the signature."""
        return len(self.ids) - self.signature.bit_count()


class _Needs(NamedTuple):
    """What a text of some length needs of others to be close to them; `hits` and `overlap` by the other's length.

    `hits`: how many elements of the two prefixes must be the same; behind the prefix that ends first lie at most its
    text's floor - 1 shared tokens. `least`: the smallest of them. `overlap`: how many tokens must be shared in all.
    """

    least: int
    hits: Any
    overlap: Any


class NearDuplicates:
    """An incremental index of texts that finds those more than `threshold` similar to a given one.

    Costs about 15 bytes a token. Deterministic; the order of `add` matters only for texts with equal keys.

    Args:
        threshold: ROUGE-L F-measure, 0 to 1; a duplicate is strictly above it.
    """

    def __init__(self, threshold: float) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"a ROUGE-L threshold lies between 0 and 1, not at {threshold}")
        self._threshold = threshold
        self._ratio = threshold / (2 - threshold)
        self._vocabulary: dict[str, int] = {}
        self._tokens: list[str] = []  # by id
        self._keys = array("q")
        self._lengths = array("q")
        self._floors = array("q")  # by length: see `_floor`
        self._needs: dict[int, _Needs] = {}  # by length
        # One character per token: RapidFuzz reads a str in place, three to seven times as fast as a list or an array.
        self._texts: list[str | tuple[int, ...]] = []
        self._postings: dict[int, array[int]] = {}
        self._order = _Order()
        self._signatures = bytearray()
        self._slacks = array("q")
        self._last = _Seen("", [], {}, [], -1)
        self._next_order = _FIRST_ORDER

    def __len__(self) -> int:
        """How many texts are in the index."""
        return len(self._keys)

    def add(self, text: str, key: int) -> None:
        """Index a text under a key (any 64-bit integer; smaller means earlier). Texts without tokens match nothing."""
        seen = self._look(text)
        self._vocabulary.update(seen.strangers)
        self._tokens += seen.strangers  # their ids are the next ones, in this order
        number = len(self._keys)
        self._keys.append(key)
        self._lengths.append(len(seen.ids))
        while len(self._floors) <= len(seen.ids):
            self._floors.append(self._floor(len(self._floors)))
        self._texts.append(seen.packed)
        self._signatures += _bytes(seen.signature)
        self._slacks.append(seen.slack)
        if number + 1 >= self._next_order:
            self._reorder()
        elif seen.ids:
            # Elements that come after the order was fixed are rarer than all in it: before all, as in the prefix.
            for element in reversed([element for element in seen.elements if element not in self._order]):
                self._order[element] = -1 - len(self._order)
            self._post(number, seen.prefix)

    def text(self, number: int) -> str:
        """The text that was added as the `number`-th, from 0, as far as it counts: one with the same tokens."""
        return untokenize(self._tokens[token] for token in _unpack(self._texts[number]))

    def nearest(self, text: str) -> Match | None:
        """The most similar indexed text above the threshold, ties to the smallest key; None where there is none."""
        seen = self._look(text)
        packed, length = seen.packed, len(seen.ids)
        best: Match | None = None
        for number in self._candidates(seen):
            other = self._lengths[number]
            floor = self._threshold if best is None else best.similarity
            cutoff = _least_overlap(floor, length + other)
            score = f_measure(_common(packed, self._texts[number], cutoff), length, other)
            if score > floor:
                best = Match(self._keys[number], score)
        return best

    def matches(self, text: str) -> Iterator[Match]:
        """Every indexed text above the threshold, in the order of keys; compared lazily."""
        seen = self._look(text)
        packed, length = seen.packed, len(seen.ids)
        for number in self._candidates(seen):
            other = self._lengths[number]
            cutoff = _least_overlap(self._threshold, length + other)
            score = f_measure(_common(packed, self._texts[number], cutoff), length, other)
            if score > self._threshold:
                yield Match(self._keys[number], score)

    def _look(self, text: str) -> _Seen:
        """The text as the index sees it at present. A text is most often looked up and then added."""
        if self._last.text != text or self._last.indexed != len(self):
            # Unknown tokens get the ids that they would have if the text were added.
            known = self._vocabulary
            strangers: dict[str, int] = {}
            ids = [
                known[token] if token in known else strangers.setdefault(token, len(known) + len(strangers))
                for token in tokenize(text)
            ]
            elements = _elements(ids)
            self._last = _Seen(text, ids, strangers, elements, len(self), self._prefix(elements))
        return self._last

    def _candidates(self, seen: _Seen) -> list[int]:
        """Numbers of the texts that may be above the threshold, in the order of keys then of addition."""
        length = len(seen.ids)
        if not length:
            return []
        numbers = array("I")
        for element in seen.prefix:
            posting = self._postings.get(element)
            if posting is not None:
                numbers += posting
        if len(numbers) <= _FEW:
            shortest, longest = self._length_bounds(length)
            found = list({number for number in numbers if shortest <= self._lengths[number] <= longest})
        else:
            found = self._sharing(numbers, seen)
        return sorted(found, key=lambda number: (self._keys[number], number))

    def _sharing(self, numbers: array[int], seen: _Seen) -> list[int]:
        """Of numbers of texts, one for each element in common, those that may well share enough tokens."""
        import numpy

        needs = self._needed(len(seen.ids))
        given, lengths = numpy.frombuffer(numbers, numpy.uint32), numpy.frombuffer(self._lengths, numpy.int64)
        found: Any
        if len(self) > _SPARSE * len(numbers):
            found, hits = numpy.unique(given, return_counts=True)
        else:
            counts = numpy.bincount(given)
            found = (counts >= needs.least).nonzero()[0]
            hits = counts[found]
        lengths = lengths[found]
        enough = (hits >= needs.hits[lengths]).nonzero()[0]
        found = found[enough]
        if len(found) > _FEW and seen.signature != _FULL:
            # A bit of a signature that is not in the other one is a token, at least, that the two don't share.
            theirs = numpy.frombuffer(self._signatures, numpy.uint64).reshape(-1, _WORDS)[found]
            slack = numpy.minimum(numpy.frombuffer(self._slacks, numpy.int64)[found], seen.slack)
            shared = _bits(theirs & numpy.frombuffer(_bytes(seen.signature), numpy.uint64)) + slack
            found = found[shared >= needs.overlap[lengths[enough]]]
        return list(found.tolist())

    def _needed(self, length: int) -> _Needs:
        if (known := self._needs.get(length)) is None or len(known.hits) < len(self._floors):
            import numpy

            floors = numpy.array(self._floors, numpy.int64)
            overlap = numpy.ceil(self._threshold * (length + numpy.arange(len(floors))) / 2 - _SLACK)
            overlap = overlap.astype(numpy.int64)
            hits = numpy.maximum(overlap - numpy.maximum(floors, self._floor(length)) + 1, 1)
            shortest, longest = self._length_bounds(length)
            hits[:shortest] = _NEVER
            if longest < len(floors):
                hits[math.floor(longest) + 1 :] = _NEVER
            if len(self._needs) >= _MOST_NEEDS:
                self._needs.clear()
            known = self._needs[length] = _Needs(int(hits.min()), hits, overlap)
        return known

    def _floor(self, length: int) -> int:
        """Fewest tokens that a text of this length shares with any text that it is too close to."""
        return _least_overlap(self._threshold, length + self._length_bounds(length)[0])

    def _length_bounds(self, length: int) -> tuple[int, float]:
        longest = length / self._ratio + _SLACK if self._ratio else math.inf
        return max(1, math.ceil(length * self._ratio - _SLACK)), longest

    def _prefix(self, elements: list[int]) -> list[int]:
        """The first of a text's elements in the index's order, as many as any close text must share one of."""
        ordered = sorted(elements, key=self._order.__getitem__)
        return ordered[: max(1, len(elements) - self._floor(len(elements)) + 1)]

    def _post(self, number: int, prefix: list[int]) -> None:
        for element in prefix:
            posting = self._postings.get(element)
            if posting is None:
                posting = self._postings[element] = array("I")
            posting.append(number)

    def _reorder(self) -> None:
        """Fix the order of elements by how many texts have them, and index all texts anew. Amortised by its growth."""
        self._next_order = _ORDER_GROWTH * len(self._texts)
        frequency: Counter[int] = Counter()
        for text in self._texts:
            frequency.update(_elements(_unpack(text)))
        ranked = sorted(frequency, key=lambda element: (frequency[element], element))
        self._order = _Order({element: rank for rank, element in enumerate(ranked)})
        self._postings = {}
        for number, text in enumerate(self._texts):
            if text:
                self._post(number, self._prefix(_elements(_unpack(text))))


def leaf_threshold(instructions: Sequence[str], *, base: float, cap: float) -> float:
    """The near-duplicate threshold of a leaf, given its seeds' instructions.

    A plain 0.7 would starve leaves whose own seeds resemble each other more than that. So: the larger of `base` and the
    median similarity of the leaf's distinct seed instructions to their nearest sibling, at most `cap` (but never below
    `base`). Instructions are distinct when their tokens differ.

    Args:
        instructions: the seeds' instructions, in any order; the result does not depend on it.
        base, cap: ROUGE-L F-measures, 0 to 1.
    """
    vocabulary: dict[str, int] = {}
    texts = {
        _pack([vocabulary.setdefault(token, len(vocabulary)) for token in tokenize(text)]) for text in instructions
    }
    if len(texts) < 2:
        return base
    nearest = [0.0] * len(texts)
    for (place, text), (other_place, other) in combinations(enumerate(texts), 2):
        similarity = f_measure(_common(text, other, 1), len(text), len(other))
        nearest[place] = max(nearest[place], similarity)
        nearest[other_place] = max(nearest[other_place], similarity)
    return max(base, min(cap, statistics.median(nearest)))


def _least_overlap(threshold: float, total: int) -> int:
    """Fewest common tokens with which two texts of `total` tokens together could be above the threshold."""
    return max(1, math.ceil(threshold * total / 2 - _SLACK))


def _common(a: str | tuple[int, ...], b: str | tuple[int, ...], cutoff: int) -> int:
    return int(LCSseq.similarity(a, b, score_cutoff=cutoff))


def _bits(signatures: Any) -> Any:
    """How many bits each signature has; none may be full."""
    import numpy

    # The counts of its four words lie side by side in one number: multiplied so, their sum is its highest byte.
    counts = numpy.bitwise_count(signatures).view(numpy.uint32)[:, 0]
    return (counts * numpy.uint32(0x01010101) >> 24).astype(numpy.int64)


def _elements(ids: Sequence[int]) -> list[int]:
    """Token ids made different from each other: a token's second occurrence is an element of its own."""
    if len(set(ids)) == len(ids):
        return list(ids)
    seen: dict[int, int] = {}
    elements = []
    for token in ids:
        before = seen.get(token, 0)
        seen[token] = before + 1
        elements.append(before << 32 | token)
    return elements


def _signature(ids: Sequence[int]) -> int:
    """`_WORDS` times 64 bits; each token sets one."""
    bits = 0
    for token in set(ids):
        bits |= 1 << (token * 0x9E3779B1 >> 7 & 255)
    return bits


def _bytes(signature: int) -> bytes:
    return signature.to_bytes(8 * _WORDS, "little")


def _pack(ids: Sequence[int]) -> str | tuple[int, ...]:
    # Past Unicode's end a tuple of integers; RapidFuzz compares it with a str by code points.
    return "".join(map(chr, ids)) if not ids or max(ids) <= _LAST_CHAR else tuple(ids)


def _unpack(text: str | tuple[int, ...]) -> Sequence[int]:
    return [ord(char) for char in text] if isinstance(text, str) else text
