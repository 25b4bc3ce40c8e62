"""`labgen preview`: a handful of rows, before anybody pays for all of them or merges a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import base_option, config_from, leaf_completion, model_options, place_options, work_option

if TYPE_CHECKING:
    from labgen.config.whole import Config
    from labgen.verbs.preview import Preview


@click.command("preview")
@click.argument("leaves", nargs=-1, metavar="[LEAF]...", shell_complete=leaf_completion)
@place_options
@work_option
@base_option
@model_options
@option("--rows", type=click.IntRange(min=1, max=100), default=5, help="Rows per leaf. Default: 5.")
@option("--max-leaves", type=click.IntRange(min=1), default=20, help="Leaves to draw from at most. Default: 20.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "html"]),
    default="text",
    help="Text for a terminal, a Markdown page for a pull request, or the page of `labgen report`.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Draw a handful of rows from leaves and show them with verdicts, reasons and the price of the rest.

    LEAF is a leaf's path or a pattern, such as `knowledge/**`. Without one, the leaves that changed since --base are
    taken (see `labgen diff`), and their rows are compared with those of the base. What the ledger holds costs
    nothing, and what is paid for here costs a build nothing. The dataset folder is not touched. Ends with status 1
    where a leaf can't be drawn from, or lies where nobody reads it.
    """
    from labgen.cli.check import check_options
    from labgen.cli.progress import ProgressDisplay
    from labgen.taxonomy.changes import changed_leaves
    from labgen.verbs.preview import Preview, preview_leaves
    from labgen.verbs.session import Hooks

    config = config_from(options)
    named = [_leaf_of(word, config.taxonomy) for word in options["leaves"]]
    changes = changed_leaves(config.taxonomy, options["base"]) if options["base"] or not named else None
    patterns = changes.patterns(named) if changes else tuple(named)
    line = ProgressDisplay("none")
    if changes and not patterns:
        _show(Preview((), changes=changes), options["form"], config)
        ctx.exit(1 if changes.misplaced else 0)
    try:
        preview = preview_leaves(
            config,
            patterns,
            changes=changes,
            rows=options["rows"],
            max_leaves=options["max_leaves"],
            check=check_options(config),
            hooks=Hooks(notice=line.say),
        )
    finally:
        line.close()
    _show(preview, options["form"], config)
    misplaced = changes is not None and bool(changes.misplaced)
    ctx.exit(1 if misplaced or any(leaf.left_out for leaf in preview.leaves) else 0)


def _show(preview: Preview, form: str, config: Config) -> None:
    if form == "html":
        from labgen.cli.preview_html import preview_html

        for piece in preview_html(preview, config.work_folder):
            click.echo(piece, nl=False)
        return
    from labgen.cli import preview_page

    render = preview_page.preview_markdown if form == "markdown" else preview_page.preview_text
    click.echo(render(preview))


def _leaf_of(word: str, taxonomy: Path) -> str:
    """A leaf's pattern, from a pattern or from a path as the shell completes it."""
    from labgen.taxonomy.changes import exact_pattern
    from labgen.taxonomy.path_patterns import LEAF_FILE

    path = Path(word)
    if not path.exists() or not path.resolve().is_relative_to(taxonomy.resolve()):
        return word
    inside = path.resolve().relative_to(taxonomy.resolve()).as_posix()
    return exact_pattern(inside.removesuffix(LEAF_FILE).rstrip("/")) if inside != "." else "**"
