"""Skills without contexts: new instructions in the manner of the seeds', and a response to each.

Source: LAB section 3.2.1: instruction generation, instruction evaluation, response generation, pair evaluation.
"""

from __future__ import annotations

from labgen.flows.draw import draw_instructions
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.steps import FreeFilters, Judges, Respond
from labgen.formats.prompts import Prompt
from labgen.plan.flow import Flow
from labgen.records import Grounding

FREEFORM = Flow(
    "freeform",
    summary="Instructions in the manner of the seed examples, and a response to each.",
    suits=lambda leaf: True,
    grounding=Grounding.NONE,
    steps=(
        draw_instructions(Prompt("freeform_instructions", rehearsed_as="new instructions")),
        FreeFilters("instruction"),
        FindDuplicates(),
        Judges("instruction"),
        Respond(),
        FreeFilters("pair"),
        Judges("pair"),
    ),
)
