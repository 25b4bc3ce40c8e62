"""`labgen teacher`: serve the built-in rehearsal teacher, or a model from a file, over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from labgen.cli import option
from labgen.cli.settings import config_option
from labgen.config.file import SettingsFile
from labgen.errors import UsageError


@click.command("teacher")
@config_option
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="Port; 0 takes a free one.")
@option(
    "--delay-sec",
    type=click.FloatRange(0.0, 3600.0),
    default=0.0,
    show_default=True,
    help="Wait before each reply of the rehearsal teacher, to try out progress, interruption and resuming.",
)
@option("--gguf", type=click.Path(path_type=Path), help="Serve this model with llama.cpp instead; extra `local`.")
@option("--slots", type=click.IntRange(1, 1024), help="With --gguf: calls that it works on at a time.")
@option("--context-tokens", type=click.IntRange(min=1), help="With --gguf: context of each slot.")
@option("--threads", type=click.IntRange(1, 1024), help="With --gguf: threads that compute.")
def command(
    config: SettingsFile | None,
    host: str,
    port: int,
    delay_sec: float,
    gguf: Path | None,
    slots: int | None,
    context_tokens: int | None,
    threads: int | None,
) -> None:
    """Serve a teacher over HTTP until Ctrl-C: the built-in rehearsal teacher, or with --gguf a real model.

    The rehearsal teacher speaks the API of OpenAI's chat completions, completions and batches, needs no key and no
    download, and its one model is `labgen-rehearsal`. It copies and recombines what prompts hold: enough to see that a
    taxonomy passes every stage, never anything to train on. With --gguf, llama.cpp serves a model file over the same
    API; slots, context and threads are chosen for this machine and the model. The base URL is printed on standard
    output.
    """
    if gguf is not None:
        if delay_sec:
            raise UsageError("--delay-sec is for the rehearsal teacher: leave it out with --gguf.")
        _serve_model(gguf, host, port, slots=slots, context_tokens=context_tokens, threads=threads)
        return
    for name, value in (("--slots", slots), ("--context-tokens", context_tokens), ("--threads", threads)):
        if value is not None:
            raise UsageError(f"{name} goes with --gguf FILE: the rehearsal teacher answers whatever it is asked.")
    from labgen.teacher.rehearsal.server import serve

    serve(host, port, delay_sec=delay_sec, announce=_announce, tasks=_tasks_of_packages(config))


def _serve_model(
    path: Path, host: str, port: int, *, slots: int | None, context_tokens: int | None, threads: int | None
) -> None:
    """Serve a GGUF file. Raises: UsageError, ConfigError: what is wrong with it, or lacks."""
    from labgen.teacher.local.gguf_header import read_gguf
    from labgen.teacher.local.machine import this_machine
    from labgen.teacher.local.server import check_installed, serve_gguf
    from labgen.teacher.local.sizing import choose_serving
    from labgen.text.printable import plain

    model = read_gguf(path)
    serving = choose_serving(model, this_machine(), slots=slots, context_tokens=context_tokens, threads=threads)
    check_installed()
    click.echo(
        plain(
            f"labgen: loading {model.name} ({model.file_bytes / 1e9:.1f} GB): {serving.slots} slots of "
            f"{serving.context_tokens} tokens, {serving.threads} thread{'s' if serving.threads > 1 else ''}."
        ),
        err=True,
    )

    def announce(base_url: str) -> None:
        click.echo(base_url)
        click.echo(plain(f"labgen: {model.name} listens. {_then(base_url, model.name)}"), err=True)

    serve_gguf(path, model, serving, host, port, announce=announce)


def _tasks_of_packages(config: SettingsFile | None) -> dict[str, str]:
    """What the teacher has to know of prompts that other packages bring; loads nothing where there are none."""
    from labgen.packages import entries_of

    if not any(entries_of(group) for group in ("labgen.flows", "labgen.filters")):
        return {}
    from labgen.config.file import make_config
    from labgen.filters.available import filters_for
    from labgen.flows.known import known_flows
    from labgen.flows.prompts import prompts_of, rehearsed_tasks
    from labgen.formats.prompts import PromptSet

    settings = make_config(config)
    prompts = prompts_of(known_flows(), filters_for(settings, None))
    return rehearsed_tasks(PromptSet(settings.prompts, prompts), prompts)


def _announce(base_url: str) -> None:
    click.echo(base_url)
    click.echo(f"labgen: the rehearsal teacher listens. {_then(base_url, 'labgen-rehearsal')}", err=True)


def _then(base_url: str, model: str) -> str:
    return f"In another terminal: labgen generate --base-url {base_url} --model {model}"
