"""What a slot costs: the calls of its draw, and what is then asked of its candidates; added up, and on average."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from labgen.generate.question_price import UNSTATED, QuestionPrice
from labgen.lazy.dataclasses import dataclass


@dataclass
class CallTotals:
    """Calls by step of the ledger, and their tokens. Estimated ones are fractions."""

    calls: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0

    def add(self, step: str, calls: float, prompt_tokens: float, completion_tokens: float) -> None:
        """Add so many calls of a step, of so many tokens each."""
        self.calls[step] += calls
        self.prompt_tokens += calls * prompt_tokens
        self.completion_tokens += calls * completion_tokens

    def add_all(self, other: CallTotals, times: float = 1.0) -> None:
        """Add all of another one, so many times."""
        for step, calls in other.calls.items():
            self.calls[step] += times * calls
        self.prompt_tokens += times * other.prompt_tokens
        self.completion_tokens += times * other.completion_tokens


@dataclass(frozen=True)
class SlotPrice:
    """What a slot of a leaf typically costs.

    Attributes:
        draw: the calls that draw its candidates.
        asked: what comes after, in the order in which a candidate meets it.
        per_slot: candidates that a slot is asked for (count, on average).
    """

    draw: CallTotals
    asked: tuple[QuestionPrice, ...]
    per_slot: float

    def reaching(self, yield_share: float) -> list[float]:
        """Share of a slot's candidates that gets to each thing asked, and last the share that passes all, 0 to 1.

        On the whole, half of what is lost is lost before anything is asked of it; the judges share the other half.
        """
        first, passing = self._passing(yield_share)
        shares = [first]
        for each in self.asked:
            shares.append(shares[-1] * (passing if each.judge is not None else 1.0))
        return shares

    def _passing(self, yield_share: float) -> tuple[float, float]:
        """Share of a slot's candidates that gets to the first thing asked, and that each judge lets pass."""
        judges = sum(each.judge is not None for each in self.asked)
        first = (1.0 + yield_share) / 2.0 if judges else yield_share
        return first, (yield_share / first) ** (1.0 / judges) if judges else 1.0

    def _asked_of(self, each: QuestionPrice, share: float, yield_share: float) -> float:
        """Share of candidates that is asked something, where `share` get past the judges before that."""
        if not each.of_failed:
            return share
        _, passing = self._passing(yield_share)
        return share * (1.0 / passing - 1.0)

    def reply_tokens(self, step: str) -> float:
        """Tokens of a typical reply of a step (count)."""
        return next((each.reply_tokens for each in self.asked if each.step == step), UNSTATED.reply_tokens)

    def whole(self, yield_share: float) -> CallTotals:
        """A slot of which nothing is paid."""
        totals = CallTotals()
        totals.add_all(self.draw)
        for each, share in zip(self.asked, self.reaching(yield_share), strict=False):
            asked = self._asked_of(each, share, yield_share)
            count = each.calls * (1.0 if each.shared else asked * self.per_slot)
            totals.add(each.step, count, each.prompt_tokens, each.reply_tokens)
        return totals

    def per_row(self, yield_share: float) -> CallTotals:
        """An accepted row of a slot of which nothing is paid."""
        totals = CallTotals()
        totals.add_all(self.whole(yield_share), 1.0 / (self.per_slot * yield_share))
        return totals

    def rest(self, place: int, yield_share: float, totals: CallTotals) -> float:
        """Add what a candidate will still cost whose answer at one place in `asked` is not known yet.

        Returns: the share of such candidates that will pass, 0 to 1.
        """
        shares = self.reaching(yield_share)
        for number, each in enumerate(self.asked[place + 1 :], start=place + 1):
            count = each.calls * self._asked_of(each, shares[number], yield_share) / shares[place]
            totals.add(each.step, count, each.prompt_tokens, each.reply_tokens)
        return shares[-1] / shares[place]


def average_price(prices: Mapping[int, SlotPrice], slots: Mapping[int, float]) -> SlotPrice:
    """What slots of a leaf typically cost, on average over some of them.

    Args:
        slots: index of a slot to its weight, which is more than 0; one or more.
    """
    total = sum(slots.values())
    found = [(prices[index], weight / total) for index, weight in slots.items()]
    per_slot = sum(share * each.per_slot for each, share in found)
    draw = CallTotals()
    # A step or a judge may ask in some slots only: the same question is what has the same name, and comes as often
    # before it in its slot.
    questions: dict[tuple[str, int], list[tuple[QuestionPrice, float]]] = {}
    for each, share in found:
        draw.add_all(each.draw, share)
        times: Counter[str] = Counter()
        for question in each.asked:
            calls = share * question.calls * (1.0 if question.shared else each.per_slot / per_slot)
            questions.setdefault((question.step, times[question.step]), []).append((question, calls))
            times[question.step] += 1
    return SlotPrice(draw, tuple(_average(same) for same in questions.values()), per_slot)


def _average(same: Sequence[tuple[QuestionPrice, float]]) -> QuestionPrice:
    """One question of several slots, each with the calls that it adds to those of all."""
    calls = sum(count for _, count in same)
    prompt = sum(count * question.prompt_tokens for question, count in same) / calls if calls else 0.0
    reply = sum(count * question.reply_tokens for question, count in same) / calls if calls else 0.0
    return replace(same[0][0], calls=calls, prompt_tokens=prompt, reply_tokens=reply)
