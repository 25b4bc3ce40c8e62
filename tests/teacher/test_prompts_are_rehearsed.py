"""Every prompt that comes with labgen is one that the rehearsal teacher knows what to do with."""

from __future__ import annotations

import pytest

from labgen.config.drawing import LeafOverride, PreferencesConfig
from labgen.config.whole import Config
from labgen.filters.available import filters_for
from labgen.filters.rating import RATE
from labgen.flows.following import following
from labgen.flows.known import SHIPPED_FLOWS
from labgen.flows.preferring import preferring
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.formats.prompts import PromptSet, shipped_prompts
from labgen.teacher.rehearsal.model import SKILLS

EVERYTHING = Config(
    preferences=PreferencesConfig(repair=True, responses=2), leaves=(LeafOverride(match="**", turns=2),)
)
FLOWS = following(preferring(SHIPPED_FLOWS, EVERYTHING), EVERYTHING)
ASKED = {prompt.name: prompt for prompt in (*prompts_of(FLOWS, filters_for(EVERYTHING, None)), RATE)}


@pytest.mark.parametrize("name", shipped_prompts())
def test_a_shipped_prompt_has_a_skill(name: str) -> None:
    """A flow or `labgen evaluate` asks with it, and it has a skill and the line by which the teacher knows it."""
    prompt = ASKED[name]
    assert prompt.rehearsed_as in SKILLS
    assert rehearsed_tasks(PromptSet(), [prompt]) == {PromptSet().task(name): prompt.rehearsed_as}
