"""All that is asked with in a run, and what the rehearsal teacher is to make of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from labgen.errors import ConfigError
from labgen.filters.available import FilterSet
from labgen.formats.prompts import Prompt, PromptSet, shipped_prompts
from labgen.lazy import re
from labgen.plan.flow import Flow

_NAME = re.compile(r"\w[\w-]*", re.ASCII)


def prompts_of(flows: Sequence[Flow], filters: FilterSet) -> tuple[Prompt, ...]:
    """All that is asked with in flows, and by the filters of other packages.

    Raises: ConfigError: a prompt of another package can't be one, or has a name or a header that is taken.
    """
    of_flows = [(flow, flow.prompts) for flow in flows]
    brought = [(flow.title, prompts) for flow, prompts in of_flows if flow.package]
    brought += [(f"filter `{each.name}` of {each.package}", each.prompts) for each in filters.installed if each.prompts]
    if brought:
        _check(brought)
    found = chain.from_iterable(prompts for _, prompts in of_flows)
    return tuple(dict.fromkeys([*found, *(prompt for each in filters.installed for prompt in each.prompts)]))


def rehearsed_tasks(prompts: PromptSet, asked: Iterable[Prompt]) -> dict[str, str]:
    """The words after `## Task:` in prompts, to the rehearsal teacher's skill that answers them."""
    return {task: each.rehearsed_as for each in asked if (task := prompts.task(each.name)) and each.rehearsed_as}


def _check(brought: Iterable[tuple[str, Sequence[Prompt]]]) -> None:
    """Raises: ConfigError: see `prompts_of`."""
    from labgen.teacher.rehearsal.model import SKILLS

    known: dict[str, Prompt] = {}
    tasks = {skill: skill for skill in SKILLS}
    for whose, prompts in brought:
        for prompt in prompts:
            where = f"{whose}: prompt `{prompt.name}`"
            if problem := _problem(prompt, known, SKILLS):
                raise ConfigError(f"{where} {problem}")
            known[prompt.name] = prompt
            task = _task(whose, prompt) if prompt.text else prompt.rehearsed_as
            if prompt.rehearsed_as and not task:
                raise ConfigError(
                    f"{where} is rehearsed as `{prompt.rehearsed_as}`, and has no line `## Task: ...` for the "
                    "rehearsal teacher to know it by."
                )
            if prompt.rehearsed_as and tasks.setdefault(task, prompt.rehearsed_as) != prompt.rehearsed_as:
                raise ConfigError(
                    f"{where} has the line `## Task: {task}`, by which the rehearsal teacher knows another one. Give "
                    "yours other words."
                )


def _problem(prompt: Prompt, known: Mapping[str, Prompt], skills: Sequence[str]) -> str:
    """What is wrong with a prompt beside those before it, and what to do; empty for nothing."""
    shipped = prompt.name in shipped_prompts()
    if not _NAME.fullmatch(prompt.name):
        return "can't be called so: a name has ASCII letters, digits, `_` and `-`."
    if prompt.text and shipped:
        return "has the name of one that comes with labgen. Give yours a name of its own."
    if not prompt.text and not shipped:
        return "has no text, and none of that name comes with labgen."
    if prompt.text and known.get(prompt.name, prompt) != prompt:
        return "has the name of another one. Give yours a name of its own."
    if prompt.rehearsed_as and prompt.rehearsed_as not in skills:
        near = difflib.get_close_matches(prompt.rehearsed_as, skills, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(skills)}."
        return f"is rehearsed as `{prompt.rehearsed_as}`, which the rehearsal teacher can't do. {hint}"
    return ""


def _task(whose: str, prompt: Prompt) -> str:
    """The words after its `## Task:`. Raises: ConfigError: its text is no prompt."""
    try:
        made = PromptSet(prompts=[prompt])
        made.check()
    except ConfigError as error:
        raise ConfigError(f"{whose}: {error} Mend the package, or remove it.") from None
    return made.task(prompt.name)
