"""Everything that a card is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

from labgen.export.files import DataFile
from labgen.export.funnel import Funnel
from labgen.export.licences import spdx, strictness
from labgen.export.pictures import LeafYield
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.lazy.dataclasses import dataclass

TERMS = {
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "Apache-2.0",
    "instructlab/merlinite-7b-lab": "Apache-2.0",
    "ibm/merlinite-7b": "Apache-2.0",
}
"""Licences that teachers' model cards state."""

Works = dict[tuple[str, str], list[str]]
"""Title and link of a work to the leaves that build on it."""


@dataclass(frozen=True, slots=True)
class CardNotes:
    """What other stages know. Markdown, our own words; empty where the thing was not done.

    Attributes:
        calibration: how well the judge agrees with people (`labgen calibrate`).
        contamination: which benchmarks the rows were checked against, and what was found.
        teacher_terms, responder_terms: under which terms the replies of the teacher, and of the model of further
            responses, may be used, where the user has said.
    """

    calibration: str = ""
    contamination: str = ""
    teacher_terms: str = ""
    responder_terms: str = ""


@dataclass(frozen=True)
class CardFacts:
    """Everything the card is made from.

    Attributes:
        leaves: in path order.
        configs: config to its files, in reading order.
        sources: repository and commit to the files that rows cite.
        languages: language of accepted rows (ISO 639-1, '' undecided) to their number.
        mix: content of `mix.json`; None where no phases were written.
        preferences: counts of `PreferenceTables.report`; None where none were asked for.
        rehearsal_rows: accepted rows that the rehearsal teacher wrote or judged.
        held_out: content of `held_out.json`; None where nothing is held out.
        agreement: content of `agreement.json`; None where nobody has marked anything.
    """

    about: BuildInfo
    leaves: tuple[LeafInfo, ...]
    funnel: Funnel
    configs: Mapping[str, Sequence[DataFile]]
    sources: Mapping[tuple[str, str], tuple[str, ...]]
    languages: Mapping[str, int] = field(default_factory=dict)
    notes: CardNotes = field(default_factory=CardNotes)
    mix: Mapping[str, Any] | None = None
    preferences: Mapping[str, Any] | None = None
    rehearsal_rows: int = 0
    held_out: Mapping[str, Any] | None = None
    agreement: Mapping[str, Any] | None = None

    @cached_property
    def rows_by_leaf(self) -> dict[str, int]:
        """Accepted rows of every leaf."""
        tallies = self.funnel.leaves
        return {leaf.path: tallies[leaf.path].accepted if leaf.path in tallies else 0 for leaf in self.leaves}

    @cached_property
    def terms(self) -> str:
        """Under which terms the teacher's words may be used, as far as it is known."""
        about = self.about
        if about.written_by_rehearsal:
            return "The rehearsal teacher rearranges sentences of the documents and seeds; only their licences apply."
        names = (about.teacher, *about.served_models(about.teacher))
        licence = next((TERMS[name] for name in names if name in TERMS), "")
        if self.notes.teacher_terms:
            return " ".join(self.notes.teacher_terms.replace("|", "\\|").split())
        if licence:
            return f"Its model card states {licence}."
        return "labgen does not know its terms: see its model card or its provider's terms on training with outputs."

    @cached_property
    def yields(self) -> dict[str, LeafYield]:
        """Accepted rows of every leaf, and the candidates that it took."""
        tallies = self.funnel.leaves
        return {
            path: LeafYield(rows, tallies[path].candidates if path in tallies else 0)
            for path, rows in self.rows_by_leaf.items()
        }

    @cached_property
    def rows(self) -> int:
        """Accepted rows, each counted once."""
        return sum(self.rows_by_leaf.values())

    @cached_property
    def language_shares(self) -> list[tuple[str, float]]:
        """Languages of at least a hundredth of the rows that could be told, the commonest first."""
        told = {language: rows for language, rows in self.languages.items() if language}
        total = sum(told.values())
        ranked = sorted(told.items(), key=lambda item: (-item[1], item[0]))
        return [(language, rows / total) for language, rows in ranked if rows >= 0.01 * total]

    @cached_property
    def licences(self) -> list[tuple[str, Works]]:
        """Licences (SPDX's spelling; '' for none stated) of leaves with rows, strictest first, with their works."""
        found: dict[str, Works] = {}
        for leaf in self.leaves:
            if not self.rows_by_leaf[leaf.path]:
                continue
            for work in leaf.licences:
                works = found.setdefault(spdx(work.licence), {})
                works.setdefault((work.title, work.link), []).append(leaf.path)
            if not leaf.licences:
                found.setdefault("", {}).setdefault(("", ""), []).append(leaf.path)
        if self.mix:
            for extra in self.mix["extras"]:
                works = found.setdefault(spdx(extra["licence"]), {})
                works.setdefault((extra["name"], ""), []).append(f"extra/{extra['name']}")
        return sorted(found.items(), key=lambda item: (-strictness(item[0]), item[0]))
