"""`options:` in labgen.yaml: what an option is where neither the command line nor its variable says it."""

from __future__ import annotations

import difflib
from datetime import date
from pathlib import Path
from typing import Any

import click

from labgen.config.file import SettingsFile
from labgen.config.values_in_words import LONGEST_SHOWN_CHARS, kind_in_words
from labgen.errors import ConfigError

SETTING_OF = {
    "taxonomy": "taxonomy",
    "output": "output",
    "work": "work",
    "samples": "samples",
    "seed": "seed",
    "prompts": "prompts",
    "base_url": "teacher.base_url",
    "model": "teacher.model",
    "api": "teacher.api",
    "prompt_format": "teacher.prompt_format",
    "judge_model": "judge.model",
    "judge_base_url": "judge.base_url",
    "concurrency": "teacher.concurrency",
    "timeout_sec": "teacher.timeout_sec",
    "max_attempts": "teacher.max_attempts",
}
"""Option to the setting of `labgen.yaml` that it overrides. Such an option has no place under `options:`."""

CONSENT = ("public", "allow", "yes", "repair")
"""Options that waive a safeguard: a file, which may come from a stranger's pull request, can't say them."""

NARROWING = ("leaf", "base")
"""Options with which a command does less than it says: where a file has one, the command tells."""


def name_in_file(param: click.Parameter) -> str | None:
    """What an option is called under `options:`: its variable without `LABGEN_`, in small letters. None without one."""
    variable = param.envvar
    return variable.removeprefix("LABGEN_").lower() if isinstance(variable, str) else None


def defaults_from(file: SettingsFile, ctx: click.Context) -> dict[str, Any]:
    """What the section `options:` says of the command at hand, as click's default map: parameter to value.

    Values for options of other commands are left to these; their names are looked at all the same.

    Raises: ConfigError: all that is wrong in the section, a line each.
    """
    section = file.data.get("options", {})
    if not isinstance(section, dict):
        found = kind_in_words(section)
        raise ConfigError(
            f"{file.where('options')}: `options` is {found}. It takes `name: value` lines, such as `max_calls: 500`."
        )
    if not section:
        return {}
    known = _all_names()
    problems = {name: problem for name in section if (problem := _wrong_name(name, known))}
    defaults = {}
    for param in ctx.command.params:
        name = name_in_file(param)
        if name is None or name in problems or section.get(name) is None:
            continue
        try:
            defaults[str(param.name)] = _convert(param, section[name], file.path.parent, ctx)
            if name in NARROWING:
                click.echo(f"{file.path}: `options.{name}` narrows this, unless --{name} is typed.", err=True)
        except click.BadParameter as error:
            words = error.message.rstrip(".")
            problems[name] = f"can't be used: {words}. `{ctx.command_path} --help` says what it takes."
    if problems:
        raise ConfigError(
            "\n".join(f"{file.where('options', name)}: `options.{name}` {words}" for name, words in problems.items())
        )
    return defaults


def _all_names() -> set[str]:
    """The names of all options that have a variable. Loads every verb, so only asked for where the section is used."""
    from labgen.cli import app

    found: set[str | None] = set()
    waiting: list[click.Command | None] = [app]
    while waiting:
        command = waiting.pop()
        found |= {name_in_file(param) for param in command.params} if command else set()
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            waiting += [command.get_command(ctx, verb) for verb in command.list_commands(ctx)]
    return {name for name in found if name}


def _wrong_name(name: Any, known: set[str]) -> str:
    """What is wrong with a name, and what to do; nothing where it is an option's."""
    if not isinstance(name, str):
        return "is no text. YAML reads yes, no, on and off as true and false: put the name in quotes."
    if name == "config":
        return "is how the file itself is found: give --config or LABGEN_CONFIG."
    if name in CONSENT:
        return f"is not for a file: say --{name} each time that it is meant."
    if name in SETTING_OF:
        section, _, setting = SETTING_OF[name].rpartition(".")
        place = f"under `{section}:`" if section else "at the top"
        return f"is a setting of its own: write `{setting}:` {place}."
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else "`labgen COMMAND --help` lists a command's options."
    return f"is no option of any command. {hint}"


def _convert(param: click.Parameter, value: Any, folder: Path, ctx: click.Context) -> Any:
    """A value as the command line would have it. Raises: click.BadParameter, in words that hold no key."""
    if param.multiple:
        listed = value if isinstance(value, list) else [value]
        return tuple(_convert_one(param, each, folder, ctx) for each in listed)
    return _convert_one(param, value, folder, ctx)


def _convert_one(param: click.Parameter, value: Any, folder: Path, ctx: click.Context) -> Any:
    if not isinstance(value, str | int | float | date):
        raise click.BadParameter(f"this is {kind_in_words(value)}, and a single value is wanted")
    if isinstance(value, bool) and not isinstance(param.type, click.types.BoolParamType):
        raise click.BadParameter("it is not for true and false; where a text is meant, put it in quotes")
    text = str(value)
    # What is converted is what one would type, so that 9000.5 is no more a port here than there.
    typed = str(folder / text) if isinstance(param.type, click.Path) else text
    try:
        return param.type(typed, param, ctx)
    except click.BadParameter as error:
        if len(text) < LONGEST_SHOWN_CHARS:
            raise
        raise click.BadParameter("the value (too long to be repeated here) is not one that it takes") from error
