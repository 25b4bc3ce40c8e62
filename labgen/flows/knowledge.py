"""Knowledge: questions and answers on one passage of a leaf's documents, and texts of their own that tell it.

Source: LAB section 3.2.2 for the questions. Ours draws pairs with one call, and has each claim of an answer borne out
by the passage word for word (see `labgen.filters.judges.GroundednessJudge`), and each sentence of a document (see
`labgen.filters.sentence_support`).
"""

from __future__ import annotations

from labgen.flows.check_document import CheckDocument
from labgen.flows.draw import draw_from_passage
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.rewrite import Rewrite
from labgen.flows.steps import FreeFilters, Judges
from labgen.formats.prompts import Prompt
from labgen.plan.flow import Flow
from labgen.records import Grounding

KNOWLEDGE = Flow(
    "knowledge",
    summary="Questions and answers, or documents, on one passage of the leaf's documents.",
    suits=lambda leaf: leaf.branch == "knowledge",
    grounding=Grounding.PASSAGE,
    steps=(
        draw_from_passage(
            Prompt("knowledge_pairs", rehearsed_as="question-answer pairs"),
            Prompt("knowledge_document", rehearsed_as="a document on a passage"),
        ),
        FreeFilters("instruction"),
        # A pair comes with its answer: what is free to check of it is checked before it counts as seen.
        FreeFilters("pair"),
        FindDuplicates(),
        CheckDocument(),
        Judges("instruction"),
        Judges("pair"),
        # What is asked for a pair that is known to be good goes through all that pairs have behind them by then.
        Rewrite((Prompt("knowledge_rewrite", rehearsed_as="a passage rewritten for a question"),)),
        FreeFilters("instruction", only="rewrite"),
        FreeFilters("pair", only="rewrite"),
        CheckDocument(only="rewrite"),
        Judges("instruction", only="rewrite"),
        Judges("pair", only="rewrite"),
    ),
)
