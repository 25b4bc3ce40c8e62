"""Sending a call until it is answered: what happens on 429, on a server error, on silence, and when it is given up.

A refusal for load waits as long as the endpoint asks, or twice as long each time, and uses up no attempt. What another
replica may answer goes there at once. Endpoints that answer nothing at all for too long end the run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace

from labgen.errors import (
    PERMANENT,
    RETRYABLE,
    CallRejected,
    ContextTooLong,
    NoConnection,
    NotSent,
    RateLimited,
    TeacherDown,
    TeacherError,
    TeacherMisconfigured,
    TeacherStarting,
    TeacherTimeout,
    TeacherUnavailable,
)
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Ledger
from labgen.records import Call, Message, Reply
from labgen.records.changed import changed
from labgen.teacher.budget import Bill, Budget
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.standstill import Standstill
from labgen.teacher.traffic import CallOutcome, Origin, Traffic, Watch

FIRST_BACKOFF_SEC = 0.5
LONGEST_BACKOFF_SEC = 20.0
OUTAGE_SEC = 120.0
"""Endpoints that have answered nothing for so long, while asked, are down: the run stops. Time in which the run itself
stood still does not count."""
NEVER_ANSWERED_SEC = 6.0
"""The same for endpoints that have not answered once: most likely the address is wrong."""


LONG_WAIT_SEC = 60.0
"""An endpoint that asks for a longer wait gets no call until then, and the user is told."""
LONGEST_WAIT_SEC = 600.0
"""Where every endpoint of a model asks for a longer wait than this, the run ends as at the end of a budget."""
STARTING_SEC = 900.0
"""A server that says that it loads its model is waited for so long."""
LOOK_SEC = 0.05
SHORT_TOKENS = 16
"""Reply limit of a call that is to show that an endpoint answers short ones."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is tried.

    Attributes:
        max_attempts: attempts per call in this run; refusals for load and outages do not use them up.
        outage_sec: longest time without any answer before the run stops.
        never_answered_sec: the same before the first answer, where that is shorter.
        first_backoff_sec: wait before a call's second attempt; doubles with each further one, up to 20 s.
    """

    max_attempts: int
    outage_sec: float = OUTAGE_SEC
    never_answered_sec: float = NEVER_ANSWERED_SEC
    first_backoff_sec: float = FIRST_BACKOFF_SEC


REJECTED_CALLS = 3
"""So many calls rejected, and none answered, are no calls that are wrong, but an endpoint that is asked wrongly."""


@dataclass(slots=True)
class Pending:
    """A call that is waited for.

    Attributes:
        callers: who waits (count); sent: whether an attempt is under way.
        attempts: made so far, those aside that don't count.
        rejected: HTTP status of the last attempt where that was rejected, else 0.
        held: done once it may be sent, where it was held back; None where it was not.
    """

    task: asyncio.Task[Reply] = field(init=False)
    held: asyncio.Future[None] | None = None
    callers: int = 0
    sent: bool = False
    attempts: int = 0
    rejected: int = 0


class Retries:
    """Attempts at calls, and what they say of the endpoints.

    Args:
        models: logical model name to the replicas that serve it.
        ledger: keeps every reply before its call counts as answered.
        traffic: where it is counted.
        budget: what may be spent; None for no limit.
        wake: called where whoever paces the run should look again.
        notice: told when an endpoint gets no more calls.
        watch: told of every outcome.

    Attributes:
        standstill: time in which the run itself stood still, of which nothing is made.
    """

    def __init__(
        self,
        models: Mapping[str, Replicas],
        ledger: Ledger,
        traffic: Traffic,
        patience: Patience,
        *,
        budget: Budget | None,
        wake: Callable[[], None],
        notice: Callable[[str], None],
        watch: Watch | None,
    ) -> None:
        self._models = models
        self._endpoints = {endpoint for replicas in models.values() for endpoint in replicas.endpoints}
        self._ledger = ledger
        self._traffic = traffic
        self._patience = patience
        self._budget = budget
        self._wake = wake
        self._notice = notice
        self._watch = watch
        self._flying = 0
        self._rejected: set[bytes] = set()
        self._short: dict[Endpoint, asyncio.Future[bool]] = {}
        self.standstill = Standstill(self._stood_still)

    async def fetch(self, call: Call, pending: Pending, wanted: Callable[[], bool]) -> Reply:
        """The reply to a call, which is then in the ledger; `exhausted` where no attempt is left.

        Args:
            wanted: whether anybody still waits for it; asked between attempts.
        Raises: asyncio.CancelledError: nobody does. TeacherMisconfigured, TeacherDown: no call can succeed;
            LedgerError: nothing can be kept.
        """
        with self.standstill:
            return await self._until_answered(call, pending, wanted)

    def _stood_still(self, seconds: float) -> None:
        for replicas in dict.fromkeys(self._models.values()):
            replicas.silence.shift(seconds)

    async def _until_answered(self, call: Call, pending: Pending, wanted: Callable[[], bool]) -> Reply:
        replicas = self._models[call.model]
        problem: TeacherError | None
        backoff_sec, failed_at = self._patience.first_backoff_sec, None
        while True:
            bill = await self._budget.open(call, self._wake) if self._budget else None
            try:
                endpoint = await replicas.acquire(call.priority, failed_at)
                try:
                    pending.sent = True
                    return await self._attempt(call, pending, replicas, endpoint, bill)
                except NotSent:
                    problem = None
                except RETRYABLE as error:
                    problem = error
                finally:
                    pending.sent = False
                    replicas.release(endpoint)
            finally:
                if bill:
                    bill.close()
                    if self._budget and self._budget.reached:
                        self._wake()
            if not wanted():
                raise asyncio.CancelledError
            if problem is None:
                continue
            if isinstance(problem, CallRejected) and problem.status == pending.rejected:
                return await self._reject(call, replicas, endpoint, problem)
            pending.rejected = problem.status if isinstance(problem, CallRejected) else 0
            pending.attempts += not isinstance(problem, RateLimited | NoConnection) and not endpoint.pressure.down
            if pending.attempts >= self._patience.max_attempts:
                return self._give_up(call, endpoint, problem)
            self._traffic.retries += 1
            # Full jitter, so that calls that failed together do not come back together.
            wait_sec = problem.retry_after_sec or backoff_sec * random.uniform(0.5, 1.0)  # noqa: S311
            if endpoint is not failed_at and replicas.others(endpoint):
                wait_sec = 0.0  # Another replica may have what this one has not.
            failed_at = endpoint
            backoff_sec = min(backoff_sec * 2.0, LONGEST_BACKOFF_SEC)
            await asyncio.sleep(wait_sec)

    async def _attempt(
        self, call: Call, pending: Pending, replicas: Replicas, endpoint: Endpoint, bill: Bill | None
    ) -> Reply:
        """Send a call once, note what the outcome says of the endpoint, and keep the reply."""
        self._ledger.check_room()
        traffic, begun_sec, begun_ran_sec = self._traffic, time.monotonic(), self.standstill.ran_sec()
        traffic.sent += 1
        traffic.first_sent_sec = traffic.first_sent_sec or begun_sec
        self._flying += 1
        if endpoint.pressure.in_flight <= 1:
            replicas.silence.asked_sec = begun_sec
        if self._flying > traffic.peak_in_flight:
            traffic.peak_in_flight = max(traffic.peak_in_flight, self._flying - self._in_line)
        try:
            reply = await endpoint.backend.ask(call)
        except PERMANENT as error:
            failure = "too_long" if isinstance(error, ContextTooLong) else "refused"
            reply = Reply("", "", failure=failure, detail=_shorten(error))
        except NotSent:
            traffic.sent -= 1
            raise
        except TeacherError as error:
            kept = self._ledger.get(call.key, unheard=True) if error.maybe_paid else None
            if kept is None:
                if bill and error.maybe_paid:
                    bill.pay_all()
                latency_sec = max(0.0, self.standstill.ran_sec() - begun_ran_sec - error.waited_sec)
                self._note_problem(call, pending, replicas, endpoint, error, latency_sec)
                raise
            reply = changed(kept, kept=True)  # whoever sent it has ended since
        finally:
            self._flying -= 1
        now_sec = time.monotonic()
        latency_sec = max(0.0, self.standstill.ran_sec() - begun_ran_sec - reply.waited_sec)
        if bill:
            bill.pay(call, reply)
        replicas.silence.end(now_sec)
        endpoint.trouble.note(now_sec)
        endpoint.pressure.succeeded(latency_sec, reply.prompt_tokens, reply.completion_tokens)
        traffic.answered += 1
        traffic.last_answer_sec = now_sec
        traffic.busy_sec += latency_sec
        traffic.prompt_tokens += reply.prompt_tokens
        traffic.completion_tokens += reply.completion_tokens
        traffic.answered_from[Origin.of(call, reply)] += not reply.failure
        if reply.kept:
            self._ledger.note_kept(call.key)
        else:
            await self._ledger.put(call, reply)
        if self._watch:
            self._watch(CallOutcome(call, reply.failure or "ok", endpoint.name, latency_sec, reply))
        return reply

    @property
    def _in_line(self) -> int:
        """Calls that wait for a place at whoever sends them, of all endpoints."""
        return sum(max(0, each.pressure.in_flight - each.pressure.sent) for each in self._endpoints)

    async def _reject(self, call: Call, replicas: Replicas, endpoint: Endpoint, problem: CallRejected) -> Reply:
        """Take for final what an endpoint has said twice of the same call, and keep it like a reply.

        Where it has never answered anything, that may be said of every call: then the others decide, and where they
        are rejected as well, a short one.
        Raises: TeacherMisconfigured: it rejects whatever it is sent.
        """
        self._rejected.add(call.key)
        while not replicas.known:
            if len(self._rejected) >= REJECTED_CALLS:
                if await self._answers_in_short(call, endpoint):
                    break
                raise TeacherMisconfigured(
                    f"{endpoint.name} turned down all of the first {REJECTED_CALLS} calls ({problem}). `labgen doctor` "
                    "finds out what it accepts."
                ) from problem
            if not self._flying and not replicas.waiting:
                break  # nothing else is on its way that could tell
            await asyncio.sleep(LOOK_SEC)
        reply = Reply("", "", failure="refused", detail=_shorten(problem))
        await self._ledger.put(call, reply)
        if self._watch:
            self._watch(CallOutcome(call, "refused", endpoint.name, reply=reply))
        return reply

    async def _answers_in_short(self, call: Call, endpoint: Endpoint) -> bool:
        """Whether an endpoint that rejects its calls answers one like them of a few words: then they ask too much."""
        if self._budget and self._budget.limits.any:
            return False  # Such a call is in no budget.
        if endpoint not in self._short:
            self._short[endpoint] = asyncio.ensure_future(self._ask_in_short(call, endpoint))
        return await asyncio.shield(self._short[endpoint])

    async def _ask_in_short(self, call: Call, endpoint: Endpoint) -> bool:
        self._traffic.sent += 1
        try:
            await endpoint.backend.ask(replace(call, messages=(Message("user", "Say yes."),), max_tokens=SHORT_TOKENS))
        except TeacherError:
            return False
        endpoint.known = True
        return True

    def _note_problem(
        self,
        call: Call,
        pending: Pending,
        replicas: Replicas,
        endpoint: Endpoint,
        error: TeacherError,
        latency_sec: float,
    ) -> None:
        """Note a failed attempt. Raises: TeacherError: where the endpoint gets no more calls, or the run is over."""
        kind = type(error).__name__
        self._traffic.problems[kind] += 1
        endpoint.trouble.note(time.monotonic(), kind, str(error))
        if self._watch:
            self._watch(CallOutcome(call, kind, endpoint.name, latency_sec, request_id=error.request_id))
        if isinstance(error, TeacherMisconfigured) and endpoint.pressure.answered and replicas.others(endpoint):
            self._retire(endpoint, error)
        if isinstance(error, CallRejected):
            # An endpoint that says no is up.
            replicas.silence.end(time.monotonic())
            endpoint.pressure.heard()
            return
        if isinstance(error, TeacherTimeout):
            endpoint.pressure.timed_out()
        if isinstance(error, RateLimited):
            endpoint.pressure.refused(error.retry_after_sec)
            self._heed(replicas, endpoint, error)
        elif isinstance(error, RETRYABLE):
            endpoint.pressure.unreachable(telling=isinstance(error, NoConnection) or not pending.attempts)
        else:
            return
        silent_sec = replicas.silence.lasts(time.monotonic(), latency_sec)
        if silent_sec > self._most_silence_sec(replicas, endpoint, error):
            raise TeacherDown(
                f"{endpoint.name}: no answer for {silent_sec:.0f} s, stopped. Last problem: {error}. "
                "Every reply up to here is kept; run again when the endpoint answers."
            ) from error

    def _heed(self, replicas: Replicas, endpoint: Endpoint, error: RateLimited) -> None:
        """Send nothing for as long as an endpoint asks, and say so where that is long."""
        seconds = error.retry_after_sec or 0.0
        if seconds <= LONG_WAIT_SEC or self._traffic.stopped:
            return
        told = endpoint.pressure.wait_sec > seconds - LONG_WAIT_SEC
        endpoint.pressure.pause(seconds)
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + seconds))
        if replicas.wait_sec > LONGEST_WAIT_SEC:
            self._traffic.stopped = (
                f"{endpoint.name} lets nothing through until {until} ({error}). Every reply up to here is kept; run "
                "again then."
            )
            self._wake()
        elif not told:
            self._notice(f"{endpoint.name} asks for a wait of {seconds / 60:.0f} min, until {until} ({error}).")

    def _most_silence_sec(self, replicas: Replicas, endpoint: Endpoint, error: TeacherError) -> float:
        """How long replicas may answer nothing before the run stops."""
        patience = self._patience
        if isinstance(error, TeacherStarting):
            return max(patience.outage_sec, STARTING_SEC)
        if isinstance(error, RateLimited):
            return patience.outage_sec + (error.retry_after_sec or 0.0)
        if not replicas.all_down and (not isinstance(error, NoConnection) or replicas.others(endpoint)):
            return float("inf")  # It may be the calls that are at fault: their attempts run out.
        return self.outage_limit_sec(replicas)

    def outage_limit_sec(self, replicas: Replicas) -> float:
        """Seconds without any answer after which replicas that are down end the run."""
        patience = self._patience
        return patience.outage_sec if replicas.known else min(patience.never_answered_sec, patience.outage_sec)

    def _retire(self, endpoint: Endpoint, error: TeacherError) -> None:
        if not endpoint.retired:
            endpoint.retired = str(error)
            self._notice(f"{endpoint.name} gets no more calls in this run, the other endpoints do: {error}")
        raise TeacherUnavailable(str(error), request_id=error.request_id) from error

    def _give_up(self, call: Call, endpoint: Endpoint, problem: TeacherError) -> Reply:
        self._traffic.failed += 1
        if self._watch:
            self._watch(CallOutcome(call, "exhausted", endpoint.name))
        return Reply("", "", failure="exhausted", detail=_shorten(problem))


def _shorten(error: TeacherError) -> str:
    return str(error)[:500]
