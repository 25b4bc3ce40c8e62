"""One leaf on its way through a build: slots run in any order, and are retired in theirs.

What depends on order is decided in two places only: near-duplicates when a slot's turn comes (every earlier slot has
been drawn), and acceptance when a slot is retired (every earlier slot is done). So no result depends on timing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from labgen.filters.base import Filter, Scene, ended, settle
from labgen.filters.calibration import Calibration, calibrate
from labgen.formats.reading import read_blocks
from labgen.generate.claims import Claim, Claims
from labgen.generate.context import Kit
from labgen.generate.draws import Draw, draw
from labgen.plan.example_pairs import examples_of
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.seed_sampling import make_slot
from labgen.records import Candidate, State
from labgen.teacher.asker import Asker, CandidateEnds
from labgen.teacher.rehearsal import MODEL_NAME

LEAF_WEIGHT_SLOTS = 2.0
"""Slots' worth of weight that the yield of all leaves of a flow has in what is expected of one leaf."""


FIRST, THEN = 0, 1
"""Rank of waiting calls: what much else waits for (draws, a leaf's test of its judges), then all other calls.

The longest chains of calls so begin first, also at a run's end, where nothing else would fill the teacher meanwhile.
"""

LUCK = 2.0
"""Standard deviations by which slots on their way may do better than expected before another one is begun."""

JUDGE_NOT_FIT = "judge not fit"
"""How the reason begins why a leaf stopped whose judges failed their test."""


@dataclass
class SlotRun:
    """A slot that was issued.

    Attributes:
        potential: how many of its candidates may still be accepted (count).
        known: set once it asks the teacher, waits for its turn, or is done: until then it lives off the ledger alone,
            and whether its leaf needs another slot can't be said yet.
    """

    index: int
    potential: float
    known: asyncio.Event = field(default_factory=asyncio.Event)
    spent: list[bytes] = field(default_factory=list)
    task: asyncio.Task[tuple[Candidate, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What a leaf's first slots came to: all of it that its further slots depend on.

    Attributes:
        slots: how many, all of them retired.
        accepted, calls, drawn, passed: what they yielded and took, as `LeafRun` counts it.
        calibration: how the leaf's judges did; None where they are not tested.
        claimed: in order, the seeds aside.
    """

    slots: int = 0
    accepted: int = 0
    calls: int = 0
    drawn: float = 0.0
    passed: float = 0.0
    calibration: Calibration | None = None
    claimed: tuple[Claim, ...] = ()


class LeafRun:
    """The state of one leaf in a build.

    Args:
        on_claimed: told of each instruction that later ones must not resemble.

    Attributes:
        accepted: rows accepted among the retired slots.
        calls: calls spent by the retired slots, whoever paid for them: the same in every run.
        stopped: why the leaf ended short of what was wanted, empty where it did not (yet).
        done: whether no further slot will be retired.
        calibration: how the leaf's judges did, once its first slot is retired; None where they are not tested.
    """

    def __init__(self, plan: LeafPlan, kit: Kit, *, on_claimed: Callable[[Claim], None] = lambda claim: None) -> None:
        self.plan = plan
        self.accepted = 0
        self.calls = 0
        self.stopped = ""
        self.done = False
        self.issued = 0
        self.retired = 0
        self.calibration: Calibration | None = None
        self._kit = kit
        self._trial: asyncio.Future[Calibration] | None = None
        self._examples = examples_of(plan.leaf)
        self._live: dict[int, SlotRun] = {}
        self._claims = Claims(plan, self._examples, kit, on_claimed)
        self._drawn = self._passed_filters = 0.0

    def past(self, claimed: Sequence[Claim]) -> Past:
        """What the retired slots came to; `claimed` is what `on_claimed` was told of."""
        return Past(
            self.retired,
            self.accepted,
            self.calls,
            self._drawn,
            self._passed_filters,
            self.calibration,
            tuple(claim for claim in claimed if claim.slot < self.retired),
        )

    def go_on_from(self, past: Past) -> None:
        """Take up a leaf that has drawn nothing yet where `past` leaves off."""
        self.issued = self.retired = past.slots
        self.accepted, self.calls, self.calibration = past.accepted, past.calls, past.calibration
        if past.calibration:
            self._trial = asyncio.get_running_loop().create_future()
            self._trial.set_result(past.calibration)
        self._claims.go_on_from(past.slots, past.claimed)
        self._count_yield(past.drawn, past.passed)

    @property
    def live_slots(self) -> int:
        """Slots issued and not yet retired."""
        return len(self._live)

    def wants_slot(self, *, eager: bool) -> bool:
        """Whether the slots on their way are expected to fall short of what is wanted.

        Args:
            eager: whether any expected shortfall counts, so that the leaf is done as early as can be. Otherwise the
                slots on their way have to fall short even with some luck: one slot too many is paid for nothing.
        """
        if self.done or (self._trial and not (self._trial.done() and self._fit(self._trial))):
            return False
        weight = LEAF_WEIGHT_SLOTS * self._kit.config.generation.instructions_per_call
        usual = self._kit.yield_seen.share(self.plan.leaf.flow)
        share = min(1.0, (self._passed_filters + weight * usual) / (self._drawn + weight))
        potential = sum(slot.potential for slot in self._live.values())
        luck = 0.0 if eager else LUCK * math.sqrt(potential * share * (1.0 - share))
        return self.plan.wanted - self.accepted > min(potential, potential * share + luck)

    async def issue(self, events: asyncio.Queue[LeafRun | None]) -> None:
        """Start the next slot, and return as soon as it is known whether the ledger answers all of it.

        So a leaf that was built before is replayed slot by slot, and asks nothing that it does not need. The leaf is
        put on `events` when the slot is done.
        """
        slot = SlotRun(self.issued, float(self._kit.config.generation.instructions_per_call))
        self.issued += 1
        self._live[slot.index] = slot
        if self._trial is None and self._kit.config.calibration.enabled:
            self._trial = asyncio.create_task(self.calibrate(slot))
            # Until the judges are known to be fit, the leaf has this one slot only; then it may want more.
            self._trial.add_done_callback(lambda task: _tested(task, events))
        slot.task = asyncio.create_task(self._run(slot))

        def done(task: asyncio.Task[tuple[Candidate, ...]]) -> None:
            if not task.cancelled():
                task.exception()  # Retrieved here: what ends the run ends many slots, and only one is asked why.
            slot.known.set()
            events.put_nowait(self)

        slot.task.add_done_callback(done)
        await slot.known.wait()

    def retire(self) -> list[Candidate]:
        """Take the slots that are done, in order, up to the first that is not.

        Returns: their candidates, each in its final state.
        Raises: LabgenError: what stopped a slot, where something did.
        """
        candidates: list[Candidate] = []
        while not self.done and self.retired in self._live:
            slot = self._live[self.retired]
            if slot.task is None or not slot.task.done():
                break
            settled = self._accept(slot.task.result())
            candidates += settled
            self._note_calibration()
            if not self.done:
                # A leaf whose judge is not fit has drawn nothing: that says nothing of the others' yield.
                self._note_yield(settled)
            del self._live[self.retired]
            self.retired += 1
            self.calls += len(slot.spent)
            self._decide_end()
        return candidates

    def _note_yield(self, candidates: Sequence[Candidate]) -> None:
        passed = sum(candidate.state in (State.ACCEPTED, State.SURPLUS) for candidate in candidates)
        self._count_yield(self._kit.config.generation.instructions_per_call, passed)

    def _count_yield(self, drawn: float, passed: float) -> None:
        self._drawn += drawn
        self._passed_filters += passed
        self._kit.yield_seen.add(self.plan.leaf.flow, drawn, passed)

    def cancel(self) -> None:
        """Withdraw the slots that are still on their way."""
        for slot in self._live.values():
            if slot.task:
                slot.task.cancel()
        self._live.clear()
        if self._trial:
            self._trial.cancel()

    def spent_ahead(self) -> int:
        """Calls asked for by slots that never became part of the build."""
        return sum(len(slot.spent) for slot in self._live.values())

    def _accept(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        final = []
        for candidate in candidates:
            if candidate.state is not None:
                final.append(candidate)
            elif self.accepted < self.plan.wanted:
                self.accepted += 1
                final.append(replace(candidate, state=State.ACCEPTED))
            else:
                final.append(replace(candidate, state=State.SURPLUS, reason="leaf_already_full"))
        return final

    def _fit(self, trial: asyncio.Future[Calibration]) -> bool:
        """Whether a test that is over lets the leaf be drawn from."""
        return not trial.cancelled() and trial.exception() is None and not self._stops(trial.result())

    def _stops(self, calibration: Calibration) -> bool:
        """Whether the leaf's judges are too weak for it to be drawn from.

        The rehearsal's judges are tested and reported like any, but nobody trains on what they let through: a rehearsal
        goes on, and shows what it is for.
        """
        return bool(calibration.problem) and self._kit.judge != MODEL_NAME

    def _note_calibration(self) -> None:
        if self._trial is None or self.calibration:
            return
        self.calibration = self._trial.result()
        self.calls += len(self.calibration.calls)
        if self._stops(self.calibration):
            self.stopped = f"{JUDGE_NOT_FIT}: {self.calibration.problem}"
            self.done = True

    def _decide_end(self) -> None:
        stop = self._kit.config.stop
        if self.done:
            return
        if self.accepted >= self.plan.wanted:
            self.done = True
        elif self.calls >= stop.min_calls and self.calls > stop.max_calls_per_row * self.accepted:
            self.stopped = f"low yield: {self.calls} calls for {self.accepted} rows"
            self.done = True
        elif stop.max_calls_spent is not None and self.calls >= stop.max_calls_spent:
            self.stopped = f"limit of calls reached: {self.calls} calls"
            self.done = True

    def asker_for_judges(self) -> Asker:
        """An asker for questions that belong to no slot of the leaf; they come before its slots."""
        return replace(self._asker(SlotRun(0, 0.0)), spent=[], priority=(FIRST, self.plan.order, -1))

    async def calibrate(self, slot: SlotRun | None = None) -> Calibration:
        """Put the leaf's judges to the test; its calls come before those of the leaf's slots."""
        asker = replace(self.asker_for_judges(), on_asking=slot.known.set if slot else lambda: None)
        config = self._kit.config
        return await calibrate(
            self.plan, self._examples, self._kit.filters, asker, config.thresholds, config.calibration
        )

    async def _run(self, slot: SlotRun) -> tuple[Candidate, ...]:
        if self._trial and self._stops(await asyncio.shield(self._trial)):
            return ()
        asker = self._asker(slot)
        scene = Scene(
            self.plan,
            self._examples,
            examples_of(self.plan.leaf, asker.slot.seed_examples),
            asker,
            self._kit.config.thresholds,
        )
        try:
            drawing = replace(asker, priority=(FIRST if self._kit.draws_first else THEN, *asker.priority[1:]))
            drawn = await draw(self.plan, drawing, self._kit.config.thresholds)
        except CandidateEnds as end:
            empty = Candidate(asker.slot.leaf, slot.index, 0, seed_examples=asker.slot.seed_examples)
            drawn = Draw((ended(empty, end),))
        scene.truncated = drawn.truncated
        candidates = await self._settle_all(drawn.candidates, self._free_looks(), scene)
        await self._claims.turn(slot.index, slot.known.set)
        candidates = tuple(self._claims.claim(candidate) for candidate in candidates)
        self._claims.end_turn(slot.index)
        slot.potential = sum(candidate.state is None for candidate in candidates)
        scene.siblings = tuple(candidate for candidate in candidates if candidate.state is None)
        finished = await asyncio.gather(*(self._finish(candidate, scene) for candidate in candidates))
        slot.potential = sum(candidate.state is None for candidate in finished)
        return tuple(finished)

    def _asker(self, slot: SlotRun) -> Asker:
        kit = self._kit
        return Asker(
            door=kit.door,
            prompts=kit.prompts,
            generation=kit.config.generation,
            teacher=kit.teacher,
            judge=kit.judge,
            slot=make_slot(self.plan, slot.index, seed=kit.config.seed),
            priority=(THEN, self.plan.order, slot.index),
            spent=slot.spent,
            on_asking=slot.known.set,
        )

    def _free_looks(self) -> tuple[Filter, ...]:
        flow = self.plan.leaf.flow
        looks = self._kit.looks(flow, "instruction", judges=False)
        # A knowledge pair comes with its answer: what is free to check of it is checked before it counts as claimed.
        return looks + self._kit.looks(flow, "pair", judges=False) if flow == "knowledge" else looks

    async def _settle_all(
        self, candidates: Sequence[Candidate], looks: tuple[Filter, ...], scene: Scene
    ) -> tuple[Candidate, ...]:
        return tuple(
            [
                candidate if candidate.state is not None else await settle(candidate, looks, scene)
                for candidate in candidates
            ]
        )

    async def _finish(self, candidate: Candidate, scene: Scene) -> Candidate:
        """The part of a candidate's way that costs calls: instruction judge, response, pair judges."""
        if candidate.state is not None:
            return candidate
        flow = self.plan.leaf.flow
        if flow == "knowledge":
            judges = self._kit.looks(flow, "instruction", judges=True) + self._kit.looks(flow, "pair", judges=True)
            return await settle(candidate, judges, scene)
        candidate = await settle(candidate, self._kit.looks(flow, "instruction", judges=True), scene)
        if candidate.state is not None:
            return candidate
        try:
            candidate, truncated = await self._respond(candidate, scene)
        except CandidateEnds as end:
            return ended(candidate, end)
        if truncated:
            scene.truncated = scene.truncated | {candidate.position}
        return await settle(candidate, self._kit.looks(flow, "pair"), scene)

    async def _respond(self, candidate: Candidate, scene: Scene) -> tuple[Candidate, bool]:
        generation = self._kit.config.generation
        creative = self.plan.persona == "creative"
        reading = await scene.asker.ask(
            "respond",
            read_response,
            max_tokens=generation.max_response_tokens,
            temperature=generation.creative_temperature if creative else generation.precise_temperature,
            leaf=self.plan.leaf,
            seeds=scene.shown,
            persona=self.plan.persona,
            context=candidate.context,
            instruction=candidate.instruction,
        )
        candidate = replace(candidate, response=reading.value, raw=reading.text, calls=candidate.calls + reading.calls)
        return candidate, reading.truncated


def _tested(trial: asyncio.Future[Calibration], events: asyncio.Queue[LeafRun | None]) -> None:
    if not trial.cancelled():
        trial.exception()  # Retrieved here, since the slot that waits for it may have been withdrawn.
    events.put_nowait(None)


def read_response(text: str) -> str | None:
    """A response out of a reply: all of it, without a `<response>` tag around it; None for nothing at all."""
    blocks = read_blocks(text, "response") if text.lstrip().lower().startswith("<response") else []
    return (blocks[0] if blocks else text.strip()) or None
