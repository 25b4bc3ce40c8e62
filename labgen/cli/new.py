"""`labgen new`: a new leaf, asked for on a terminal or given by options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.new_documents import fetch_texts, read_document
from labgen.cli.settings import config_from, place_options, work_option
from labgen.errors import LabgenError, UsageError
from labgen.records import DocumentSource
from labgen.taxonomy.scaffold import GAP, NO_COMMIT
from labgen.text.printable import plain

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from labgen.cli.new_questions import Answers
    from labgen.config.whole import Config
    from labgen.records import SeedExample
    from labgen.taxonomy.scaffold import Draft

LEAST_EXAMPLES = 5
BRANCH_WORDS = {
    "knowledge": "facts, from a document",
    "foundational_skills": "what others rest on: reasoning, arithmetic, code, reading",
    "compositional_skills": "a task that combines abilities: writing, extracting, rewriting",
}


def _folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from labgen.cli.completion import folders

    return folders(ctx, param, incomplete)


@click.command("new")
@click.argument("path", required=False, shell_complete=_folders)
@place_options
@work_option
@option("--created-by", help="Who writes the leaf. Default: git's user.name.")
@option("--task", help="What the skill is, or what the knowledge is about (its domain).")
@option("--outline", help="Knowledge: what the documents cover, in a sentence or two.")
@option("--with-context/--without-context", default=None, help="Skills: whether each example is about a text.")
@option(
    "--examples",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your examples: a list in YAML or JSON, or CSV, with `question`, `answer` and, where there is one, `context`.",
)
@option(
    "--document",
    "documents",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Knowledge: a document to lie beside the leaf. Repeatable.",
)
@option("--repo", help="Knowledge: address of the git repository that holds the documents.")
@option("--commit", help="Its commit, as a hash.")
@option("--pattern", "patterns", multiple=True, help="Which of its files, such as `docs/*.md`. Repeatable.")
@option("--title", help="Title of the work that the leaf is made from, for attribution.txt.")
@option("--link", help="Where that work is found.")
@option("--licence", help="Its licence, as an SPDX identifier such as CC-BY-4.0.")
@option("--creators", help="Who made it.")
@option("--ask/--no-ask", default=None, help="Ask for what is missing. Default: on a terminal.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Write a new leaf at PATH, such as knowledge/science/tides.

    What options don't say is asked for on a terminal; without one, the leaf shows model examples to be replaced.
    A knowledge leaf with documents gets passages from them, with drafted questions to be rewritten.
    """
    from labgen.cli.new_questions import Answers, ask_missing
    from labgen.taxonomy.scaffold import place_for

    config = config_from(options)
    root = _root(config)
    ask = sys.stdin.isatty() if options["ask"] is None else options["ask"]
    if not ask and not options["path"]:
        raise click.UsageError("name the leaf's path, such as knowledge/science/tides.", ctx)
    if not ask:
        draft = _draft(config, root, place_for(root, options["path"]), options)
        ctx.exit(_write(config, root, draft))
    answers = Answers(config.work_folder / "new.json")
    try:
        path = _ask_path(root, options["path"], answers)
        ask_missing(path, options, answers, _looker(config, path))
        status = _write(config, root, _draft(config, root, path, options))
    except (LabgenError, click.Abort):
        if answers.given:
            click.echo("\nYour answers are kept: `labgen new` goes on with them.", err=True)
        raise
    answers.done()
    ctx.exit(status)


def new_leaf(config: Config, path: str, options: dict[str, Any]) -> list[Path]:
    """Write a leaf from options alone, without a dialogue. Returns: its files. Raises: UsageError: what misfits."""
    from labgen.taxonomy.scaffold import place_for, write_draft

    root = _root(config)
    return list(write_draft(root, _draft(config, root, place_for(root, path), options)))


def _write(config: Config, root: Path, draft: Draft) -> int:
    from labgen.taxonomy.scaffold import write_draft

    for file in write_draft(root, draft):
        click.echo(f"Wrote {plain(str(file))}")
    return _report(config, root, draft)


def _looker(config: Config, path: str) -> Callable[..., str]:
    """What looks at a document, or by keywords at a repository, as soon as it is named."""
    from labgen.cli.new_documents import look_at_file, look_at_repository
    from labgen.records import DocumentSource

    def look(file: Path | None = None, **source: Any) -> str:
        if file is not None:
            return look_at_file(config, file)
        return look_at_repository(config, path, DocumentSource(**source))

    return look


def _root(config: Config) -> Path:
    from labgen.records import BRANCHES

    if not config.taxonomy.exists() and any(Path(branch).is_dir() for branch in BRANCHES):
        return Path()
    return config.taxonomy


def _ask_path(root: Path, typed: str | None, answers: Answers) -> str:
    """The new leaf's path, as typed or asked for until it is one."""
    from labgen.taxonomy.scaffold import place_for

    path = place_for(root, typed) if typed else ""
    answers.resume(path)
    path = path or (place_for(root, answers.path) if answers.path else "")
    branch = ""
    while not path:
        if not branch:
            for name, words in BRANCH_WORDS.items():
                click.echo(f"  {name}: {words}", err=True)
            branch = click.prompt("Which branch", type=click.Choice(list(BRANCH_WORDS)), err=True)
        subject = click.prompt("Folders below it, from the general to the particular (science/oceans/tides)", err=True)
        try:
            path = place_for(root, f"{branch}/{subject}")
        except UsageError as error:
            click.echo(plain(str(error)), err=True)
    click.echo(f"The leaf: {plain((root / path).as_posix())}", err=True)
    answers.begin(path)
    return path


def _draft(config: Config, root: Path, path: str, options: dict[str, Any]) -> Draft:
    from labgen.git.history import author_name
    from labgen.taxonomy.draft import fill_gaps
    from labgen.taxonomy.scaffold import load_model

    knowledge = path.startswith("knowledge/")
    _refuse_misfits(knowledge, options)
    grounded = options["with_context"]
    examples = _read_examples(options["examples"], knowledge) if options["examples"] else _typed_examples(options)
    if grounded is None:
        grounded = bool(examples) and all(example.context for example in examples)
    draft = load_model(path, grounded=grounded and not knowledge)
    draft = replace(draft, created_by=options["created_by"] or author_name() or "somebody")
    if options["task"] or options.get("asked"):
        about = replace(draft.attribution, title=path.rsplit("/", 1)[-1].replace("_", " "), licence="")
        task = options["task"] or f"{GAP} what is asked for, and what makes a good answer"
        draft = replace(draft, task=task, outline=options["outline"] or "", attribution=about)
    if knowledge and (options["documents"] or options["repo"]):
        draft = _with_documents(config, root, draft, options, draft_questions=not examples)
    elif knowledge and options.get("place"):
        gap = DocumentSource(".", NO_COMMIT, (f"{GAP} the name of a document in this folder",))
        draft = replace(draft, document=gap, files={}, examples=fill_gaps((), knowledge=True), stand_in="")
    elif knowledge and options["task"]:
        raise UsageError(
            "a knowledge leaf needs a document: --document FILE, or --repo ADDRESS --commit HASH --pattern PATTERN. "
            "Without --task, a model leaf with a document is written, to be replaced."
        )
    if examples or "typed" in options:
        filled = fill_gaps(examples, knowledge=knowledge, grounded=bool(grounded))
        draft = replace(draft, examples=filled, stand_in="")
    said = {name: options[name] for name in ("title", "link", "licence", "creators") if options[name]}
    return replace(draft, attribution=replace(draft.attribution, **said))


def _typed_examples(options: dict[str, Any]) -> tuple[SeedExample, ...]:
    """The examples that were typed in the dialogue, with gaps where something was left open."""
    from labgen.records import Pair, SeedExample

    examples = []
    for index, typed in enumerate(options.get("typed", ())):
        context = typed["context"] or (f"{GAP} the text" if options["with_context"] else None)
        question = typed["question"] or f"{GAP} a question on it"
        examples.append(SeedExample(index, context, (Pair(question, typed["answer"] or f"{GAP} its answer"),)))
    return tuple(examples)


def _refuse_misfits(knowledge: bool, options: dict[str, Any]) -> None:
    if not knowledge and any(options[name] for name in ("documents", "repo", "outline", "patterns", "commit")):
        raise UsageError("--document, --repo, --commit, --pattern and --outline are for leaves beneath knowledge/.")
    if knowledge and options["with_context"] is False:
        raise UsageError("the examples of a knowledge leaf are about passages; --without-context is for skills.")
    if options["documents"] and options["repo"]:
        raise UsageError("a leaf has its documents beside it or in a repository: --document or --repo, not both.")
    if options["repo"] and not options["commit"]:
        raise UsageError(
            f"name the commit with --commit; `git ls-remote {plain(options['repo'])} HEAD` says the newest."
        )


def _read_examples(file: Path, knowledge: bool) -> tuple[SeedExample, ...]:
    from labgen.taxonomy.scaffold import examples_of, split_pairs

    examples = examples_of(_read_list(file), str(file))
    if not knowledge:
        examples = split_pairs(examples)
    if len(examples) < LEAST_EXAMPLES:
        raise UsageError(f"{file}: holds {len(examples)} examples, and a leaf has at least {LEAST_EXAMPLES}.")
    short = [example.index + 1 for example in examples if knowledge and (len(example.pairs) < 3 or not example.context)]
    if short:
        raise UsageError(
            f"{file}: example {short[0]} of a knowledge leaf needs a `context` and three questions on it; rows with "
            "the same context are put together."
        )
    return examples


def _read_list(file: Path) -> Any:
    import csv

    from labgen.text.yaml_data import YamlError, read_yaml

    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".csv":
            return list(csv.DictReader(text.splitlines(keepends=True)))
        data = read_yaml(text).data
    except YamlError as error:
        raise UsageError(f"{file}:{error.line}:{error.column}: {error.problem}.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: can't be read ({' '.join(str(error).split())}).") from None
    return data.get("seed_examples", data) if isinstance(data, dict) else data


def _with_documents(
    config: Config, root: Path, draft: Draft, options: dict[str, Any], *, draft_questions: bool
) -> Draft:
    """The draft with its documents, and with passages from them where the author gave no examples."""
    from labgen.taxonomy.changes import exact_pattern
    from labgen.taxonomy.draft import draft_examples

    files: dict[str, bytes] = {}
    if options["repo"]:
        source = DocumentSource(options["repo"], options["commit"], tuple(options["patterns"]) or ("**/*.md",))
        commit, texts = fetch_texts(config, draft.path, source)
        source, link = replace(source, commit=commit), options["repo"]
    else:
        files, texts = _read_documents(config, root / draft.path, options["documents"])
        names = tuple(exact_pattern(file.name) for file in options["documents"])
        source, link = DocumentSource(".", NO_COMMIT, names), options["documents"][0].name
    title = options["task"] or draft.path.rsplit("/", 1)[-1].replace("_", " ").capitalize()
    # Nobody but its author can say under which licence a text is.
    about = replace(draft.attribution, title=title, link=link, licence="")
    examples, stand_in = (draft_examples(texts), "drafted") if draft_questions else (draft.examples, "")
    return replace(
        draft,
        task=title,
        outline=options["outline"] or "",
        document=source,
        files=files,
        attribution=about,
        examples=examples,
        stand_in=stand_in,
    )


def _read_documents(config: Config, folder: Path, files: tuple[Path, ...]) -> tuple[dict[str, bytes], list[str]]:
    """The documents to lie beside a leaf, by name (without those that do already), and their texts."""
    found, texts = {}, []
    for file in files:
        data, text = read_document(config, file)
        texts.append(text)
        there = folder / file.name
        if not (there.exists() and there.samefile(file)):
            found[file.name] = data
    return found, texts


def _report(config: Config, root: Path, draft: Draft) -> int:
    """Check the new leaf and say what comes next."""
    from labgen.cli.check import check_options
    from labgen.records import Severity
    from labgen.taxonomy.check import check_files
    from labgen.taxonomy.report import render_text

    file = root / draft.path / "qna.yaml"
    result = check_files(root, [file], check_options(config))
    for line in render_text(result):
        click.echo(line)
    click.echo("")
    if draft.stand_in == "model":
        click.echo("Its texts are a model of another subject: replace them before you build anything from it.")
    elif draft.stand_in == "drafted":
        click.echo("Its questions were drafted by rule: rewrite them before you build anything from it.")
    if result.count(Severity.WARNING) and any(found.code == "LG323" for found in result.violations):
        click.echo(f"What is yet to be written is named above (LG323); gaps are marked `{GAP}` in the file.")
    if not draft.attribution.licence:
        click.echo("Name the licence in attribution.txt.")
    click.echo(
        f"Edit {plain(str(file))}, then:\n  labgen check {plain(str(file))}\n  labgen preview {plain(draft.path)}"
    )
    return 1 if result.count(Severity.ERROR) else 0
