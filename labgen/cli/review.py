"""`labgen review`: look at a dataset and mark its rows, in a browser or from here."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, place_options, work_option

if TYPE_CHECKING:
    from labgen.config.whole import Config


@click.command("review")
@place_options
@work_option
@option("--output", type=click.Path(path_type=Path), help="Folder of the dataset.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page. Default: any that is free.")
@click.option("--open/--no-open", "browser", default=True, help="Open the page in a browser. Default: yes.")
@click.option(
    "--mark",
    nargs=2,
    metavar="ID VERDICT",
    help="Without a browser: mark a row as good, bad, edited or note. The id may be shortened.",
)
@click.option("--reason", help="With --mark: why the row is bad.")
@click.option("--note", help="With --mark: anything else.")
@click.option("--instruction", help="With --mark ID edited: the instruction to use instead.")
@click.option("--response", help="With --mark ID edited: the response to use instead.")
@click.option("--unmark", metavar="ID", help="Without a browser: take the mark on a row away.")
@click.option("--list", is_flag=True, help="Print the marks, and how far the filters agree with them.")
@click.option("--prune", is_flag=True, help="Take away marks on rows that the dataset does not have any more.")
@click.option("--json/--no-json", "as_json", default=False, help="With --list: as JSON.")
def command(**options: Any) -> None:
    """Look at every row and rejection of a dataset, and mark them: good, bad, edited, or with a note.

    Serves the page of `labgen report` to a browser on this machine, with marks that can be set. They are kept in
    `marks.yaml` in the taxonomy's root: commit it, so that a pull request carries them. The next `labgen generate`
    obeys: a row that is marked bad is replaced by another, an edited one is used as it was written, with its editor
    named, and marks tell how far filters and judges agree with people.
    """
    asked = [name for name in ("mark", "unmark", "list", "prune") if options.get(name) not in (None, False)]
    if len(asked) > 1:
        raise click.UsageError(f"--{asked[0]} and --{asked[1]} are two things: give one of them.")
    config = config_from(options)
    texts = {name: options[name] for name in ("reason", "note", "instruction", "response")}
    if options["mark"]:
        id, verdict = options["mark"]
        _mark(config, id, verdict, texts)
        return
    if given := [name for name, text in texts.items() if text is not None]:
        raise click.UsageError(f"--{given[0]} goes with --mark.")
    if options["unmark"] is not None:
        _unmark(config, options["unmark"])
    elif options["prune"]:
        _prune(config)
    elif options["list"]:
        _list(config, as_json=options["as_json"])
    else:
        _serve(config, options["port"], browser=options["browser"])


def _mark(config: Config, id: str, verdict: str, texts: dict[str, str | None]) -> None:
    from labgen.export.find import find_row
    from labgen.text.printable import plain
    from labgen.verbs.review import Reviewer

    for name, belongs in (("reason", "bad"), ("instruction", "edited"), ("response", "edited")):
        if texts[name] is not None and verdict != belongs:
            raise click.UsageError(f"--{name} goes with the verdict `{belongs}`; --note goes with every one.")
    reviewer = Reviewer.of(config)
    whole = find_row(config.output, id)["id"]
    mark = reviewer.mark(whole, {"verdict": verdict, **{name: text or "" for name, text in texts.items()}})
    by = f" by {plain(mark.by)}" if mark.by else ""
    click.echo(f"{whole} of {plain(mark.leaf)}: {mark.verdict}{by}, in {_file(config)}.")


def _unmark(config: Config, id: str) -> None:
    from labgen.errors import UsageError
    from labgen.verbs.review import Reviewer

    reviewer = Reviewer.of(config)
    found = [whole for whole in reviewer.marks().marks if whole.startswith(id.strip().lower())]
    if len(found) != 1:
        words = f"{len(found)} marks have ids that start with it" if found else "there is no mark on such a row"
        raise UsageError(f"{id}: {words}. `labgen review --list` shows all.")
    reviewer.unmark(found[0])
    click.echo(f"{found[0]}: the mark is taken away.")


def _prune(config: Config) -> None:
    from labgen.verbs.review import Reviewer

    gone = Reviewer.of(config).prune()
    click.echo(f"{len(gone)} {'mark' if len(gone) == 1 else 'marks'} taken out of {_file(config)}.")


def _list(config: Config, *, as_json: bool) -> None:
    from labgen.export.agreement import agreement_lines
    from labgen.text.columns import align_columns
    from labgen.text.printable import one_line
    from labgen.verbs.review import Reviewer
    from labgen.verbs.review_server import mark_json

    reviewer = Reviewer.of(config)
    marks, agreement = reviewer.marks().marks, reviewer.agreement()
    if as_json:
        data = {"marks": {id: mark_json(mark) for id, mark in marks.items()}, "agreement": agreement}
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    if not marks:
        click.echo(f"No row is marked; marks would stand in {_file(config)}.")
        return
    lines = [
        [id, mark.verdict.value, one_line(mark.by, 24), one_line(mark.leaf, 60), one_line(mark.reason or mark.note, 60)]
        for id, mark in marks.items()
    ]
    click.echo("\n".join(align_columns([["row", "mark", "by", "leaf", "why"], *lines], left=None)))
    click.echo("\n".join(agreement_lines(agreement)))


def _serve(config: Config, port: int, *, browser: bool) -> None:
    from labgen.verbs.review_server import serving

    with serving(config, port) as server:
        click.echo(server.address)
        click.echo(f"Marks go to {_file(config)}. The address is for you alone. Ctrl-C ends the review.", err=True)
        if browser:
            click.launch(server.address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("The review has ended.", err=True)


def _file(config: Config) -> Path:
    from labgen.taxonomy.marks import MARKS_FILE

    return config.taxonomy / MARKS_FILE
