"""A leaf's outcome looked up, or made and noted down.

An outcome is kept only of a leaf that is done: all that it asked was paid, so that it depends on nothing but what goes
into its hash, on the replies that it used, and on how its thresholds decided. Of the replies a digest is kept, and they
are read again before the outcome is believed; that is a small part of what it costs to make something of them. With
them their keys are read, so that an outcome says of a call only which of its replies it is.
"""

from __future__ import annotations

import pickle
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from typing import Any, Generic, NamedTuple, TypeVar

from labgen.generate.context import RunContext
from labgen.generate.known_slots import KeptSlots
from labgen.generate.outcome_inputs import leaf_inputs, run_inputs
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import KeptRow, Ledger, digest_of
from labgen.outcomes.store import OutcomeStore
from labgen.outcomes.thresholds import NotedThresholds, Range, all_within
from labgen.plan.leaf_plan import LeafPlan

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MadeOutcome(Generic[T]):
    """An outcome as it is made.

    Attributes:
        used: keys of the calls that it used; None for one that is not to be kept.
        slots: what its slots rest on; None where that is not known.
    """

    value: T
    used: Iterable[bytes] | None
    slots: KeptSlots | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What an outcome rests on beside its hash.

    Attributes:
        key: its hash.
        replies: numbers of the replies that it used, as the ledger numbers them, packed; digest: of what they say.
        ranges: where each threshold could stand.
    """

    key: bytes
    replies: bytes
    digest: bytes
    ranges: dict[str, Range]


@dataclass(frozen=True, slots=True)
class LeafOutcome(Generic[T]):
    """What came of a leaf, and what is to be told of that to the store.

    Attributes:
        number: the store's, of one that was found; None for one that was made.
        basis: what one that was made rests on; None where it is not to be kept.
        keys: of the replies that one that was made rests on, as the basis numbers them.
        replies: that it rests on (count); 0 for one that is not to be kept.
        slots: what its slots rest on, of one that was made.
    """

    value: T
    number: int | None = None
    basis: Basis | None = None
    keys: tuple[bytes, ...] = ()
    replies: int = 0
    slots: KeptSlots | None = None

    def tell(self, store: OutcomeStore) -> T:
        """Have the store keep it, or note that it was of use. Returns: `value`."""
        if self.basis:
            store.keep(self.basis.key, _written(self.basis, self.value, self.slots, self.keys))
        elif self.number is not None:
            store.note_use([self.number])
        return self.value


class Near(NamedTuple, Generic[T]):
    """An outcome that was kept under other thresholds, and what its slots rest on."""

    value: T
    slots: KeptSlots


@dataclass(frozen=True, slots=True)
class Noting:
    """A run's context for one leaf, whose thresholds note what they decide."""

    run: RunContext
    thresholds: NotedThresholds

    @classmethod
    def of(cls, run: RunContext) -> Noting:
        """That of a run."""
        noted = NotedThresholds(run.config.thresholds)
        config = run.config.changed(thresholds=noted.thresholds)
        return cls(replace(run, config=config, noted=noted), noted)


class LeafOutcomes:
    """Outcomes of the leaves of one run, in one process.

    Args:
        run: what leaves are drawn with; its thresholds are those that count.
        ledger: where the replies are.
    """

    def __init__(self, store: OutcomeStore, run: RunContext, ledger: Ledger) -> None:
        self._store, self._ledger, self._run = store, ledger, run

    @cached_property
    def _inputs(self) -> bytes:
        return run_inputs(self._run)

    def of(
        self, plan: LeafPlan, make: Callable[[LeafPlan, RunContext, Near[T] | None], MadeOutcome[T]], *further: Any
    ) -> LeafOutcome[T]:
        """The outcome of a leaf: the one that is kept, where all that it rests on is still so, else made.

        Args:
            make: makes it with a context; where there is one that was kept under other thresholds, it may go by that.
            further: what kind of outcome it is, and what else that depends on; plain data.
        """
        if not self._store:
            return LeafOutcome(make(plan, self._run, None).value)
        near: list[Near[T]] = []
        if found := self.find(plan, *further, near=near):
            return found
        noting = self.noting()
        made = make(plan, noting.run, near[0] if near else None)
        rows = None if made.used is None else self._ledger.rows(made.used)
        if rows is None:
            return LeafOutcome(made.value)
        return self.made(plan, made.value, noting, rows, *further, slots=made.slots)

    def find(self, plan: LeafPlan, *further: Any, near: list[Near[T]] | None = None) -> LeafOutcome[T] | None:
        """The outcome that is kept of a leaf, where all that it rests on is still so; None for none.

        Args:
            near: given the newest one of which only some thresholds would not decide the same.
        """
        if not self._store:
            return None
        for number, content in self._store.find(leaf_inputs(plan, self._inputs, *further)):
            file = BytesIO(content)
            basis: Basis = pickle.load(file)  # noqa: S301 (sealed on this machine: see labgen.outcomes.seal)
            holds = all_within(self._run.config.thresholds, basis.ranges)
            if not holds and (near is None or near):
                continue
            digest, keys = self._ledger.digest(array("Q", zlib.decompress(basis.replies)))
            if digest == basis.digest:
                value = _Reader(file, keys).load()
                if holds:
                    return LeafOutcome(value, number, replies=len(keys))
                slots = _Reader(BytesIO(zlib.decompress(file.read())), keys).load()
                if near is not None and slots:
                    near.append(Near(value, slots))
        return None

    def noting(self) -> Noting:
        """What one leaf is drawn with whose outcome is to be kept."""
        return Noting.of(self._run)

    def made(
        self,
        plan: LeafPlan,
        value: T,
        noting: Noting,
        rows: Mapping[int, KeptRow],
        *further: Any,
        slots: KeptSlots | None = None,
    ) -> LeafOutcome[T]:
        """An outcome that was made just now, with what it rests on.

        Args:
            rows: the ledger's, of the calls that it used, by their numbers, sorted; further: as `of`.
            slots: what its slots rest on; None where that is not known.
        """
        replies = zlib.compress(array("Q", rows).tobytes())
        key = leaf_inputs(plan, self._inputs, *further)
        basis = Basis(key, replies, digest_of(rows.values()), noting.thresholds.ranges())
        return LeafOutcome(
            value, basis=basis, keys=tuple(row[0] for row in rows.values()), replies=len(rows), slots=slots
        )


def _written(basis: Basis, value: object, slots: KeptSlots | None, keys: Sequence[bytes]) -> bytes:
    """An outcome as it is kept: what it rests on, what came of the leaf, what its slots rest on; for keys their places
    in `keys`.
    """
    file, further = BytesIO(), BytesIO()
    pickle.dump(basis, file, protocol=5)
    _Writer(file, keys).dump(value)
    _Writer(further, keys).dump(slots)
    return file.getvalue() + zlib.compress(further.getvalue())


class _Writer(pickle.Pickler):
    """Writes the place of a key for a key that is known; any other as it is."""

    def __init__(self, file: BytesIO, keys: Sequence[bytes]) -> None:
        super().__init__(file, protocol=5)
        self._places = {key: place for place, key in enumerate(keys)}

    def persistent_id(self, value: object) -> int | None:
        return self._places.get(value) if type(value) is bytes else None


class _Reader(pickle.Unpickler):
    """Reads what a `_Writer` has written that knew the same keys."""

    def __init__(self, file: BytesIO, keys: Sequence[bytes]) -> None:
        super().__init__(file)
        self._keys = keys

    def persistent_load(self, place: int) -> bytes:
        return self._keys[place]
