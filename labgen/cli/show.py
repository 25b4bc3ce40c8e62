"""`labgen show`: one row or one rejection with everything that led to it, or all of them to look through."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, source_options
from labgen.errors import ConfigError
from labgen.text.printable import indented, one_line, plain

if TYPE_CHECKING:
    from labgen.config.whole import Config
    from labgen.export.row_list import ListedRow, RowFilter


@click.command("show")
@click.argument("row_id", metavar="[ID]", required=False)
@source_options
@option("--output", type=click.Path(), help="Folder of the dataset.")
@click.option("--state", "states", multiple=True, help="Only rows of this state, such as `duplicate`. Repeatable.")
@click.option("--reason", default="", help="Only rejections with these words in their reason.")
@click.option("--text", default="", help="Only rows with these words in question, answer or ID.")
@click.option(
    "--score", "scores", multiple=True, metavar="FILTER>=VALUE", help="Only rows whose verdict is so. Repeatable."
)
@option("--browse/--no-browse", default=None, help="Look through them on the terminal. Default: where there is one.")
@option("--json/--no-json", "as_json", default=False, help="Print it as JSON, a line for each row without ID.")
def command(row_id: str | None, as_json: bool, browse: bool | None, **options: Any) -> None:
    """Show one row or one rejection with its history: prompts, replies, verdicts. Without ID, all to look through.

    ID may be shortened. The history comes from the ledger in the work folder; a dataset without its ledger shows the
    row alone. Looking through rows on a terminal needs `pip install 'labgen[browse]'`; elsewhere they are listed, a
    line for each.
    """
    from labgen.export.find import find_row

    config = config_from(options)
    if row_id is None:
        _show_many(config, _wanted(options), as_json=as_json, browse=browse)
        return
    if any(options[name] for name in ("states", "reason", "text", "scores")):
        raise click.UsageError("--state, --reason, --text and --score choose among rows: leave out ID, or these.")
    row = find_row(config.output, row_id)
    history = history_of(config.work_folder, row["calls"])
    if as_json:
        click.echo(json.dumps({**row, "history": history}, ensure_ascii=False, indent=2))
    else:
        click.echo(words_of(row, history))


def _wanted(options: dict[str, Any]) -> RowFilter:
    """Which rows the options name. Raises: UsageError: there is no such state, or no such condition."""
    from labgen.errors import UsageError
    from labgen.export.row_list import STATES, RowFilter, ScoreBound

    for state in options["states"]:
        if state not in STATES:
            raise UsageError(f"there is no state `{state}`. There are: {', '.join(STATES)}.")
    scores = tuple(ScoreBound.parse(text) for text in options["scores"])
    return RowFilter(options["leaf_patterns"], options["states"], options["reason"], options["text"], scores)


def _show_many(config: Config, wanted: RowFilter, *, as_json: bool, browse: bool | None) -> None:
    from dataclasses import asdict

    from labgen.export.row_list import RowFilter, list_rows

    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not as_json and (browse or (browse is None and terminal and _browser_is_there())):
        _browse(config, list(list_rows(config.output, RowFilter())), wanted)
        return
    count = 0
    for count, row in enumerate(list_rows(config.output, wanted), start=1):  # noqa: B007 - counted for below
        if as_json:
            click.echo(json.dumps(asdict(row), ensure_ascii=False))
        else:
            click.echo(plain(f"{row.id}  {row.state:<12} {row.leaf}  {one_line(row.question, 120)}"))
    if not as_json:
        click.echo(f"{count:,} rows. `labgen show ID` shows one whole.", err=True)


def _browser_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("textual") is not None


def _browse(config: Config, rows: Sequence[ListedRow], wanted: RowFilter) -> None:
    """Look through rows; says at the end how to show the last one again. Raises: ConfigError: the extra is missing."""
    from labgen.export.find import find_row

    try:
        from labgen.cli.browse import RowBrowser
    except ModuleNotFoundError as error:
        raise ConfigError(f"looking through rows needs {error.name}: pip install 'labgen[browse]'.") from None

    def detail(listed: ListedRow) -> str:
        row = find_row(config.output, listed.id)
        return words_of(row, history_of(config.work_folder, row["calls"]))

    last = RowBrowser(rows, wanted, detail).run()
    if last is not None:
        click.echo(f"labgen show {last.id}")


def history_of(work: Any, calls: list[str]) -> list[dict[str, Any]]:
    """The calls of a row, in order, as the ledger keeps them."""
    from labgen.ledger.replies import Ledger

    ledger = Ledger(work, read_only=True)
    try:
        return [
            {
                "key": entry.key.hex(),
                "step": entry.step,
                **json.loads(entry.call),
                "address": entry.reply.served.address,
                "served_model": entry.reply.served.model,
                "reply": entry.reply.text,
                "finish_reason": entry.reply.finish_reason,
                "failure": entry.reply.failure,
            }
            for entry in ledger.entries(bytes.fromhex(key) for key in calls)
        ]
    finally:
        ledger.close()


def words_of(row: dict[str, Any], history: list[dict[str, Any]]) -> str:
    """The row and its history as text for a terminal."""
    state = row.get("state")
    lines = [f"{row['id']}  {plain(row['leaf'])}  " + (f"{state}: {plain(row['reason'])}" if state else "accepted")]
    if row["slot"] is not None:
        kind = f", kind `{row['kind']}`" if row.get("kind") else ""
        lines.append(f"slot {row['slot']}, position {row['position']}, seed examples {row['seed_examples']}{kind}")
    served = row.get("served_model") or row["teacher"]  # datasets of earlier versions lack it
    named = plain(row["teacher"]) + (f" ({plain(served)} in its own replies)" if served != row["teacher"] else "")
    lines.append(f"teacher {named}" + ("  (REHEARSAL)" if row["rehearsal"] else ""))
    source = row["source"]
    if source:
        span = f"characters {source['start']} to {source['end']}"
        lines.append(plain(f"source {source['repo']} {source['commit']} {source['file']}, {span}"))
    if row.get("edited_by"):
        lines.append(plain(f"edited by {row['edited_by']}; no judge has looked at what it says now"))
    for message in row["messages"]:
        if message["role"] == "assistant" and row.get("reasoning"):
            lines += ["", "reasoning:", indented(row["reasoning"])]
        lines += ["", f"{message['role']}:", indented(message["content"])]
    if drawn := row.get("drawn"):
        lines += ["", "drawn as user:", indented(drawn["instruction"])]
        lines += ["", "drawn as assistant:", indented(drawn["response"])]
    lines += ["", "verdicts:"]
    for verdict in row["verdicts"]:
        lines.append(plain(f"    {verdict['filter']} {verdict['value']:g} {verdict['reason']}".rstrip()))
        for evidence in verdict["evidence"]:
            place = f"{evidence['start']} to {evidence['end']}" if evidence["start"] >= 0 else "not in the passage"
            lines.append(plain(f"        {place}: {evidence['text']}"))
    if state and row["raw"]:
        lines += ["", "raw text:", indented(row["raw"])]
    lines.append("")
    if len(history) < len(row["calls"]):
        missing = len(row["calls"]) - len(history)
        lines.append(f"{missing} of its {len(row['calls'])} calls are not in this ledger (another --work, or pruned).")
    for number, call in enumerate(history, start=1):
        lines.append(
            f"call {number} of {len(history)}: {call['step']} ({call['model']}, temperature {call['temperature']}, "
            f"seed {call['seed']}, {call['key'][:12]})"
        )
        if call["address"]:
            lines.append(
                plain(f"  answered by {call['served_model'] or 'a model without a name'} at {call['address']}")
            )
        for role, content in call["messages"]:
            lines += [f"  {role}:", indented(content)]
        lines += [f"  reply ({plain(call['failure'] or call['finish_reason'])}):", indented(call["reply"]), ""]
    return "\n".join(lines).rstrip()
