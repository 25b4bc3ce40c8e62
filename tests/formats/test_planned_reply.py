"""A plan and its answer are told apart in whatever form a teacher writes them, and never by a guess."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.formats.planned_reply import read_planned_reply
from labgen.formats.prompts import PromptSet

PLAN, ANSWER = "1. Six boxes of two.\n2. 6 x 2 = 12.\nResult: 12", "There are 12."


@pytest.mark.parametrize(
    "reply",
    [
        f"<plan>\n{PLAN}\n</plan>\n<response>\n{ANSWER}\n</response>",
        f"Here it is.\n\n<PLAN>{PLAN}</PLAN>\n\n<Response>{ANSWER}",
        f"<plan>\n{PLAN}\n<response>\n{ANSWER}\n</response>",
        f"<plan>\n{PLAN}\n</plan>\n\n{ANSWER}",
        f"<plan>\n{PLAN}\n</plan>\n<answer>\n{ANSWER}\n</answer>",
        json.dumps({"plan": PLAN, "response": ANSWER}),
        "```json\n" + json.dumps({"Plan": PLAN.split("\n"), "answer": ANSWER}) + "\n```",
        f"Plan:\n{PLAN}\n\nResponse:\n{ANSWER}",
        f"**Plan:**\n{PLAN}\n\n**Final answer:** {ANSWER}",
        f"## Plan\n\n{PLAN}\n\n## Answer\n\n{ANSWER}\n",
    ],
)
def test_both_are_read_in_every_form(reply: str) -> None:
    """Tags that are whole or not, JSON, labels and headings."""
    assert read_planned_reply(reply) == (PLAN, ANSWER)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        ANSWER,
        f"<plan>\n{PLAN}\n</plan>",
        f"<plan>\n{PLAN}",
        f"<plan></plan><response>{ANSWER}</response>",
        f"<plan>{PLAN}</plan><response></response>",
        f"<response>{ANSWER}</response>",
        f"<plan>{PLAN}</plan><response>One.</response><response>Two.</response>",
        f"<plan>{PLAN}</plan><plan>Another.</plan><response>{ANSWER}</response>",
        f"<plan>{PLAN}</plan>\nI would say {ANSWER} </response>",
        f"Plan: {PLAN}\nAnswer: 11\nNo, wait.\nAnswer: 12",
        json.dumps({"plan": {"step": 1}, "response": ANSWER}),
        json.dumps({"plan": PLAN}),
    ],
)
def test_what_can_not_be_told_apart_is_asked_for_again(reply: str) -> None:
    """None, so that the reply counts as unread."""
    assert read_planned_reply(reply) is None


@given(st.text(alphabet='<>/plan response:#*{}"\n', max_size=200))
def test_nothing_makes_it_fail(reply: str) -> None:
    """No text raises; what is read is never empty and holds no mark of the form."""
    found = read_planned_reply(reply)
    assert found is None or all(part.strip() == part != "" and "<plan>" not in part for part in found)


def test_a_form_that_is_only_copied_is_no_plan() -> None:
    """Its placeholders are taken out before it is read."""
    prompts = PromptSet()
    echo, form = prompts.echo("respond_with_plan"), prompts.form("respond_with_plan")
    assert echo is not None
    assert read_planned_reply(form) is not None and read_planned_reply(echo.sub("", form)) is None
