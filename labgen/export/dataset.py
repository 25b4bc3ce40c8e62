"""The dataset folder, written in one streaming pass: Parquet by config, card, funnel, settings, manifest last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from labgen.config.dataset import MixConfig
from labgen.config.drawing import PreferencesConfig
from labgen.errors import OutputError
from labgen.export.agreement import AGREEMENT, Agreement
from labgen.export.card import write_card
from labgen.export.card_facts import CardFacts, CardNotes
from labgen.export.card_provenance import settings_as_yaml
from labgen.export.configs import DOCUMENTS, REJECTED
from labgen.export.files import DataFile, ShardedTable
from labgen.export.folder import check_output, explained, replacing, write_manifest
from labgen.export.funnel import Funnel
from labgen.export.held_out import HeldOutRows, check_no_leak, write_held_out
from labgen.export.kept_phases import KeptPhases
from labgen.export.passages import write_passages
from labgen.export.preferences import PreferenceTables
from labgen.export.rows import (
    BuildInfo,
    LeafInfo,
    document_row_of,
    lineage_of,
    lineage_schema,
    rejected_row_of,
    row_of,
    row_schema,
    served_models,
)
from labgen.export.survey import Survey
from labgen.records import BRANCHES, Answerer, Candidate, State
from labgen.text.language import language_of_pair

Configs = dict[str, Sequence[DataFile]]
"""Config to its files, in reading order."""


def write_dataset(
    folder: Path,
    *,
    leaves: Sequence[LeafInfo],
    read: Callable[[str], Iterator[Candidate]],
    about: BuildInfo,
    funnel: Funnel,
    notes: CardNotes | None = None,
    mix: MixConfig | None = None,
    preferences: PreferencesConfig | None = None,
    held_out: HeldOutRows | None = None,
    replace: bool = False,
    work_folder: Path | None = None,
) -> Path:
    """Write a dataset whose candidates are all there: `DatasetWriter` for leaves that can be read one after another.

    Args:
        read: gives a leaf's candidates in slot order; asked once per leaf.
        others: see `writing_dataset` and `DatasetWriter.finish`.
    Returns: `folder`.
    """
    with writing_dataset(
        folder,
        leaves=leaves,
        about=about,
        mix=mix,
        preferences=preferences,
        replace=replace,
        work_folder=work_folder,
    ) as writer:
        for leaf in writer.leaves:
            for candidate in read(leaf.path):
                writer.add(candidate, leaf)
            writer.end_leaf(leaf)
        writer.finish(about, funnel, notes, held_out)
    return folder


@contextmanager
def writing_dataset(
    folder: Path,
    *,
    leaves: Sequence[LeafInfo],
    about: BuildInfo,
    mix: MixConfig | None = None,
    preferences: PreferencesConfig | None = None,
    replace: bool = False,
    work_folder: Path | None = None,
) -> Iterator[DatasetWriter]:
    """Write the dataset that `datasets.load_dataset(folder, CONFIG)` opens, while its candidates are made.

    Configs are the three branches, documents, the phases that `mix` asks for, and `rejected`; one without rows is left
    out, and the card says so. The same input gives the same bytes (and data files the same names). Memory does not grow
    with the number of rows. The folder is replaced whole, by a rename, when the block ends well after `finish`; else
    nothing has changed, and nothing half-written is left.

    Args:
        folder: see `check_output` for what may be replaced.
        leaves: every leaf of the build.
        about: for the rows.
        mix: the training phases; None, or `phases: false` in it, writes none.
        preferences: what is written beside the rows; None for nothing.
        replace: waive the rule that a narrower build does not replace a fuller one.
        work_folder: where it is kept what phases were made of; None for nowhere.
    Raises:
        UsageError: the folder holds something that this build may not replace.
        OutputError: it can't be written, or another run is writing it.
    """
    with replacing(folder) as new:
        check_output(folder, wanted=_wanted(leaves), about=about, replace=replace)
        with DatasetWriter(
            folder, new, leaves, about, mix, preferences, replace=replace, work_folder=work_folder
        ) as writer:
            yield writer


class DatasetWriter:
    """All tables of a dataset, filled leaf by leaf; see `writing_dataset`.

    Attributes:
        leaves: those of the build in the order in which they are to be added, which is that of their paths.
        agreement: once it is finished, what reviewers' marks say of it (content of `agreement.json`); None for none.
    """

    def __init__(
        self,
        folder: Path,
        root: Path,
        leaves: Sequence[LeafInfo],
        about: BuildInfo,
        mix: MixConfig | None,
        preferences: PreferencesConfig | None,
        *,
        replace: bool,
        work_folder: Path | None,
    ) -> None:
        self.leaves = tuple(sorted(leaves, key=lambda leaf: leaf.path))
        self._folder, self._root, self._about, self._replace = folder, root, about, replace
        self._kept_phases = KeptPhases(work_folder, folder)
        guarded = "guard" in about.settings
        self._preferences = PreferenceTables(root, preferences, guarded=guarded) if preferences else None
        self._survey = Survey(mix) if mix and mix.phases else None
        self._accepted: Counter[str] = Counter()
        self._candidates = 0
        self._languages: Counter[str] = Counter()
        self._sources: dict[tuple[str, str], set[str]] = {}
        self._answered_by: set[Answerer] = set()
        self._agreement, self._met = Agreement(), set[int]()
        self.agreement: dict[str, Any] | None = None
        self._rehearsed: Counter[bool] = Counter()  # whether accepted, to candidates of the rehearsal teacher's

    @cached_property
    def _tables(self) -> dict[str, ShardedTable]:
        # Made for the first candidate: until then a build does without Arrow and its quarter of a second.
        tables = {branch: ShardedTable(self._root, f"data/{branch}", row_schema()) for branch in BRANCHES}
        tables[DOCUMENTS] = ShardedTable(self._root, f"data/{DOCUMENTS}", row_schema(documents=True))
        return tables | {REJECTED: ShardedTable(self._root, f"data/{REJECTED}", row_schema(rejected=True))}

    @cached_property
    def _lineage(self) -> ShardedTable:
        return ShardedTable(self._root, "lineage/calls", lineage_schema())

    def add(self, candidate: Candidate, leaf: LeafInfo) -> Sequence[Mapping[str, Any]]:
        """Take a leaf's next candidate in slot order, accepted or not.

        Returns: the rows of preferences that are written of it.
        Raises: OutputError: the disk is full.
        """
        with explained(self._folder):
            if candidate.state is State.ACCEPTED:
                write = document_row_of if candidate.is_document else row_of
                row = write(candidate, leaf, self._about)
                self._add_row(row, candidate, leaf)
            else:
                row = rejected_row_of(candidate, leaf, self._about)
                self._tables[REJECTED].add(row)
            preferences = self._preferences.add(candidate, leaf, self._about) if self._preferences else []
            self._lineage.add(lineage_of(candidate, row["id"]))
            if mark := leaf.marks.on(candidate):
                self._agreement.add(row, mark)
                self._met.add(id(mark))
            self._candidates += 1
            self._answered_by.update(candidate.answered_by)
            self._rehearsed[candidate.state is State.ACCEPTED] += row["rehearsal"]
            return preferences

    def end_leaf(self, leaf: LeafInfo) -> None:
        """Say that the leaf is complete; the next one follows in `leaves`. Raises: OutputError: the disk is full."""
        with explained(self._folder):
            own = (self._tables[name] for name in (leaf.branch, DOCUMENTS, REJECTED))
            for table in (*own, self._lineage):
                table.end_leaf()
            if self._preferences:
                self._preferences.end_leaf()

    def as_answered(self, about: BuildInfo) -> BuildInfo:
        """The build with what the replies of its candidates say of who gave them."""
        accepted = self._accepted.total()
        rehearsal = self._rehearsed[True] > 0 if accepted else self._rehearsed[False] > 0
        return replace(
            about,
            rehearsal=rehearsal if self._candidates else about.rehearsal,
            answered_by=tuple(sorted(self._answered_by)),
        )

    def finish(
        self,
        about: BuildInfo,
        funnel: Funnel,
        notes: CardNotes | None = None,
        held_out: HeldOutRows | None = None,
        passages: Iterable[Mapping[str, Any]] = (),
        calibration: Mapping[str, Any] | None = None,
    ) -> None:
        """Write what follows from all rows: phases, card, funnel, settings, and the manifest last.

        Args:
            about: the build as it ended; what rows carry must be as it was. Who answered is told by the rows.
            funnel: must have counted exactly the candidates that were added.
            notes: for the card.
            held_out: rows for the split `test`; None for none.
            passages: of the leaves' documents, see `labgen.export.passages`.
            calibration: how the judges did in their test, as plain data; None where they were not tested.
        Raises:
            UsageError: an incomplete build would replace a fuller one.
            OutputError: the disk is full, or something of what is held out stands in a training row.
            ConfigError: `mix` asks for more rows than there are; the message says what would do.
            ValueError: funnel and rows disagree.
        """
        about = self.as_answered(about)
        check_output(self._folder, wanted=_wanted(self.leaves), about=about, replace=self._replace)
        accepted = {leaf.path: self._accepted[leaf.path] for leaf in self.leaves}
        _check_counts(funnel, accepted, self._candidates)
        with explained(self._folder):
            configs, mix = self._write_configs(held_out)
            self.agreement = self._agreement_of(about, held_out)
            reports = {
                "held_out.json": held_out.report if held_out else None,
                "mix.json": mix,
                AGREEMENT: self.agreement or None,
                "funnel.json": funnel.to_json(),
                "calibration.json": calibration or None,
            }
            for name, report in reports.items():
                if report is not None:
                    _write_json(self._root / name, report)
            write_passages(self._root, passages)
            _write_settings(self._root / "settings.yaml", about)
            write_card(self._root, self._facts(about, funnel, configs, mix, notes, held_out))
            write_manifest(self._root, _manifest(self.leaves, about, configs, accepted))

    def _write_configs(self, held_out: HeldOutRows | None) -> tuple[Configs, Mapping[str, Any] | None]:
        """Close all tables, and write what is made of their rows, and what is held out.

        Returns: the files by config, and what is said of the phases; None where there are none.
        """
        for table in (*self._tables.values(), self._lineage):
            table.close()
        files = {name: table.files for name, table in self._tables.items() if table.files}
        branches: Configs = {name: files[name] for name in (*BRANCHES, DOCUMENTS) if name in files}
        phases = self._kept_phases.write(self._root, branches, self._survey) if self._survey else None
        rejected = {REJECTED: files[REJECTED]} if REJECTED in files else {}
        preferences = self._preferences.close() if self._preferences else {}
        tests = write_held_out(self._root, held_out) if held_out else {}
        configs = branches | (dict(phases.configs) if phases else {}) | preferences | rejected | tests
        if held_out:
            check_no_leak(self._root, {name: [file.path for file in own] for name, own in configs.items()})
        return configs, phases.report if phases else None

    def _facts(
        self,
        about: BuildInfo,
        funnel: Funnel,
        configs: Configs,
        mix: Mapping[str, Any] | None,
        notes: CardNotes | None,
        held_out: HeldOutRows | None,
    ) -> CardFacts:
        return CardFacts(
            about=about,
            leaves=self.leaves,
            funnel=funnel,
            configs=configs,
            sources={key: tuple(sorted(names)) for key, names in sorted(self._sources.items())},
            languages=dict(sorted(self._languages.items())),
            notes=notes or CardNotes(),
            mix=mix,
            preferences=self._preferences.report() if self._preferences else None,
            rehearsal_rows=self._rehearsed[True],
            held_out=held_out.report if held_out else None,
            agreement=self.agreement,
        )

    def _agreement_of(self, about: BuildInfo, held_out: HeldOutRows | None) -> dict[str, Any] | None:
        marked = [(own, mark) for leaf in self.leaves for own, mark in leaf.marks.marks]
        if not marked:
            return None
        if held_out:
            held = held_out.marked_bad | {row["id"] for rows in held_out.rows.values() for row in rows}
            self._agreement.held_out = [own for own, _ in marked if own in held]
        known = set(self._agreement.held_out)
        missing = (own for own, mark in marked if id(mark) not in self._met and own not in known)
        # What an incomplete build lacks may still come.
        self._agreement.unmatched = list(missing) if about.complete else []
        return self._agreement.to_json()

    def _add_row(self, row: dict[str, Any], candidate: Candidate, leaf: LeafInfo) -> None:
        self._tables[DOCUMENTS if candidate.is_document else leaf.branch].add(row)
        if self._survey:
            self._survey.add(row)
        self._accepted[leaf.path] += 1
        language = candidate.language
        if language is None:
            language = language_of_pair(candidate.instruction, candidate.response)
        self._languages[language] += 1
        if source := candidate.source:
            self._sources.setdefault((source.repo, source.commit), set()).add(source.file)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, *ended: object) -> None:
        if "_tables" in self.__dict__:  # else no candidate came, and Arrow need not be loaded for nothing
            for table in (*self._tables.values(), self._lineage):
                table.abandon()
        if self._preferences:
            self._preferences.abandon()


def _wanted(leaves: Iterable[LeafInfo]) -> dict[str, int]:
    """Leaf to rows asked for."""
    return {leaf.path: leaf.wanted for leaf in leaves}


def _check_counts(funnel: Funnel, accepted: Mapping[str, int], rows: int) -> None:
    for path, count in accepted.items():
        if (tally := funnel.leaves.get(path)) is not None and tally.accepted == count:
            continue
        if tally is None and count == 0:
            continue
        raise ValueError(f"{path}: {count} rows, but the funnel counts {tally.accepted if tally else 0}")
    if funnel.total().candidates != rows:
        raise ValueError(f"{rows} candidates written, but the funnel counts {funnel.total().candidates}")


def _manifest(
    leaves: Sequence[LeafInfo],
    about: BuildInfo,
    configs: Mapping[str, Sequence[DataFile]],
    accepted: Mapping[str, int],
) -> dict[str, object]:
    return {
        "labgen": about.labgen,
        "complete": about.complete,
        "rehearsal": about.rehearsal,
        "teacher": about.teacher,
        "served_models": {
            asked: served_models(about.answered_by, asked) for asked in sorted({by.asked for by in about.answered_by})
        },
        "taxonomy_commit": about.taxonomy_commit,
        "leaves": {
            leaf.path: {
                "wanted": leaf.wanted,
                "rows": accepted[leaf.path],
                "fingerprint": leaf.fingerprint,
                "licences": [work.licence for work in leaf.licences],
            }
            for leaf in sorted(leaves, key=lambda leaf: leaf.path)
        },
        "configs": {
            name: {"rows": sum(file.rows for file in files), "files": [file.path for file in files]}
            for name, files in configs.items()
        },
    }


def _write_settings(path: Path, about: BuildInfo) -> None:
    head = "# What changed the rows of this dataset: set the same in labgen.yaml to build it again.\n"
    path.write_text(head + settings_as_yaml(about), encoding="utf-8")


def _write_json(path: Path, data: object) -> None:
    try:
        # Python's own encoder, asked for indents, takes four times as long.
        text = msgspec.json.format(json.dumps(data, ensure_ascii=False), indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    except UnicodeEncodeError as error:
        raise OutputError(f"{path.name}: holds text that is not Unicode ({error}).") from error
