"""`labgen show`: one row or one rejection, with everything that led to it."""

from __future__ import annotations

import json
from typing import Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, source_options
from labgen.text.printable import indented, plain


@click.command("show")
@click.argument("row_id", metavar="ID")
@source_options
@option("--output", type=click.Path(), help="Folder of the dataset.")
@option("--json/--no-json", "as_json", default=False, help="Print it as JSON.")
def command(row_id: str, as_json: bool, **options: Any) -> None:
    """Show one row or one rejection with its history: prompts, replies, verdicts.

    ID may be shortened. The history comes from the ledger in the work folder; a dataset without its ledger shows the
    row alone.
    """
    from labgen.export.find import find_row

    config = config_from(options)
    row = find_row(config.output, row_id)
    history = history_of(config.work_folder, row["calls"])
    if as_json:
        click.echo(json.dumps({**row, "history": history}, ensure_ascii=False, indent=2))
    else:
        click.echo(words_of(row, history))


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
