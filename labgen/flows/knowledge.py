"""Knowledge: questions and answers on one passage of a leaf's documents.

Source: LAB section 3.2.2. Ours draws pairs with one call, and has each claim of an answer borne out by the passage word
for word (see `labgen.filters.judges.GroundednessJudge`).
"""

from __future__ import annotations

from labgen.flows.draw import draw_pairs
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.steps import FreeFilters, Judges
from labgen.formats.prompts import Prompt
from labgen.plan.flow import Flow
from labgen.records import Grounding

KNOWLEDGE = Flow(
    "knowledge",
    summary="Questions and answers on one passage of the leaf's documents.",
    suits=lambda leaf: leaf.branch == "knowledge",
    grounding=Grounding.PASSAGE,
    steps=(
        draw_pairs(Prompt("knowledge_pairs", rehearsed_as="question-answer pairs")),
        FreeFilters("instruction"),
        # A pair comes with its answer: what is free to check of it is checked before it counts as seen.
        FreeFilters("pair"),
        FindDuplicates(),
        Judges("instruction"),
        Judges("pair"),
    ),
)
