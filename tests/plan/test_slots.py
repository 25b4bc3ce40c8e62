"""What the draws from a leaf show and ask for: everything in turn, nothing in step, no prompt twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.config.drawing import KINDS
from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan, candidates_of, kinds_in_turns, per_slot, plan_leaves, rows_wanted
from labgen.plan.passages import passage_of
from labgen.plan.seed_sampling import asked_for, make_slot
from labgen.records import Chunk, DocumentSource, Leaf, Pair, SeedExample, Slot, Source

PROMPTS = PromptSet()


def plan_of(*, seeds: int = 5, passages: int = 0, files: int = 1, **settings: object) -> LeafPlan:
    """The plan of a leaf with so many seed examples and, where there are passages, documents of so many files."""
    branch = "knowledge" if passages else "foundational_skills"
    leaf = Leaf(
        f"{branch}/tides",
        branch,
        Path("qna.yaml"),
        3,
        "" if passages else "Short requests.",
        "Tides" if passages else "",
        "Of tides" if passages else "",
        tuple(
            SeedExample(number, f"Text {number}." if passages else None, (Pair(f"Ask {number}?", f"Say {number}."),))
            for number in range(seeds)
        ),
        DocumentSource(".", "", ("*.md",)) if passages else None,
        "",
    )
    chunks = tuple(
        Chunk(number, f"Passage {number}.", Source(".", "c", f"{number % files}.md", 100 * number, 100 * number + 11))
        for number in sorted(range(passages), key=lambda number: (number % files, number))
    )
    config = read_section(Config, settings)
    return plan_leaves((leaf,), {leaf.path: chunks} if chunks else {}, config, PROMPTS, SHIPPED_FLOWS)[0]


def slots_of(plan: LeafPlan, count: int, seed: int = 0) -> list[Slot]:
    """The leaf's first slots."""
    return [make_slot(plan, index, seed=seed) for index in range(count)]


def prompts_of(plan: LeafPlan, count: int) -> set[str]:
    """The prompts of the leaf's first draws."""
    step = plan.flow.prompts[0].name
    texts = set()
    for slot in slots_of(plan, count):
        passage = passage_of(plan, slot)
        shown = [plan.leaf.seed_examples[index] for index in slot.seed_examples]
        seeds = shown if passage else example_pairs(plan.leaf, plan.flow, slot.seed_examples)
        values = {"leaf": plan.leaf, "seeds": seeds, "count": 4, "slot": slot, "chunk": passage[0] if passage else ""}
        texts.add(PROMPTS.render(step, **values)[-1].content)
    return texts


@given(passages=st.integers(1, 60), rounds=st.integers(1, 4), seed=st.integers(0, 3))
def test_every_passage_is_drawn_from_before_any_is_drawn_from_again(passages: int, rounds: int, seed: int) -> None:
    """In every round, each in its own order."""
    drawn = [slot.chunk for slot in slots_of(plan_of(passages=passages), passages * rounds, seed)]
    for begin in range(0, len(drawn), passages):
        assert sorted(drawn[begin : begin + passages]) == list(range(passages))


@pytest.mark.parametrize("passages", [0, 1, 2])
@pytest.mark.parametrize("seeds", [3, 5, 6])
def test_a_hundred_draws_hardly_ever_ask_the_same(passages: int, seeds: int) -> None:
    """At temperature 0 a prompt that comes again is paid for nothing."""
    assert len(prompts_of(plan_of(seeds=seeds, passages=passages), 100)) >= 90


def test_no_two_choices_move_in_step() -> None:
    """Every pair of values of different choices comes up, and none much more often than others."""
    slots = slots_of(plan_of(seeds=5), 600)
    names = [name for name, _ in slots[0].attributes]
    chosen = [{"window": str(slot.seed_examples), **dict(slot.attributes)} for slot in slots]
    for one in ("window", *names):
        for other in names:
            if one < other:
                pairs = Counter((each[one], each[other]) for each in chosen)
                values = [len({each[name] for each in chosen}) for name in (one, other)]
                assert len(pairs) == values[0] * values[1], (one, other)
                assert max(pairs.values()) <= 3 * 600 / len(pairs), (one, other)


def test_it_becomes_harder_with_each_round_of_the_examples_and_then_begins_anew() -> None:
    """The values of `difficulty` are taken in their order."""
    slots = slots_of(plan_of(seeds=5, generation={"attributes": {"difficulty": ["easy", "hard"]}}), 20)
    assert [dict(slot.attributes)["difficulty"] for slot in slots] == (["easy"] * 5 + ["hard"] * 5) * 2


def test_attributes_of_settings_of_a_leaf_take_the_place_of_those_for_all() -> None:
    """By name; one without values is left out, and a leaf that the pattern does not match keeps its own."""
    settings = {
        "generation": {"attributes": {"subject": ["sea"], "length": ["short"]}},
        "leaves": [{"match": "foundational_skills/*", "attributes": {"audience": ["a nurse"], "length": []}}],
    }
    assert dict(plan_of(**settings).attributes) == {"subject": ("sea",), "audience": ("a nurse",)}
    prompts = prompts_of(plan_of(**settings), 1)
    assert "- audience: a nurse" in next(iter(prompts)) and "length" not in next(iter(prompts))
    settings["leaves"] = [{"match": "knowledge/**", "attributes": {"audience": ["a nurse"]}}]
    assert dict(plan_of(**settings).attributes) == {"subject": ("sea",), "length": ("short",)}


def test_slots_depend_on_the_runs_seed_and_on_nothing_else() -> None:
    """The same on every machine; another seed draws otherwise."""
    plan = plan_of(passages=7)
    assert slots_of(plan, 30) == slots_of(plan, 30) != slots_of(plan, 30, seed=1)


@pytest.mark.parametrize(("per_passage", "samples", "wanted"), [
    (None, 30, 93), (None, 100, 100), (None, 0, 0), (0, 30, 30), (0.5, 5, 12), (3, 30, 72),
])  # fmt: skip
def test_rows_grow_with_the_documents(per_passage: float | None, samples: int, wanted: int) -> None:
    """`samples` is the least; by default so many are wanted that no passage can be left out."""
    config = read_section(Config, {"samples": samples, "samples_per_passage": per_passage})
    assert rows_wanted(config, [], passages=24) == wanted
    assert rows_wanted(config, [], passages=0) == samples
    if per_passage is None and samples:
        # Four rows at most come of a draw, so that so many draws are needed at least.
        assert -(-wanted // config.generation.instructions_per_call) >= 24


@given(shares=st.dictionaries(st.sampled_from(("fact", "joined", "reasoning", "long", "across")),
                              st.integers(0, 10), min_size=1).filter(lambda shares: any(shares.values())))  # fmt: skip
def test_kinds_of_question_come_in_their_shares(shares: dict) -> None:
    """Of any first few as well, to within one draw for each kind; one of no share never comes."""
    turns = kinds_in_turns(shares)
    for count in range(1, len(turns) + 1):
        for kind, share in shares.items():
            expected = count * share / sum(shares.values())
            assert abs(turns[:count].count(kind) - expected) < (1 + len(shares) / 2 if share else 1e-9)


def test_two_passages_together_stand_beside_each_other_in_one_file() -> None:
    """In the document's order; a file with a single passage has none to join."""
    plan = plan_of(passages=9, files=2, knowledge={"kinds": {"across": 1}})
    for slot in slots_of(plan, 18):
        assert slot.kind == "across" and slot.beside is not None and slot.chunk is not None
        text, source = passage_of(plan, slot) or ("", None)
        first, second = sorted((slot.chunk, slot.beside))
        assert second == first + 1 and text == f"{plan.chunks[first].text}\n\n{plan.chunks[second].text}"
        assert source and (source.start, source.end) == (
            plan.chunks[first].source.start,
            plan.chunks[second].source.end,
        )
    alone = plan_of(passages=3, files=3, knowledge={"kinds": {"across": 1}})
    assert {slot.kind for slot in slots_of(alone, 3)} == {"joined"}
    assert {slot.beside for slot in slots_of(alone, 3)} == {None}


def test_the_prompt_says_what_kind_of_question_is_asked() -> None:
    """Each kind in words of its own; what a passage is told to vary comes last, where a cached beginning ends."""
    texts = {
        kind: next(iter(prompts_of(plan_of(passages=2, knowledge={"kinds": {kind: 1}}), 1)))
        for kind in ("fact", "joined", "reasoning", "long", "across")
    }
    closings = {text.split("</document>")[1].split("Where the passage")[0] for text in texts.values()}
    assert len(closings) == 5
    assert "Passage 0.\n\nPassage 1." in texts["across"] and "Passage 0.\n\nPassage 1." not in texts["fact"]


@given(
    shares=st.dictionaries(st.sampled_from(KINDS), st.integers(1, 9), min_size=1),
    passages=st.integers(1, 60),
    per_call=st.integers(1, 6),
    seed=st.integers(0, 3),
)
def test_rows_are_as_many_as_take_a_draw_from_every_passage(
    shares: dict[str, int], passages: int, per_call: int, seed: int
) -> None:
    """Whatever is drawn: a document is one row, a rewrite comes on top of its pairs; and not many more than that."""
    settings = {"kinds": {kind: share / 10 for kind, share in shares.items()}}
    plan = plan_of(passages=passages, samples=1, knowledge=settings, generation={"instructions_per_call": per_call})
    asked = [asked_for(plan, index, seed=seed, per_call=per_call) for index in range(passages)]
    assert sum(asked[:-1]) < plan.wanted <= sum(asked[:-1]) + 1 + 20 * per_call
    assert per_slot(plan, per_call) == sum(candidates_of(kind, per_call) for kind in plan.kinds) / len(plan.kinds)


def test_the_prompt_says_what_kind_of_document_is_asked() -> None:
    """Each kind in words of its own; of key facts how many phrasings each has."""
    plan = plan_of(passages=2, knowledge={"kinds": {"summary": 1}})
    slot = make_slot(plan, 0, seed=0)
    closings = set()
    for kind in ("summary", "extract", "key_facts", "notes"):
        values = {"leaf": plan.leaf, "chunk": "A passage.", "phrasings": 5, "slot": replace(slot, kind=kind)}
        text = PROMPTS.render("knowledge_document", **values)[-1].content
        closings.add(text.split("</document>")[1])
        assert ("in 5 different phrasings" in text) is (kind == "key_facts")
    assert len(closings) == 4
