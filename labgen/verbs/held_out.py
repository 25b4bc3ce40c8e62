"""The held-out rows of a build: drawn once the training rows stand, and kept apart from every one of them.

They come from slots of their own, so that training rows are the same bytes with and without. A drawn row whose
question, answer, evidence or reserved passage stands in a training row of its leaf is left out as it comes, and the
leaf is drawn from further; what is too close to another leaf's is left out at the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import field, replace
from typing import Any

from labgen.export.choice import choice_rows
from labgen.export.collect import Collector, Written
from labgen.export.configs import ASKED, CHOICE, READING, RECALL, SKILLS
from labgen.export.held_out import BATCH_ROWS, HeldOutRows, held_out_row, held_out_texts, shown_in, training_texts
from labgen.export.provenance import leaf_info
from labgen.export.rows import BuildInfo, LeafInfo, row_of
from labgen.filters.duplicates_in_leaf import Seen
from labgen.filters.leaks import HeldOutText, LeakIndex, Training, TrainingText
from labgen.flows.following import can_follow, one_turn, two_turns
from labgen.generate.context import RunContext
from labgen.generate.engine import Engine
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.resume import one_by_one, open_ledger, replay_slots
from labgen.generate.slot_run import SlotResult
from labgen.generate.yields import YieldSeen
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Ledger
from labgen.plan.held_out import reading_plan, recall_plan, skills_plan
from labgen.plan.leaf_plan import LeafPlan
from labgen.progress.stop import STOPPED, StopWish
from labgen.progress.watch import RunWatch
from labgen.records import Candidate, State
from labgen.teacher.budget import Budget
from labgen.teacher.client import TeacherClient
from labgen.teacher.ledger_only import LedgerOnly
from labgen.teacher.traffic import Origin, Traffic
from labgen.verbs.session import Session

PLANS: dict[str, Callable[[LeafPlan, int], LeafPlan | None]] = {
    RECALL: recall_plan,
    READING: reading_plan,
    SKILLS: skills_plan,
}
_COUNTED = ("wanted", "rows", "leaked", "calls")
_KEPT = ("id", "messages", "context", "source", "verdicts", "kind", "form")


class TrainedRows:
    """What goes into the dataset, kept in mind by leaf on its way there: about a kilobyte a row.

    Attributes:
        rows: the dataset's own. beside: rows of preferences, which show responses that were turned down as well.
        seen: questions and instructions.
    """

    def __init__(self, writer: Written, about: BuildInfo) -> None:
        self._writer, self.about = writer, about
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.beside: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.seen: dict[str, list[Seen]] = defaultdict(list)

    def add(self, candidate: Candidate, leaf: LeafInfo) -> Sequence[Mapping[str, Any]]:
        """Take a candidate in its final state. Returns: the rows of preferences that are made of it."""
        beside = self._writer.add(candidate, leaf)
        self.beside[leaf.path] += [shown for row in beside for shown in shown_in(row)]
        if candidate.state is not State.ACCEPTED:
            return beside
        row = row_of(candidate, leaf, self.about)
        self.rows[leaf.path].append({name: row[name] for name in _KEPT})
        context = candidate.context if leaf.own_context else None
        name = f"slot {candidate.slot}, position {candidate.position}"
        asked = [candidate.compared, *([candidate.follow_up.question] if candidate.follow_up else [])]
        self.seen[leaf.path] += [Seen(candidate.slot, text, context, name) for text in asked]
        return beside

    def end_leaf(self, leaf: LeafInfo) -> None:
        """Nothing more comes of a leaf."""
        self._writer.end_leaf(leaf)

    def texts(self, path: str) -> list[TrainingText]:
        """What a leaf's rows show."""
        return [text for row in (*self.rows.get(path, ()), *self.beside.get(path, ())) for text in training_texts(row)]

    def batches(self) -> Iterator[Training]:
        """All rows, some at a time."""
        texts = [text for path in self.beside for text in self.texts(path)]
        for begin in range(0, len(texts), BATCH_ROWS):
            yield Training(texts[begin : begin + BATCH_ROWS])


@dataclass
class _Set:
    """One kind of held-out rows on its way.

    Attributes:
        plans: leaf to what is drawn; pasts: how far each leaf is; kept: leaf to its rows so far.
        left_out: leaf to rows that were too close to training (count).
        marked_bad: ids of reviewers' marks that ended a row.
    """

    name: str
    plans: dict[str, LeafPlan]
    pasts: dict[str, Past]
    kept: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    left_out: Counter[str] = field(default_factory=Counter)
    training: dict[str, Training] = field(default_factory=dict)
    leaves: dict[str, LeafInfo] = field(default_factory=dict)
    marked_bad: set[str] = field(default_factory=set)

    @property
    def left(self) -> list[LeafPlan]:
        return [plan for path, plan in self.plans.items() if not self.pasts[path].progress.done]

    def take(self, path: str, candidates: Sequence[Candidate], progress: LeafProgress) -> None:
        # Surplus ones may take the places of those that are left out at the end.
        found = (candidate for candidate in candidates if candidate.state in (State.ACCEPTED, State.SURPLUS))
        self.kept[path] += [replace(candidate, state=State.ACCEPTED, reason="") for candidate in found]
        marks = self.plans[path].marks
        obeyed = [marks.on(candidate) for candidate in candidates if candidate.state is State.MARKED_BAD]
        self.marked_bad.update(id for id, mark in marks.marks if mark in obeyed)
        self.pasts[path] = replace(self.pasts[path], progress=replace(progress))


def draw_held_out(
    session: Session,
    ledger: Ledger,
    trained: TrainedRows,
    collector: Collector,
    budget: Budget,
    traffic: Traffic,
    watch: RunWatch,
) -> HeldOutRows:
    """Draw what `held_out` asks for, the ledger's replies first.

    Args:
        trained: every row of the dataset; collector: has brought them all in.
        budget: that of the run, with what is left of it.
        traffic: that of the run, to which what is asked and taken here is added.
    Raises: LabgenError: the teacher or the ledger can't go on.
    """
    about = trained.about
    sets = [_begin(session, name, trained, collector) for name in ASKED]
    sets = [each for each in sets if each.plans]
    complete = True
    if not session.replay.others_take_part:
        with closing(open_ledger(session.config)) as kept, one_by_one() as at_once:
            for each in sets:
                at_once(_replay(each, session, about, LedgerOnly(kept), traffic))
    if any(each.left for each in sets):
        session.hooks.notice("Drawing the rows that are held out.")
        watch.say("drawing the rows that are held out")
        complete, asked = session.ask(ledger, _Asking(sets, about, session.hooks.stop, watch), budget=budget)
        traffic.add(asked)
    _leave_out_trained(sets, trained, about)
    for each in sets:
        _leave_out_near(each, collector)
    return _as_rows(sets, trained, about, session.config.seed, complete=complete)


def held_out_plan(session: Session, name: str, plan: LeafPlan) -> LeafPlan | None:
    """What is drawn of a leaf for a kind of held-out rows; None where none are."""
    settings = session.config.held_out
    wanted = getattr(settings, name)
    own = PLANS[name](plan, wanted) if wanted else None
    if own is None:
        return None
    goes_on = name == SKILLS and settings.turns > 1 and can_follow(own.flow)
    flow = two_turns(own.flow) if goes_on else one_turn(own.flow)
    return replace(own, flow=flow, prompt_version=session.prompts.version(flow.prompts))


def _begin(session: Session, name: str, trained: TrainedRows, collector: Collector) -> _Set:
    wanted = getattr(session.config.held_out, name)
    made = _Set(name, {}, {})
    for plan in session.sources.plans if wanted else ():
        path = plan.leaf.path
        own = held_out_plan(session, name, plan)
        if own is None or path not in trained.rows:
            continue  # what nothing is trained on says nothing of a trained model
        progress = LeafProgress(wanted, calibration=collector.calibrations.get(path))
        made.plans[path], made.pasts[path] = own, Past(progress, tuple(trained.seen[path]))
        made.training[path] = Training(trained.texts(path))
        made.leaves[path] = leaf_info(replace(own, wanted=plan.wanted))
    return made


def _admitting(each: _Set, about: BuildInfo) -> Callable[[Candidate], Candidate]:
    def admit(candidate: Candidate) -> Candidate:
        row = held_out_row(candidate, each.name, each.leaves[candidate.leaf], about)
        leaks = LeakIndex(held_out_texts(row, each.name)).find(each.training[candidate.leaf])
        if not leaks:
            return candidate
        each.left_out[candidate.leaf] += 1
        return replace(candidate, state=State.DUPLICATE, reason=f"held_out: its {leaks[0].piece} is trained on")

    return admit


async def _replay(each: _Set, session: Session, about: BuildInfo, client: LedgerOnly, traffic: Traffic) -> None:
    """Take every leaf as far as the ledger alone takes it."""
    run = replace(session.replay.context(client), admit=_admitting(each, about))
    for path, plan in each.plans.items():
        leaf = LeafRun(plan, run)
        leaf.go_on_from(each.pasts[path])

        def take(slot: SlotResult, path: str = path, leaf: LeafRun = leaf) -> None:
            each.take(path, slot.candidates, leaf.progress)
            traffic.kept_from.update(Origin.of(call, reply) for call, reply in client.paid)

        each.pasts[path] = await replay_slots(leaf, client, take)


@dataclass(frozen=True)
class _Asking:
    """The part in which endpoints are asked. Gives whether every leaf was drawn from to its end, and the traffic."""

    sets: Sequence[_Set]
    about: BuildInfo
    stop: StopWish
    watch: RunWatch

    async def __call__(self, run: RunContext, client: TeacherClient) -> tuple[bool, Traffic]:
        def look() -> None:
            self.watch.say("drawing the rows that are held out")

        complete = await self.stop.run(self._draw(run, client), look)
        if complete is None:
            client.traffic.stopped = STOPPED
        return bool(complete), client.traffic

    async def _draw(self, run: RunContext, client: TeacherClient) -> bool:
        for each in self.sets:

            def take(leaf: LeafRun, candidates: list[Candidate], own: _Set = each) -> None:
                own.take(leaf.plan.leaf.path, candidates, leaf.progress)

            left = each.left
            admitting = replace(run, yields=YieldSeen(), admit=_admitting(each, self.about))
            engine = Engine(
                left, admitting, client, take, pasts={plan.leaf.path: each.pasts[plan.leaf.path] for plan in left}
            )
            if left and not await engine.run():
                return False
        return True


def _leave_out_near(each: _Set, collector: Collector) -> None:
    """Leave out rows that are nearly one of another leaf, or one that was held out before, and those beyond wanted."""
    across = collector.across
    for path, plan in each.plans.items():
        if across:
            across.begin(plan)
        kept: list[Candidate] = []
        for candidate in each.kept[path]:
            if len(kept) == plan.wanted:
                break
            if across and across.look_at(candidate).state is not State.ACCEPTED:
                each.left_out[path] += 1
            else:
                kept.append(candidate)
        each.kept[path] = kept


def _leave_out_trained(sets: Sequence[_Set], trained: TrainedRows, about: BuildInfo) -> None:
    """Leave out rows of which something stands in any training row of the dataset."""
    texts: dict[str, list[HeldOutText]] = {}
    for each in sets:
        for path, candidates in each.kept.items():
            for candidate in candidates:
                row = held_out_row(candidate, each.name, each.leaves[path], about)
                texts[row["id"]] = held_out_texts(row, each.name)
    index = LeakIndex([text for same in texts.values() for text in same])
    leaked = {leak.held_out for training in trained.batches() for leak in index.find(training)}
    for each in sets:
        for path, candidates in each.kept.items():
            kept = [
                candidate
                for candidate in candidates
                if held_out_row(candidate, each.name, each.leaves[path], about)["id"] not in leaked
            ]
            each.left_out[path] += len(candidates) - len(kept)
            each.kept[path] = kept


def _as_rows(sets: Sequence[_Set], trained: TrainedRows, about: BuildInfo, seed: int, *, complete: bool) -> HeldOutRows:
    rows: dict[str, list[dict[str, Any]]] = {}
    report: dict[str, Any] = {}
    for each in sets:
        rows[each.name] = [
            held_out_row(candidate, each.name, each.leaves[path], about)
            for path in each.plans
            for candidate in each.kept[path]
        ]
        leaves: dict[str, dict[str, Any]] = {
            path: {
                "wanted": plan.wanted,
                "rows": len(each.kept[path]),
                "leaked": each.left_out[path],
                "calls": each.pasts[path].progress.calls,
                "stopped": each.pasts[path].progress.stopped,
            }
            for path, plan in each.plans.items()
        }
        sums = {name: sum(leaf[name] for leaf in leaves.values()) for name in _COUNTED}
        report[each.name] = {**sums, "leaves": leaves}
    rows[CHOICE] = choice_rows(rows.get(RECALL, []), rows.get(READING, []), trained.rows, seed=seed)
    asked = sum(len(rows.get(name, ())) for name in (RECALL, READING))
    report[CHOICE] = {"wanted": asked, "rows": len(rows[CHOICE]), "leaked": 0}
    marked_bad = frozenset(id for each in sets for id in each.marked_bad)
    return HeldOutRows(rows, {"sets": report}, complete, marked_bad)
