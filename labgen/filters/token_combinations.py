"""Which of many texts may share enough tokens with a given one: an index of combinations of their rarer tokens.

Source: the prefix filter of set similarity joins (Chaudhuri, Ganti and Kaushik, ICDE 2006; Bayardo, Ma and Srikant, WWW
2007), with combinations of tokens in place of single ones where tokens are frequent (k-wise signatures: Wang et al.,
SIGMOD 2016). Let all tokens be in one order, rare ones first, and each in a class by its frequency (1, 2, ...). Where
two texts share at least `o` tokens, and the first tokens of each are taken until those of each class `k`, less `k - 1`,
come to more in all than the tokens that it may lack of the other (its length - o), then the two share `k` of a class
`k` among them. For of the one whose first tokens end first, at most `length - o` are missing in the other, so that not
every class can be short of its `k`. So each text is kept under every combination of `k` of its first tokens of class
`k`: a rare token by itself, frequent ones by twos or threes, which are rare again. Nothing is missed; what is found too
much is for the caller to compare. So the texts found do not grow as fast as the index, as those of single tokens do.

Ours differs in that a text is kept by its length, in bands of one to two times, and that what a band's texts must share
with a given one is reckoned from both lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from labgen.lazy.dataclasses import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIX = 0x9E3779B97F4A7C15
RARE = 64
"""Texts that have a token, up to which it counts as rare in any index."""
_MOST_CLASSES = ((8, 2), (32, 3), (64, 2))
"""Length of text below which there are how many classes at most: many combinations of many tokens cost more than they
save."""
_CELLS = 1 << 18
"""Numbers that are worked on at once, at most, where that can be had."""


class NeedsTokens(Protocol):
    """What lengths of texts say of how many tokens they must share; all counts, conservative."""

    def shared(self, length: int, other: int) -> int:
        """Fewest tokens that two close texts of these lengths share; grows with both."""

    def least(self, length: int) -> int:
        """Fewest tokens that a text of this length shares with any text that it is close to, of whatever length."""

    def lengths(self, length: int) -> tuple[int, float]:
        """Shortest and longest text that one of this length may be close to."""


class _Band(NamedTuple):
    """Texts of `shortest` to `longest` tokens: how many classes tokens are put in, and the sorted combinations.

    `kept`: 64-bit numbers, a combination's hash in the upper half and the text's place in the lower one.
    """

    shortest: int
    longest: int
    classes: int
    kept: NDArray[Any]


@dataclass(frozen=True)
class TokenCombinations:
    """An index of texts `first` to `first + count - 1`; see the module. Made by `index_texts`."""

    first: int
    count: int
    needs: NeedsTokens
    _frequency: NDArray[Any]
    _shift: int
    _bands: tuple[_Band, ...]

    def sharing(self, bags: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Which indexed texts may be close to given ones of one length.

        Args:
            bags: one row for each text, as `bag_of` gives them.
        Returns: two arrays side by side, in no order, each pair once: rows of `bags`, and numbers of texts.
        """
        import numpy

        length = bags.shape[1]
        shortest, longest = self.needs.lengths(length)
        ordered: NDArray[Any] | None = None
        found = []
        for band in self._bands:
            if band.longest < shortest or band.shortest > longest:
                continue
            if ordered is None:
                ordered = _in_order(bags, self._frequency, self._shift)
            missing = length - self.needs.shared(length, max(shortest, band.shortest))
            rows, hashes = _combined(ordered, missing, _limits(band.classes, self.count))
            found += list(_ranges(band.kept, rows, hashes))
        if not found:
            return numpy.empty(0, numpy.int64), numpy.empty(0, numpy.int64)
        pairs = _distinct(numpy.concatenate(found))
        return (pairs >> numpy.uint64(32)).astype(numpy.int64), (pairs & numpy.uint64(0xFFFFFFFF)).astype(
            numpy.int64
        ) + self.first


def bag_of(ids: NDArray[Any]) -> NDArray[Any]:
    """Texts of one length as hashes of their tokens, all different within a text: a token's second occurrence has
    one of its own.

    Args:
        ids: (texts, length) token ids.
    Returns: (texts, length) 64-bit hashes, each row in an order of its own.
    """
    import numpy

    ids = numpy.sort(ids.astype(numpy.uint64), axis=1)
    place = numpy.arange(ids.shape[1], dtype=numpy.uint64)
    begins = numpy.ones(ids.shape, bool)
    begins[:, 1:] = ids[:, 1:] != ids[:, :-1]
    occurrence = place - numpy.maximum.accumulate(numpy.where(begins, place, numpy.uint64(0)), axis=1)
    return _mixed(ids | occurrence << numpy.uint64(40))


def index_texts(
    first: int, count: int, texts: Iterator[tuple[NDArray[Any], NDArray[Any]]], needs: NeedsTokens
) -> TokenCombinations:
    """Index `count` texts that are numbered from `first` on.

    Args:
        texts: texts of one length above 0, some at a time: their places from 0 and their `bag_of`.
    """
    import numpy

    groups = list(texts)
    tokens = sum(bags.size for _, bags in groups)
    bits = min(22, max(10, tokens.bit_length()))
    shift = 64 - bits
    frequency = numpy.zeros(1 << bits, numpy.int64)
    for _, bags in groups:
        frequency += numpy.bincount((bags >> numpy.uint64(shift)).ravel().astype(numpy.int64), minlength=1 << bits)
    frequency = numpy.minimum(frequency, (1 << 24) - 1).astype(numpy.uint32)
    by_band: dict[int, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
    for places, bags in groups:
        by_band.setdefault(bags.shape[1].bit_length(), []).append((places, bags))
    groups.clear()
    bands = []
    for width, members in by_band.items():
        shortest, longest = 1 << width - 1, (1 << width) - 1
        classes = _classes(longest, needs.least(shortest))
        limits = _limits(classes, count)
        kept = bytearray()  # grows where it is: pieces that are put together at the end would take twice the room
        while members:
            places, bags = members.pop()
            length = bags.shape[1]
            step = max(1, _CELLS // (length * length))
            for begin in range(0, len(places), step):
                ordered = _in_order(bags[begin : begin + step], frequency, shift)
                rows, hashes = _combined(ordered, length - needs.least(length), limits)
                kept += (hashes & numpy.uint64(0xFFFFFFFF00000000) | places[begin : begin + step][rows]).tobytes()
        all_kept = numpy.frombuffer(kept, numpy.uint64)
        all_kept.sort()
        bands.append(_Band(shortest, longest, classes, all_kept))
    return TokenCombinations(first, count, needs, frequency, shift, tuple(bands))


def _mixed(numbers: NDArray[Any]) -> NDArray[Any]:
    import numpy

    mixed: NDArray[Any] = numbers * numpy.uint64(_MIX)
    mixed ^= mixed >> numpy.uint64(29)
    mixed *= numpy.uint64(_MIX)
    mixed ^= mixed >> numpy.uint64(32)
    return mixed


def _in_order(bags: NDArray[Any], frequency: NDArray[Any], shift: int) -> NDArray[Any]:
    """Each text's tokens in the index's order, rare ones first: frequency in the upper 24 bits, a hash in the rest."""
    import numpy

    ordered: NDArray[Any] = frequency[(bags >> numpy.uint64(shift)).astype(numpy.int64)].astype(numpy.uint64)
    ordered <<= numpy.uint64(40)
    ordered |= bags & numpy.uint64((1 << 40) - 1)
    ordered.sort(axis=1)
    return ordered


def _classes(longest: int, least: int) -> int:
    """How many classes there are where texts share at least `least` tokens: so many that each text comes to enough."""
    most = next((classes for below, classes in _MOST_CLASSES if longest < below), 1)
    return max(classes for classes in range(1, most + 1) if classes * (classes - 1) // 2 < least)


def _limits(classes: int, count: int) -> list[int]:
    """Frequencies up to which tokens are of the first class, the second, and so on; the last has none."""
    rare = max(RARE, count >> 12)
    return [int(rare ** (1 / size) * max(rare, count) ** (1 - 1 / size)) for size in range(1, classes)]


def _combined(ordered: NDArray[Any], missing: int, limits: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The combinations that texts of one length are kept and looked for under: their rows and 64-bit hashes.

    Args:
        ordered: as `_in_order` gives them.
        missing: the most tokens that a text may lack of those it is close to.
        limits: see `_limits`.
    """
    import numpy

    classes = len(limits) + 1
    ordered = ordered[:, : missing + 1 + classes * (classes - 1) // 2]
    of = numpy.searchsorted(numpy.array(limits, numpy.uint64), ordered >> numpy.uint64(40), side="left")
    places = numpy.arange(ordered.shape[1])
    begins = numpy.ones(of.shape, bool)
    begins[:, 1:] = of[:, 1:] != of[:, :-1]
    counts = places - numpy.maximum.accumulate(numpy.where(begins, places, 0), axis=1) >= of
    taken = numpy.cumsum(counts, axis=1) - counts <= missing
    of = numpy.where(taken, of, -1)
    all_rows, all_hashes = [], []
    for size in range(1, classes + 1):
        inside = of == size - 1
        if size == 1:
            rows, at = inside.nonzero()
            hashes = ordered[rows, at]
        else:
            # Those of a class stand side by side.
            first = inside.argmax(axis=1)
            many = inside.sum(axis=1)
            most = int(many.max(initial=0))
            if most < size:
                continue
            chosen = _choices(most, size)
            rows, which = (chosen[:, -1] < many[:, None]).nonzero()
            columns = chosen[which] + first[rows][:, None]
            hashes = numpy.zeros(len(rows), numpy.uint64)
            for column in columns.T:
                hashes = hashes * numpy.uint64(_MIX) + ordered[rows, column]
        all_rows.append(rows)
        all_hashes.append(hashes)
    if not all_rows:
        return numpy.empty(0, numpy.int64), numpy.empty(0, numpy.uint64)
    return numpy.concatenate(all_rows), _mixed(numpy.concatenate(all_hashes))


@lru_cache(maxsize=256)
def _choices(count: int, size: int) -> NDArray[Any]:
    """Every choice of `size` of the numbers below `count`, in ascending order, one a row."""
    import numpy

    return numpy.array(list(combinations(range(count), size)), numpy.int64).reshape(-1, size)


def _ranges(kept: NDArray[Any], rows: NDArray[Any], hashes: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Pairs of row (upper half) and place (lower) that have a combination in common, some of them several times."""
    import numpy

    wanted = hashes & numpy.uint64(0xFFFFFFFF00000000)
    begins = numpy.searchsorted(kept, wanted)
    ends = numpy.searchsorted(kept, wanted | numpy.uint64(0xFFFFFFFF), side="right")
    hit = (ends > begins).nonzero()[0]
    rows, begins, counts = rows[hit], begins[hit], (ends - begins)[hit]
    at = 0
    while at < len(rows):
        upto = at + max(1, int(numpy.searchsorted(numpy.cumsum(counts[at:]), _CELLS)))
        part = counts[at:upto]
        starts = numpy.cumsum(part) - part
        places = kept[numpy.repeat(begins[at:upto] - starts, part) + numpy.arange(int(part.sum()))]
        pairs = numpy.repeat(rows[at:upto].astype(numpy.uint64), part) << numpy.uint64(32)
        yield _distinct(pairs | places & numpy.uint64(0xFFFFFFFF))
        at = upto


def _distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    """Each number once, in ascending order; sorted in place, which `numpy.unique` takes several times as long for."""
    import numpy

    numbers.sort()
    first = numpy.ones(len(numbers), bool)
    first[1:] = numbers[1:] != numbers[:-1]
    return numbers[first]
