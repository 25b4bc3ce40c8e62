"""`labgen teacher`: serve the built-in rehearsal teacher over HTTP."""

from __future__ import annotations

import click

from labgen.cli import option
from labgen.cli.settings import config_option
from labgen.settings_file import SettingsFile


@click.command("teacher")
@config_option
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="Port; 0 takes a free one.")
@option(
    "--delay-sec",
    type=click.FloatRange(0.0, 3600.0),
    default=0.0,
    show_default=True,
    help="Wait before each reply, to try out progress, interruption and resuming.",
)
def command(config: SettingsFile | None, host: str, port: int, delay_sec: float) -> None:
    """Serve the built-in rehearsal teacher over HTTP until Ctrl-C.

    It speaks the API of OpenAI's chat completions and completions, needs no key and no download, and its one model is
    `labgen-rehearsal`. It copies and recombines what prompts hold: enough to see that a taxonomy passes every stage,
    never anything to train on. The base URL is printed on standard output.
    """
    from labgen.teacher.rehearsal.server import serve

    serve(host, port, delay_sec=delay_sec, announce=_announce, tasks=_tasks_of_packages(config))


def _tasks_of_packages(config: SettingsFile | None) -> dict[str, str]:
    """What the teacher has to know of prompts that other packages bring; loads nothing where there are none."""
    from importlib.metadata import entry_points

    if not any(entry_points(group=group) for group in ("labgen.flows", "labgen.filters")):
        return {}
    from labgen.filters.available import filters_for
    from labgen.flows.known import known_flows
    from labgen.flows.prompts import prompts_of, rehearsed_tasks
    from labgen.formats.prompts import PromptSet
    from labgen.settings_file import make_config

    settings = make_config(config)
    prompts = prompts_of(known_flows(), filters_for(settings, None))
    return rehearsed_tasks(PromptSet(settings.prompts, prompts), prompts)


def _announce(base_url: str) -> None:
    click.echo(base_url)
    click.echo(f"labgen: the rehearsal teacher listens. In another terminal: labgen generate --base-url {base_url} "
               "--model labgen-rehearsal", err=True)  # fmt: skip
