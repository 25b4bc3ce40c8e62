"""`labgen calibrate`: the judges' test without a build, and the same with pairs that people have labelled.

Calls go through the ledger, so what is asked here costs a build nothing, and the other way round.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from labgen.config import Config
from labgen.errors import UsageError
from labgen.filters.base import Scene, settle
from labgen.filters.calibration import Calibration, JudgeResult, Outcome, count_outcomes
from labgen.filters.calibration_items import TRUE
from labgen.formats.prompts import PromptSet
from labgen.generate.context import Kit
from labgen.generate.leaf_run import LeafRun
from labgen.ledger.replies import Ledger
from labgen.ledger.run_lock import run_lock
from labgen.plan.example_pairs import examples_of
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources, gather_sources
from labgen.records import Candidate, Leaf, Pair, SeedExample
from labgen.teacher.connect import connect
from labgen.verbs.generate import Hooks, make_door, make_kit

T = TypeVar("T")

ALL = "all judges"
"""Name of the result of all judges together: what none of them turns down has passed."""
BAD = "bad"
"""Kind of a defect that the file gives no name to."""

QUESTIONS, ANSWERS = ("instruction", "question", "prompt"), ("response", "answer", "output")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled pair of a file. `kind` is `true` for a good one."""

    line: int
    leaf: str
    kind: str
    context: str | None
    instruction: str
    response: str
    task_description: str = ""


def calibrate_leaves(
    config: Config, leaf_patterns: Sequence[str] = (), hooks: Hooks | None = None
) -> dict[str, Calibration]:
    """Put the judges of every leaf to its test: what `labgen generate` does before it draws from a leaf.

    Raises: LabgenError: no such taxonomy, or the teacher can't be asked.
    """
    hooks = hooks or Hooks()
    sources = gather_sources(config, leaf_patterns, hooks.notice)
    if not sources.plans:
        raise UsageError("no leaf can be used:\n" + "\n".join(sources.messages))

    async def one(kit: Kit, place: int) -> Calibration:
        return await LeafRun(sources.plans[place], kit).calibrate()

    found = _ask_all(config, sources, hooks, one, len(sources.plans))
    return dict(zip((plan.leaf.path for plan in sources.plans), found, strict=True))


def calibrate_pairs(config: Config, pairs: Iterable[Labelled], hooks: Hooks | None = None) -> list[JudgeResult]:
    """What each judge, and all of them together, make of labelled pairs.

    A pair that names a leaf of the taxonomy is judged as one of that leaf; another one by itself, without examples.
    """
    hooks = hooks or Hooks()
    pairs = list(pairs)
    named = {pair.leaf for pair in pairs if pair.leaf}
    sources = gather_sources(config, sorted(named), hooks.notice) if named else _no_sources(config)
    plans = {plan.leaf.path: plan for plan in sources.plans}
    for pair in pairs:
        if pair.leaf and pair.leaf not in plans:
            raise UsageError(f"line {pair.line}: there is no usable leaf `{pair.leaf}` in {config.taxonomy}.")

    async def one(kit: Kit, place: int) -> list[Outcome]:
        pair = pairs[place]
        return await _judge(pair, plans.get(pair.leaf) or _plan_of(pair), kit)

    outcomes = _ask_all(config, sources, hooks, one, len(pairs))
    every = [outcome for found in outcomes for outcome in found]
    judges = sorted(dict.fromkeys(outcome.judge for outcome in every), key=lambda judge: judge == ALL)
    return [count_outcomes(judge, [each for each in every if each.judge == judge]) for judge in judges]


def read_labelled(path: Path) -> list[Labelled]:
    """Labelled pairs of a JSONL file.

    A line is an object with a question (`instruction`, `question`, `prompt`) and an answer (`response`, `answer`,
    `output`), or with `messages`; `good` (true or false) or `defect` (the kind of defect; empty for none); and, where
    it has them, `context`, `leaf` and `task_description`.
    Raises: UsageError: with file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: can't be read ({error}).") from None
    pairs = []
    for number, text in enumerate(lines, start=1):
        if text.strip():
            pairs.append(_labelled(f"{path}:{number}", number, text))
    if not any(pair.kind == TRUE for pair in pairs) or all(pair.kind == TRUE for pair in pairs):
        raise UsageError(
            f"{path}: has {len(pairs)} pair{'' if len(pairs) == 1 else 's'}. It takes good ones and bad ones to "
            "measure a judge."
        )
    return pairs


def _labelled(where: str, number: int, text: str) -> Labelled:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{where}: not JSON ({error}). Each line holds one object.") from None
    if not isinstance(data, dict):
        raise UsageError(f"{where}: not an object. Each line holds one.")
    turns = data.get("messages")
    if isinstance(turns, list) and len(turns) > 1 and all(isinstance(turn, dict) for turn in turns):
        data = {"instruction": turns[-2].get("content"), "response": turns[-1].get("content"), **data}
    question, answer = _first(data, QUESTIONS), _first(data, ANSWERS)
    if question is None or answer is None:
        raise UsageError(f"{where}: needs a question ({', '.join(QUESTIONS)}) and an answer ({', '.join(ANSWERS)}).")
    defect, good = data.get("defect"), data.get("good")
    if not isinstance(good, bool) and "defect" not in data:
        raise UsageError(f"{where}: needs a label: `good` (true or false), or `defect` with the kind of defect.")
    kind = str(defect) if defect else TRUE if good is not False else BAD
    if good is True and defect:
        raise UsageError(f"{where}: is labelled as good, and with the defect `{defect}`.")
    context = data.get("context")
    leaf, task = str(data.get("leaf") or ""), str(data.get("task_description") or "")
    return Labelled(number, leaf, kind, str(context) if context else None, question, answer, task)


def _first(data: dict[str, Any], names: Sequence[str]) -> str | None:
    return next((data[name] for name in names if isinstance(data.get(name), str)), None)


def _no_sources(config: Config) -> Sources:
    from labgen.records import Taxonomy

    return Sources(Taxonomy(config.taxonomy, (), ()), (), PromptSet(config.prompts))


def _plan_of(pair: Labelled) -> LeafPlan:
    """A leaf made up for a pair that names none: its one seed is the pair itself, which judges are not shown."""
    seed = SeedExample(0, pair.context, (Pair(pair.instruction, pair.response),))
    path = f"compositional_skills/line_{pair.line}"
    leaf = Leaf(path, "compositional_skills", Path(), 3, pair.task_description, "", "", (seed,), None, "")
    return LeafPlan(leaf, 0, (), 1, "precise", 1, "", "")


async def _judge(pair: Labelled, plan: LeafPlan, kit: Kit) -> list[Outcome]:
    flow = plan.leaf.flow
    folded = flow == "freeform" and pair.context
    instruction = f"{pair.context}\n\n{pair.instruction}" if folded else pair.instruction
    context = None if flow == "freeform" else pair.context
    candidate = Candidate(plan.leaf.path, -1, 0, instruction, pair.response, context)
    asker = LeafRun(plan, kit).asker_for_judges()
    outcomes = []
    for stage in ("instruction", "pair"):
        for judge in kit.looks(flow, stage, judges=True):
            scene = Scene(plan, examples_of(plan.leaf), (), asker, kit.config.thresholds, (candidate,))
            state = (await settle(candidate, [judge], scene)).state
            outcomes.append(Outcome(judge.name, pair.kind, state))
    worst = next((outcome.state for outcome in outcomes if outcome.state is not None), None)
    return [*outcomes, Outcome(ALL, pair.kind, worst)]


def _ask_all(
    config: Config, sources: Sources, hooks: Hooks, one: Callable[[Kit, int], Awaitable[T]], count: int
) -> list[T]:
    """The results of `one` for 0 to `count` - 1, as many at a time as the endpoints take."""
    folder = config.work_folder

    async def run(ledger: Ledger) -> list[T]:
        with connect(config, now=time.monotonic, notice=hooks.notice, notes=ledger) as models:
            door = make_door(config, models, ledger, hooks)
            kit = make_kit(config, sources, door, models)
            places = asyncio.Semaphore(config.teacher.concurrency)

            async def bounded(place: int) -> T:
                async with places:
                    return await one(kit, place)

            try:
                return await asyncio.gather(*map(bounded, range(count)))
            finally:
                await door.close()

    with run_lock(folder):
        ledger = Ledger(folder)
        try:
            return asyncio.run(run(ledger))
        finally:
            ledger.close()
