"""How far thresholds may move before what was decided by them would be decided otherwise.

Filters measure, thresholds decide: nearly always a threshold is compared with a measure and used for nothing else. So a
threshold that notes its comparisons knows in which range it could stand with every one of them coming out the same, and
an outcome holds for that whole range. One that is used in any other way holds for its exact value.
"""

from __future__ import annotations

import marshal
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from labgen.config.filtering import ThresholdsConfig
from labgen.lazy.dataclasses import dataclass

Number = int | float


@dataclass(frozen=True, slots=True)
class Range:
    """Where a threshold may stand: from `low` to `high`, either end part of it where it is `closed`."""

    low: Number = -math.inf
    low_closed: bool = True
    high: Number = math.inf
    high_closed: bool = True

    def __contains__(self, value: Number) -> bool:
        above = value >= self.low if self.low_closed else value > self.low
        return above and (value <= self.high if self.high_closed else value < self.high)

    def __and__(self, other: Range) -> Range:
        """Where it may stand by both."""
        low = max((self.low, not self.low_closed), (other.low, not other.low_closed))
        high = min((self.high, self.high_closed), (other.high, other.high_closed))
        return Range(low[0], not low[1], high[0], high[1])


class NotedThreshold:
    """A threshold that notes what it is compared with.

    It is no number, so that whatever needs one has to ask for it, which is noted as well.

    Attributes:
        value: where it stands; only for those that note what they do with it.
        range: where it could stand with all comparisons up to now coming out the same.
    """

    def __init__(self, value: Number) -> None:
        self.value = value
        self.range = Range()

    def exactly(self) -> Number:
        """Its value, for a use in which any other would do something else."""
        self.range = Range(self.value, True, self.value, True)
        return self.value

    def down_to(self, least: Number) -> Number:
        """Where looking has to begin so that any value from `least` on, at most its own, is compared as itself.

        Returns: the lower of `least` and its value, below which it may not stand.
        """
        least = min(least, self.value)
        self._from(least, True)
        return least

    def _from(self, low: Number, closed: bool) -> None:
        now = self.range
        if low > now.low or (low == now.low and not closed):
            self.range = Range(low, closed, now.high, now.high_closed)

    def _up_to(self, high: Number, closed: bool) -> None:
        now = self.range
        if high < now.high or (high == now.high and not closed):
            self.range = Range(now.low, now.low_closed, high, closed)

    def _is_below(self, other: Any, *, or_equal: bool) -> bool:
        if isinstance(other, NotedThreshold):
            other = other.exactly()
            self.exactly()
        elif type(other) not in (int, float) or other != other:
            self.exactly()
        found = bool(self.value <= other if or_equal else self.value < other)
        if found:
            self._up_to(other, or_equal)
        else:
            self._from(other, not or_equal)
        return found

    def __lt__(self, other: Any) -> bool:
        return self._is_below(other, or_equal=False)

    def __le__(self, other: Any) -> bool:
        return self._is_below(other, or_equal=True)

    def __gt__(self, other: Any) -> bool:
        return not self._is_below(other, or_equal=True)

    def __ge__(self, other: Any) -> bool:
        return not self._is_below(other, or_equal=False)

    def __eq__(self, other: object) -> bool:
        return self.exactly() == (other.exactly() if isinstance(other, NotedThreshold) else other)

    def __hash__(self) -> int:
        return hash(self.exactly())

    def __reduce__(self) -> tuple[Callable[[Number], Number], tuple[Number]]:
        return type(self.value), (self.exactly(),)

    def __format__(self, form: str) -> str:
        return format(self.exactly(), form)

    def __repr__(self) -> str:
        return repr(self.exactly())


def _one(name: str) -> Callable[[NotedThreshold], Any]:
    return lambda self: getattr(self.exactly(), name)()


def _two(work: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[NotedThreshold, Any], Any]:
    return lambda self, other: work(other, self.exactly()) if swapped else work(self.exactly(), other)


for _name in ("bool", "int", "float", "neg", "pos", "abs", "trunc", "floor", "ceil"):
    setattr(NotedThreshold, f"__{_name}__", _one(f"__{_name}__"))
NotedThreshold.__index__ = lambda self: operator.index(self.exactly())  # type: ignore[attr-defined]
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(NotedThreshold, f"__{_name}__", _two(getattr(operator, _name)))
    setattr(NotedThreshold, f"__r{_name}__", _two(getattr(operator, _name), swapped=True))


class _NoLowerThan(NotedThreshold):
    """The larger of a noted threshold and a number. What the number decides by itself is not noted."""

    def __init__(self, noted: NotedThreshold, least: Number) -> None:
        super().__init__(max(noted.value, least))
        self._noted, self._least = noted, least

    def exactly(self) -> Number:
        return max(self._noted.exactly(), self._least)

    def _from(self, low: Number, closed: bool) -> None:
        self.exactly()

    def _up_to(self, high: Number, closed: bool) -> None:
        self.exactly()

    def _is_below(self, other: Any, *, or_equal: bool) -> bool:
        if type(other) not in (int, float) or other != other:
            return super()._is_below(other, or_equal=or_equal)
        if not (self._least <= other if or_equal else self._least < other):
            return False
        return self._noted._is_below(other, or_equal=or_equal)


def no_lower_than(threshold: Any, least: Number) -> Any:
    """The larger of a threshold and a number, compared as itself: a noted one still notes what it decides."""
    return _NoLowerThan(threshold, least) if isinstance(threshold, NotedThreshold) else max(threshold, least)


def looked_for_from(threshold: Any, margin: Number) -> Number:
    """From what measure on a search has to find things, for a threshold that they are compared with afterwards.

    Args:
        threshold: a number of 0 or more, or one that is noted.
        margin: how much lower a noted one may later stand with what was found still enough to decide by.
    Returns: the number itself; of a noted one, so much less.
    """
    if isinstance(threshold, NotedThreshold):
        return threshold.down_to(max(0.0, threshold.value - margin))
    return cast(Number, threshold)


class NotedThresholds:
    """The thresholds of a run, each of which notes its comparisons.

    Attributes:
        plain: the run's own; thresholds: what it is given instead.
    """

    def __init__(self, thresholds: ThresholdsConfig) -> None:
        self.plain = thresholds
        self._of_parts: dict[str, Range] = {}
        self._noted = {name: NotedThreshold(getattr(thresholds, name)) for name in ThresholdsConfig.__struct_fields__}
        self.thresholds = ThresholdsConfig(**cast(dict[str, Any], self._noted))

    def part(self) -> NotedThresholds:
        """The same for a part of the run, which is asked by itself where they could stand: see `count_part`."""
        return NotedThresholds(self.plain)

    def count_part(self, ranges: Mapping[str, Range]) -> None:
        """A part of the run is over, and this is where its thresholds could stand; it counts for the whole."""
        for name, where in ranges.items():
            self._of_parts[name] = self._of_parts.get(name, Range()) & where

    def take_over(self, ranges: Mapping[str, Range]) -> None:
        """What these were noted of is not done anew: they count as if it were."""
        for name, where in ranges.items():
            self._noted[name].range &= where

    def ranges(self, *, own: bool = False) -> dict[str, Range]:
        """Where each could stand, by name; those that may stand anywhere are left out. `own`: all parts aside."""
        found = {name: noted.range for name, noted in self._noted.items() if noted.range != Range()}
        for name, where in () if own else self._of_parts.items():
            found[name] = found.get(name, Range()) & where
        return found


def pack_ranges(ranges: Mapping[str, Range]) -> bytes:
    """Ranges in a fifth of the room; see `unpack_ranges`."""
    places = {name: place for place, name in enumerate(ThresholdsConfig.__struct_fields__)}
    plain = [(places[name], each.low, each.low_closed, each.high, each.high_closed) for name, each in ranges.items()]
    return marshal.dumps(plain)


def unpack_ranges(packed: bytes) -> dict[str, Range]:
    """Ranges that `pack_ranges` has packed."""
    names = list(ThresholdsConfig.__struct_fields__)
    return {names[place]: Range(*where) for place, *where in marshal.loads(packed)}  # noqa: S302 (written by `pack_ranges`)


def all_within(thresholds: ThresholdsConfig, ranges: Mapping[str, Range]) -> bool:
    """Whether thresholds would decide as those did that `ranges` were noted of."""
    return all(getattr(thresholds, name) in where for name, where in ranges.items())
