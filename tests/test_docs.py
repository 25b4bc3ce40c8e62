"""What README, CHANGELOG, CONTRIBUTING and docs/ say is so."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import click
import pyarrow.parquet as pq
import pytest
import yaml

from labgen import __version__
from labgen.cli import VERBS, app
from labgen.config import Config
from labgen.records import State

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/reference.md", "docs/extending.md", "taxonomy/README.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOP = ("labgen/", "scripts/", "taxonomy/", "tests/", "docs/", ".ci/", ".github/")


def load_script() -> ModuleType:
    """`scripts/update_docs` as a module."""
    loader = SourceFileLoader("update_docs", str(ROOT / "scripts" / "update_docs"))
    spec = spec_from_loader("update_docs", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def clean_environment(home: Path) -> dict[str, str]:
    """The environment without settings of labgen or of an endpoint, this Python first, caches in `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LABGEN_", "OPENAI_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def example(kind: str) -> str:
    """The example of the README that is marked as tested."""
    found = re.search(rf"<!-- tested: {kind} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no example marked `tested: {kind}`"
    return found[1]


@pytest.mark.parametrize(
    "name", ["verbs", "commands", "configuration", "rules", "flows", "filters", "columns", "formats"]
)
def test_generated_references_are_current(name: str) -> None:
    """Every table of the reference is as the program says; `scripts/update_docs` mends it."""
    script = load_script()
    pages = "".join(path.read_text(encoding="utf-8") for path in script.PAGES)
    part = re.search(rf"<!-- generated: {name} -->\n(.*?)\n<!-- end -->", pages, re.DOTALL)
    assert part, f"no page has the generated part `{name}`"
    assert part[1] == script.PARTS[name]().strip(), "run scripts/update_docs"


def test_what_the_readme_shows_of_a_build_is_what_a_build_shows(tmp_path: Path) -> None:
    """Plan, funnel, row and rejection of the README come from running the commands, now as then."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "update_docs"), "--check"],
        capture_output=True,
        text=True,
        env=clean_environment(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, with their names."""
    yield name, command
    if isinstance(command, click.Group):
        with click.Context(command, parent=parent, info_name=name) as ctx:
            for each in command.list_commands(ctx):
                below = command.get_command(ctx, each)
                assert below is not None, f"{name} {each}"
                yield from commands(below, f"{name} {each}", ctx)


def test_every_command_and_option_has_help() -> None:
    """Nobody has to read code to learn what an option is for."""
    silent = []
    for name, command in commands(app, "labgen"):
        if not command.help:
            silent.append(name)
        silent += [
            f"{name} {param.opts[0]}" for param in command.params if isinstance(param, click.Option) and not param.help
        ]
    assert not silent


def test_a_variable_of_the_environment_means_one_thing() -> None:
    """What `LABGEN_X` sets for one command is no other kind of value for another."""
    kinds: dict[str, set[str]] = {}
    for _, command in commands(app, "labgen"):
        for param in command.params:
            if isinstance(param, click.Option) and isinstance(param.envvar, str):
                kinds.setdefault(param.envvar, set()).add(f"{param.type.name}, {param.multiple}")
    assert not {name: kind for name, kind in kinds.items() if len(kind) > 1}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_told_of(verb: str) -> None:
    """The README has each verb in prose or an example, not only in the table of commands."""
    table = re.search(r"<!-- generated: verbs -->.*?<!-- end -->", README, re.DOTALL)
    assert table
    assert re.search(rf"labgen {verb}\b", README.replace(table[0], ""))


def test_commands_in_the_readme_exist_with_their_options() -> None:
    """What a reader copies from a code block is a command that there is, with options that it has."""
    known = dict(commands(app, "labgen"))
    wrong = []
    for line in re.findall(r"^(?:    |\$ )?(labgen [^\n]*)", README, re.MULTILINE):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # prose
        name = next((n for n in (" ".join(words[:3]), " ".join(words[:2])) if n in known), None)
        if name is None:
            if re.match(r"labgen [a-z]+( |$)", line) and line.startswith(tuple(f"labgen {verb}" for verb in VERBS)):
                wrong.append(line)
            continue
        options = {opt for param in known[name].params for opt in (*param.opts, *param.secondary_opts)}
        wrong += [f"{line}: {word}" for word in words if word.startswith("--") and word.split("=")[0] not in options]
    assert not wrong


@pytest.mark.parametrize("name", PAGES)
def test_paths_and_links_lead_somewhere(name: str) -> None:
    """Every file that a page links to or names is there, and so is every heading that a link points at."""
    text = re.sub(r"^```.*?^```$", "", page(name), flags=re.DOTALL | re.MULTILINE)
    here = (ROOT / name).parent
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        place = (here / file) if file else ROOT / name
        if not place.exists() or (anchor and anchor not in anchors(place.read_text(encoding="utf-8"))):
            lost.append(target)
    for named in re.findall(r"`([\w./-]+)`", text):
        if named.startswith(TOP) and not (ROOT / named).exists():
            lost.append(named)
    assert not lost


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_settings_shown_are_settings() -> None:
    """Every piece of `labgen.yaml` in the README is accepted as it stands."""
    pieces = [yaml.safe_load(piece) for piece in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    settings = [piece for piece in pieces if "seed_examples" not in piece]
    assert len(settings) >= 3
    for piece in settings:
        Config.model_validate(piece)


def test_tests_named_as_proof_exist() -> None:
    """Each guarantee's test is there under the name that the README gives."""
    named = set(re.findall(r"`(test_\w+)`", README))
    assert named
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert not {name for name in named if f"def {name}(" not in tests}


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State) -> None:
    """The table of states has each one."""
    assert f"| `{state.value}` |" in README


def test_the_changelog_knows_this_version() -> None:
    """What this version can do is written down."""
    assert f"## {__version__}" in page("CHANGELOG.md")


def test_the_python_example_runs(tmp_path: Path) -> None:
    """The README's Python, as it stands there."""
    done = subprocess.run(
        [sys.executable, "-c", example("python")],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "small True True" in done.stdout


def test_the_shell_example_runs(tmp_path: Path) -> None:
    """The README's shell, as it stands there."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example("shell")],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "'accepted': 5" in done.stdout
    assert (tmp_path / "alpaca").is_dir()


def test_the_filter_of_the_readme_is_found_and_used(tmp_path: Path) -> None:
    """A package with that module and that entry point adds a filter, which measures and decides."""
    site = tmp_path / "site"
    about = site / "my_filters-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "my_filters.py").write_text(example("filter"))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-filters\nVersion: 1.0\n")
    group, entry = example("entry-point").strip().splitlines()
    module, name = tomllib.loads(entry)["wordy"].split(":")
    assert tomllib.loads(f"{group}\n{entry}") == {
        "project": {"entry-points": {"labgen.filters": {"wordy": "my_filters:Wordy"}}}
    }
    (about / "entry_points.txt").write_text(f"[labgen.filters]\nwordy = {module}:{name}\n")
    place = ["--taxonomy", str(ROOT / "taxonomy"), "--leaf", "compositional_skills/writing/technical", "--samples", "8"]

    def labgen(*arguments: str) -> str:
        command = [sys.executable, "-m", "labgen", *arguments, *place]
        environment = clean_environment(tmp_path / "home") | {"PYTHONPATH": str(site)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert re.search(r"^wordy .* my-filters 1.0$", labgen("plan", "--filters"), re.MULTILINE)
    labgen("generate")
    rows = pq.read_table(next((tmp_path / "dataset/data").glob("compositional_skills-*"))).to_pylist()
    assert len(rows) == 8
    assert all(
        f"`{verdict['filter']}`" in README
        for row in rows
        for verdict in row["verdicts"]
        if verdict["filter"] != "wordy"
    )
    for row in rows:
        words = len(row["messages"][1]["content"].split())
        assert words <= 40
        assert [verdict["value"] for verdict in row["verdicts"] if verdict["filter"] == "wordy"] == [words]
