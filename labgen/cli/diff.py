"""`labgen diff`: which leaves a branch changes, and how."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import base_option, config_from, place_options
from labgen.text.printable import plain

if TYPE_CHECKING:
    from labgen.taxonomy.changes import Changes, LeafChange
    from labgen.taxonomy.scan import Stray

SIGNS = {"added": "+", "modified": "~", "renamed": ">", "deleted": "-"}


@click.command("diff")
@place_options
@base_option
@option("--json/--no-json", "as_json", default=False, help="Print the changes as JSON.")
def command(**options: Any) -> int:
    """Say which leaves were added, modified, deleted or renamed, and what changed in them.

    Compared is what lies in the folder now, uncommitted and untracked work included, with the place where HEAD and
    --base parted; so what others did on the base meanwhile is not listed. Without --base: the branch that `origin`
    calls its own, else main or master. Ends with 1 where a changed leaf lies where nobody reads it.
    """
    from labgen.taxonomy.changes import changed_around, changed_leaves

    root = config_from(options).taxonomy
    changes = changed_leaves(root, options["base"])
    misplaced = [replace(stray, name=(root / stray.name).as_posix()) for stray in changes.misplaced]
    misplaced += changed_around(root, options["base"])
    if options["as_json"]:
        click.echo(json.dumps(changes_data(changes, misplaced), indent=2))
    else:
        for note in changes.notes:
            click.echo(plain(note), err=True)
        click.echo(changes_text(changes))
        for stray in misplaced:
            click.echo(f"error {stray.code} {plain(stray.name)}: {plain(stray.message)}", err=True)
    return 1 if misplaced else 0


def changes_data(changes: Changes, misplaced: Sequence[Stray]) -> dict[str, Any]:
    """The changes as plain data."""
    return {
        "base": changes.base,
        "commit": changes.commit,
        "leaves": [
            {
                "change": change.kind,
                "path": change.path,
                "old_path": change.old_path or None,
                "details": [{"kind": detail.kind, "words": detail.words} for detail in change.details],
            }
            for change in changes.leaves
        ],
        "misplaced": [{"file": stray.name, "code": stray.code, "message": stray.message} for stray in misplaced],
        "notes": list(changes.notes),
    }


def changes_text(changes: Changes) -> str:
    """The changes as lines: a leaf, what became of it, and below it what changed in it."""
    since = f"since {plain(changes.base)} ({changes.commit[:10]})" if changes.base else "so far"
    if not changes.leaves:
        return f"No leaf has changed {since}."
    lines = []
    for change in changes.leaves:
        lines.append(f"{SIGNS[change.kind]} {plain(_title(change))}")
        lines += [f"    {plain(detail.words)}" for detail in change.details]
    counts = Counter(change.kind for change in changes.leaves)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in SIGNS if counts[kind])
    return "\n".join([*lines, f"{told} {since}."])


def _title(change: LeafChange) -> str:
    was = f" (was {change.old_path})" if change.kind == "renamed" else ""
    return f"{change.kind} {change.path}{was}".replace("\n", "\\n")
