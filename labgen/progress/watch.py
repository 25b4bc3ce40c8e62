"""Makes the state of a run, tells it to whoever listens, and writes it to the work folder."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from labgen.config.whole import Config
from labgen.generate.leaf_progress import LeafProgress
from labgen.plan.leaf_plan import LeafPlan
from labgen.progress.rates import Moment, Rates
from labgen.progress.run_state import RunSpending, RunState, branches_of, worst_leaves
from labgen.progress.status_file import write_status
from labgen.progress.time_left import ExpectedCalls, LeafToGo, TimeLeft, calls_left
from labgen.teacher.budget import Budget
from labgen.teacher.client import TeacherClient
from labgen.teacher.traffic import Traffic
from labgen.teacher.waits import waits_of

WRITE_SEC = 1.0
"""Time between two writings of the state, where nothing else has changed than numbers."""
NOT_YET = "not known yet"
NOTHING_ANSWERED = "not known while nothing is answered"


class RunWatch:
    """Watches one run.

    Args:
        verb: the command, as the state names it.
        tell: told every state.
        spent: what was spent before; price_share: share of the price that calls cost, 0 to 1.

    Attributes:
        expected: flow to what a plan expects of it, for the time left.
    """

    def __init__(
        self,
        config: Config,
        plans: Sequence[LeafPlan],
        verb: str,
        tell: Callable[[RunState], None],
        *,
        spent: RunSpending | None = None,
        price_share: float = 1.0,
    ) -> None:
        self.expected: Mapping[str, ExpectedCalls] = {}
        self._config, self._plans, self._tell = config, plans, tell
        self._spent, self._price_share = spent or RunSpending(), price_share
        self._begun_sec = time.monotonic()
        self._state = RunState(verb, "reading the ledger", time.time(), time.time(), platform.node(), os.getpid())
        self._rates, self._left = Rates(), TimeLeft()
        self._rows_before: int | None = None
        self._written_sec = float("-inf")
        self._leaves: Mapping[str, LeafProgress] = {}

    @property
    def state(self) -> RunState:
        """The last one."""
        return self._state

    def look(
        self,
        phase: str,
        leaves: Mapping[str, LeafProgress],
        traffic: Traffic,
        client: TeacherClient | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Take in how far the run is; without a client nothing is asked yet.

        Args:
            leaves: leaf to how far it is; those that are missing have not begun.
        """
        self._leaves = leaves
        state = replace(
            self._state,
            branches=branches_of(self._plans, leaves),
            worst=worst_leaves(self._plans, leaves),
            answered=traffic.answered,
            in_flight=client.in_flight if client else 0,
            from_ledger=traffic.from_ledger,
            retries=traffic.retries,
            spending=self._spending(traffic, budget),
        )
        self._say(phase, self._paced(state, traffic, client) if client else state)

    def say(self, phase: str) -> None:
        """The run does something else now, or is further with it."""
        state = replace(self._state, calls_per_sec=None, tokens_per_sec=None, left_sec=None, left_unknown="", waits=())
        self._say(phase, state)

    def end(self, words: str) -> None:
        """The run has ended."""
        self._state = replace(self._state, ended=words, in_flight=0)
        self.say("ended")

    def _say(self, phase: str, state: RunState) -> None:
        changed = phase != self._state.phase
        # The span between the two is how long it runs, also where the clock is set meanwhile.
        now_sec, runs_sec = time.time(), time.monotonic() - self._begun_sec
        self._state = replace(state, phase=phase, started=now_sec - runs_sec, updated=now_sec)
        self._tell(self._state)
        if changed or time.monotonic() - self._written_sec >= WRITE_SEC:
            self._written_sec = time.monotonic()
            write_status(self._config.work_folder, self._state)

    def _spending(self, traffic: Traffic, budget: Budget | None) -> RunSpending:
        price, before = self._config.price, self._spent
        cost = price.cost(traffic.prompt_tokens, traffic.completion_tokens) * self._price_share if price else 0.0
        found = RunSpending(
            before.calls + traffic.answered,
            before.prompt_tokens + traffic.prompt_tokens,
            before.completion_tokens + traffic.completion_tokens,
            cost + (before.cost or 0.0) if price else None,
            price.currency if price else "",
        )
        if budget is None:
            return found
        limits, spent = budget.limits, budget.spent
        return replace(
            found,
            calls=before.calls + spent.calls,
            cost=spent.cost + (before.cost or 0.0) if price else None,
            max_calls=limits.max_calls,
            max_tokens=limits.max_tokens,
            max_cost=limits.max_cost,
        )

    def _paced(self, state: RunState, traffic: Traffic, client: TeacherClient) -> RunState:
        """With what goes on at the endpoints."""
        ran_sec, rows = client.ran_sec, state.total.rows
        self._rows_before = rows if self._rows_before is None else self._rows_before
        self._rates.note(Moment(ran_sec, rows, traffic.answered, traffic.completion_tokens, client.in_flight))
        waits = waits_of(client, time.monotonic())
        per_sec, left, unknown = self._rates.calls_per_sec, None, NOT_YET
        if any(not wait.answering for wait in waits):
            unknown = NOTHING_ANSWERED
            self._left.forget()
        else:
            to_go = (LeafToGo(plan.flow.name, self._progress_of(plan)) for plan in self._plans)
            under_way = traffic.answered + traffic.from_ledger - state.total.calls
            calls = calls_left(to_go, self.expected, self._config.stop, max(0.0, under_way))
            left = self._left.look(
                ran_sec, answered=traffic.answered, rows=rows - self._rows_before, calls=calls, per_sec=per_sec
            )
        return replace(
            state,
            calls_per_sec=per_sec,
            tokens_per_sec=self._rates.tokens_per_sec,
            left_sec=left,
            left_unknown="" if left is not None else unknown,
            waits=waits,
        )

    def _progress_of(self, plan: LeafPlan) -> LeafProgress:
        return self._leaves.get(plan.leaf.path) or LeafProgress(plan.wanted)
