"""Near-duplicates: the pairs that are too close, found without comparing all of them.

Source: self-instruct (arXiv 2212.10560) drops an instruction whose ROUGE-L F-measure with any earlier one is above 0.7,
by comparing it with all of them. What is found here equals `rouge_score`'s decision on every pair, down to the
floating-point comparison; only the search differs. It proposes: who declares two texts near-duplicates asks
`labgen.filters.rouge`, which is `rouge_score` itself, and goes by that number.

For two texts of m and n tokens and a longest common subsequence of L, the measure is 2L / (m + n); so a score above t
needs more than t(m + n)/2 tokens in common. From this follow, all conservative:

- a bound on lengths: n lies between t·m/(2-t) and its inverse;
- an index of combinations of rarer tokens, of which two texts that share enough have one in common: see
  `labgen.filters.token_combinations`;
- a bound from 256-bit signatures: every bit that one text has and the other lacks is a token that they don't share;
- what survives is settled by RapidFuzz's bit-parallel LCS, which gives up below the needed length.

Tokens are those of `labgen.text.rouge_words`, which says where ours differ from the reference (non-ASCII letters).
"""

from __future__ import annotations

import math
import statistics
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, combinations
from typing import Any

from labgen.filters.token_combinations import TokenCombinations, bag_of, index_texts
from labgen.lazy.dataclasses import dataclass
from labgen.text.rouge_words import tokenize, untokenize

__all__ = ["Match", "NearDuplicates", "f_measure", "leaf_threshold", "rouge_l", "tokenize"]

_SLACK = 1e-6  # far above rounding errors, far below the step of 1 in which overlaps grow
_LAST_CHAR = 0x10FFFF
FEW = 7_000  # texts times tokens that RapidFuzz goes through sooner than signatures are looked at, side by side
TAIL = 2048  # texts that come before they are indexed
_GROWTH = 4
_PAIRS = 1 << 14  # of texts that are looked at together: 2 MB, which a processor has at hand
_TOKENS = 1 << 20  # of texts that are indexed together: 8 MB, and several times that meanwhile
_WORDS = 4  # of 64 bits in a signature

_Packed = str | tuple[int, ...]


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
    return f_measure(int(_lcs()(tokens_a, tokens_b)), len(tokens_a), len(tokens_b))


@dataclass(frozen=True, slots=True)
class _Needs:
    """What the threshold asks of two texts, by their lengths in tokens: see `NeedsTokens`."""

    threshold: float

    def shared(self, length: int, other: int) -> int:
        return _least_overlap(self.threshold, length + other)

    def least(self, length: int) -> int:
        return _least_overlap(self.threshold, length + self.lengths(length)[0])

    def lengths(self, length: int) -> tuple[int, float]:
        ratio = self.threshold / (2 - self.threshold)
        longest = length / ratio + _SLACK if ratio else math.inf
        return max(1, math.ceil(length * ratio - _SLACK)), longest


class NearDuplicates:
    """An incremental index of texts that finds those more than `threshold` similar to a given one.

    A few texts are gone through one by one (`FEW`). Of more, the last `TAIL` are looked at by their signatures, all
    others through `TokenCombinations`, of which there are several, each more than `_GROWTH` times as large as the next.
    Costs about 8 bytes a token and 200 a text. Deterministic; the order of `add` matters only for texts with equal
    keys. Many texts are looked up faster together, with `expect`.

    Args:
        threshold: ROUGE-L F-measure, 0 to 1; a duplicate is strictly above it.
    """

    def __init__(self, threshold: float) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"a ROUGE-L threshold lies between 0 and 1, not at {threshold}")
        self._threshold = threshold
        self._needs = _Needs(threshold)
        self._vocabulary: dict[str, int] = {}
        self._tokens: list[str] = []  # by id
        self._keys = array("q")
        self._lengths = array("q")
        # One character per token: RapidFuzz reads a str in place, three to seven times as fast as a list or an array.
        self._texts: list[_Packed] = []
        self._signatures = bytearray()
        self._slacks = array("q")
        self._parts: list[TokenCombinations] = []
        self._expected: dict[str, list[Match]] = {}

    def __len__(self) -> int:
        """How many texts are in the index."""
        return len(self._keys)

    def add(self, text: str, key: int) -> None:
        """Index a text under a key (any 64-bit integer; smaller means earlier). Texts without tokens match nothing."""
        self._expected = {}
        ids = []
        for token in tokenize(text):
            if token not in self._vocabulary:
                self._vocabulary[token] = len(self._tokens)
                self._tokens.append(token)
            ids.append(self._vocabulary[token])
        signature = _signature(ids)
        self._keys.append(key)
        self._lengths.append(len(ids))
        self._texts.append(_pack(ids))
        self._signatures += _bytes(signature)
        self._slacks.append(len(ids) - signature.bit_count())
        if len(self) - self._indexed >= TAIL:
            self._index_tail()

    def text(self, number: int) -> str:
        """The text that was added as the `number`-th, from 0, as far as it counts: one with the same tokens."""
        return untokenize(self._tokens[token] for token in _unpack(self._texts[number]))

    def nearest(self, text: str) -> Match | None:
        """The most similar indexed text above the threshold, ties to the smallest key; None where there is none."""
        return min(self.matches(text), key=lambda match: (-match.similarity, match.key), default=None)

    def matches(self, text: str) -> list[Match]:
        """Every indexed text above the threshold, in the order of keys."""
        known = self._expected.get(text)
        return self._matches([text])[0] if known is None else known

    def expect(self, texts: Iterable[str]) -> None:
        """Look up many texts at once, which is faster: until the next is added, what they match is known."""
        asked = list(dict.fromkeys(texts))
        self._expected = dict(zip(asked, self._matches(asked), strict=True))

    def _matches(self, texts: Sequence[str]) -> list[list[Match]]:
        found: list[list[Match]] = [[] for _ in texts]
        if not self._keys:
            return found
        by_length: dict[int, list[tuple[int, list[int]]]] = {}
        for place, text in enumerate(texts):
            ids = self._ids(text)
            if ids:
                by_length.setdefault(len(ids), []).append((place, ids))
        for length, asked in by_length.items():
            packed = [_pack(ids) for _, ids in asked]
            for row, number in self._candidates(length, [ids for _, ids in asked], packed):
                other = self._lengths[number]
                cutoff = _least_overlap(self._threshold, length + other)
                score = f_measure(_common(packed[row], self._texts[number], cutoff), length, other)
                if score > self._threshold:
                    found[asked[row][0]].append(Match(self._keys[number], score))
        for matches in found:
            matches.sort(key=lambda match: match.key)
        return found

    def _ids(self, text: str) -> list[int]:
        """A text's tokens by their ids; what no indexed text has gets ids that no other token has, either."""
        known, strangers = self._vocabulary, dict[str, int]()
        return [
            known[token] if token in known else strangers.setdefault(token, len(known) + len(strangers))
            for token in tokenize(text)
        ]

    def _candidates(
        self, length: int, asked: Sequence[list[int]], packed: Sequence[_Packed]
    ) -> Iterator[tuple[int, int]]:
        """Rows of `asked`, which are ids of texts of one length, and numbers of the texts that they may be close to."""
        if len(self) * length <= FEW:
            least = max(0.0, self._threshold - _SLACK)
            for row, text in enumerate(packed):
                yield from ((row, number) for number in _above(text, self._texts, least))
            return
        import numpy

        shortest, longest = self._needs.lengths(length)
        signatures = [_signature(ids) for ids in asked]
        ours = numpy.frombuffer(b"".join(map(_bytes, signatures)), numpy.uint64).reshape(-1, _WORDS)
        slack = numpy.array([length - signature.bit_count() for signature in signatures])
        theirs = numpy.frombuffer(self._signatures, numpy.uint64).reshape(-1, _WORDS)
        slacks = numpy.frombuffer(self._slacks, numpy.int64)
        lengths = numpy.frombuffer(self._lengths, numpy.int64)
        # Those that are not indexed yet: one of ours at a time, against all of them side by side.
        tail = slice(self._indexed, None)
        needed = self._threshold * (length + lengths[tail]) / 2 - _SLACK
        needed[(lengths[tail] < shortest) | (lengths[tail] > longest)] = math.inf
        for row in range(len(asked)):
            shared = _bit_counts(theirs[tail] & ours[row]) + numpy.minimum(slacks[tail], slack[row])
            for place in (shared >= needed).nonzero()[0].tolist():
                yield row, self._indexed + place
        if not self._parts:
            return
        bags = bag_of(numpy.array(asked))
        for all_rows, all_numbers in [part.sharing(bags) for part in self._parts]:
            for begin in range(0, len(all_rows), _PAIRS):
                rows, numbers = all_rows[begin : begin + _PAIRS], all_numbers[begin : begin + _PAIRS]
                other = lengths[numbers]
                shared = _bit_counts(theirs[numbers] & ours[rows]) + numpy.minimum(slacks[numbers], slack[rows])
                enough = shared >= self._threshold * (length + other) / 2 - _SLACK
                enough &= (other >= shortest) & (other <= longest)
                yield from zip(rows[enough].tolist(), numbers[enough].tolist(), strict=True)

    @property
    def _indexed(self) -> int:
        return self._parts[-1].first + self._parts[-1].count if self._parts else 0

    def _index_tail(self) -> None:
        first, count = self._indexed, len(self) - self._indexed
        while self._parts and self._parts[-1].count <= _GROWTH * count:
            first, count = self._parts[-1].first, self._parts[-1].count + count
            self._parts.pop()
        self._parts.append(index_texts(first, count, self._bags(first), self._needs))

    def _bags(self, first: int) -> Iterator[tuple[Any, Any]]:
        """The texts from a number on by length, some at a time: their places after it, and `bag_of` them."""
        import numpy

        lengths = numpy.frombuffer(self._lengths, numpy.int64)[first:]
        for length in numpy.unique(lengths[lengths > 0]).tolist():
            all_places = (lengths == length).nonzero()[0]
            step = max(1, _TOKENS // length)
            for begin in range(0, len(all_places), step):
                places = all_places[begin : begin + step]
                ids = chain.from_iterable(_unpack(self._texts[first + place]) for place in places.tolist())
                count = len(places) * length
                yield places.astype(numpy.uint64), bag_of(numpy.fromiter(ids, numpy.uint64, count).reshape(-1, length))


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


def _common(a: _Packed, b: _Packed, cutoff: int) -> int:
    return int(_lcs()(a, b, score_cutoff=cutoff))


def _above(text: _Packed, others: Sequence[_Packed], least: float) -> Iterator[int]:
    """Places of those whose ROUGE-L F-measure with a text is at least so much, give or take rounding errors.

    RapidFuzz calls it the normalized similarity of insertions and deletions.
    """
    extract, similarity = _extract()
    return (place for _, _, place in extract(text, others, scorer=similarity, score_cutoff=least, limit=None))


@cache
def _extract() -> tuple[Callable[..., Any], Callable[..., Any]]:
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import extract

    return extract, Indel.normalized_similarity


@cache
def _lcs() -> Callable[..., Any]:
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity


def _signature(ids: Sequence[int]) -> int:
    """`_WORDS` times 64 bits; each token sets one."""
    bits = 0
    for token in set(ids):
        bits |= 1 << (token * 0x9E3779B1 >> 7 & 255)
    return bits


def _bit_counts(signatures: Any) -> Any:
    """Set bits of each of many signatures (64-bit words, `_WORDS` in a row). Returns: int64, one for each.

    A bit of a signature that is not in the other one is a token, at least, that two texts don't share; so the bits of
    both, and the tokens of either that have no bit of their own, bound what they do.
    """
    import numpy

    # The four bytes of a row's counts are added up in one number: a sum along so short an axis takes five times that.
    counts = numpy.bitwise_count(signatures).view(numpy.uint32)[:, 0]
    pairs = (counts & 0x00FF00FF) + (counts >> 8 & 0x00FF00FF)
    return ((pairs & 0xFFFF) + (pairs >> 16)).astype(numpy.int64)


def _bytes(signature: int) -> bytes:
    return signature.to_bytes(8 * _WORDS, "little")


def _pack(ids: Sequence[int]) -> _Packed:
    # Past Unicode's end a tuple of integers; RapidFuzz compares it with a str by code points.
    return "".join(map(chr, ids)) if not ids or max(ids) <= _LAST_CHAR else tuple(ids)


def _unpack(text: _Packed) -> Sequence[int]:
    return [ord(char) for char in text] if isinstance(text, str) else text
