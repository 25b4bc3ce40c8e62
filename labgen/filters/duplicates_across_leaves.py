"""The last look for near-duplicates: across leaves, in leaf order, at what a leaf would accept. Earlier leaves win.

Documents and second turns are looked at within their leaf, too: see `DuplicatesAcrossLeaves.look_at`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from labgen.config.filtering import ThresholdsConfig
from labgen.filters.earlier_instructions import EarlierInstructions, thresholds_for
from labgen.filters.kept_comparisons import KeptComparisons
from labgen.filters.second_turn import without_second_turn
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State, Verdict


class DuplicatesAcrossLeaves:
    """Every accepted instruction of the leaves before, and the look at those of the next.

    Instructions with a context of their own are compared among themselves, both parts; all others by instruction, and
    documents by text.
    Leaves come in build order, each begun with `begin`; a leaf's candidates come in slot order.

    Args:
        work_folder: where what was compared is kept from one build to the next, once it is saved; None for nowhere.
    """

    def __init__(self, thresholds: ThresholdsConfig, work_folder: Path | None = None) -> None:
        base = thresholds.duplicate_rouge_l
        self._thresholds = thresholds
        self._kept_comparisons = KeptComparisons(base, work_folder)
        self._plain, self._with_context = (
            EarlierInstructions(base, by_context=by_context, kept=self._kept_comparisons)
            for by_context in (False, True)
        )
        self._seen = self._plain
        self._plan: LeafPlan | None = None
        self._leaf = ""
        self._kept: list[tuple[str, str | None, str]] = []

    def save(self) -> None:
        """Keep what was compared for the next build."""
        self._kept_comparisons.save()

    def begin(self, plan: LeafPlan) -> None:
        """Turn to the next leaf; what was kept of the one before counts from now on."""
        for instruction, context, name in self._kept:
            self._seen.add(instruction, context, name)
        self._plan = plan
        for name in ("_limits", "_documents", "_questions", "_follow_ups"):
            self.__dict__.pop(name, None)
        self._leaf, self._kept = plan.leaf.path, []
        self._seen = self._with_context if plan.flow.own_context else self._plain

    # Most leaves have no second turns and no documents, and nothing that comes near any threshold.

    @cached_property
    def _documents(self) -> EarlierInstructions:
        return EarlierInstructions(self._thresholds.duplicate_rouge_l, by_context=False)

    @cached_property
    def _questions(self) -> EarlierInstructions:
        return EarlierInstructions(self._thresholds.duplicate_rouge_l, by_context=self._seen is self._with_context)

    @cached_property
    def _follow_ups(self) -> EarlierInstructions:
        return EarlierInstructions(self._thresholds.duplicate_rouge_l, by_context=self._seen is self._with_context)

    @cached_property
    def _limits(self) -> tuple[float, float]:
        """The thresholds of the leaf at hand."""
        examples = example_pairs(self._plan.leaf, self._plan.flow) if self._plan else ()
        return thresholds_for(
            [example.instruction for example in examples],
            [example.context or "" for example in examples] if self._seen is self._with_context else [],
            base=self._thresholds.duplicate_rouge_l,
            cap=self._thresholds.duplicate_rouge_l_cap,
        )

    def expect(self, candidates: Iterable[Candidate]) -> None:
        """Prepare for a look at these, which is faster together than one by one."""
        pairs = list[tuple[str, str | None]]()
        for each in candidates:
            pairs.append((each.compared, each.context))
            if each.follow_up:
                pairs.append((each.follow_up.question, each.context))
        self._seen.expect(pairs)

    def look_at(self, candidate: Candidate) -> Candidate:
        """A candidate that would be accepted: as it was, or `duplicate` where it is too close to an earlier leaf's.

        A document is held against the earlier ones of its own leaf as well: a rewrite is made for a pair that has been
        judged, when the leaf's own look is over. So is a second turn, which is left out by itself where it is too
        close to any question before it; and a question that was a second turn before is a duplicate.
        """
        where, verdict = "across_leaves", self._near(self._seen, candidate, candidate.compared)
        if verdict is None and candidate.is_document:
            where, verdict = "in_leaf", self._near(self._documents, candidate, candidate.compared)
        elif verdict is None and "_follow_ups" in self.__dict__:
            where, verdict = "in_leaf", self._near(self._follow_ups, candidate, candidate.compared)
        if verdict is not None:
            return replace(
                candidate,
                state=State.DUPLICATE,
                reason=f"{where}: {verdict.reason}",
                rejected_by=verdict.filter,
                verdicts=(*candidate.verdicts, verdict),
            )
        name = f"slot {candidate.slot}, position {candidate.position}"
        if candidate.is_document:
            self._documents.add(candidate.compared, None, name)
        # It counts only when the leaf is over: within a leaf its own pass has decided.
        self._kept.append((candidate.compared, candidate.context, f"{self._leaf}, slot {candidate.slot}"))
        return candidate if candidate.second_turn is None else self._look_at_second_turn(candidate, name)

    def _look_at_second_turn(self, candidate: Candidate, name: str) -> Candidate:
        if candidate.follow_up:
            asked = candidate.follow_up.question
            looks = (
                self._near(earlier, candidate, asked) for earlier in (self._seen, self._questions, self._follow_ups)
            )
            if verdict := next(filter(None, looks), None):
                candidate = without_second_turn(candidate, verdict)
            else:
                self._follow_ups.add(asked, candidate.context, name)
                self._kept.append((asked, candidate.context, f"{self._leaf}, slot {candidate.slot}"))
        self._questions.add(candidate.instruction, candidate.context, name)
        return candidate

    def _near(self, earlier: EarlierInstructions, candidate: Candidate, text: str) -> Verdict | None:
        """The verdict on a text of a candidate's that is too close to an earlier one."""
        if not earlier.any_near(text, candidate.context):
            return None
        threshold, context_threshold = self._limits
        return earlier.find(text, candidate.context, threshold=threshold, context_threshold=context_threshold)
