"""`labgen calibrate`: the judges' test without a build, and the same with pairs that people have labelled.

Calls go through the ledger, so what is asked here costs a build nothing, and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from labgen.config.whole import Config
from labgen.errors import UsageError
from labgen.filters.base import settle
from labgen.filters.calibration import Calibration, ItemOutcome, JudgeResult, count_outcomes
from labgen.filters.calibration_items import TRUE
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.formats.conversation_rows import read_conversation
from labgen.formats.dataset_reader import FILE_ENDINGS, read_dataset
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.slot_run import slot_context
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow, flow_of
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.persona import persona_of
from labgen.records import Candidate, Leaf, Pair, SeedExample
from labgen.teacher.client import TeacherClient
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.session import Hooks, Session

T = TypeVar("T")

ALL = "all judges"
"""Name of the result of all judges together: what none of them turns down has passed."""
BAD = "bad"
"""Kind of a defect that the file gives no name to."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled pair of a file: its `row`, counted from 1. `kind` is `true` for a good one."""

    row: int
    leaf: str
    kind: str
    context: str | None
    instruction: str
    response: str
    task_description: str = ""


@outside_event_loop
def calibrate_leaves(
    config: Config, leaf_patterns: Sequence[str] = (), hooks: Hooks | None = None
) -> dict[str, Calibration]:
    """Put the judges of every leaf to its test: what `labgen generate` does before it draws from a leaf.

    Raises: LabgenError: no such taxonomy, or the teacher can't be asked.
    """
    session = Session.prepare(config, leaf_patterns, hooks=hooks)
    session.check_leaves()
    session.check_flows()
    plans = session.sources.plans
    found = _ask_all(session, lambda run, place: JudgesTest(plans[place], run).take(), len(plans))
    return dict(zip((plan.leaf.path for plan in plans), found, strict=True))


@outside_event_loop
def calibrate_pairs(config: Config, pairs: Iterable[Labelled], hooks: Hooks | None = None) -> list[JudgeResult]:
    """What each judge, and all of them together, make of labelled pairs.

    A pair that names a leaf of the taxonomy is judged as one of that leaf; another one by itself, without examples.
    """
    pairs = list(pairs)
    named = sorted({pair.leaf for pair in pairs if pair.leaf})
    # Pairs that name no leaf need no taxonomy.
    session = Session.prepare(config, named, hooks=hooks, leaves=bool(named))
    plans = {plan.leaf.path: plan for plan in session.sources.plans}
    for pair in pairs:
        if pair.leaf and pair.leaf not in plans:
            raise UsageError(f"row {pair.row}: there is no usable leaf `{pair.leaf}` in {config.taxonomy}.")

    async def one(run: RunContext, place: int) -> list[ItemOutcome]:
        pair = pairs[place]
        return await _judge(pair, plans.get(pair.leaf) or _plan_of(pair, session.flows), run)

    outcomes = _ask_all(session, one, len(pairs))
    every = [outcome for found in outcomes for outcome in found]
    judges = sorted(dict.fromkeys(outcome.judge for outcome in every), key=lambda judge: judge == ALL)
    return [count_outcomes(judge, [each for each in every if each.judge == judge]) for judge in judges]


def read_labelled(path: Path) -> list[Labelled]:
    """Labelled pairs of a file (see `labgen.formats.dataset_reader`).

    A row has a question with an answer, as `labgen.formats.conversation_rows` knows them; `good` (true or false) or
    `defect` (the kind of defect; empty for none); and, where it has them, `context`, `leaf` and `task_description`. A
    system text counts as part of the question.
    Raises: UsageError: with file and row; also for a row with earlier turns, which judges are not shown.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder. Give a file of labelled pairs ({', '.join(FILE_ENDINGS)}).")
    if not path.exists():
        raise UsageError(f"{path}: no such file.")
    pairs = [_labelled(f"{path}, row {number}", number, row) for number, row in enumerate(read_dataset(path), start=1)]
    if not any(pair.kind == TRUE for pair in pairs) or all(pair.kind == TRUE for pair in pairs):
        raise UsageError(
            f"{path}: has {len(pairs)} pair{'' if len(pairs) == 1 else 's'}. It takes good ones and bad ones to "
            "measure a judge."
        )
    return pairs


def _labelled(where: str, number: int, data: dict[str, Any]) -> Labelled:
    try:
        *before, answer = read_conversation(data)
    except UsageError as error:
        raise UsageError(f"{where}: {error}.") from None
    if sum(turn.role == "user" for turn in before) != 1 or any(turn.role == "assistant" for turn in before):
        raise UsageError(f"{where}: has earlier turns, and judges are shown one question with its answer.")
    defect, good = data.get("defect"), data.get("good")
    if not isinstance(good, bool) and "defect" not in data:
        raise UsageError(f"{where}: needs a label: `good` (true or false), or `defect` with the kind of defect.")
    kind = str(defect) if defect else TRUE if good is not False else BAD
    if good is True and defect:
        raise UsageError(f"{where}: is labelled as good, and with the defect `{defect}`.")
    context = data.get("context")
    leaf, task = str(data.get("leaf") or ""), str(data.get("task_description") or "")
    question = "\n\n".join(turn.content for turn in before)
    return Labelled(number, leaf, kind, str(context) if context else None, question, answer.content, task)


def _plan_of(pair: Labelled, flows: Sequence[Flow]) -> LeafPlan:
    """A leaf made up for a pair that names none: its one seed is the pair itself, which judges are not shown."""
    seed = SeedExample(0, pair.context, (Pair(pair.instruction, pair.response),))
    path = f"compositional_skills/row_{pair.row}"
    leaf = Leaf(path, "compositional_skills", Path(), 3, pair.task_description, "", "", (seed,), None, "")
    return LeafPlan(leaf, flow_of(leaf, flows), 0, (), 1, persona_of(leaf), 1, "", "")


async def _judge(pair: Labelled, plan: LeafPlan, run: RunContext) -> list[ItemOutcome]:
    folded = plan.flow.folds_context and pair.context
    instruction = f"{pair.context}\n\n{pair.instruction}" if folded else pair.instruction
    context = None if plan.flow.folds_context else pair.context
    candidate = Candidate(plan.leaf.path, -1, 0, instruction, pair.response, context)
    outcomes = []
    for judge in run.bound(plan.flow).judges:
        slot = slot_context(plan, run, 0, DuplicatesInLeaf(plan, run.config.thresholds), [])
        slot = replace(slot, shown=(), asker=JudgesTest(plan, run).asker(), siblings=(candidate,))
        state = (await settle(candidate, [judge], slot)).state
        outcomes.append(ItemOutcome(judge.name, pair.kind, state))
    worst = next((outcome.state for outcome in outcomes if outcome.state is not None), None)
    return [*outcomes, ItemOutcome(ALL, pair.kind, worst)]


def _ask_all(session: Session, one: Callable[[RunContext, int], Awaitable[T]], count: int) -> list[T]:
    """The results of `one` for 0 to `count` - 1, as many at a time as the endpoints take."""

    async def work(run: RunContext, client: TeacherClient) -> list[T]:
        places = asyncio.Semaphore(session.config.teacher.concurrency)

        async def bounded(place: int) -> T:
            async with places:
                return await one(run, place)

        return await asyncio.gather(*map(bounded, range(count)))

    with session.locked() as ledger:
        return session.ask(ledger, work)
