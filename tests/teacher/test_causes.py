"""What became of replies is told by name, with the numbers that servers say and with what to change."""

from __future__ import annotations

import pytest

from labgen.records import Reply
from labgen.teacher.causes import UNREAD, cause_of, how_unread
from labgen.teacher.openai_client import Answer
from labgen.teacher.refusals import too_long


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply("", reasoning="Let me see"), "only_reasoning"),
        (Reply("", "length", reasoning="Let me see"), "only_reasoning"),
        (Reply("la la la", "loop"), "looped"),
        (Reply("Once upon", "length"), "cut_off"),
        (Reply("", "MAX_TOKENS"), "cut_off"),
        (Reply(" \n"), "empty"),
        (Reply("Sure!"), "unreadable"),
    ],
)
def test_a_reply_that_cant_be_read_is_named_by_how_it_ended(reply: Reply, kind: str) -> None:
    """Reasoning without an answer before all else: more tokens are not always what it lacks."""
    assert how_unread(reply) == kind
    assert kind in UNREAD


@pytest.mark.parametrize(
    "words",
    [
        "request (1899 tokens) exceeds the available context size (512 tokens), try increasing it 400",
        "This model's maximum context length is 512 tokens. However, you requested 1899 tokens (875 in the messages, "
        "1024 in the completion). Please reduce the length",
        "`inputs` tokens + `max_new_tokens` must be <= 512. Given: 1899 `inputs` tokens and 1024 `max_new_tokens`",
        "`inputs` must have less than 512 tokens. Given: 1899",
        "The input token count (1,899) exceeds the maximum number of tokens allowed (512).",
    ],
)
def test_the_numbers_of_a_refusal_are_found_in_every_servers_words(words: str) -> None:
    """Which is the prompt's and which is the context's, and never the status."""
    assert too_long(Answer(400, {}, b"", words)).startswith("the prompt has 1899 tokens, the context 512: ")


def test_the_most_frequent_kind_is_told_with_all_its_settings() -> None:
    """And reasons of filters are none of replies."""
    cause = cause_of({"cut_off_respond": 2, "cut_off_judge_pair": 2, "unreadable_respond": 3, "off_task": 9})
    assert cause and (cause.kind, cause.count) == ("cut_off", 4)
    assert cause.remedy == "raise generation.max_response_tokens and generation.max_verdict_tokens"
    assert cause_of(["off_task", ""]) is None
