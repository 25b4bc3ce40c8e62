"""A preview: a handful of rows of some leaves, before anybody pays for all of them or merges a pull request.

The same stages, the same ledger and the same draws as a build's, so what a preview pays for, a build gets for nothing.
Nothing is written to the dataset folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from labgen.config.whole import Config, PriceConfig
from labgen.errors import LabgenError
from labgen.filters.calibration import JudgeResult, weakness
from labgen.generate.context import RunContext
from labgen.generate.engine import Engine
from labgen.generate.leaf_price import LeafEstimate
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources, gather_sources
from labgen.records import REHEARSAL_MODEL, Candidate, State, Violation
from labgen.taxonomy.changes import Changes, LeafChange
from labgen.taxonomy.check import CheckOptions, check_files
from labgen.taxonomy.path_patterns import LEAF_FILE
from labgen.teacher.client import TeacherClient
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.plan import LEAST_YIELD, estimate_build
from labgen.verbs.session import Hooks, Session


@dataclass(frozen=True, slots=True)
class Draws:
    """What was drawn from one leaf.

    Attributes:
        rows: accepted; refused: what ended otherwise, surplus left out.
        calls: calls spent; stopped: why the leaf ended short, empty where it did not.
        judges: how the leaf's judges did in their test.
    """

    rows: tuple[Candidate, ...] = ()
    refused: tuple[Candidate, ...] = ()
    calls: int = 0
    stopped: str = ""
    judges: tuple[JudgeResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows now against those of the leaf as it was at the base.

    Attributes:
        unchanged: nothing that rows depend on has changed, so nothing was drawn for the comparison.
        problem: why there is no comparison; empty where there is one.
        new: places in `Draws.rows` of the rows that the base has not; gone: rows that only the base has.
    """

    unchanged: bool = False
    problem: str = ""
    new: frozenset[int] = frozenset()
    gone: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class LeafPreview:
    """One leaf's part of a preview.

    Attributes:
        change: what became of the leaf since the base; None where none was named.
        violations: what `labgen check` says of it.
        left_out: why nothing can be drawn from it; empty where something can.
        unfit: why a build would draw nothing from it: its judges don't pass their test. The preview draws all the same,
            for its author to see what they make of it.
        estimate: what is still to pay at full size, after this preview; cost at the configured prices, in
            `currency`, where there are.
    """

    path: str
    change: LeafChange | None = None
    violations: tuple[Violation, ...] = ()
    left_out: str = ""
    unfit: tuple[str, ...] = ()
    plan: LeafPlan | None = None
    draws: Draws = field(default_factory=Draws)
    estimate: LeafEstimate | None = None
    cost: float | None = None
    comparison: Comparison | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview of some leaves, in path order.

    Attributes:
        teacher, judge: the models' names, empty where nothing was asked.
        rehearsal: whether the rehearsal teacher is one of them, whose rows teach a model nothing.
        changes: what the leaves were chosen by; None where they were named.
        omitted: leaves beyond the limit.
    """

    leaves: tuple[LeafPreview, ...]
    teacher: str = ""
    judge: str = ""
    rehearsal: bool = False
    changes: Changes | None = None
    omitted: tuple[str, ...] = ()

    def __repr__(self) -> str:
        rows = sum(len(leaf.draws.rows) for leaf in self.leaves)
        return f"Preview({len(self.leaves)} leaves, {rows} rows{', rehearsal' if self.rehearsal else ''})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        rows = [
            (leaf.path, each.instruction, each.response, "accepted" if each in leaf.draws.rows else each.reason)
            for leaf in self.leaves
            for each in [*leaf.draws.rows, *leaf.draws.refused]
        ]
        return html_table(repr(self), ("leaf", "instruction", "response", "state"), rows)


@outside_event_loop
def preview_leaves(
    config: Config,
    leaf_patterns: Sequence[str],
    *,
    changes: Changes | None = None,
    rows: int = 5,
    max_leaves: int = 20,
    check: CheckOptions | None = None,
    hooks: Hooks | None = None,
) -> Preview:
    """Draw up to `rows` rows from each of some leaves, and say what a person would want to know before merging them.

    Args:
        leaf_patterns: which leaves.
        changes: for the comparison with the rows at the base.
        max_leaves: leaves that are drawn from, the first in path order.
        check: how the leaves are checked; None checks by labgen's own rules without documents or benchmarks.
    Raises: LabgenError: no such leaf, or the teacher or the ledger can't go on.
    """
    floor, config = config.calibration.floor, _without_floor(config)
    session = Session.prepare(config, leaf_patterns, hooks=hooks)
    sources = session.sources
    paths = sorted({leaf.path for leaf in sources.taxonomy.leaves} | set(sources.taxonomy.excluded))
    chosen, omitted = paths[:max_leaves], paths[max_leaves:]
    plans = tuple(plan for plan in sources.plans if plan.leaf.path in set(chosen))
    session = replace(session, sources=replace(sources, plans=plans))
    session.check_flows()
    checked = check_files(
        config.taxonomy, [config.taxonomy / path / LEAF_FILE for path in chosen], check or CheckOptions()
    )
    changed = {change.path: change for change in changes.leaves} if changes else {}
    with tempfile.TemporaryDirectory(prefix="labgen-preview-") as folder:
        before, problems = _sources_before(session, changes, plans, Path(folder))
        now, then = _draw_all(session, before, rows)
    estimates = {leaf.plan.leaf.path: leaf for leaf in _estimate(session, now)}
    leaves = []
    for path in chosen:
        plan = next((plan for plan in plans if plan.leaf.path == path), None)
        draws, estimate = now.get(path, Draws()), estimates.get(path)
        leaves.append(
            LeafPreview(
                path,
                changed.get(path),
                tuple(found for found in checked.violations if found.file.rpartition("/")[0] == path),
                sources.left_out.get(path, "" if plan else "`samples` is 0 for this leaf in the settings."),
                tuple(words for judge in draws.judges if (words := weakness(judge, floor))),
                plan,
                draws,
                estimate,
                _cost(config.price, estimate),
                _compare(plan, changed.get(path), draws, before, then, problems.get(path, "")),
                config.price.currency if config.price else "",
            )
        )
    said = [by.rehearsal for draws in now.values() for row in (*draws.rows, *draws.refused) for by in row.answered_by]
    rehearsal = any(said) if said else REHEARSAL_MODEL in (session.teacher, session.judge)
    return Preview(tuple(leaves), session.teacher, session.judge, rehearsal, changes, tuple(omitted))


def _without_floor(config: Config) -> Config:
    """The settings with which no leaf is stopped for its judges."""
    return config.changed(calibration=config.calibration.changed(floor=-1.0))


def _sources_before(
    session: Session, changes: Changes | None, plans: Sequence[LeafPlan], folder: Path
) -> tuple[Sources | None, dict[str, str]]:
    """The changed leaves as they were at the base, ready to draw from, and why some are not."""
    here = {plan.leaf.path for plan in plans}
    problems: dict[str, str] = {}
    restored = []
    for change in changes.leaves if changes else ():
        if changes and change.kind in ("modified", "renamed") and change.path in here:
            if changes.restore(change, folder):
                restored.append(change.path)
            else:
                problems[change.path] = "the leaf's file could not be had"
    if not restored:
        return None, problems
    try:
        config = session.config.changed(taxonomy=folder)
        before = gather_sources(config, session.flows, session.prompts, (), session.hooks.notice)
    except LabgenError as error:
        return None, problems | dict.fromkeys(restored, str(error))
    return before, problems | before.left_out


def _draw_all(session: Session, before: Sources | None, rows: int) -> tuple[dict[str, Draws], dict[str, Draws]]:
    """Draw from the leaves as they are, and from those whose rows may differ as they were."""
    plans = session.sources.plans
    now = {plan.leaf.path: plan for plan in plans}
    then = [plan for plan in before.plans if not _same_rows(plan, now[plan.leaf.path])] if before else []

    async def work(run: RunContext, client: TeacherClient) -> tuple[dict[str, Draws], dict[str, Draws]]:
        drawn = [await _draw(_first_rows(some, rows), run, client) if some else {} for some in (plans, then)]
        return drawn[0], drawn[1]

    with session.locked() as ledger:
        return session.ask(ledger, work)


def _first_rows(plans: Sequence[LeafPlan], rows: int) -> list[LeafPlan]:
    return [replace(plan, order=order, wanted=min(rows, plan.wanted)) for order, plan in enumerate(plans)]


async def _draw(plans: Sequence[LeafPlan], run: RunContext, client: TeacherClient) -> dict[str, Draws]:
    retired: dict[str, list[Candidate]] = {plan.leaf.path: [] for plan in plans}
    progress = {plan.leaf.path: LeafProgress(plan.wanted) for plan in plans}

    def keep(leaf: LeafRun, candidates: list[Candidate]) -> None:
        retired[leaf.plan.leaf.path] += candidates
        progress[leaf.plan.leaf.path] = leaf.progress

    await Engine(plans, run, client, keep).run()
    return {path: _draws(candidates, progress[path]) for path, candidates in retired.items()}


def _draws(candidates: Sequence[Candidate], progress: LeafProgress) -> Draws:
    unseen = (State.ACCEPTED, State.SURPLUS, None)
    return Draws(
        tuple(candidate for candidate in candidates if candidate.state is State.ACCEPTED),
        tuple(candidate for candidate in candidates if candidate.state not in unseen),
        progress.calls,
        progress.stopped,
        progress.calibration.results if progress.calibration else (),
    )


def _same_rows(before: LeafPlan, after: LeafPlan) -> bool:
    """Whether nothing that rows depend on differs between two states of a leaf."""
    return (before.fingerprint, before.prompt_version) == (after.fingerprint, after.prompt_version)


def _compare(
    plan: LeafPlan | None,
    change: LeafChange | None,
    draws: Draws,
    before: Sources | None,
    then: Mapping[str, Draws],
    problem: str,
) -> Comparison | None:
    if plan is None or change is None or change.kind not in ("modified", "renamed"):
        return None
    path = plan.leaf.path
    old = next((old for old in before.plans if old.leaf.path == path), None) if before else None
    if old is None:
        return Comparison(problem=problem or "it could not be drawn from at the base")
    if _same_rows(old, plan):
        return Comparison(unchanged=True)
    old_rows = then.get(path, Draws()).rows
    known, here = {_said(row) for row in old_rows}, {_said(row) for row in draws.rows}
    new = frozenset(place for place, row in enumerate(draws.rows) if _said(row) not in known)
    return Comparison(new=new, gone=tuple(row for row in old_rows if _said(row) not in here))


def _said(row: Candidate) -> tuple[str | None, ...]:
    return row.context, row.instruction, row.response


def _estimate(session: Session, drawn: Mapping[str, Draws]) -> tuple[LeafEstimate, ...]:
    """What is still to pay for all rows of these leaves, reckoned with the yield that the preview saw."""
    if not session.sources.plans:
        return ()
    accepted = sum(len(draws.rows) for draws in drawn.values())
    seen = accepted + sum(len(draws.refused) for draws in drawn.values())
    expected = min(1.0, max(LEAST_YIELD, accepted / seen)) if seen else None
    return estimate_build(session, expected_yield=expected).leaves


def _cost(price: PriceConfig | None, estimate: LeafEstimate | None) -> float | None:
    if price is None or estimate is None:
        return None
    return price.cost(estimate.prompt_tokens, estimate.completion_tokens)
