"""The last look for near-duplicates: across leaves, in leaf order, at what a leaf would accept. Earlier leaves win.

Documents are looked at within their leaf, too: see `DuplicatesAcrossLeaves.look_at`.
"""

from __future__ import annotations

from dataclasses import replace

from labgen.config import ThresholdsConfig
from labgen.filters.earlier_instructions import EarlierInstructions, thresholds_for
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State


class DuplicatesAcrossLeaves:
    """Every accepted instruction of the leaves before, and the look at those of the next.

    Instructions with a context of their own are compared among themselves, both parts; all others by instruction, and
    documents by text.
    Leaves come in build order, each begun with `begin`; a leaf's candidates come in slot order.
    """

    def __init__(self, thresholds: ThresholdsConfig) -> None:
        base = thresholds.duplicate_rouge_l
        self._thresholds = thresholds
        self._plain, self._with_context = (
            EarlierInstructions(base, by_context=False),
            EarlierInstructions(base, by_context=True),
        )
        self._seen = self._plain
        self._limits = (base, base)
        self._documents = EarlierInstructions(base, by_context=False)
        self._leaf = ""
        self._kept: list[tuple[str, str | None, str]] = []

    def begin(self, plan: LeafPlan) -> None:
        """Turn to the next leaf; what was kept of the one before counts from now on."""
        for instruction, context, name in self._kept:
            self._seen.add(instruction, context, name)
        own_context = plan.flow.own_context
        examples = example_pairs(plan.leaf, plan.flow)
        self._leaf, self._kept = plan.leaf.path, []
        self._documents = EarlierInstructions(self._thresholds.duplicate_rouge_l, by_context=False)
        self._seen = self._with_context if own_context else self._plain
        self._limits = thresholds_for(
            [example.instruction for example in examples],
            [example.context or "" for example in examples] if own_context else [],
            base=self._thresholds.duplicate_rouge_l,
            cap=self._thresholds.duplicate_rouge_l_cap,
        )

    def look_at(self, candidate: Candidate) -> Candidate:
        """A candidate that would be accepted: as it was, or `duplicate` where it is too close to an earlier leaf's.

        A document is held against the earlier ones of its own leaf as well: a rewrite is made for a pair that has been
        judged, when the leaf's own look is over.
        """
        threshold, context_threshold = self._limits
        verdict = self._seen.find(
            candidate.compared, candidate.context, threshold=threshold, context_threshold=context_threshold
        )
        where = "across_leaves"
        if verdict is None and candidate.is_document:
            where, verdict = "in_leaf", self._documents.find(candidate.compared, None, threshold=threshold)
        if verdict is None:
            if candidate.is_document:
                name = f"slot {candidate.slot}, position {candidate.position}"
                self._documents.add(candidate.compared, None, name)
            # It counts only when the leaf is over: within a leaf its own pass has decided.
            self._kept.append((candidate.compared, candidate.context, f"{self._leaf}, slot {candidate.slot}"))
            return candidate
        return replace(
            candidate,
            state=State.DUPLICATE,
            reason=f"{where}: {verdict.reason}",
            rejected_by=verdict.filter,
            verdicts=(*candidate.verdicts, verdict),
        )
