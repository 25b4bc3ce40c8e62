"""A budget that is never exceeded: every request holds the most that it can cost until its true cost is known."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from collections.abc import Callable

from labgen.config.whole import PriceConfig
from labgen.lazy.dataclasses import dataclass
from labgen.records import Call, Reply
from labgen.text.token_count import estimate_tokens

TEMPLATE_TOKENS = 64
"""Tokens that a chat template may add to a turn, with room to spare."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may spend; None for no limit.

    Attributes:
        max_calls: requests that were, or may have been, answered (count).
        max_tokens: prompt and reply tokens together (count).
        max_cost: in the currency of the price.
        price: what tokens cost; None costs nothing.
    """

    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    price: PriceConfig | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return (self.max_calls, self.max_tokens, self.max_cost) != (None, None, None)

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        return self.price.cost(prompt_tokens, completion_tokens) if self.price else 0.0


@dataclass(slots=True)
class Amount:
    """Calls, tokens, money: spent, held, or needed."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def add(self, other: Amount, sign: int = 1) -> None:
        """Add (or with -1 take away) another amount."""
        self.calls += sign * other.calls
        self.tokens += sign * other.tokens
        self.cost += sign * other.cost


class Bill:
    """What one request holds of the budget. `close` puts what it did not spend back."""

    def __init__(self, budget: Budget, call: Call, held: Amount) -> None:
        self.held = held
        self._budget, self._call = budget, call
        self._spent = Amount()

    def pay(self, call: Call, reply: Reply) -> None:
        """The request was answered. An endpoint that does not count tokens is taken at an estimate."""
        if reply.failure:
            self._spent = Amount(1)
            return
        prompt = reply.prompt_tokens or sum(estimate_tokens(message.content) for message in call.messages)
        completion = reply.completion_tokens or estimate_tokens(reply.text)
        self._spent = Amount(1, prompt + completion, self._budget.limits.cost(prompt, completion))

    def pay_all(self) -> None:
        """The request may have been answered, but nobody knows at what cost: the most that it may be counts."""
        self._spent = self._budget.most(self._call)

    def close(self) -> None:
        """Settle."""
        self._budget.settle(self.held, self._spent)


class Budget:
    """The limits of a run and what is spent and held of them; without limits, what is spent alone.

    Calls that don't fit wait, in order of priority, for what others may put back. Once nothing is held any more and the
    first waiting call still does not fit, the budget is `reached`: whoever waits then waits until cancelled.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.spent = Amount()
        self.reached = False
        self._held = Amount()
        self._waiters: list[tuple[tuple[int, ...], int, Amount, asyncio.Future[None]]] = []
        self._ticket = itertools.count()

    @property
    def waiting(self) -> int:
        """Calls that wait for budget."""
        return sum(not entry[3].done() for entry in self._waiters) if self._waiters else 0

    @property
    def share_left(self) -> float:
        """Share of the limit that is nearest which is neither spent nor held, 0 to 1."""
        limits, spent, held = self.limits, self.spent, self._held
        parts = (
            (limits.max_calls, spent.calls + held.calls),
            (limits.max_tokens, spent.tokens + held.tokens),
            (limits.max_cost, spent.cost + held.cost),
        )
        return min(
            (max(0.0, 1.0 - gone / limit) if limit else 0.0 for limit, gone in parts if limit is not None), default=1.0
        )

    async def open(self, call: Call, on_reached: Callable[[], None]) -> Bill:
        """Hold what a request can cost at most, or wait for it; `on_reached` is called where that is in vain."""
        need = self.most(call) if self.limits.any else Amount(1)
        if not self.waiting and self._fits(need):
            self._held.add(need)
            return Bill(self, call, need)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (call.priority, next(self._ticket), need, place))
        self._admit()
        if self.reached:
            on_reached()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.settle(need, Amount())
            raise
        return Bill(self, call, need)

    def settle(self, held: Amount, spent: Amount) -> None:
        """Put back what was held, and count what was spent."""
        self._held.add(held, -1)
        self.spent.add(spent)
        self._admit()

    def _admit(self) -> None:
        while self._waiters:
            _, _, need, place = self._waiters[0]
            if not place.done():
                if not self._fits(need):
                    break
                self._held.add(need)
                place.set_result(None)
            heapq.heappop(self._waiters)
        if self._waiters and not self._held.calls and not self.reached:
            self.reached = True

    def _fits(self, need: Amount) -> bool:
        limits, spent, held = self.limits, self.spent, self._held
        return (
            (limits.max_calls is None or spent.calls + held.calls + need.calls <= limits.max_calls)
            and (limits.max_tokens is None or spent.tokens + held.tokens + need.tokens <= limits.max_tokens)
            and (limits.max_cost is None or spent.cost + held.cost + need.cost <= limits.max_cost)
        )

    def most(self, call: Call) -> Amount:
        """The most that a request can cost."""
        # No tokenizer makes more tokens of a text than it has bytes.
        prompt = sum(len(message.content.encode("utf-8", "replace")) + TEMPLATE_TOKENS for message in call.messages)
        if call.schema is not None:
            prompt += len(json.dumps(call.schema))
        return Amount(1, prompt + call.max_tokens, self.limits.cost(prompt, call.max_tokens))
