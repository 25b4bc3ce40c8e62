"""Plans of what is held out: draws of their own, numbered far beyond any that training takes."""

from __future__ import annotations

from dataclasses import replace

from labgen.plan.leaf_plan import LeafPlan
from labgen.records import DOCUMENT_KINDS

FIRST_SLOT = 2**20
"""Number of the first draw that is held out; those on reserved passages follow from twice that on."""


def recall_plan(plan: LeafPlan, wanted: int) -> LeafPlan | None:
    """Other questions on the passages that training draws from; None for a leaf without any."""
    return _questions(plan, wanted) if plan.chunks else None


def reading_plan(plan: LeafPlan, wanted: int) -> LeafPlan | None:
    """Questions on the passages that training does not draw from; None for a leaf without any."""
    if not plan.reserved:
        return None
    return replace(_questions(plan, wanted), chunks=plan.reserved, first_slot=2 * FIRST_SLOT)


def skills_plan(plan: LeafPlan, wanted: int) -> LeafPlan | None:
    """Other instructions of a skill; None for a leaf with documents."""
    return None if plan.chunks else replace(plan, wanted=wanted, first_slot=FIRST_SLOT)


def _questions(plan: LeafPlan, wanted: int) -> LeafPlan:
    """Without the kinds that are texts of their own."""
    kinds = tuple(kind for kind in plan.kinds if kind not in DOCUMENT_KINDS)
    return replace(plan, wanted=wanted, first_slot=FIRST_SLOT, kinds=kinds or (plan.kinds and ("fact",)))
