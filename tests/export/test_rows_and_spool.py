"""Promises of rows, funnel and spool."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

import labgen.generate.spool
from labgen.export.funnel import Funnel, funnel_table
from labgen.export.rows import BuildInfo, LeafInfo, rejected_row_of, row_of, row_schema
from labgen.generate.spool import MAX_WAITING, Spool
from labgen.records import Candidate, Evidence, Source, State, Verdict

ABOUT = BuildInfo(teacher="labgen-rehearsal", rehearsal=True)
texts = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates included
candidates = st.builds(
    Candidate,
    leaf=st.sampled_from(["knowledge/a", "compositional_skills/b"]),
    slot=st.integers(0, 1000),
    position=st.integers(0, 9),
    instruction=texts,
    response=texts,
    context=st.none() | texts,
    source=st.none() | st.builds(Source, texts, texts, texts, st.integers(0, 9), st.integers(9, 99)),
    seed_examples=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    verdicts=st.lists(
        st.builds(
            Verdict,
            filter=texts,
            version=texts,
            value=st.floats(allow_nan=False, allow_infinity=False),
            reason=texts,
            evidence=st.lists(st.builds(Evidence, texts, st.integers(-1, 9), st.integers(-1, 9)), max_size=2).map(
                tuple
            ),
        ),
        max_size=2,
    ).map(tuple),
    state=st.sampled_from(State),
    reason=texts,
    raw=texts,
    reasoning=texts,
    calls=st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple),
)


def leaf_info(path: str) -> LeafInfo:
    own_context = path.startswith("compositional_skills/")
    return LeafInfo(path, path.split("/")[0], "knowledge", "fp", "pv", 5, own_context=own_context)


def taken(spool: Spool, leaf: str) -> list[Candidate]:
    """All that waits of a leaf."""
    return list(chain.from_iterable(iter(lambda: spool.take(leaf), [])))


@given(st.lists(candidates, max_size=20))
def test_spool_gives_back_every_candidate_as_it_was_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, given: list[Candidate]
) -> None:
    """Any candidate survives the disk, whatever its text holds."""
    with Spool(tmp_path_factory.getbasetemp()) as spool:
        for candidate in given:
            spool.append(candidate.leaf, [candidate])
        for leaf in ("knowledge/a", "compositional_skills/b"):
            assert taken(spool, leaf) == [candidate for candidate in given if candidate.leaf == leaf]


@settings(max_examples=some(15), deadline=None)  # each is a thousand candidates
@given(st.lists(candidates, min_size=1, max_size=8))
def test_candidates_that_went_through_the_disk_are_what_they_were(
    tmp_path_factory: pytest.TempPathFactory, given: list[Candidate]
) -> None:
    """The same, where they are too many for memory, down to the sign of a zero."""
    many = [replace(given[number % len(given)], leaf="knowledge/a", slot=number) for number in range(MAX_WAITING + 3)]
    for held_bytes in (0, 2**14, 2**22):
        held = patch.object(labgen.generate.spool, "MOST_HELD_BYTES", held_bytes)
        with held, Spool(tmp_path_factory.getbasetemp()) as spool:
            spool.append("knowledge/a", many)
            assert repr(taken(spool, "knowledge/a")) == repr(many)


def test_a_spool_gives_each_candidate_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Taking may begin before the last was appended; the temporary file has no name."""
    with Spool(tmp_path / "work") as spool:
        kept = [Candidate("knowledge/a", slot, 0, "q" * 500, "a") for slot in range(5 * MAX_WAITING)]
        spool.append("knowledge/b", kept[:10])
        spool.append("knowledge/a", kept[:4000])
        first = spool.take("knowledge/a")
        assert 0 < len(first) < 1000
        for candidate in kept[4000:]:
            spool.append("knowledge/a", [candidate])
        assert first + taken(spool, "knowledge/a") == kept
        assert spool.take("knowledge/a") == spool.take("knowledge/none") == []
        assert taken(spool, "knowledge/b") == [replace(one, leaf="knowledge/b") for one in kept[:10]]
        assert list((tmp_path / "work").iterdir()) == []


@settings(deadline=None)  # the first example pays for importing Arrow
@given(candidates)
def test_every_candidate_fits_the_schema(candidate: Candidate) -> None:
    """Arrow takes any candidate's row, lone surrogates included, and gives the same columns back."""
    row = rejected_row_of(candidate, leaf_info(candidate.leaf), ABOUT)
    assert list(row) == row_schema(rejected=True).names
    assert pa.Table.from_pylist([row], row_schema(rejected=True)).to_pylist() == [row]


def test_knowledge_is_closed_book_and_a_grounded_skill_shows_its_context() -> None:
    """The user turn is what a model in training is asked."""
    knowledge = Candidate("knowledge/a", 0, 0, "Why?", "Because.", context="Passage.")
    skill = Candidate("compositional_skills/b", 0, 0, "Why?", "Because.", context="Passage.")
    freeform = Candidate("foundational_skills/c", 0, 0, "Why?", "Because.")
    turns = [row_of(one, leaf_info(one.leaf), ABOUT)["messages"][0]["content"] for one in (knowledge, skill, freeform)]
    assert turns == ["Why?", "Passage.\n\nWhy?", "Why?"]


@given(candidates)
def test_an_id_is_that_of_earlier_versions(candidate: Candidate) -> None:
    """Whatever its texts hold: the hash of place and texts as JSON."""
    said = [candidate.leaf, candidate.slot, candidate.position]
    said += [candidate.instruction, candidate.response, candidate.context]
    said += [candidate.reasoning] if candidate.reasoning else []
    assert candidate.id == hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()[:16]


def test_an_id_depends_on_place_and_text_but_not_on_verdicts() -> None:
    """A moved threshold or a new filter renames no row."""
    one = Candidate("knowledge/a", 1, 2, "q", "a")
    assert one.id == Candidate("knowledge/a", 1, 2, "q", "a", verdicts=(Verdict("f", "1", 1.0),)).id
    others = [
        Candidate("knowledge/b", 1, 2, "q", "a"),
        Candidate("knowledge/a", 2, 2, "q", "a"),
        Candidate("knowledge/a", 1, 3, "q", "a"),
        Candidate("knowledge/a", 1, 2, "qa", ""),
    ]
    assert len({one.id, *(other.id for other in others)}) == 5


@given(st.lists(candidates, max_size=40))
def test_states_add_up_to_candidates_per_leaf_branch_and_in_all(given: list[Candidate]) -> None:
    """No candidate is lost or counted twice, and the funnel survives its file."""
    funnel = Funnel()
    funnel.open("knowledge/a", 7)
    for candidate in given:
        funnel.add(candidate)
    assert funnel.total().candidates == len(given)
    for path, tally in funnel.leaves.items():
        mine = [candidate for candidate in given if candidate.leaf == path]
        assert sum(tally.to_json()["states"].values()) == len(mine) == tally.candidates
    data = funnel.to_json()
    assert sum(branch["candidates"] for branch in data["branches"].values()) == len(given)
    assert Funnel.from_json(data).to_json() == data


def test_a_candidate_on_its_way_cannot_be_counted() -> None:
    """Otherwise the states would not add up."""
    with pytest.raises(ValueError, match="without a state"):
        Funnel().add(Candidate("knowledge/a", 0, 0))


def test_table_shows_only_states_that_occur() -> None:
    """A terminal is narrow."""
    funnel = Funnel()
    funnel.open("knowledge/a", 2)
    funnel.add(Candidate("knowledge/a", 0, 0, state=State.ACCEPTED))
    funnel.add(Candidate("knowledge/a", 0, 1, state=State.DUPLICATE, reason="near-duplicate: 0.93 of 1f"))
    funnel.close("knowledge/a", calls=3, stopped="yield")
    lines = funnel_table(funnel).splitlines()
    assert lines[0].split() == ["wanted", "accepted", "duplicate", "candidates", "calls"]
    assert lines[-1].split() == ["in", "all", "2", "1", "1", "2", "3"]
    assert funnel.to_json()["leaves"]["knowledge/a"]["reasons"] == {"duplicate": {"near-duplicate": 1}}
    assert "knowledge/a" in funnel_table(funnel, by_leaf=True)
