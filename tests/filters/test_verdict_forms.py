"""The forms of verdicts: bounded, short fields first, and no verdict when they are only copied."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from labgen.config.whole import Config
from labgen.filters.base import SlotContext
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.filters.judges import GroundednessJudge, InstructionJudge, PairJudge
from labgen.filters.verdict_forms import evidence_chars, grounded_schema, instructions_schema, most_claims, pair_schema
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import plan_leaves
from labgen.records import Call, Candidate, Leaf, Pair, Reply, SeedExample, Slot, State, Verdict
from labgen.teacher.asker import Asker, CandidateEnds

LEAF = Leaf(
    path="compositional_skills/x", branch="compositional_skills", file=None, version=3, task_description="Sort words.",  # type: ignore[arg-type]
    domain="", document_outline="", document=None, created_by="t",
    seed_examples=tuple(SeedExample(n, None, (Pair(f"Sort {n}.", f"Sorted {n}."),)) for n in range(5)),
)  # fmt: skip
JUDGES = (InstructionJudge(), PairJudge(), GroundednessJudge())


class Scripted:
    """Answers with replies in order, and keeps the calls."""

    def __init__(self, *replies: str | Reply) -> None:
        self.replies = [Reply(each) if isinstance(each, str) else each for each in replies]
        self.calls: list[Call] = []

    def kept(self, call: Call) -> Reply | None:
        return None

    async def ask(self, call: Call) -> Reply:
        self.calls.append(call)
        return self.replies[min(len(self.calls), len(self.replies)) - 1]


def judge(which: Any, client: Scripted, *, response: str = "Anna pays.") -> list[Verdict]:
    """The verdicts of a judge on a small pair. Raises: CandidateEnds: it can't be read."""
    config = Config(samples=4)
    (plan,) = plan_leaves([LEAF], {}, config, PromptSet(), SHIPPED_FLOWS)
    asker = Asker(client, PromptSet(), config.generation, "t", "j", Slot("leaf", 0, (), None, 0), (0, 0), [])  # type: ignore[arg-type]
    candidate = Candidate("leaf", 0, 0, "Who pays?", response, context="Anna pays. Tom sings.")
    duplicates = DuplicatesInLeaf(plan, config.thresholds)
    slot = SlotContext(plan, example_pairs(LEAF, plan.flow), (), asker, config.thresholds, duplicates, (candidate,))
    return list(asyncio.run(which(candidate, slot)))


def copies(form: str) -> list[str]:
    """A form as a model copies it: whole, without brackets, fenced, with its whole numbers bare, as lines, as tags."""
    fields = json.loads(form)
    fields = fields["verdicts"][0] if "verdicts" in fields else fields
    return [
        form,
        form.replace('"[', '"').replace(']"', '"'),
        f"```json\n{form}\n```",
        "\n".join(f"{name}: {value}" for name, value in fields.items()),
        "\n".join(f"<{name}>{value}</{name}>" for name, value in fields.items()),
        # Held to the schema, it can copy into the texts only.
        form.replace('"[yes or no]"', '"yes"').replace('"[1, 2 or 3]"', "1").replace('"[its number]"', "1"),
    ]


@pytest.mark.parametrize("which", JUDGES, ids=lambda judge: str(judge.name))
def test_the_form_of_a_judges_prompt_copied_is_no_verdict(which: Any) -> None:
    """It is asked to restate, with the form and the schema again, and then ends as unparsed."""
    form = PromptSet().form(which.prompts[0].name)
    assert form
    for copied in copies(form):
        client = Scripted(copied)
        with pytest.raises(CandidateEnds) as end:
            judge(which, client)
        assert (end.value.state, end.value.reason) == (State.UNPARSED, f"unreadable_{which.prompts[0].name}"), copied
        first, second = client.calls
        assert form in first.messages[-1].content
        assert form in second.messages[-1].content
        assert second.schema == first.schema is not None


@pytest.mark.parametrize("which", JUDGES, ids=lambda judge: str(judge.name))
def test_the_whole_prompt_copied_is_no_verdict_either(which: Any) -> None:
    """A model that only repeats what it was told."""
    client = Scripted("x")
    with pytest.raises(CandidateEnds):
        judge(which, client)
    with pytest.raises(CandidateEnds):
        judge(which, Scripted("\n\n".join(message.content for message in client.calls[0].messages)))


def all_bounded(schema: Any) -> bool:
    """Whether every text and list in a schema has an end."""
    if schema.get("type") == "object":
        return all(all_bounded(each) for each in schema["properties"].values())
    if schema.get("type") == "array":
        return "maxItems" in schema and all_bounded(schema["items"])
    return "enum" in schema or "maxLength" in schema


def longest(schema: Any) -> Any:
    """The longest value that a schema allows."""
    if schema.get("type") == "object":
        return {name: longest(each) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [longest(schema["items"])] * schema["maxItems"]
    return max(schema["enum"], key=lambda each: len(str(each))) if "enum" in schema else "x" * schema["maxLength"]


@pytest.mark.parametrize("max_tokens", [512, 1024, 4096])
def test_the_longest_verdict_fits_the_token_limit(max_tokens: int) -> None:
    """At four characters a token: a judge that loops inside a text comes to its end all the same."""
    schemas = [instructions_schema(count, max_tokens) for count in (1, 4, 8)]
    schemas += [pair_schema(max_tokens), *(grounded_schema(claims, max_tokens) for claims in (6, 12))]
    for schema in schemas:
        assert all_bounded(schema)
        assert len(json.dumps(longest(schema))) <= 4 * max_tokens


def test_what_is_short_and_required_comes_first() -> None:
    """A verdict that breaks off has said what counts."""
    for schema in (
        pair_schema(1024),
        grounded_schema(6, 1024),
        instructions_schema(4, 1024)["properties"]["verdicts"]["items"],
    ):
        sizes = [len(json.dumps(longest(each))) for each in schema["properties"].values()]
        assert sizes == sorted(sizes, key=lambda size: (size > 20, size > 50, size > 300)), list(schema["properties"])
        assert list(schema["properties"]) == schema["required"]


def grounded(claims: list[tuple[str, str]]) -> str:
    listed = [{"claim": claim, "evidence": evidence, "supported": "yes"} for claim, evidence in claims]
    return json.dumps(
        {
            "answerable": "yes",
            "relevant": "yes",
            "score": 3,
            "safe": "yes",
            "hazard": "none",
            "reason": "",
            "claims": listed,
        }
    )


def test_a_verdict_without_room_for_all_claims_passes_nothing() -> None:
    """Neither one that is full to its bound nor one that the token limit cut off; one with room left does."""
    most = most_claims("Anna pays.")
    claims = [("Anna pays", "Anna pays.")] * most
    whole = judge(GroundednessJudge(), Scripted(grounded(claims[:-1])))
    assert [verdict.value for verdict in whole if verdict.filter == "groundedness"] == [1.0]
    cut = Reply(grounded(claims[:-1])[:-8], finish_reason="length")
    for reply in (Reply(grounded(claims)), cut):
        with pytest.raises(CandidateEnds) as end:
            judge(GroundednessJudge(), Scripted(reply))
        assert (end.value.state, end.value.reason) == (State.UNPARSED, "claims_cut_off_judge_grounded")


def test_evidence_that_its_bound_cut_in_a_word_still_counts() -> None:
    """What is there of it stands in the text."""
    most, chars = most_claims("Anna pays."), evidence_chars(most_claims("Anna pays."), 1024)
    passage = "word " * chars
    verdicts = GroundednessJudge()._groundedness(
        [{"claim": "c", "evidence": passage[1 : chars + 1]}], passage[1:], chars
    )
    assert most == 6
    assert verdicts.value == 1.0
