"""`labgen check`: what is wrong with a taxonomy's leaves, where, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import base_option, config_from, config_option, leaf_completion, work_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from labgen.config.whole import Config
    from labgen.records import Leaf, Violation
    from labgen.taxonomy.check import CheckOptions, CheckResult
    from labgen.taxonomy.content import ContentHooks
    from labgen.taxonomy.select import Selection
    from labgen.taxonomy.source import LeafSource


def _rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from labgen.cli.completion import rules

    return rules(ctx, param, incomplete)


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[PATHS]...", shell_complete=leaf_completion)
@config_option
@option("--taxonomy", type=click.Path(path_type=Path), help="Root of the taxonomy.")
@work_option
@base_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github", "json", "sarif"]),
    default="text",
    help="How to report. Default: text.",
)
@click.option("--fix", is_flag=True, help="Mend style and unquoted values in the files; texts and comments stay.")
@click.option("--upgrade", is_flag=True, help="Raise version 1 and 2 skills to version 3 where they are valid as such.")
@click.option("--compat", type=click.Choice(["instructlab"]), help="Judge as another validator does.")
@click.option(
    "--least",
    type=click.Choice(["error", "warning", "style"]),
    default="style",
    help="Report nothing milder than this. Default: style.",
)
@click.option("--strict", is_flag=True, help="End with 1 for warnings, too, as a pull request's check should.")
@click.option("--statistics", is_flag=True, help="Count the findings by rule instead of listing them.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@click.option(
    "--explain", metavar="CODE", shell_complete=_rules, help="Say what a rule is for, with a bad and a good example."
)
@click.option("--list-rules", is_flag=True, help="Print all rules as a Markdown table.")
def command(paths: tuple[str, ...], explain: str | None, list_rules: bool, **settings: Any) -> int:
    """Check leaves: files, folders, or patterns such as `knowledge/**`. Without PATHS, the whole taxonomy.

    Ends with 0 where there is no error (warnings and style do not count), 1 where there is one, 2 for wrong usage.
    Nothing is executed and nothing is fetched.
    """
    if explain is not None or list_rules:
        return _explain(explain)
    if settings["form"] != "text" and (settings["statistics"] or settings["watch"]):
        raise click.UsageError("--statistics and --watch print text; leave --format out.")
    config = config_from(settings)
    if not settings["watch"]:
        return _check(paths, config, settings)
    from labgen.cli.watch import watch

    if settings["fix"] or settings["upgrade"]:
        raise click.UsageError("--watch looks on while you edit; --fix and --upgrade would write below your editor.")
    return watch(lambda: _check(paths, config, settings), [config.taxonomy, *map(Path, paths)])


def _explain(code: str | None) -> int:
    from labgen.taxonomy.report import explain_rule, rule_table
    from labgen.taxonomy.rules import RULES
    from labgen.taxonomy.source import near

    if code is None:
        click.echo(rule_table())
        return 0
    by_name = {rule.name: rule.code for rule in RULES.values()}
    wanted = by_name.get(code.lower(), code.upper())
    if wanted not in RULES:
        meant = near(code.upper(), list(RULES)) or near(code.lower(), list(by_name))
        hint = f" Did you mean {meant}?" if meant else ""
        raise click.UsageError(f"there is no rule {code}.{hint} `labgen check --list-rules` lists them.")
    click.echo(explain_rule(wanted))
    return 0


def _check(paths: Sequence[str], config: Config, settings: dict[str, Any]) -> int:
    from labgen.records import Severity
    from labgen.taxonomy.report import check_summary, render, rule_statistics
    from labgen.taxonomy.select import select_paths

    options = check_options(config, settings["compat"] or "")
    selections = select_paths(paths, config.taxonomy)
    if settings["base"] is not None:
        selections = [_changed(selection, settings["base"]) for selection in selections]
    if settings["fix"] or settings["upgrade"]:
        _mend(selections, options, settings)
    result = _merged([(selection.root, _run(selection, options)) for selection in selections])
    result = replace(result, personas=_personas(result, config))
    order = [Severity.ERROR, Severity.WARNING, Severity.STYLE]
    least = order.index(Severity(settings["least"]))
    shown = replace(result, violations=tuple(v for v in result.violations if order.index(v.severity) <= least))
    terminal = sys.stdout.isatty()
    colour = terminal and "NO_COLOR" not in os.environ
    if settings["statistics"]:
        click.echo("\n".join([*rule_statistics(shown), check_summary(shown)]))
    else:
        for line in render(shown, settings["form"], lines=terminal, colour=colour):
            click.echo(line, color=colour)
    if not result.leaves and not settings["base"]:
        click.echo("There is no leaf yet; `labgen new` writes one.", err=True)
    return 1 if result.count(Severity.ERROR) or (settings["strict"] and result.count(Severity.WARNING)) else 0


def check_selections(paths: Sequence[str], config: Config, options: CheckOptions) -> CheckResult:
    """What is wrong with the leaves that `paths` choose, none for all, with the voices of those that can be used."""
    from labgen.taxonomy.select import select_paths

    selections = select_paths(paths, config.taxonomy)
    result = _merged([(selection.root, _run(selection, options)) for selection in selections])
    return replace(result, personas=_personas(result, config))


def check_options(config: Config, compat: str = "") -> CheckOptions:
    """How leaves are checked, with what documents, benchmarks and near-duplicates know."""
    from labgen.filters.near_duplicates import NearDuplicates, rouge_l
    from labgen.filters.rouge import reference_rouge_l
    from labgen.taxonomy.check import CheckOptions
    from labgen.taxonomy.similar import Measures

    return CheckOptions(config.check, compat, _hooks(config), Measures(NearDuplicates, rouge_l, reference_rouge_l))


def _hooks(config: Config) -> ContentHooks:
    """What documents and filters know, asked only where a leaf has a document or a benchmark is indexed."""
    from labgen.records import Document, DocumentSource
    from labgen.taxonomy.content import ContentHooks

    stores: list[Any] = []

    def document_problem(document: DocumentSource) -> str | None:
        from labgen.documents.address import address_problem
        from labgen.documents.file_patterns import pattern_problem

        if not document.beside_leaf:
            problem = address_problem(document.repo, allow_local=config.documents.allow_local_repos)
            if problem:
                return problem
        # What merely matches nothing is a warning (LG310); what would lead out of the repository is not.
        outward = [pattern for pattern in document.patterns if ".." in pattern.split("/")]
        return next(filter(None, map(pattern_problem, outward)), None)

    def store() -> Any:
        from labgen.documents.store import DocumentStore

        if not stores:
            stores.append(DocumentStore(config.work_folder / "documents", config.documents))
        return stores[0]

    def documents_missing(leaf: Leaf) -> str | None:
        problem: str | None = store().cached_problem(leaf)
        return problem

    def documents(leaf: Leaf) -> tuple[Sequence[Document], Sequence[str]]:
        found = store().at_hand(leaf)
        return found.documents, found.problems

    return ContentHooks(document_problem, documents_missing, _benchmark_lookup(config), documents)


def _benchmark_lookup(config: Config) -> Any:
    from labgen.filters.contamination import load_index

    index = load_index(config)
    if index is None:
        return None

    def benchmark_of(question: str) -> str | None:
        hit = index.hit(question)
        return hit.item if hit else None

    return benchmark_of


def _run(selection: Selection, options: CheckOptions) -> CheckResult:
    from labgen.taxonomy.check import check_files

    files = sorted(selection.files)
    return check_files(selection.root, files, options, strays=selection.strays, marks=selection.marks)


def _merged(results: Sequence[tuple[Path, CheckResult]]) -> CheckResult:
    """One result, with files named as one would type them from here."""
    from labgen.taxonomy.check import CheckResult

    violations: list[Violation] = []
    texts: dict[str, str] = {}
    leaves: list[str] = []
    read: list[Leaf] = []
    for root, result in results:
        prefix = "" if root == Path() else f"{root.as_posix()}/"
        violations += [replace(found, file=prefix + found.file) for found in result.violations]
        texts |= {prefix + name: text for name, text in result.texts.items()}
        leaves += [prefix + leaf for leaf in result.leaves]
        read += result.read
    violations.sort(key=lambda found: (found.file, found.line, found.column, found.code))
    return CheckResult(tuple(leaves), tuple(violations), texts, tuple(read))


def _personas(result: CheckResult, config: Config) -> dict[str, tuple[str, str]]:
    """The voice that answers each compositional skill, of which it depends on the kind of task."""
    from labgen.plan.leaf_plan import chosen_persona

    chosen = {leaf.path: chosen_persona(leaf, config) for leaf in result.read if leaf.branch == "compositional_skills"}
    return {path: (persona.name, persona.why) for path, persona in chosen.items()}


def _changed(selection: Selection, base: str) -> Selection:
    """The part of a selection that changed since a base, files that can't be leaves included."""
    from labgen.taxonomy.changes import changed_around, changed_leaves
    from labgen.taxonomy.marks import MARKS_FILE
    from labgen.taxonomy.select import Selection
    from labgen.taxonomy.source import leaf_path
    from labgen.text.printable import plain

    if selection.around:
        return replace(selection, strays=set(changed_around(selection.around, base)))
    changes = changed_leaves(selection.root, base)
    for note in changes.notes:
        click.echo(plain(note), err=True)
    changed = set(changes.paths)
    return Selection(
        selection.root,
        {file for file in selection.files if leaf_path(selection.root, file) in changed},
        {stray for stray in selection.strays if stray.name in changes.files},
        marks=selection.marks and MARKS_FILE in changes.files,
    )


def _mend(selections: Sequence[Selection], options: CheckOptions, settings: dict[str, Any]) -> None:
    """Write the mended leaves and say on stderr how many there were."""
    from labgen.taxonomy.fix import write_leaf
    from labgen.taxonomy.source import read_source

    fixed = upgraded = 0
    for selection in selections:
        for file in sorted(selection.files):
            source = read_source(selection.root, file)
            styled = _styled(source, options) if settings["fix"] else source
            mended = _upgraded(styled) if settings["upgrade"] else styled
            fixed += styled is not source
            upgraded += mended is not styled
            if mended is not source:
                write_leaf(file, mended.data)
    said = [f"mended the style of {_leaves(fixed)}"] if settings["fix"] else []
    said += [f"raised {_leaves(upgraded)} to version 3"] if settings["upgrade"] else []
    click.echo(f"labgen: {' and '.join(said)}.", err=True)


def _leaves(number: int) -> str:
    return "1 leaf" if number == 1 else f"{number} leaves"


def _styled(source: LeafSource, options: CheckOptions) -> LeafSource:
    from labgen.taxonomy.check import enabled
    from labgen.taxonomy.fix import fix_style

    return fix_style(source, lambda problem: enabled(problem.code, source.name, options.config))


def _upgraded(source: LeafSource) -> LeafSource:
    from labgen.taxonomy.fix import upgrade_version

    return upgrade_version(source)
