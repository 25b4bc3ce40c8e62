"""LAB's training phases with replay buffers, drawn from the branches' finished files, streaming."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import field
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.config.dataset import MixConfig
from labgen.export.chance import Quota, draw
from labgen.export.configs import DOCUMENTS
from labgen.export.extras import count_extra, draw_extra
from labgen.export.files import GROUP_ROWS, DataFile, ShardedTable, read_rows, read_tables
from labgen.export.fit import RowLength
from labgen.export.forms import FORMS, Forms, Passages, in_form
from labgen.export.rows import CLOSED_BOOK, DISTRACTORS, OPEN_BOOK, row_schema
from labgen.export.shuffle import Shuffle
from labgen.export.survey import Survey
from labgen.formats.training.reasoning import with_reasoning
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES

if TYPE_CHECKING:
    import pyarrow as pa

PHASES = {1: "phase_1_knowledge_short", 2: "phase_2_knowledge_long", 3: "phase_3_skills"}
COUNTED = ("own", "replay", "extras", "forms", "leaves", "too_long")
"""What `mix.json` counts of a phase's rows. `too_long` are rows that were drawn and left out of it, by form or name."""
REPLAYS = ((1, 2), (1, 3), (2, 3))
"""Which phase's own rows are replayed in which later one."""


@dataclass(frozen=True, slots=True)
class Phases:
    """What was written: config to files (phases without rows left out), and `mix.json`'s content."""

    configs: Mapping[str, Sequence[DataFile]]
    report: Mapping[str, Any]


def write_phases(root: Path, branches: Mapping[str, Sequence[DataFile]], mix: MixConfig, survey: Survey) -> Phases:
    """Write the phase configs below `root/data`.

    LAB (arXiv 2403.01081, section 3.3 and the Merlinite card): knowledge with short responses; complicated knowledge
    with longer ones and foundational skills, with a replay buffer of the first; compositional skills, with a replay
    buffer of both. Ours tells the two kinds of knowledge apart by the kind of question that was drawn, not by length.
    The paper does not state the buffers' sizes: ours are in the configuration. A phase's own
    rows are what is new in it; replays are drawn from an earlier phase's own rows, leaf by leaf, so that they are
    spread like them. Within a phase no row comes twice; each is in a seeded order of its own.

    Args:
        branches: branch, or `documents`, to its finished files below `root`, each leaf's rows together.
        mix: shares, cut, balance, forms, extras and seed.
        survey: told of every row in those files, in order.
    Returns: files and report. The same rows and settings give the same bytes.
    Raises: ConfigError: floors, totals or extras ask for more rows than there are. OSError: the disk is full.
    """
    survey.close()
    largest = survey.documents + sum(sum(sizes.values()) for sizes in survey.sizes.values())
    with closing(Shuffle(root, seed=mix.seed, rows=largest)) as shuffle:
        mixer = _Mixer(mix, survey, shuffle)
        for branch in BRANCHES:
            mixer.add_branch(branch, [root / file.path for file in branches.get(branch, ())])
        if mix.documents:
            mixer.add_documents([root / file.path for file in branches.get(DOCUMENTS, ())])
        mixer.add_extras()
        configs, report = {}, mixer.report()
        for phase in PHASES.values():
            rows = report["phases"][phase]["rows"]
            with ShardedTable(root, f"data/{phase}", row_schema(), shuffled=rows) as config:
                for table in shuffle.read(phase):
                    config.extend(table)
            if config.files:
                configs[phase] = tuple(config.files)
    return Phases(configs, report)


@dataclass(slots=True)
class _Drawn:
    """What becomes of one row: the passages of its leaf, and form to the phases that it goes into in that form."""

    near: Passages
    into: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Fitting:
    """Whether a leaf's row, by its index, fits what a trainer takes in a form."""

    texts: Forms
    rows: Sequence[Mapping[str, Any]]
    near: Passages = field(default_factory=lambda: Passages(0))

    def __call__(self, index: int, form: str) -> bool:
        if self.texts.length.max_tokens is None:
            return True
        return self.texts.asked(self.rows[index], form, self.near) is not None


class _Mixer:
    """Puts every drawn row, in its forms, into the phases that it belongs to."""

    def __init__(self, mix: MixConfig, survey: Survey, shuffle: Shuffle) -> None:
        self._mix, self._survey, self._shuffle = mix, survey, shuffle
        shares = {CLOSED_BOOK: mix.closed_book, OPEN_BOOK: mix.open_book, DISTRACTORS: mix.distractors}
        if len(survey.passages) < 2:
            shares[DISTRACTORS] = 0.0  # there is no other passage to distract with
        self._length = RowLength.of(mix)
        self._texts = Forms(mix, survey.passages, self._length)
        self._forms = {(phase, form): Quota(shares[form]) for phase in (1, 2) for form in FORMS}
        replays = (mix.replay_1_in_2, mix.replay_1_in_3, mix.replay_2_in_3)
        self._replays = {route: Quota(share) for route, share in zip(REPLAYS, replays, strict=True)}
        self._counts: Counter[tuple[int, str, str]] = Counter()
        """Rows by phase, kind (`own`, `replay`, `extras`, `forms`, `leaves`, `too_long`) and name."""
        self._extras: list[dict[str, Any]] = []

    def add_branch(self, branch: str, files: list[Path]) -> None:
        """Add a branch's rows, leaf by leaf: ids first, to draw by, then the rows themselves."""
        columns = ["id", "leaf", "kind", *(["context"] if branch == "knowledge" and self._mix.distractors else [])]
        if self._length.max_tokens is not None:
            columns = list(dict.fromkeys([*columns, "context", "messages", "verdicts", "reasoning"]))
        light = chain.from_iterable(read_rows(file, columns) for file in files)
        tables = chain.from_iterable(read_tables(file) for file in files)
        table, drawn = next(tables, None), deque[_Drawn]()
        for leaf, rows in groupby(light, key=lambda row: str(row["leaf"])):
            near, mine = Passages(self._mix.seed), list(rows)
            ids = [row["id"] for row in mine]
            phases = [self._own_phase(branch, row["kind"]) for row in mine]
            for row in mine:
                if passage := row.get("context"):
                    near.add(passage)
            kept = draw(zip(ids, range(len(ids)), strict=True), self._survey.drawn[leaf], self._mix.seed, "balance")
            measured = [with_reasoning(row, self._mix.reasoning) for row in mine]
            examples = self._examples(branch, ids, phases, kept, _Fitting(self._texts, measured, near))
            targets = self._targets(ids, phases, examples)
            self._count(branch, leaf, phases, targets)
            own = [_Drawn(near) for _ in ids]
            for (index, form), into in targets.items():
                own[index].into[form] = into
            drawn.extend(own)
            while table is not None and table.num_rows <= len(drawn):
                self._put(table, [drawn.popleft() for _ in range(table.num_rows)])
                table = next(tables, None)

    def add_documents(self, files: list[Path]) -> None:
        """Add the share of the documents that phase 1 takes, leaf by leaf, and their replays."""
        columns, quota = row_schema().names, Quota(self._mix.documents)
        for table in chain.from_iterable(read_tables(file, columns) for file in files):
            ids, given = table["id"].to_pylist(), table.select(["id", "messages"]).to_pylist()
            phases = [1] * len(ids)
            drawn = [_Drawn(Passages(self._mix.seed)) for _ in ids]
            for leaf, rows in groupby(enumerate(table["leaf"].to_pylist()), key=lambda row: str(row[1])):
                mine = [(ids[index], index) for index, _ in rows]
                count = quota.take(len(mine))
                chosen = self._draw_fitting(mine, count, "documents", 1, CLOSED_BOOK, _Fitting(self._texts, given))
                targets = self._targets(ids, phases, [(index, CLOSED_BOOK) for index in sorted(chosen)])
                self._count(DOCUMENTS, leaf, phases, targets)
                for (index, form), into in targets.items():
                    drawn[index].into[form] = into
            self._put(table, drawn)

    def _own_phase(self, branch: str, kind: str) -> int:
        if branch == "knowledge":
            return 2 if kind in self._mix.phase_2_kinds else 1
        return 2 if branch == "foundational_skills" else 3

    def _examples(
        self, branch: str, ids: list[str], phases: list[int], kept: set[int], fitting: _Fitting
    ) -> list[tuple[int, str]]:
        """The leaf's drawn rows by index, each with the form or forms that it comes in."""
        if branch != "knowledge":
            fit = {index for index in kept if fitting(index, CLOSED_BOOK)}
            for index in kept - fit:
                self._counts[phases[index], "too_long", branch] += 1
            return [(index, CLOSED_BOOK) for index in sorted(fit)]
        examples = []
        for (phase, form), quota in self._forms.items():
            mine = [(ids[index], index) for index in sorted(kept) if phases[index] == phase]
            count = quota.take(len(mine))
            chosen = self._draw_fitting(mine, count, f"form {form}", phase, form, fitting)
            examples += [(index, form) for index in sorted(chosen)]
        return examples

    def _draw_fitting(
        self, names: list[tuple[str, int]], count: int, purpose: str, phase: int, form: str, fitting: _Fitting
    ) -> set[int]:
        """`count` rows that a trainer need not cut, or as many as there are; those that are too long are counted, and
        others drawn for them."""
        left, chosen = list(names), set[int]()
        while left and len(chosen) < count:
            drawn = draw(left, count - len(chosen), self._mix.seed, purpose)
            fit = {index for index in drawn if fitting(index, form)}
            self._counts[phase, "too_long", form] += len(drawn - fit)
            chosen |= fit
            left = [each for each in left if each[1] not in drawn]
        return chosen

    def _targets(
        self, ids: list[str], phases: list[int], examples: list[tuple[int, str]]
    ) -> dict[tuple[int, str], list[int]]:
        """Every example's own phase, and those that replay it."""
        targets = {example: [phases[example[0]]] for example in examples}
        for (origin, target), quota in self._replays.items():
            mine = [(f"{ids[index]} {form}", (index, form)) for index, form in examples if phases[index] == origin]
            for example in draw(mine, quota.take(len(mine)), self._mix.seed, f"replay {origin} in {target}"):
                targets[example].append(target)
        return targets

    def _count(self, branch: str, leaf: str, phases: list[int], targets: dict[tuple[int, str], list[int]]) -> None:
        """Count what goes where of a leaf's rows, for the report."""
        for (index, form), into in targets.items():
            for phase in into:
                origin = phases[index]
                kind = ("own", branch) if phase == origin else ("replay", PHASES[origin])
                self._counts[phase, *kind] += 1
                self._counts[phase, "leaves", leaf] += 1
                if branch == "knowledge":
                    self._counts[phase, "forms", form] += 1

    def _put(self, table: pa.Table, drawn: Sequence[_Drawn]) -> None:
        """Put a table's rows into the phases they go to."""
        for form in FORMS:
            here = [at for at, row in enumerate(drawn) if form in row.into]
            if not here:
                continue
            near = [drawn[at].near for at in here]
            rows = in_form(_taken(table, here), form, near, self._texts)
            for phase, name in PHASES.items():
                chosen = [place for place, at in enumerate(here) if phase in drawn[at].into[form]]
                if chosen:
                    self._shuffle.add(name, _taken(rows, chosen))

    def add_extras(self) -> None:
        """Add rows of other datasets, by weight of each phase's own rows."""
        import pyarrow as pa

        for extra in self._mix.extras:
            available = count_extra(extra)
            taken = {}
            for phase in sorted(set(extra.phases)):
                count = int(extra.weight * sum(self._kind(phase, "own").values()) + 0.5)
                drawn = draw_extra(extra, count, available, seed=self._mix.seed, phase=PHASES[phase])
                fit = 0
                while rows := list(islice(drawn, GROUP_ROWS)):
                    rows = [row for row in rows if self._length.fits(row["messages"])]
                    if rows:
                        self._shuffle.add(PHASES[phase], pa.Table.from_pylist(rows, row_schema()))
                    fit += len(rows)
                self._counts[phase, "too_long", extra.name] += count - fit
                self._counts[phase, "extras", extra.name] = taken[PHASES[phase]] = fit
            self._extras.append(
                {
                    "name": extra.name,
                    "licence": extra.licence,
                    "weight": extra.weight,
                    "rows": available,
                    "taken": taken,
                }
            )

    def report(self) -> dict[str, Any]:
        """What went where, as plain data."""
        phases: dict[str, Any] = {}
        for phase, name in PHASES.items():
            kinds = {kind: self._kind(phase, kind) for kind in COUNTED}
            phases[name] = {"rows": sum(sum(kinds[kind].values()) for kind in ("own", "replay", "extras")), **kinds}
        return {
            "settings": mix_settings(self._mix),
            "leaves": {
                leaf: {"rows": rows, "drawn": self._survey.drawn[leaf]}
                for sizes in self._survey.sizes.values()
                for leaf, rows in sorted(sizes.items())
            },
            "phases": phases,
            "extras": self._extras,
        }

    def _kind(self, phase: int, kind: str) -> dict[str, int]:
        found = {name: rows for (at, of, name), rows in self._counts.items() if (at, of) == (phase, kind)}
        return {name: rows for name, rows in sorted(found.items()) if rows}


def _taken(table: pa.Table, places: list[int]) -> pa.Table:
    """The rows at some places, in ascending order; most often that is all of them."""
    return table if len(places) == table.num_rows else table.take(places)


def mix_settings(mix: MixConfig) -> dict[str, Any]:
    """The section `mix` as plain data, local paths of extras reduced to file names: a dataset tells no paths."""
    settings = mix.plain()
    settings["tokenizer"] = Path(mix.tokenizer).name
    for extra in settings["extras"]:
        if Path(extra["path"]).exists():
            extra["path"] = Path(extra["path"]).name
    return settings


def emptied_phases(dataset: Path) -> dict[str, int]:
    """Phases that have no row since all that were drawn for them are too long, each with how many that were.

    Nothing of a dataset without phases.
    """
    try:
        phases = json.loads((dataset / "mix.json").read_text(encoding="utf-8"))["phases"]
        return {
            name: sum(phase["too_long"].values())
            for name, phase in phases.items()
            if not phase["rows"] and phase["too_long"]
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def stated_max_tokens(dataset: Path) -> int | None:
    """The `mix.max_tokens` that a dataset folder's phases keep to; None where it states none."""
    try:
        settings = json.loads((dataset / "mix.json").read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # a dataset without phases, or of an earlier version
    stated = settings.get("max_tokens")
    return stated if isinstance(stated, int) else None
