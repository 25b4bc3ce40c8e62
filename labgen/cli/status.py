"""`labgen status`: how far the run in a work folder is, from another terminal."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option, work_option

if TYPE_CHECKING:
    from labgen.progress.run_state import RunState
    from labgen.progress.status_file import Freshness

LOOK_SEC = 1.0


@click.command("status")
@config_option
@work_option
@option("--watch/--no-watch", default=False, help="Follow the run until it ends.")
@option("--json/--no-json", "as_json", default=False, help="Print as JSON; with --watch a line for each state.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Say how far the run in the work folder is: what it shows itself, from another terminal.

    It reads what the run writes there about every second, and asks nothing. It says where that is old: the run was
    killed, is held, or its machine was asleep. Ends with status 0 where a run goes on or has done all it was to, 1
    where there is none or it left work undone.
    """
    folder = config_from(options).work_folder
    state, fresh = _look(folder)
    if state is None:
        click.echo(f"{folder}: no run has left its state here. `labgen generate` writes it while it runs.", err=True)
        ctx.exit(1)
    if options["watch"]:
        state, fresh = _follow(folder, state, fresh, as_json=options["as_json"])
    if options["as_json"] and not options["watch"]:
        click.echo(json.dumps(_data(state, fresh), ensure_ascii=False, indent=2))
    elif not options["as_json"]:
        _print(state, fresh)
    ctx.exit(0 if fresh.alive or state.ended == ALL_DONE else 1)


ALL_DONE = "all is done"


def _look(folder: Path) -> tuple[RunState | None, Freshness]:
    from labgen.progress.status_file import Freshness, freshness, read_status

    state = read_status(folder)
    return state, freshness(state) if state else Freshness(False)


def _data(state: RunState, fresh: Freshness) -> dict[str, Any]:
    return asdict(state) | {"running": fresh.alive, "note": fresh.words}


def _print(state: RunState, fresh: Freshness) -> None:
    from rich.console import Console

    from labgen.cli.run_display import RunDisplay

    console = Console(markup=False, highlight=False, emoji=False)
    console.print(RunDisplay(state, fresh.words))


def _follow(folder: Path, state: RunState, fresh: Freshness, *, as_json: bool) -> tuple[RunState, Freshness]:
    """Show state after state until the run has ended; gives the last."""
    from rich.console import Console
    from rich.live import Live

    from labgen.cli.run_display import RunDisplay

    console = Console(markup=False, highlight=False, emoji=False)
    live = Live(console=console, auto_refresh=False, transient=True)
    shown = 0.0
    if not as_json and console.is_terminal:
        live.start()
    try:
        while True:
            if as_json and state.updated != shown:
                click.echo(json.dumps(_data(state, fresh), ensure_ascii=False))
            elif console.is_terminal and not as_json:
                live.update(RunDisplay(state, fresh.words), refresh=True)
            shown = state.updated
            if not fresh.alive:
                return state, fresh
            time.sleep(LOOK_SEC)
            found, fresh = _look(folder)
            state = found or state
    finally:
        live.stop()
