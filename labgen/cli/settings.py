"""Options that several verbs share, and how they become a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from labgen.cli import end_loading, option
from labgen.cli.file_options import SETTING_OF, defaults_from
from labgen.config.file import SettingsFile, make_config, read_settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from labgen.config.whole import Config

CommandFunction = Callable[..., Any]


def config_option(command: CommandFunction) -> CommandFunction:
    """--config: the settings file, read before the other options since its `options:` are their defaults.

    The command is handed the file as it was read (None: there is none), for `config_from`. A subcommand that is given
    no file takes that of its group.
    """
    words = "Settings file. Default: labgen.yaml here."
    kind = click.Path(path_type=Path)
    return option("--config", type=kind, is_eager=True, callback=_read_file, help=words)(command)


def _read_file(ctx: click.Context, param: click.Parameter, path: Path | None) -> SettingsFile | None:
    if ctx.resilient_parsing:
        return None
    file: SettingsFile | None = ctx.parent.params.get("config") if ctx.parent else None
    # A group's own --config wins over the variable, which the group has seen as well.
    if file is None or ctx.get_parameter_source("config") is ParameterSource.COMMANDLINE:
        file = read_settings(path)
    if file:
        ctx.default_map = defaults_from(file, ctx)
    return file


def place_options(command: CommandFunction) -> CommandFunction:
    """Where things are: --config, --taxonomy."""
    for decorate in reversed(
        [
            config_option,
            option("--taxonomy", type=click.Path(path_type=Path), help="Root of the taxonomy."),
        ]
    ):
        command = decorate(command)
    return command


def work_option(command: CommandFunction) -> CommandFunction:
    """--work: where the ledger is."""
    words = "Work folder: ledger, clones, benchmarks. Default: .labgen beside labgen.yaml."
    return option("--work", type=click.Path(path_type=Path), help=words)(command)


def source_options(command: CommandFunction) -> CommandFunction:
    """What is drawn on: --config, --taxonomy, --work, --leaf."""
    for decorate in reversed(
        [
            place_options,
            work_option,
            option(
                "--leaf",
                "leaf_patterns",
                multiple=True,
                shell_complete=leaf_completion,
                help="Only leaves that match, such as `knowledge/**`. Repeatable.",
            ),
        ]
    ):
        command = decorate(command)
    return command


def build_options(command: CommandFunction) -> CommandFunction:
    """What is built and by whom: --output, --samples, and those of `model_options`."""
    for decorate in reversed(
        [
            option("--output", type=click.Path(path_type=Path), help="Folder of the dataset."),
            option("--samples", type=click.IntRange(min=0), help="Accepted rows per leaf."),
            model_options,
        ]
    ):
        command = decorate(command)
    return command


class FoldedOption(click.Option):
    """An option that many verbs share: their help leaves it to `--help-endpoint`."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Nothing, but for `--help-endpoint`."""
        return super().get_help_record(ctx) if ctx.meta.get(UNFOLDED) else None


UNFOLDED = "labgen.help_endpoint"


def _show_folded(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    ctx.meta[UNFOLDED] = True
    formatter = ctx.make_formatter()
    folded = [each for each in ctx.command.params if isinstance(each, FoldedOption)]
    with formatter.section("Options on who is asked, and how"):
        formatter.write_dl([record for each in folded if (record := each.get_help_record(ctx))])
    click.echo(formatter.getvalue().rstrip("\n"))
    ctx.exit()


def model_options(command: CommandFunction) -> CommandFunction:
    """Who is asked, and how: --seed, --prompts, --base-url, --model and, folded away in help, the others."""
    words = "Options on judge, prompt format, concurrency, attempts and time."
    options: list[Callable[[CommandFunction], CommandFunction]] = [
        option("--seed", type=click.IntRange(min=0), help="Changes every draw."),
        option("--prompts", type=click.Path(path_type=Path), help="Folder of prompts that replace shipped ones."),
        option("--base-url", help="OpenAI-compatible API. Default: OPENAI_BASE_URL, else the rehearsal teacher."),
        option("--model", help="Model name at that API."),
        _folded("--api", type=click.Choice(["chat", "completions"]), help="Which API it is asked with."),
        _folded(
            "--prompt-format",
            shell_complete=_templates,
            help="Prompt format for completions: a shipped name or a Jinja file.",
        ),
        _folded("--judge-model", help="Another model that judges. Default: the teacher."),
        _folded("--judge-base-url", help="Where the judge is, if not at the teacher's address."),
        _folded("--concurrency", type=click.IntRange(min=1), help="Calls in flight at most."),
        _folded("--timeout-sec", type=click.FloatRange(min=0, min_open=True), help="Longest wait for a reply."),
        _folded("--max-attempts", type=click.IntRange(min=1), help="Attempts per call before it counts as failed."),
        click.option(
            "--help-endpoint", is_flag=True, is_eager=True, expose_value=False, callback=_show_folded, help=words
        ),
    ]
    for decorate in reversed(options):
        command = decorate(command)
    return command


def run_options(command: CommandFunction) -> CommandFunction:
    """How a long run shows itself and ends: --on-interrupt, --progress."""
    what = "What Ctrl-C does with what is there: say how to write it, or write it."
    how = "How progress is shown, on stderr. Default: live on a terminal, else plain."
    forms = ["auto", "live", "plain", "json", "none"]
    for decorate in reversed(
        [
            option("--on-interrupt", type=click.Choice(["stop", "write"]), default="stop", help=what),
            option("--progress", type=click.Choice(forms), default="auto", help=how),
        ]
    ):
        command = decorate(command)
    return command


def _folded(*names: str, **settings: Any) -> Callable[[CommandFunction], CommandFunction]:
    return option(*names, cls=FoldedOption, **settings)


def _templates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from labgen.cli.completion import templates

    return templates(ctx, param, incomplete)


def leaf_completion(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For arguments and options that name leaves; what completes them is imported when a shell asks."""
    from labgen.cli.completion import leaves

    return leaves(ctx, param, incomplete)


def base_option(command: CommandFunction) -> CommandFunction:
    """--base: only what a branch changes."""
    words = "Only leaves that changed since HEAD parted from this revision, such as `main`; see `labgen diff`."
    return option("--base", metavar="REV", help=words)(command)


def chosen_leaves(config: Config, options: dict[str, Any]) -> tuple[str, ...] | None:
    """Patterns of the leaves that --leaf and --base choose, none for all; None where nothing of it has changed.

    What is chosen by --base is said on stderr.
    """
    patterns: tuple[str, ...] = options["leaf_patterns"]
    if options["base"] is None:
        return patterns
    from labgen.taxonomy.changes import changed_leaves
    from labgen.text.printable import plain

    changes = changed_leaves(config.taxonomy, options["base"])
    chosen = changes.patterns(patterns)
    for note in (*changes.notes, *(f"{stray.name}: {stray.message}" for stray in changes.misplaced)):
        click.echo(plain(note), err=True)
    some = f"{len(chosen)} changed leaf" if len(chosen) == 1 else f"{len(chosen)} changed leaves"
    found = some if chosen else "No leaf has changed"
    click.echo(f"{found} since {plain(changes.base)} ({changes.commit[:10]}).", err=True)
    return chosen or None


def config_from(options: dict[str, Any]) -> Config:
    """The configuration: the file's settings with the given options laid over them."""
    overrides = {setting: options[name] for name, setting in SETTING_OF.items() if options.get(name) is not None}
    config = make_config(options["config"], overrides)
    end_loading()
    return config
