"""Asking the teacher: the ledger first, then the endpoints. Nothing else in labgen asks a model for a build.

`Client` is what flows, judges and the engine are given, whatever stands behind it; `TeacherClient` is the one that asks
endpoints as they are asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from labgen.ledger.replies import Ledger
from labgen.records import Call, Reply
from labgen.teacher.budget import Budget
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.ledger_only import LedgerOnly
from labgen.teacher.retries import Patience, Pending, Retries
from labgen.teacher.traffic import CallOutcome, Origin, Traffic, Watch


class Asking(Protocol):
    """What flows and judges are given: a way to ask, and nothing of how it is done."""

    def kept(self, call: Call) -> Reply | None:
        """The reply that the ledger holds, None where the teacher would have to be asked."""

    async def ask(self, call: Call) -> Reply:
        """The reply to a call that the ledger did not hold."""


class Client(Asking, Protocol):
    """What the engine is given: as `Asking`, and what it paces a run by.

    Attributes:
        changed: set when there is reason to look again, because calls were answered and places became free, or because
            the run is `finished`. Whoever waits for it clears it.
    """

    changed: asyncio.Event

    def ledger_only(self) -> LedgerOnly:
        """A client on the same ledger that asks nobody."""

    def count_kept(self, paid: Sequence[tuple[Call, Reply]]) -> None:
        """Count replies that were taken from the ledger by such a client."""

    @property
    def demand(self) -> int:
        """Calls waiting, in flight, or between two attempts; not those that wait for what may never come."""

    @property
    def capacity(self) -> int:
        """Calls that may be in flight at present."""

    @property
    def budget_left(self) -> float:
        """Share of the run's budget that is neither spent nor held, 0 to 1; 1 without one."""

    @property
    def finished(self) -> bool:
        """Whether no further call can be answered in this run, so that it should end."""


class TeacherClient:
    """Asks the teacher for what the ledger does not hold.

    The same call asked for twice at the same time is sent once. A call counts as in flight until its reply is in the
    ledger, so the number of calls in flight bounds what a kill can lose.

    Args:
        models: logical model name to the replicas that serve it.
        patience: how long a call is tried.
        budget: what may be spent; None for no limit.
        notice: told when an endpoint gets no more calls.
        watch: told of every outcome.
    """

    def __init__(
        self,
        models: Mapping[str, Replicas],
        ledger: Ledger,
        patience: Patience,
        *,
        budget: Budget | None = None,
        notice: Callable[[str], None] = lambda words: None,
        watch: Watch | None = None,
    ) -> None:
        self.changed = asyncio.Event()
        self.traffic = Traffic()
        self.models = models
        self.budget = budget
        self._ledger = ledger
        self._watch = watch
        self._retries = Retries(
            models, ledger, self.traffic, patience, budget=budget, wake=self.changed.set, notice=notice, watch=watch
        )
        self._pending: dict[bytes, Pending] = {}
        self._once: set[bytes] = set()
        self._held: list[Pending] | None = None
        self._may_go: Callable[[Call], bool] = lambda call: False
        self._next_to_go: deque[Pending] = deque()
        self._most_to_go = 0
        self._first_asked = False
        self._closing = False
        for replicas in models.values():
            replicas.changed = self.changed.set

    @property
    def groups(self) -> tuple[Replicas, ...]:
        """The endpoints, by the model that they serve."""
        return tuple(dict.fromkeys(self.models.values()))

    def outage_limit_sec(self, replicas: Replicas) -> float:
        """Seconds without any answer after which replicas that are down end the run."""
        return self._retries.outage_limit_sec(replicas)

    @property
    def demand(self) -> int:
        """Calls waiting, in flight, or between two attempts; not those that wait for budget."""
        return len(self._pending) - (self.budget.waiting if self.budget else 0)

    @property
    def ran_sec(self) -> float:
        """A clock that stands still with the run, as where its machine sleeps (seconds since some time)."""
        return self._retries.standstill.ran_sec()

    @property
    def in_flight(self) -> int:
        """Calls sent and not yet in the ledger."""
        return sum(endpoint.pressure.sent for endpoint in self._endpoints())

    @property
    def capacity(self) -> int:
        """Calls that may be in flight at present."""
        return sum(replicas.capacity for replicas in set(self.models.values()))

    @property
    def budget_left(self) -> float:
        """Share of the budget that is neither spent nor held, 0 to 1; 1 without one."""
        return self.budget.share_left if self.budget else 1.0

    @property
    def finished(self) -> bool:
        """Whether the budget is reached, or endpoints let nothing through for too long."""
        return bool(self.traffic.stopped or (self.budget and self.budget.reached))

    def kept(self, call: Call) -> Reply | None:
        """The reply that the ledger holds, None where the teacher would have to be asked."""
        reply = self._ledger.get(call.key)
        if reply is not None:
            self.count_kept([(call, reply)])
        return reply

    def count_once(self, keys: Iterable[bytes]) -> None:
        """Calls that this run has counted, and that it will ask for once more: that is no second use of them."""
        self._once.update(keys)

    def ledger_only(self) -> LedgerOnly:
        """A client on the same ledger that asks nobody."""
        return LedgerOnly(self._ledger)

    def count_kept(self, paid: Sequence[tuple[Call, Reply]]) -> None:
        """Count replies that were taken from the ledger by such a client."""
        for call, reply in paid:
            if call.key in self._once:
                self._once.discard(call.key)
                continue
            self.traffic.kept_from[Origin.of(call, reply)] += 1
            if self._watch:
                self._watch(CallOutcome(call, "ledger", reply=reply))

    async def ask(self, call: Call) -> Reply:
        """The teacher's reply to a call that the ledger did not hold when `kept` was asked.

        When the last caller is cancelled, a call not yet sent is withdrawn; one that is sent is finished, since it is
        paid for, and its reply is kept.
        Raises: TeacherMisconfigured, TeacherDown: no call can succeed; LedgerError: nothing can be kept.
        """
        return await self._ask(call, first=False)

    async def ask_first(self, call: Call) -> Reply:
        """The same for a call that is not held back (`hold`)."""
        return await self._ask(call, first=True)

    def hold(self, may_go: Callable[[Call], bool]) -> None:
        """Hold back what is asked, but for what is asked first, until `let_go`.

        Args:
            may_go: whether a call is one of those that `let_some_go`.
        """
        self._held, self._may_go = [], may_go

    def let_some_go(self, most: int) -> None:
        """Send, of what is held back, so many calls at most, now or as they come, once something was asked first."""
        self._most_to_go = most
        self._let_next_go()

    def let_go(self) -> None:
        """Send what was held back, and hold nothing back any more."""
        held, self._held = self._held or (), None
        self._next_to_go.clear()
        for pending in held:
            _let_go(pending)

    def _let_next_go(self) -> None:
        while self._next_to_go and self._most_to_go and self._first_asked:
            self._most_to_go -= _let_go(self._next_to_go.popleft())

    async def _ask(self, call: Call, *, first: bool) -> Reply:
        if self._closing:
            raise asyncio.CancelledError  # Whoever still asks belongs to a run that has ended.
        pending = self._pending.get(call.key)
        if pending is None:
            pending = self._begin(call, held=not first)
        if first:
            self._first_asked = True
            _let_go(pending)
            self._let_next_go()
        pending.callers += 1
        try:
            return await asyncio.shield(pending.task)
        finally:
            pending.callers -= 1
            if not pending.callers and not pending.sent:
                pending.task.cancel()
                # From now on nobody may join it: whoever asks for the same begins anew.
                self._forget(call, pending)

    async def close(self) -> None:
        """Withdraw what is not sent, wait for what is (it is paid for), and give up connections.

        Nothing is sent from then on: who asks, or would ask once more, is cancelled.
        """
        self._closing = True
        for pending in list(self._pending.values()):
            if not pending.sent:
                pending.task.cancel()
        endpoints = self._endpoints()
        for endpoint in endpoints:
            endpoint.pressure.end()
        while self._pending:
            await asyncio.wait([pending.task for pending in self._pending.values()])
            await asyncio.sleep(0)
        for replicas in set(self.models.values()):
            await replicas.close()
        for backend in {endpoint.backend for endpoint in endpoints}:
            await backend.close()
        self.traffic.resent = sum(endpoint.trouble.resent for endpoint in endpoints)

    def _endpoints(self) -> set[Endpoint]:
        return {endpoint for replicas in self.models.values() for endpoint in replicas.endpoints}

    def _begin(self, call: Call, *, held: bool) -> Pending:
        pending = self._pending[call.key] = Pending()
        if held and self._held is not None:
            pending.held = asyncio.get_running_loop().create_future()
            self._held.append(pending)
            if self._may_go(call):
                self._next_to_go.append(pending)
                self._let_next_go()

        def wanted() -> bool:
            if self._closing or not pending.callers:
                self._forget(call, pending)
                return False
            return True

        def finished(task: asyncio.Task[Reply]) -> None:
            self._forget(call, pending)
            # A place became free: that matters where too few calls wait to fill the next ones.
            if self.finished or self.demand < self.capacity:
                self.changed.set()
            if not task.cancelled():
                task.exception()  # Retrieved here, since all its callers may have been cancelled.

        async def fetch() -> Reply:
            if pending.held:
                await pending.held
            return await self._retries.fetch(call, pending, wanted)

        pending.task = asyncio.create_task(fetch() if pending.held else self._retries.fetch(call, pending, wanted))
        pending.task.add_done_callback(finished)
        return pending

    def _forget(self, call: Call, pending: Pending) -> None:
        if self._pending.get(call.key) is pending:
            del self._pending[call.key]


def _let_go(pending: Pending) -> bool:
    """Whether it was held back until now, and is waited for."""
    if pending.held is None or pending.held.done():
        return False
    pending.held.set_result(None)
    return True
