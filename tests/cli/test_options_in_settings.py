"""`options:` in labgen.yaml: every option can be set there, and what can't be is explained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import pytest
import yaml
from click.core import ParameterSource

from labgen.cli import app, main
from labgen.cli.file_options import CONSENT, SETTING_OF, name_in_file
from labgen.config.file import load_config
from labgen.errors import ConfigError

SKILL = "foundational_skills/arithmetic/units"
OTHER = "compositional_skills/writing/letters"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment that configures nothing."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("LABGEN_", "OPENAI_")):
            monkeypatch.delenv(name)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command to its end: its exit status, what it printed, and what it said on standard error."""

    def run_it(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        return int(end.value.code or 0), *capsys.readouterr()

    return run_it


def settings(file: str = "labgen.yaml", **options: Any) -> Path:
    """Write a settings file of nothing but options."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"options": options}))
    return path


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands below a group, with the words that call them."""
    ctx = click.Context(group)
    for verb in group.list_commands(ctx):
        command = group.get_command(ctx, verb)
        assert command is not None
        yield (*words, verb), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, verb))


def parsed(command: click.Command, *arguments: str) -> click.Context:
    """A command with its options read and nothing run."""
    missing = [p.name or "" for p in command.params if isinstance(p, click.Argument) and p.required]
    return command.make_context("labgen", [*arguments, *missing])


@pytest.mark.parametrize(
    ("in_file", "variable", "typed", "port"),
    [(False, False, False, 8321), (True, False, False, 9001), (True, True, False, 9002), (True, True, True, 9003)],
)
def test_what_is_typed_wins_over_the_variable_over_the_file_over_the_default(
    in_file: bool, variable: bool, typed: bool, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer is seen through those above it that say nothing."""
    settings(**({"port": 9001} if in_file else {"host": "localhost"}))
    if variable:
        monkeypatch.setenv("LABGEN_PORT", "9002")
    teacher = dict(commands(app))["teacher",]
    assert parsed(teacher, *(["--port", "9003"] if typed else [])).params["port"] == port


def test_the_rehearsal_teacher_listens_where_the_file_says() -> None:
    """`labgen teacher` has --config, and takes port and delay from its `options:`."""
    settings("set/teacher.yaml", port=0, delay_sec=0.01)
    command = [sys.executable, "-m", "labgen", "teacher", "--config", "set/teacher.yaml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            assert not address.endswith(":8321/v1")
            assert json.load(urlopen(f"{address}/models"))["data"]
        finally:
            process.terminate()


SAMPLES = {"boolean": True, "integer range": 7, "float range": 0.5, "text": "words", "path": "all.yaml"}
"""Values that options take, none of them a default; a path is that of the file itself, from its folder."""


def sample(param: click.Parameter) -> Any:
    """A value for an option, as YAML has it."""
    kind = "path" if isinstance(param.type, click.Path) else param.type.name
    value = param.type.choices[-1] if isinstance(param.type, click.Choice) else SAMPLES[kind]
    return [value, value] if param.multiple else value


def arrived(param: click.Parameter, file: Path) -> Any:
    """The same value, as the command is to have it."""
    value = file if isinstance(param.type, click.Path) else sample(param)
    return tuple(value if isinstance(value, list) else [value] * 2) if param.multiple else value


def test_every_option_with_a_variable_can_be_set_in_the_file() -> None:
    """Whatever the command: the value under the variable's name arrives as if it had been typed."""
    elsewhere = {None, "config", *SETTING_OF, *CONSENT}
    options = {
        words: [param for param in command.params if name_in_file(param) not in elsewhere]
        for words, command in commands(app)
    }
    known = {name_in_file(param) or "": sample(param) for params in options.values() for param in params}
    assert {"port", "by_leaf", "json", "max_calls", "leaf", "log", "strict", "git"} <= set(known)
    file = settings("set/all.yaml", **known)
    for words, command in commands(app):
        if words == ("init",) or not options[words]:
            continue  # `init` comes before there is a file
        ctx = parsed(command, "--config", str(file))
        for param in options[words]:
            assert ctx.get_parameter_source(param.name or "") is ParameterSource.DEFAULT_MAP, (words, param.name)
            assert ctx.params[param.name or ""] == arrived(param, file), (words, param.name)


def test_every_verb_that_works_in_a_repository_reads_its_file() -> None:
    """All commands have --config, but for the one that makes the first labgen.yaml."""
    without = [words for words, command in commands(app) if "config" not in {param.name for param in command.params}]
    assert without == [("init",)]


def test_an_unknown_option_names_the_nearest(run: Run) -> None:
    """A misspelt limit that was passed over in silence would cost money; all faults are told at once."""
    settings(max_call=5, nonsense=1, strict=True)
    status, _, said = run("ledger")
    assert status == 2
    first, second = said.splitlines()
    assert first == "labgen: labgen.yaml:2: `options.max_call` is no option of any command. Did you mean `max_calls`?"
    assert second.endswith("no option of any command. `labgen COMMAND --help` lists a command's options.")


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("samples", "is a setting of its own: write `samples:` at the top."),
        ("base_url", "is a setting of its own: write `base_url:` under `teacher:`."),
        ("judge_model", "is a setting of its own: write `model:` under `judge:`."),
        ("config", "is how the file itself is found: give --config or LABGEN_CONFIG."),
    ],
)
def test_what_has_another_place_is_sent_there(name: str, todo: str, run: Run) -> None:
    """There is one place for each thing, and the message names it."""
    settings(**{name: 5})
    assert run("plan") == (2, "", f"labgen: labgen.yaml:2: `options.{name}` {todo}\n")


def test_a_command_that_does_less_for_a_file_says_so(run: Run) -> None:
    """Nobody takes the check of one leaf for that of all; for what does not choose leaves there is nothing to say."""
    settings(leaf="knowledge/none*")
    assert "labgen.yaml: `options.leaf` narrows this, unless --leaf is typed." in run("plan")[2]
    assert "narrows" not in run("ledger")[2]


@pytest.mark.parametrize("name", CONSENT)
def test_no_file_waives_a_safeguard(name: str, run: Run) -> None:
    """Whoever writes the file may be a stranger: what is consent is said on the command line."""
    settings(**{name: True})
    status, _, said = run("push", "someone/something", "--dry-run")
    assert status == 2
    assert f"`options.{name}` is not for a file: say --{name}" in said


@pytest.mark.parametrize("name", SETTING_OF)
def test_no_setting_has_two_places(name: str, run: Run) -> None:
    """Every option that overrides a setting is refused under `options:`."""
    settings(**{name: 1})
    status, _, said = run("plan")
    assert status == 2
    assert f"`options.{name}` is a setting of its own: write `{SETTING_OF[name].split('.')[-1]}:`" in said


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"port": "abc"}, "'abc' is not a valid integer range"),
        ({"port": 9000.5}, "'9000.5' is not a valid integer range"),
        ({"port": 70000}, "70000 is not in the range 0<=x<=65535"),
        ({"port": True}, "it is not for true and false; where a text is meant, put it in quotes"),
        ({"host": False}, "it is not for true and false; where a text is meant, put it in quotes"),
        ({"host": ["a", "b"]}, "this is a list, and a single value is wanted"),
        ({"port": "sk-0123456789abcdefghij"}, "the value (too long to be repeated here) is not one that it takes"),
    ],
)
def test_a_value_of_the_wrong_kind_is_explained(options: dict[str, Any], what: str, run: Run) -> None:
    """With file, name and what to do; and never with what may be a key."""
    settings(**options)
    status, out, said = run("teacher")
    assert (status, out) == (2, "")
    where, todo = f"labgen.yaml:2: `options.{next(iter(options))}`", "`labgen teacher --help` says what it takes."
    assert said == f"labgen: {where} can't be used: {what}. {todo}\n"


def test_a_value_is_judged_by_the_commands_that_take_it(run: Run) -> None:
    """Another command has no quarrel with it, nor with a name that is given no value."""
    settings(port="abc", json=None)
    status, out, _ = run("contaminate", "list")
    assert (status, out) == (0, "")


@pytest.mark.parametrize(("text", "found"), [("[max_calls]", "a list"), ("5", "the number 5"), ("", "empty")])
def test_a_section_of_another_kind_is_explained(text: str, found: str, run: Run) -> None:
    """`options:` takes lines of names and values."""
    Path("labgen.yaml").write_text(f"options: {text}\n")
    todo = "It takes `name: value` lines, such as `max_calls: 500`."
    assert run("plan") == (2, "", f"labgen: labgen.yaml:1: `options` is {found}. {todo}\n")


def test_a_name_that_yaml_takes_for_a_truth_is_explained(run: Run) -> None:
    """`yes:` without quotes is no name in YAML."""
    Path("labgen.yaml").write_text("options: {yes: true}\n")
    assert "`options.True` is no text. YAML reads yes, no, on and off as true and false" in run("ledger")[2]


@pytest.mark.parametrize("content", [None, "a: [", "- a list", b"\xff"])
def test_a_file_that_cannot_be_read_is_explained_as_ever(content: str | bytes | None, run: Run) -> None:
    """The words are those of `load_config`, for a verb that reads no other setting too."""
    file = Path("other.yaml")
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as error:
        load_config(file)
    for verb in ("plan", "teacher", "ledger"):
        assert run(verb, "--config", "other.yaml") == (2, "", f"labgen: {error.value}\n")


def test_a_file_that_can_be_read_only_once_is_enough() -> None:
    """Options and settings come from one reading: a pipe will do."""
    done = subprocess.run(
        [sys.executable, "-m", "labgen", "ledger", "--config", "/dev/stdin"],
        input="work: /nowhere\noptions: {json: true}\n",
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["folder"] == "/nowhere", done.stderr


def test_options_that_may_be_repeated_take_one_value_or_several(run: Run) -> None:
    """`leaf:` chooses the leaves of a plan; `json: true` has it in JSON, and --no-json not."""
    run("new", SKILL)
    run("new", OTHER)
    everything = json.loads(run("plan", "--json")[1])["leaves"]
    assert set(everything) == {SKILL, OTHER}
    settings(leaf=SKILL, json=True)
    assert list(json.loads(run("plan")[1])["leaves"]) == [SKILL]
    settings(leaf=[SKILL, "compositional_skills/**"], json=True)
    assert json.loads(run("plan")[1])["leaves"] == everything
    assert "in all" in run("plan", "--no-json")[1]
    settings(json=False, by_leaf=True)
    assert SKILL in run("plan")[1]


def test_a_run_takes_its_limits_from_the_file(run: Run) -> None:
    """A build stops at the file's `max_calls`, and its log is beside the file."""
    run("new", SKILL)
    settings("set/labgen.yaml", max_calls=5, log="calls.jsonl", json=True)
    place = ("--config", "set/labgen.yaml", "--taxonomy", "taxonomy", "--samples", "3")
    status, out, _ = run("generate", *place)
    assert status == 1
    assert json.loads(out)["budget"]["max_calls"] == json.loads(out)["calls"]["sent"] == 5
    assert len(Path("set/calls.jsonl").read_text().splitlines()) >= 5
    status, out, _ = run("generate", *place, "--max-calls", "500")
    assert json.loads(out)["budget"]["max_calls"] == 500
    assert status == 0


def test_a_groups_file_counts_for_its_subcommands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`labgen ledger --config FILE verify` is of FILE's work folder, and FILE's options are the subcommand's too."""
    settings("set/labgen.yaml", json=True)
    settings("other/labgen.yaml", json=False)
    monkeypatch.setenv("LABGEN_CONFIG", "other/labgen.yaml")
    assert run("contaminate", "list")[1] == ""
    assert run("contaminate", "--config", "set/labgen.yaml", "list")[1] == "[]\n"
    assert run("contaminate", "--config", "other/labgen.yaml", "list", "--config", "set/labgen.yaml")[1] == "[]\n"
    assert "set/.labgen" in run("ledger", "--config", "set/labgen.yaml", "verify")[2]
    assert "other/.labgen" in run("ledger", "verify")[2]
