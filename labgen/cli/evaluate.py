"""`labgen evaluate`: what a model has learned, asked with what the dataset holds out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, place_options, work_option

if TYPE_CHECKING:
    from labgen.export.scores import Evaluation


@click.command("evaluate")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@place_options
@work_option
@option("--base-url", help="OpenAI-compatible API that serves the student.")
@option("--model", help="The student's name at that API. Replies are kept by it: one name a training.")
@option("--against", metavar="NAME", help="Another student, such as the untrained model, asked the same questions.")
@option("--against-base-url", metavar="URL", help="Where that one is served. Default: --base-url.")
@option("--judge-model", help="Another model that judges. Default: the build's judge.")
@option("--judge-base-url", help="Where the judge is, if not at the teacher's address.")
@option("--by-leaf/--no-by-leaf", default=False, help="A line for every leaf as well.")
@option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the scores with their intervals to an SVG file as well.",
)
@option("--json/--no-json", "as_json", default=False, help="Print scores and every answer as JSON.")
@click.pass_context
def command(ctx: click.Context, /, dataset: Path | None, **options: Any) -> None:
    """Ask a student what DATASET (default: the folder that labgen.yaml names) holds out, and judge its answers.

    The judge is the build's own: `judge`, else `teacher` of labgen.yaml. Its error, by its test on the leaves' seeds,
    stands beside the score, and the score set right by it. With --against, both students and their paired difference.
    Skills that are held out with two turns are asked as in MT-Bench, and the judge rates each answer from 1 to 10.
    The students' key is read from STUDENT_API_KEY. Ends with status 1 where questions went without a verdict.
    """
    from labgen.errors import UsageError
    from labgen.verbs.evaluate import Student, evaluate
    from labgen.verbs.session import Hooks

    if not options["base_url"] or not options["model"]:
        raise UsageError("evaluate needs --base-url and --model: where the student is served, and its name there.")
    students = [Student(options.pop("model"), options.pop("base_url"))]
    if options["against"]:
        students.insert(0, Student(options["against"], options["against_base_url"] or students[0].base_url))
    config = config_from(options)
    hooks = Hooks(notice=lambda words: click.echo(words, err=True))
    found = evaluate(config, dataset or config.output, students, hooks=hooks)
    if options["picture"]:
        _draw(found, options["picture"], by_leaf=options["by_leaf"])
    if options["as_json"]:
        from labgen.export.scores_report import scores_json

        click.echo(json.dumps(scores_json(found), ensure_ascii=False, indent=2))
    else:
        from labgen.export.scores_report import scores_lines

        click.echo(scores_lines(found, by_leaf=options["by_leaf"]))
    ctx.exit(1 if _told_problems(found) else 0)


def _draw(found: Evaluation, file: Path, *, by_leaf: bool) -> None:
    from labgen.errors import OutputError
    from labgen.export.scores_picture import scores_picture
    from labgen.text.target_file import why_not_replaced

    if problem := why_not_replaced(file, b"<svg"):
        raise OutputError(f"{file}: {problem}. Choose another --picture.")
    try:
        file.write_text(scores_picture(found, by_leaf=by_leaf), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{file}: the picture can't be written ({error.strerror}). Choose another --picture."
        ) from None


def _told_problems(found: Evaluation) -> bool:
    """Say what is missing, on stderr; whether anything is."""
    from labgen.text.printable import plain

    for leaf, why in sorted(found.left_out.items()):
        click.echo(plain(f"{leaf}: its questions were not asked ({why})."), err=True)
    for scores in found.scores:
        if scores.unanswered:
            words = f"{scores.student}: {scores.unanswered} of {len(scores.outcomes)} questions went without a verdict."
            click.echo(plain(f"{words} Run again to ask them once more; --json gives the reasons."), err=True)
    return bool(found.left_out or any(scores.unanswered for scores in found.scores))
