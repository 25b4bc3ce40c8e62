"""A dataset folder rewritten for training programs: another format, Parquet or JSON Lines, files of a chosen size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from labgen.errors import OutputError, UsageError
from labgen.export.files import hash_file, read_rows
from labgen.export.fit import RowLength
from labgen.export.folder import MANIFEST, read_manifest, replacing
from labgen.export.held_out import check_no_leak, for_training
from labgen.export.mix import PHASES
from labgen.export.row_groups import GroupedFile, shuffled_group_rows
from labgen.export.runs import MeasuredRows, Schedule, once
from labgen.export.trainers import axolotl_settings, llama_factory_settings
from labgen.formats.runs.base import Run
from labgen.formats.training.base import KINDS, PREFERENCE_CONFIGS, READS
from labgen.formats.training.reasoning import NO_REASONING
from labgen.formats.training.registry import shipped_formats
from labgen.formats.training.rows import RowFormat
from labgen.lazy.dataclasses import dataclass
from labgen.text.yaml_data import YamlError, read_yaml
from labgen.text.yaml_written import write_yaml

RECORD = "export.json"
"""Written last: a folder that has it is a whole export, and may be replaced by the next one."""

BATCH_ROWS = 1000
"""Rows in memory at a time: some 5 MB of text. Of phases, whose rows are in shuffled order, there are more."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written.

    Attributes:
        rows: by config. files: every data file relative to `folder`, in reading order.
        max_tokens: that rows may have; None where nothing says. too_long: rows by config that are longer: they are in
            the files of a plain export, where a trainer cuts their answers, and left out of runs.
        runs: training runs that were written, in their order.
        reasoning: how the reasoning of rows is written. reasoned: rows that have one, over all configs (count).
    """

    folder: Path
    format: str
    rows: dict[str, int]
    files: dict[str, tuple[str, ...]]
    rehearsal: bool
    max_tokens: int | None = None
    too_long: Mapping[str, int] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    reasoning: str = NO_REASONING
    reasoned: int = 0


def export_training(
    dataset: Path,
    folder: Path,
    format: RowFormat,
    *,
    kind: str = "parquet",
    configs: Sequence[str] = (),
    shard_rows: int = 100_000,
    length: RowLength | None = None,
    schedule: Schedule | None = None,
) -> ExportReport:
    """Write `dataset` in `format` to `folder`, one streaming pass per config.

    In memory are the row group that is read and the one that is written. `datasets.load_dataset(folder, CONFIG)` opens
    the result. llama-factory's `dataset_info.json` and axolotl's `axolotl/CONFIG.yaml` lie beside it where these
    programs read the format. The same input gives the same bytes.

    Args:
        dataset: a folder that labgen wrote, or a downloaded release of one.
        folder: replaced whole where it is an earlier export; must else be empty or not exist.
        kind: `parquet` or `jsonl`; a format that is always one of them is written as that.
        configs: those wanted, in this order; none: all that the format holds.
        shard_rows: most rows in one file (>= 1).
        length: how long rows may be; None: no row is measured.
        schedule: write runs of a training program, for the phases alone; rows that are too long for `length` are left
            out then, since their answers would be cut.
    Raises:
        UsageError: no dataset there, an unknown config, a folder that is not an export, a row that doesn't fit.
        ConfigError: the template refuses a row, or another package's format breaks on it.
        OutputError: the folder can't be written, or something that is held out stands in a training row; nothing
            half-written is left.
    """
    if kind not in KINDS or shard_rows < 1:
        raise UsageError(f"files are {' or '.join(KINDS)}, of at least one row; not `{kind}` of {shard_rows}.")
    manifest = read_manifest(dataset)
    sources = {name: [name] for name in _wanted(manifest, dataset, configs, format)}
    if schedule is not None:
        sources = schedule.sources(list(manifest["configs"]), configs)
    check_export_folder(folder, dataset)
    check_no_leak(dataset, {name: about["files"] for name, about in manifest["configs"].items()})
    measured = {name: MeasuredRows(length, keeps_long=schedule is None) for name in sources if length is not None}
    counted = _Reasoned()
    report = ExportReport(folder, format.about.name, {}, {}, bool(manifest["rehearsal"]), reasoning=format.reasoning)
    with replacing(folder) as new:
        for name, parts in sources.items():
            stem = format.about.file_stem.replace("CONFIG", name)
            shuffled = sum(manifest["configs"][part]["rows"] for part in parts if part in PHASES.values())
            shards = _Shards(new, stem, format, format.about.file_kind or kind, shard_rows, shuffled)
            read = counted.of(_rows_of(dataset, manifest, parts, format), format)
            shards.write(measured[name].of(read) if name in measured else read)
            if shards.rows:
                report.rows[name], report.files[name] = shards.rows, tuple(shards.files)
        report = replace(report, reasoned=counted.rows)
        if length is not None:
            too_long = {name: each.too_long for name, each in measured.items() if each.too_long}
            report = replace(report, max_tokens=length.max_tokens, too_long=too_long)
        _write_texts(new, dataset, format, report)
        if schedule is not None:
            longest = {name: each.limit for name, each in measured.items()}
            report = _write_runs(new, dataset, schedule, longest, report)
        _write_record(new, dataset, format, report)
    return report


def _rows_of(
    dataset: Path, manifest: Mapping[str, Any], parts: Sequence[str], format: RowFormat
) -> Iterator[dict[str, Any]]:
    """The rows of some configs; of several each row once, in each form."""
    columns = None if format.about.of else list(READS)
    read = chain.from_iterable(_read(dataset, manifest["configs"][part]["files"], columns) for part in parts)
    return once(read, lambda row: (row["id"], row["form"])) if len(parts) > 1 else read


def _write_runs(
    new: Path, dataset: Path, schedule: Schedule, longest: dict[str, int], report: ExportReport
) -> ExportReport:
    """Write the runs of a training program. Returns: the report with them. Raises: UsageError: no row fits."""
    if not report.rows:
        raise UsageError(
            f"{dataset}: no row of its phases fits into {report.max_tokens:,} tokens, so there is nothing to "
            "train on. Give a larger --max-row-tokens, or build with that `mix.max_tokens`."
        )
    runs = tuple(schedule.runs(report.rows, report.files, longest))
    schedule.write(new, runs)
    return replace(report, runs=runs)


def _write_record(new: Path, dataset: Path, format: RowFormat, report: ExportReport) -> None:
    record = {
        "format": report.format,
        "template": format.template.name if format.template else None,
        "reasoning": format.reasoning,
        "source": {"manifest_sha256": hash_file(dataset / MANIFEST)[0], "rehearsal": report.rehearsal},
        "configs": {name: {"rows": report.rows[name], "files": list(files)} for name, files in report.files.items()},
        "files": sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file()),
    }
    (new / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _wanted(manifest: dict[str, Any], dataset: Path, configs: Sequence[str], format: RowFormat) -> list[str]:
    """The configs to write. Raises: UsageError: one is not there, or the format does not hold its rows."""
    known = [name for name in manifest["configs"] if for_training(name)]
    if not known:
        raise UsageError(f"{dataset}: has no rows to export. `labgen show` and its funnel.json say where they went.")
    own = format.about.of
    for name in configs:
        if name not in known:
            raise UsageError(f"{dataset}: has no config `{name}` for training. There are: {', '.join(known)}.")
        if (name if name in PREFERENCE_CONFIGS else "") != own:
            raise UsageError(_not_held(name, format))
    held = [name for name in known if (name if name in PREFERENCE_CONFIGS else "") == own]
    if not held:
        raise UsageError(
            f"{dataset}: has no config `{own}`, which `{format.about.name}` is for. Set `preferences:` in labgen.yaml "
            "and build again; what was paid for is not asked again."
            if own
            else f"{dataset}: has no rows that `{format.about.name}` holds. There are: {', '.join(known)}."
        )
    return list(dict.fromkeys(configs)) or held


def _not_held(config: str, format: RowFormat) -> str:
    """Why a format does not hold a config's rows, and which ones do."""
    of = config if config in PREFERENCE_CONFIGS else ""
    takers = ", ".join(each.name for each in shipped_formats() if each.of == of)
    what = {
        "preferences": "two responses in each row",
        "feedback": "good and bad responses, each with its label",
        "checkable": "prompts and answers to check",
    }.get(config, "conversations to be learned from")
    return f"`{format.about.name}` does not hold `{config}`: that has {what}. Use --format with one of: {takers}."


def check_export_folder(folder: Path, dataset: Path) -> None:
    """Raises: UsageError: the folder is the dataset, a file, or holds what no export wrote."""
    if folder.resolve() == dataset.resolve():
        raise UsageError(f"{folder}: is the dataset itself. Export to another folder.")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: a file is there. Choose another folder.")
    if not folder.is_dir():
        return
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        ours = {RECORD, *record["files"]}
    except (OSError, ValueError, LookupError, TypeError):
        ours = set()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if foreign := sorted(found - ours):
        raise UsageError(
            f"{folder}: holds what labgen's export did not write ({foreign[0]}), and is left alone. "
            "Choose another folder."
        )


def _read(dataset: Path, files: Sequence[str], columns: list[str] | None) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    for file in files:
        try:
            yield from read_rows(dataset / file, columns)
        except (OSError, pa.ArrowInvalid) as error:
            raise UsageError(
                f"{dataset / file}: can't be read ({error}). Build or download the dataset again."
            ) from None


@dataclass
class _Reasoned:
    """Rows on their way into a format, with their reasoning as it writes it. `rows`: that have one (count)."""

    rows: int = 0

    def of(self, rows: Iterator[dict[str, Any]], format: RowFormat) -> Iterator[dict[str, Any]]:
        """Each row as it will be written."""
        for row in rows:
            self.rows += bool(row.get("reasoning"))
            for each in format.for_each_answer(row):
                yield dict(format.with_reasoning(each))


class _Shards:
    """Rows in, files `STEM-00000-HASH.KIND` out; one whole file without number and hash where the layout names it.

    `shuffled`: about how many rows will come, where these are in shuffled order; 0 where a leaf's stand together.
    """

    def __init__(self, root: Path, stem: str, format: RowFormat, kind: str, shard_rows: int, shuffled: int) -> None:
        self._root, self._stem, self._format, self._kind = root, stem, format, kind
        self._flat = "/" not in stem
        self._shard_rows, self._shuffled = shard_rows, bool(shuffled)
        self._group_rows = shuffled_group_rows(shuffled, BATCH_ROWS)
        self._writer: Any = None
        self.files: list[str] = []
        self.rows = 0

    def write(self, rows: Iterator[dict[str, Any]]) -> None:
        batches = _batches((self._format.convert(row) for row in rows), self._shard_rows)
        try:
            for first, batch in batches:
                if first:
                    self._finish()
                    self._open()
                self._add(batch)
                self.rows += len(batch)
            self._finish()
        finally:
            if isinstance(self._writer, GroupedFile):
                self._writer.abandon()

    def _open(self) -> None:
        self._temporary = self._root / f"{self._stem}.writing"
        self._temporary.parent.mkdir(parents=True, exist_ok=True)
        if self._kind == "parquet":
            self._writer = GroupedFile(
                self._temporary, self._format.schema, group_rows=self._group_rows, shuffled=self._shuffled
            )
        else:
            self._writer = self._temporary.open("w", encoding="utf-8", newline="\n")

    def _add(self, batch: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        if self._kind == "parquet":
            self._writer.add(pa.Table.from_pylist(batch, self._format.schema))
        else:
            self._writer.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch)

    def _finish(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        number = len(self.files)
        name = f"{self._stem}-{number:05d}-{hash_file(self._temporary)[0][:12]}.{self._kind}"
        if self._flat:
            name = f"{self._stem}.{self._kind}" if number == 0 else f"{self._stem}_{number + 1}.{self._kind}"
        self._temporary.rename(self._root / name)
        self.files.append(name)


def _batches(rows: Iterator[dict[str, Any]], shard_rows: int) -> Iterator[tuple[bool, list[dict[str, Any]]]]:
    """Lists of rows, each with whether it begins a new file."""
    batch: list[dict[str, Any]] = []
    in_file, first = 0, True
    for row in rows:
        batch.append(row)
        in_file += 1
        if len(batch) == BATCH_ROWS or in_file == shard_rows:
            yield first, batch
            batch, first = [], in_file == shard_rows
            in_file = 0 if first else in_file
    if batch:
        yield first, batch


def _write_texts(new: Path, dataset: Path, format: RowFormat, report: ExportReport) -> None:
    try:
        card = (dataset / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{dataset}: its README.md can't be read ({error}).") from None
    (new / "SOURCE_CARD.md").write_text(card, encoding="utf-8")
    header = _header(card)
    header["configs"] = [
        {"config_name": name, "data_files": [{"split": "train", "path": list(files)}]}
        for name, files in report.files.items()
    ]
    template = f", written through the template `{format.template.name}`" if format.template else ""
    parts = [
        f"# Training files: {report.format}",
        f"This is a labgen dataset in the format `{report.format}`{template}. The dataset's own card, with its method, "
        "sources and licences, is `SOURCE_CARD.md`; each row's `id` is its id there.",
        "\n".join(f"- `{name}`: {count:,} rows" for name, count in report.rows.items()),
    ]
    if report.rehearsal:
        parts.insert(0, "**Rehearsal data: no model wrote it. Do not train on it.**")
    (new / "README.md").write_text(f"---\n{write_yaml(header)}---\n\n" + "\n\n".join(parts) + "\n", encoding="utf-8")
    if content := llama_factory_settings(format.shape, report.files):
        (new / "dataset_info.json").write_text(content, encoding="utf-8")
    for name, content in axolotl_settings(format.shape, report.files).items():
        (new / name).parent.mkdir(exist_ok=True)
        (new / name).write_text(content, encoding="utf-8")


def _header(card: str) -> dict[str, Any]:
    """The source card's metadata without what describes its files."""
    if not card.startswith("---\n"):
        return {}
    try:
        data = read_yaml(card[4:].partition("\n---")[0]).data
    except YamlError:
        return {}  # a card that someone has since edited; it is copied as it is, and is not ours to mend
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if key not in ("configs", "dataset_info")}
