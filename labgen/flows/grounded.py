"""Skills with contexts: new contexts in the manner of the seeds', instructions on them, and responses.

Source: LAB section 3.2.1, for skills whose seeds have contexts. Ours draws a context and several instructions on it for
each slot, and judges a response against its context as knowledge is judged against its passage.
"""

from __future__ import annotations

from labgen.flows.draw import draw_context_and_instructions
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.steps import FreeFilters, Judges, Respond
from labgen.formats.prompts import Prompt
from labgen.plan.flow import Flow
from labgen.records import Grounding

GROUNDED = Flow(
    "grounded",
    summary="A new context in the manner of the seed examples', instructions on it, and a response to each.",
    suits=lambda leaf: leaf.grounded,
    grounding=Grounding.CONTEXT,
    steps=(
        draw_context_and_instructions(
            Prompt("grounded_context", rehearsed_as="new context"),
            Prompt("grounded_instructions", rehearsed_as="new instructions on a context"),
        ),
        FreeFilters("instruction"),
        FindDuplicates(),
        Judges("instruction"),
        Respond(),
        FreeFilters("pair"),
        Judges("pair"),
    ),
)
