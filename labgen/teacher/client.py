"""The one door to the teacher: the ledger first, then the network, with retries and pressure.

Nothing else in labgen asks a model anything.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from labgen.errors import (
    PERMANENT,
    RETRYABLE,
    ContextTooLong,
    NoConnection,
    RateLimited,
    TeacherDown,
    TeacherError,
    TeacherMisconfigured,
    TeacherUnavailable,
)
from labgen.ledger.replies import Ledger
from labgen.records import Call, Reply
from labgen.teacher.budget import Bill, Budget
from labgen.teacher.endpoints import Endpoint, Replicas

FIRST_BACKOFF_SEC = 0.5
LONGEST_BACKOFF_SEC = 20.0
OUTAGE_SEC = 120.0
"""Endpoints that have answered nothing for so long, while asked, are down: the run stops."""
NEVER_ANSWERED_SEC = 6.0
"""The same for endpoints that have not answered once: most likely the address is wrong."""


@dataclass
class Traffic:
    """What a run asked for. Timing decides some of it, so none of it enters a dataset."""

    sent: int = 0
    retries: int = 0
    from_ledger: int = 0
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    busy_sec: float = 0.0
    peak_in_flight: int = 0
    first_sent_sec: float = 0.0
    last_answer_sec: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)

    @property
    def utilisation(self) -> float:
        """Calls in flight on average, from the first call sent to the last reply, as a share of the peak (0 to 1)."""
        span_sec = self.last_answer_sec - self.first_sent_sec
        return min(1.0, self.busy_sec / (span_sec * self.peak_in_flight)) if span_sec > 0 else 0.0


class Asking(Protocol):
    """What flows and judges are given: a way to ask, and nothing of how it is done."""

    def kept(self, call: Call) -> Reply | None:
        """The reply that the ledger holds, None where the teacher would have to be asked."""

    async def ask(self, call: Call) -> Reply:
        """The reply to a call that the ledger did not hold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt at a call.

    Attributes:
        kind: `ok`, `ledger`, `too_long`, `refused`, `exhausted` (no attempt is left), or the name of a TeacherError.
        endpoint: where it was sent; empty for the ledger.
        latency_sec: from sending to the outcome.
        reply: where there was one.
    """

    call: Call
    kind: str
    endpoint: str = ""
    latency_sec: float = 0.0
    reply: Reply | None = None
    request_id: str = ""


Watch = Callable[[Outcome], None]
"""Told of each outcome, as it happens."""


@dataclass(slots=True)
class _Pending:
    task: asyncio.Task[Reply] = field(init=False)
    callers: int = 0
    sent: bool = False
    attempts: int = 0


class Door:
    """Asks the teacher for what the ledger does not hold.

    The same call asked for twice at the same time is sent once. A call counts as in flight until its reply is in the
    ledger, so the number of calls in flight bounds what a kill can lose.

    Args:
        models: logical model name to the replicas that serve it.
        max_attempts: attempts per call in this run; refusals for load and outages do not use them up.
        outage_sec: longest time without any answer before the run stops.
        never_answered_sec: the same before the first answer, where that is shorter.
        first_backoff_sec: wait before a call's second attempt; doubles with each further one, up to 20 s.
        budget: what may be spent; None for no limit.
        notice: told when an endpoint gets no more calls.
        watch: told of every outcome.

    """

    def __init__(
        self,
        models: Mapping[str, Replicas],
        ledger: Ledger,
        *,
        max_attempts: int,
        outage_sec: float = OUTAGE_SEC,
        never_answered_sec: float = NEVER_ANSWERED_SEC,
        first_backoff_sec: float = FIRST_BACKOFF_SEC,
        budget: Budget | None = None,
        notice: Callable[[str], None] = lambda words: None,
        watch: Watch | None = None,
    ) -> None:
        self.traffic = Traffic()
        self.models = models
        self.problem = ""
        self.budget = budget
        if budget:
            budget.on_reached = self._tell_reached
        self.on_settled: Callable[[], None] = lambda: None
        self._ledger = ledger
        self._max_attempts = max_attempts
        self._outage_sec = outage_sec
        self._never_answered_sec = min(never_answered_sec, outage_sec)
        self._first_backoff_sec = first_backoff_sec
        self._notice = notice
        self._watch = watch
        self._pending: dict[bytes, _Pending] = {}
        self._flying = 0
        self._closing = False

    def _tell_reached(self) -> None:
        self.on_settled()

    @property
    def demand(self) -> int:
        """Calls waiting, in flight, or between two attempts; not those that wait for budget."""
        return len(self._pending) - (self.budget.waiting if self.budget else 0)

    @property
    def in_flight(self) -> int:
        """Calls sent and not yet in the ledger."""
        endpoints = {endpoint for replicas in self.models.values() for endpoint in replicas.endpoints}
        return sum(endpoint.pressure.in_flight for endpoint in endpoints)

    @property
    def capacity(self) -> int:
        """Calls that may be in flight at present."""
        return sum(replicas.capacity for replicas in set(self.models.values()))

    def kept(self, call: Call) -> Reply | None:
        """The reply that the ledger holds, None where the teacher would have to be asked."""
        reply = self._ledger.get(call.key)
        if reply is not None:
            self.traffic.from_ledger += 1
            if self._watch:
                self._watch(Outcome(call, "ledger", reply=reply))
        return reply

    async def ask(self, call: Call) -> Reply:
        """The teacher's reply to a call that the ledger did not hold when `kept` was asked.

        When the last caller is cancelled, a call not yet sent is withdrawn; one that is sent is finished, since it is
        paid for, and its reply is kept.
        Raises: TeacherMisconfigured, TeacherDown: no call can succeed; LedgerError: nothing can be kept.

        """
        if self._closing:
            raise asyncio.CancelledError  # Whoever still asks belongs to a run that has ended.
        pending = self._pending.get(call.key)
        if pending is None:
            pending = self._begin(call)
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
        while self._pending:
            await asyncio.wait([pending.task for pending in self._pending.values()])
            await asyncio.sleep(0)
        backends = {endpoint.backend for replicas in self.models.values() for endpoint in replicas.endpoints}
        for backend in backends:
            await backend.close()

    def _begin(self, call: Call) -> _Pending:
        pending = self._pending[call.key] = _Pending()
        pending.task = asyncio.create_task(self._fetch(call, pending))

        def finished(task: asyncio.Task[Reply]) -> None:
            self._forget(call, pending)
            self.on_settled()
            if not task.cancelled():
                task.exception()  # Retrieved here, since all its callers may have been cancelled.

        pending.task.add_done_callback(finished)
        return pending

    def _forget(self, call: Call, pending: _Pending) -> None:
        if self._pending.get(call.key) is pending:
            del self._pending[call.key]

    async def _fetch(self, call: Call, pending: _Pending) -> Reply:
        replicas = self.models[call.model]
        backoff_sec, failed_at = self._first_backoff_sec, None
        while True:
            bill = await self.budget.open(call) if self.budget else None
            try:
                endpoint = await replicas.acquire(call.priority, failed_at)
                try:
                    pending.sent = True
                    return await self._attempt(call, pending, replicas, endpoint, bill)
                except RETRYABLE as error:
                    problem = error
                finally:
                    pending.sent = False
                    replicas.release(endpoint)
            finally:
                if bill:
                    bill.close()
            if self._closing or not pending.callers:
                self._forget(call, pending)
                raise asyncio.CancelledError  # Nobody waits for it any more: no reason to ask again.
            pending.attempts += not isinstance(problem, RateLimited | NoConnection) and not endpoint.pressure.down
            if pending.attempts >= self._max_attempts:
                return self._give_up(call, endpoint, problem)
            self.traffic.retries += 1
            # Full jitter, so that calls that failed together do not come back together.
            wait_sec = problem.retry_after_sec or backoff_sec * random.uniform(0.5, 1.0)  # noqa: S311
            if endpoint is not failed_at and replicas.others(endpoint):
                wait_sec = 0.0  # Another replica may have what this one has not.
            failed_at = endpoint
            backoff_sec = min(backoff_sec * 2.0, LONGEST_BACKOFF_SEC)
            await asyncio.sleep(wait_sec)

    async def _attempt(
        self, call: Call, pending: _Pending, replicas: Replicas, endpoint: Endpoint, bill: Bill | None
    ) -> Reply:
        """Send a call once, note what the outcome says of the endpoint, and keep the reply."""
        self._ledger.check_room()
        traffic, begun_sec = self.traffic, time.monotonic()
        traffic.sent += 1
        traffic.first_sent_sec = traffic.first_sent_sec or begun_sec
        self._flying += 1
        traffic.peak_in_flight = max(traffic.peak_in_flight, self._flying)
        try:
            reply = await endpoint.backend.ask(call)
        except PERMANENT as error:
            failure = "too_long" if isinstance(error, ContextTooLong) else "refused"
            reply = Reply("", "", failure=failure, detail=_shorten(error))
        except TeacherError as error:
            if bill and error.maybe_paid:
                bill.pay_all()
            self._note_problem(call, pending, replicas, endpoint, error, time.monotonic() - begun_sec)
            raise
        finally:
            self._flying -= 1
        now_sec = time.monotonic()
        if bill:
            bill.pay(call, reply)
        replicas.silence.end(now_sec)
        self.problem = ""
        endpoint.pressure.succeeded(now_sec - begun_sec, reply.prompt_tokens, reply.completion_tokens)
        traffic.answered += 1
        traffic.last_answer_sec = now_sec
        traffic.busy_sec += now_sec - begun_sec
        traffic.prompt_tokens += reply.prompt_tokens
        traffic.completion_tokens += reply.completion_tokens
        await self._ledger.put(call, reply)
        if self._watch:
            self._watch(Outcome(call, reply.failure or "ok", endpoint.name, now_sec - begun_sec, reply))
        return reply

    def _note_problem(
        self,
        call: Call,
        pending: _Pending,
        replicas: Replicas,
        endpoint: Endpoint,
        error: TeacherError,
        latency_sec: float,
    ) -> None:
        """Note a failed attempt. Raises: TeacherError: where the endpoint gets no more calls, or the run is over."""
        kind = type(error).__name__
        self.traffic.problems[kind] += 1
        if self._watch:
            self._watch(Outcome(call, kind, endpoint.name, latency_sec, request_id=error.request_id))
        if isinstance(error, TeacherMisconfigured) and endpoint.pressure.answered and replicas.others(endpoint):
            self._retire(endpoint, error)
        if isinstance(error, RateLimited):
            endpoint.pressure.refused(error.retry_after_sec)
        elif isinstance(error, RETRYABLE):
            endpoint.pressure.unreachable(telling=isinstance(error, NoConnection) or not pending.attempts)
        else:
            return
        self.problem = f"{endpoint.name}: {error}"
        silent_sec = replicas.silence.lasts(time.monotonic(), latency_sec)
        if silent_sec > self._patience_sec(replicas, endpoint, error):
            raise TeacherDown(
                f"{endpoint.name}: no answer for {silent_sec:.0f} s, stopped. Last problem: {error}. "
                "Every reply up to here is kept; run again when the endpoint answers."
            ) from error

    def _patience_sec(self, replicas: Replicas, endpoint: Endpoint, error: TeacherError) -> float:
        """How long replicas may answer nothing before the run stops."""
        if isinstance(error, RateLimited):
            return self._outage_sec + (error.retry_after_sec or 0.0)
        if not replicas.all_down and (not isinstance(error, NoConnection) or replicas.others(endpoint)):
            return float("inf")  # It may be the calls that are at fault: their attempts run out.
        return self._outage_sec if replicas.answered else self._never_answered_sec

    def _retire(self, endpoint: Endpoint, error: TeacherError) -> None:
        if not endpoint.retired:
            endpoint.retired = str(error)
            self._notice(f"{endpoint.name} gets no more calls in this run, the other endpoints do: {error}")
        raise TeacherUnavailable(str(error), request_id=error.request_id) from error

    def _give_up(self, call: Call, endpoint: Endpoint, problem: TeacherError) -> Reply:
        self.traffic.failed += 1
        if self._watch:
            self._watch(Outcome(call, "exhausted", endpoint.name))
        return Reply("", "", failure="exhausted", detail=_shorten(problem))


def _shorten(error: TeacherError) -> str:
    return str(error)[:500]
