"""Verbs of the command line as functions of the same names; `labgen.aio` has the same to be awaited.

A function takes what its command takes, under the same names with `_` for `-`: its own options (`max_cost=2.0`), and by
`settings` those that lay something over labgen.yaml (`samples=4`, `base_url=...`). It returns what the command would
print, as objects with a short `repr` and a table in notebooks; it prints nothing but a notebook's progress. All can be
called where an event loop runs.

`config` is a `Config` (see `labgen.load_config`), the place of a labgen.yaml, or None for the one in this folder. What
labgen can explain is raised as a `labgen.errors.LabgenError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from labgen.errors import UsageError

if TYPE_CHECKING:
    from labgen.config.whole import Config
    from labgen.export.scores import Evaluation
    from labgen.export.training import ExportReport
    from labgen.filters.calibration import Calibration, JudgeResult
    from labgen.filters.contamination import Benchmark
    from labgen.ledger.export_import import Imported
    from labgen.ledger.verify import Health, LeafTotals
    from labgen.progress.run_state import RunState
    from labgen.publish.hub import PushReport
    from labgen.taxonomy.changes import Changes
    from labgen.taxonomy.check import CheckResult
    from labgen.taxonomy.skeleton import Made
    from labgen.teacher.connect import Backends
    from labgen.teacher.rehearsal.server import RehearsalServer
    from labgen.verbs.built import Build
    from labgen.verbs.bulk_rounds import Round
    from labgen.verbs.bulk_run import BulkRun
    from labgen.verbs.doctor import Report
    from labgen.verbs.plan import Estimate
    from labgen.verbs.preview import Preview
    from labgen.verbs.review import Reviewer
    from labgen.verbs.session import Hooks

Given: TypeAlias = "Config | str | Path | None"
Place: TypeAlias = "str | Path"
Leaves: TypeAlias = "str | Sequence[str]"


def init(folder: Place = ".", *, examples: bool = True, git: bool = True, labgen: str = "") -> Made:
    """`labgen init`: make a folder a taxonomy repository. Returns: the files written, and those kept as they were.

    Args:
        labgen: where workflows install labgen from, pinned; empty: from where this one was.
    """
    from labgen import bundled_taxonomy
    from labgen.taxonomy.install_source import own_requirement, pinned_requirement
    from labgen.taxonomy.skeleton import make_repository

    source = pinned_requirement(labgen) if labgen else own_requirement()
    return make_repository(Path(folder), examples=bundled_taxonomy() if examples else None, source=source, git=git)


def new(
    path: str,
    *,
    config: Given = None,
    task: str = "",
    outline: str = "",
    with_context: bool | None = None,
    examples: Place | None = None,
    documents: Sequence[Place] = (),
    repo: str = "",
    commit: str = "",
    patterns: Sequence[str] = (),
    title: str = "",
    link: str = "",
    licence: str = "",
    creators: str = "",
    created_by: str = "",
    **settings: Any,
) -> list[Path]:
    """`labgen new`: write a leaf from options; nothing is asked for. Returns: its files.

    What is not given is a model's text, to be replaced: `check` names each place.
    """
    from labgen.cli.new import new_leaf

    options = {
        "task": task,
        "outline": outline,
        "with_context": with_context,
        "examples": Path(examples) if examples else None,
        "documents": tuple(Path(each) for each in documents),
        "repo": repo,
        "commit": commit,
        "patterns": tuple(patterns),
        "title": title,
        "link": link,
        "licence": licence,
        "creators": creators,
        "created_by": created_by,
    }
    return new_leaf(_configured(config, settings), path, options)


def check(*paths: Place, config: Given = None, compat: str = "", **settings: Any) -> CheckResult:
    """`labgen check`: what is wrong with leaves, by place and rule. Nothing is fetched.

    Args:
        paths: files, folders, or patterns such as `knowledge/**`; none for the whole taxonomy.
    """
    from labgen.cli.check import check_options, check_selections

    chosen = _configured(config, settings)
    return check_selections([str(path) for path in paths], chosen, check_options(chosen, compat))


def diff(base: str | None = None, *, config: Given = None, **settings: Any) -> Changes:
    """`labgen diff`: the leaves that changed since HEAD parted from `base`, and how."""
    from labgen.taxonomy.changes import changed_leaves

    return changed_leaves(_configured(config, settings).taxonomy, base)


def preview(
    *leaves: str,
    base: str | None = None,
    rows: int = 5,
    max_leaves: int = 20,
    config: Given = None,
    hooks: Hooks | None = None,
    **settings: Any,
) -> Preview:
    """`labgen preview`: a handful of rows of some leaves; without any named, of those that changed since `base`."""
    from labgen.cli.check import check_options
    from labgen.taxonomy.changes import changed_leaves
    from labgen.verbs.preview import Preview, preview_leaves

    chosen = _configured(config, settings)
    changes = changed_leaves(chosen.taxonomy, base) if base or not leaves else None
    patterns = changes.patterns(leaves) if changes else leaves
    if changes and not patterns:
        return Preview((), changes=changes)
    return preview_leaves(
        chosen,
        patterns,
        changes=changes,
        rows=rows,
        max_leaves=max_leaves,
        check=check_options(chosen),
        hooks=hooks,
    )


def plan(
    *, leaf: Leaves = (), base: str | None = None, config: Given = None, hooks: Hooks | None = None, **settings: Any
) -> Estimate:
    """`labgen plan`: what a build would draw, and what of it is still to pay. Nobody is asked."""
    from labgen.verbs.plan import estimate_build
    from labgen.verbs.session import Session

    chosen = _configured(config, settings)
    return estimate_build(Session.prepare(chosen, _patterns(chosen, leaf, base), hooks=hooks))


def generate(
    *,
    leaf: Leaves = (),
    base: str | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    replace: bool = False,
    retry_failed: bool = False,
    config: Given = None,
    hooks: Hooks | None = None,
    backend: Backends | None = None,
    **settings: Any,
) -> Build:
    """`labgen generate`: build the dataset. See `labgen.build_dataset`, which it calls."""
    from labgen.verbs.generate import build_dataset, limits_for

    chosen = _configured(config, settings)
    return build_dataset(
        chosen,
        leaf_patterns=_patterns(chosen, leaf, base),
        replace_output=replace,
        limits=limits_for(chosen, max_calls=max_calls, max_tokens=max_tokens, max_cost=max_cost),
        retry_failed=retry_failed,
        hooks=hooks,
        backend=backend,
    )


def bulk_write(
    folder: Place, *, leaf: Leaves = (), config: Given = None, hooks: Hooks | None = None, **settings: Any
) -> Round:
    """`labgen bulk write`: all calls that can be asked now, as batch files in `folder`."""
    from labgen.verbs.bulk import write_round

    chosen = _configured(config, settings)
    return write_round(chosen, str(folder), _patterns(chosen, leaf, None), hooks=hooks)


def bulk_read(*files: Place, config: Given = None, hooks: Hooks | None = None, **settings: Any) -> Any:
    """`labgen bulk read`: bring in replies from files, and count what became of each line."""
    from labgen.verbs.bulk import read_replies

    return read_replies(_configured(config, settings), [str(file) for file in files], hooks=hooks)


def bulk_run(
    *,
    leaf: Leaves = (),
    replace: bool = False,
    finish_online: int = 0,
    config: Given = None,
    hooks: Hooks | None = None,
    **settings: Any,
) -> BulkRun:
    """`labgen bulk run`: build in rounds, by the batch APIs of the endpoints."""
    from labgen.verbs.bulk_run import run_rounds

    chosen = _configured(config, settings)
    return run_rounds(
        chosen, _patterns(chosen, leaf, None), replace_output=replace, finish_online=finish_online, hooks=hooks
    )


def show(row_id: str, *, config: Given = None, **settings: Any) -> ShownRow:
    """`labgen show`: one row or rejection, and as `history` the calls that led to it."""
    from labgen.cli.show import history_of
    from labgen.export.find import find_row

    chosen = _configured(config, settings)
    row = find_row(chosen.output, row_id)
    return ShownRow({**row, "history": history_of(chosen.work_folder, row["calls"])})


def calibrate(
    file: Place | None = None, *, leaf: Leaves = (), config: Given = None, hooks: Hooks | None = None, **settings: Any
) -> dict[str, Calibration] | list[JudgeResult]:
    """`labgen calibrate`: put the judges to the test; by leaf with the leaves' own seeds, or with a file's pairs."""
    from labgen.verbs.calibrate import calibrate_leaves, calibrate_pairs, read_labelled

    chosen = _configured(config, settings)
    if file is not None:
        return calibrate_pairs(chosen, read_labelled(Path(file)), hooks)
    return calibrate_leaves(chosen, _patterns(chosen, leaf, None), hooks)


def contaminate_list(*, config: Given = None, **settings: Any) -> tuple[Benchmark, ...]:
    """`labgen contaminate list`: the benchmarks that rows are held against."""
    from labgen.filters.contamination import index_folder, list_benchmarks

    return list_benchmarks(index_folder(_configured(config, settings)))


def report(
    to: Place | None = None,
    *,
    calls: bool | None = None,
    rows: int | None = None,
    config: Given = None,
    **settings: Any,
) -> Path:
    """`labgen report`: write the page of a build. Returns: its file."""
    from labgen.report.build import report_page
    from labgen.report.write import write_page

    chosen = _configured(config, settings)
    target = Path(to) if to else chosen.output.parent / "report.html"
    pieces = report_page(chosen.output, work=chosen.work_folder, price=chosen.price, calls=calls, most_rows=rows)
    write_page(target, pieces)
    return target


def review(*, config: Given = None, **settings: Any) -> Reviewer:
    """`labgen review`: what reads and sets marks on rows; its `mark` and `unmark` take whole ids."""
    from labgen.verbs.review import Reviewer

    return Reviewer.of(_configured(config, settings))


def status(*, config: Given = None, **settings: Any) -> RunState | None:
    """`labgen status`: how far the run in the work folder is, or how it ended; None where none has left its state."""
    from labgen.progress.status_file import read_status

    return read_status(_configured(config, settings).work_folder)


def export(
    dataset: Place | None = None,
    to: Place | None = None,
    *,
    trainer: str | None = None,
    model: str = "",
    schedule: str = "phased",
    hyper_parameters: str | None = None,
    devices: int = 1,
    config: Given = None,
    **how: Any,
) -> ExportReport:
    """`labgen export`: the dataset in the format that a training program reads.

    Args:
        trainer: what `--for` says, with `model` and the like for its runs; `lm-eval` is `export_lm_eval`.
        how: `format`, `template`, `system_prompt`, `bos`, `reasoning`, `files`, `only`, `shard_rows`, `max_row_tokens`
            and `tokenizer`, as in `labgen.verbs.export.export_dataset`.
    """
    from labgen.verbs.export import RunsWanted, export_dataset

    source = Path(dataset) if dataset else _configured(config, {}).output
    runs = RunsWanted(trainer, model, schedule, hyper_parameters, devices)
    return export_dataset(source, Path(to) if to else None, runs=runs, **how).report


def export_lm_eval(dataset: Place | None = None, to: Place | None = None, *, config: Given = None) -> dict[str, int]:
    """`labgen export --for lm-eval`: tasks of the held-out multiple choice. Returns: task to its questions (count)."""
    from labgen.export.lm_eval import write_lm_eval
    from labgen.formats.runs.known import LM_EVAL
    from labgen.verbs.export import export_folder

    source = Path(dataset) if dataset else _configured(config, {}).output
    return write_lm_eval(source, Path(to) if to else export_folder(source, LM_EVAL))


def push(
    repo_id: str,
    dataset: Place | None = None,
    *,
    public: bool = False,
    pr: bool = False,
    tag: str | None = None,
    allow: Sequence[str] = (),
    dry_run: bool = False,
    config: Given = None,
) -> PushReport:
    """`labgen push`: release the dataset on the Hub. See `labgen.push_dataset`, which it calls."""
    from labgen.publish.hub import push_dataset

    folder = Path(dataset) if dataset else _configured(config, {}).output
    return push_dataset(folder, repo_id, public=public, pr=pr, tag=tag, allow=frozenset(allow), dry_run=dry_run)


def compare(first: Place, second: Place, *, near: float | None = None) -> dict[str, Any]:
    """`labgen compare`: two datasets side by side, as plain data: folders, or names on the Hub."""
    from labgen.export.compare import compare_datasets

    return compare_datasets(str(first), str(second), near=near)


def doctor(*, config: Given = None, **settings: Any) -> Report:
    """`labgen doctor`: look at endpoints, machine and configuration."""
    from labgen.verbs.doctor import examine

    return examine(_configured(config, settings))


def evaluate(
    dataset: Place | None = None,
    *,
    base_url: str,
    model: str,
    against: str | None = None,
    against_base_url: str | None = None,
    config: Given = None,
    hooks: Hooks | None = None,
    **settings: Any,
) -> Evaluation:
    """`labgen evaluate`: ask a student what a dataset holds out; with `against`, another one beside it."""
    from labgen.verbs.evaluate import Student
    from labgen.verbs.evaluate import evaluate as examine_students

    chosen = _configured(config, settings)
    students = [Student(model, base_url)]
    if against:
        students.insert(0, Student(against, against_base_url or base_url))
    return examine_students(chosen, Path(dataset) if dataset else chosen.output, students, hooks=hooks)


def ledger(*, config: Given = None, **settings: Any) -> list[LeafTotals]:
    """`labgen ledger`: what was paid for, by leaf and step."""
    from labgen.ledger.verify import shares

    return shares(_configured(config, settings).work_folder)


def ledger_verify(*, config: Given = None, **settings: Any) -> Health:
    """`labgen ledger verify`: read the whole ledger, and say what of it is sound."""
    from labgen.ledger.verify import verify

    return verify(_configured(config, settings).work_folder)


def ledger_export(target: Place, *, leaf: Leaves = (), config: Given = None, **settings: Any) -> int:
    """`labgen ledger export`: write the paid calls to a file. Returns: how many."""
    from labgen.ledger.export_import import export_ledger
    from labgen.taxonomy.path_patterns import match_path

    patterns = _tuple(leaf)

    def wanted(path: str) -> bool:
        return not patterns or any(match_path(path, pattern) for pattern in patterns)

    return export_ledger(_configured(config, settings).work_folder, Path(target), wanted=wanted)


def ledger_import(source: Place, *, config: Given = None, **settings: Any) -> Imported:
    """`labgen ledger import`: add the paid calls of an export."""
    from labgen.ledger.export_import import import_ledger
    from labgen.ledger.run_lock import run_lock

    folder = _configured(config, settings).work_folder
    with run_lock(folder):
        return import_ledger(folder, Path(source))


def teacher(*, host: str = "127.0.0.1", port: int = 0, delay_sec: float = 0.0) -> RehearsalServer:
    """`labgen teacher`: the rehearsal teacher as a server, for as long as a `with` block lasts; see its `base_url`."""
    from labgen.teacher.rehearsal.server import RehearsalServer

    return RehearsalServer(host, port, delay_sec=delay_sec)


class ShownRow(dict[str, Any]):
    """A row as `show` gives it: its columns, `calls`, and `history`. Short to look at."""

    def __repr__(self) -> str:
        state = f"{self['state']}: {self['reason']}" if self.get("state") else "accepted"
        return f"ShownRow({self['id']!r}, {self['leaf']!r}, {state!r})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table, html_texts

        texts = [(message["role"], message["content"]) for message in self["messages"]]
        texts += [("raw text", self["raw"])] if self.get("raw") else []
        verdicts = [(each["filter"], float(each["value"]), each["reason"]) for each in self["verdicts"]]
        calls = [(call["step"], call["model"], call["finish_reason"], call["reply"][:200]) for call in self["history"]]
        return (
            html_texts(repr(self), texts)
            + html_table("verdicts", ("filter", "value", "reason"), verdicts)
            + html_table("calls", ("step", "model", "ended", "reply"), calls)
        )


def _configured(config: Given, settings: dict[str, Any]) -> Config:
    """The configuration with options laid over it. Raises: UsageError: an option that there is not."""
    from labgen.cli.file_options import SETTING_OF
    from labgen.config.file import load_config
    from labgen.config.whole import Config

    if unknown := sorted(settings.keys() - SETTING_OF.keys()):
        raise UsageError(
            f"there is no option `{unknown[0]}`. Beside its own, a verb takes {', '.join(SETTING_OF)}; "
            "`labgen.load_config(overrides=...)` takes every setting."
        )
    overrides = {SETTING_OF[name]: value for name, value in settings.items() if value is not None}
    if isinstance(config, Config):
        if overrides:
            raise UsageError(
                f"`{next(iter(settings))}` can't be laid over a Config that is made already: give it to "
                "`labgen.load_config(overrides=...)`."
            )
        return config
    return load_config(config, overrides)


def _tuple(leaf: Leaves) -> tuple[str, ...]:
    return (leaf,) if isinstance(leaf, str) else tuple(leaf)


def _patterns(config: Config, leaf: Leaves, base: str | None) -> tuple[str, ...]:
    """The leaves that are meant. Raises: UsageError: `base` is given, and nothing of them has changed since."""
    patterns = _tuple(leaf)
    if base is None:
        return patterns
    from labgen.taxonomy.changes import changed_leaves

    chosen = changed_leaves(config.taxonomy, base).patterns(patterns)
    if not chosen:
        raise UsageError(f"no leaf has changed since {base}.")
    return chosen
