"""A small build to write: two knowledge leaves, one skill of each kind, with rejections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from labgen.export.funnel import Funnel
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.records import Candidate, Evidence, Source, State, Verdict

PASSAGE = "Granite is an igneous rock. It cools slowly, deep below the ground. Its crystals are large. "


@dataclass
class Build:
    """What `write_dataset` is given."""

    leaves: list[LeafInfo]
    candidates: dict[str, list[Candidate]]
    about: BuildInfo

    def read(self, leaf: str) -> Iterator[Candidate]:
        """The leaf's candidates."""
        return iter(self.candidates.get(leaf, []))

    @property
    def funnel(self) -> Funnel:
        """The funnel that belongs to the candidates."""
        funnel = Funnel()
        for leaf in self.leaves:
            funnel.open(leaf.path, leaf.wanted)
            for candidate in self.read(leaf.path):
                funnel.add(candidate)
            funnel.close(leaf.path, calls=3)
        return funnel

    def arguments(self) -> dict[str, object]:
        """Keyword arguments of `write_dataset`."""
        return {"leaves": self.leaves, "read": self.read, "about": self.about, "funnel": self.funnel}

    def only(self, *paths: str) -> Build:
        """The same build, narrowed to some leaves."""
        left = tuple(leaf.path for leaf in self.leaves if leaf.path not in paths)
        kept = [leaf for leaf in self.leaves if leaf.path in paths]
        return replace(self, leaves=kept, about=replace(self.about, unselected=left))


def candidate(leaf: str, number: int, **changes: object) -> Candidate:
    """An accepted candidate; its answers differ in length."""
    knowledge = leaf.startswith("knowledge/")
    fields: dict[str, object] = {
        "instruction": f"What is fact {number} of {leaf}?",
        "response": " ".join([f"It is number {number}."] * (1 + number % 7)),
        "context": f"{PASSAGE}Fact {number}." if knowledge or "grounded" in leaf else None,
        "source": Source("https://example.org/rocks", "c" * 40, "rocks.md", number, number + 9) if knowledge else None,
        "seed_examples": (0, 2),
        "verdicts": (Verdict("pair_quality", "1", 3.0, "excellent", (Evidence("Granite", 0, 7),)),),
        "state": State.ACCEPTED,
        "raw": "raw text",
        "calls": (bytes([number % 256]) * 32,),
        "kind": ("fact", "long", "fact", "across")[number % 4] if knowledge else "",
    }
    return Candidate(leaf, number, 0, **(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def make_build() -> Callable[..., Build]:
    """A build with a number of accepted rows per leaf."""

    def make(rows: int = 5, *, wanted: int | None = None, rehearsal: bool = False) -> Build:
        flows = {
            "compositional_skills/grounded/summary": "grounded",
            "foundational_skills/reasoning": "freeform",
            "knowledge/science/granite": "knowledge",
            "knowledge/science/marble": "knowledge",
        }
        leaves = [
            LeafInfo(
                path,
                path.split("/")[0],
                flow,
                f"fp-{path}",
                "pv1",
                rows if wanted is None else wanted,
                "ada",
                own_context=flow == "grounded",
            )
            for path, flow in flows.items()
        ]
        candidates = {}
        for path in flows:
            kept = [candidate(path, number) for number in range(rows)]
            lost = [
                candidate(path, rows, state=State.DUPLICATE, reason="near-duplicate: 0.93"),
                candidate(path, rows + 1, response="", state=State.UNPARSED, reason="no tags", raw="gibberish"),
            ]
            candidates[path] = kept + lost
        return Build(leaves, candidates, BuildInfo("teacher/model", rehearsal, {"samples": rows, "seed": 0}))

    return make
