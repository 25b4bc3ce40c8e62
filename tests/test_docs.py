"""What README, CHANGELOG, CONTRIBUTING and the pages in docs/ say is so, and the site that is built of these."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import click
import pyarrow.parquet as pq
import pytest
import yaml

import labgen
from labgen import __version__
from labgen.cli import VERBS, app
from labgen.cli.file_options import CONSENT, SETTING_OF
from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.records import State
from labgen.taxonomy.marks import parse_marks

ROOT = Path(__file__).resolve().parent.parent
BOOK = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")))
}
"""What a user reads, by page."""
ALL = BOOK | {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "taxonomy/README.md",
        "labgen/taxonomy/starter/CONTRIBUTING.md",
        "labgen/taxonomy/starter/README.md",
    )
}
TOP = ("labgen/", "scripts/", "taxonomy/", "tests/", "docs/", ".ci/", ".github/")
FENCED = re.compile(r"^```(\w*).*?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"<!-- generated: [\w-]+ -->.*?<!-- end -->", re.DOTALL)
OTHERS = ("git ", "pip ", "podman ", "gh ", "vllm ", "ollama ", "llama-server ", "hf ", "scripts/", ".venv/", "python ")
"""How commands begin that are not labgen's."""


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


def example(kind: str) -> str:
    """The example that is marked as tested; one page has it."""
    found = [
        match[1]
        for text in BOOK.values()
        for match in re.finditer(rf"<!-- tested: {kind} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    ]
    assert len(found) == 1, f"{len(found)} pages have an example marked `tested: {kind}`"
    return found[0]


def inline_code(text: str) -> list[str]:
    """What stands between backticks in prose and tables."""
    return re.findall(r"`([^`\n]+)`", FENCED.sub("", text))


@pytest.mark.parametrize("name", load_script().PARTS)
def test_generated_references_are_current(name: str) -> None:
    """Every table that is made from the program is as the program says; `scripts/update_docs` mends it."""
    part = re.search(rf"<!-- generated: {name} -->\n(.*?)\n<!-- end -->", "".join(BOOK.values()), re.DOTALL)
    assert part, f"no page has the generated part `{name}`"
    assert part[1] == load_script().PARTS[name]().strip(), "run scripts/update_docs"


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
    """A page has each verb in prose or an example, not only in a table of commands."""
    assert re.search(rf"labgen {verb}\b", GENERATED.sub("", "".join(BOOK.values())))


def shown_commands(text: str) -> Iterator[str]:
    """Every command of labgen's on a page: lines of code blocks, and inline code."""
    yield from re.findall(r"^(?:    |\$ )?(labgen [^\n]*)", text, re.MULTILINE)
    yield from (code for code in inline_code(text) if code.startswith("labgen "))


@pytest.mark.parametrize("name", ALL)
def test_commands_exist_with_their_options(name: str) -> None:
    """What a reader copies is a command that there is, with options that it has."""
    known = dict(commands(app, "labgen"))
    wrong = []
    for line in shown_commands(ALL[name]):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # prose
        command = next((n for n in (" ".join(words[:3]), " ".join(words[:2])) if n in known), None)
        if command is None:
            if line.startswith(tuple(f"labgen {verb}" for verb in VERBS)):
                wrong.append(line)
            continue
        options = {opt for param in known[command].params for opt in (*param.opts, *param.secondary_opts)}
        # Of the line's comment too: it speaks of the same command.
        wrong += [f"{line}: {word}" for word in re.findall(r"(?<!\S)--\w[\w-]*", line) if word not in options]
    assert not wrong


@pytest.mark.parametrize("name", ALL)
def test_options_named_alone_exist(name: str) -> None:
    """An option that a page names without its command is one that some command has."""
    parameters = [param for _, command in commands(app, "labgen") for param in command.params]
    known = {opt for param in parameters for opt in (*param.opts, *param.secondary_opts)} | {"--help"}
    said = [code for code in inline_code(ALL[name]) if not code.startswith(OTHERS)]
    said += [block for kind, block in FENCED.findall(ALL[name]) if kind == "yaml"]
    assert not {word for code in said for word in re.findall(r"(?<!\S)--\w[\w-]*", code)} - known


@pytest.mark.parametrize("name", ALL)
def test_scripts_shown_exist_with_their_options(name: str) -> None:
    """What a page tells to run from `scripts/` is there and knows the options shown."""
    wrong = []
    for line in ALL[name].splitlines():
        for match in re.finditer(r"(?<![\w/])(scripts/\w+(?:\.py)?)((?: +--[\w-]+)*)", line):
            file = ROOT / match[1]
            text = file.read_text(encoding="utf-8") if file.is_file() else ""
            wrong += [line for option in ("", *match[2].split()) if not text or option not in text]
    assert not wrong


@pytest.mark.parametrize("name", ALL)
def test_paths_and_links_lead_somewhere(name: str) -> None:
    """Every file that a page links to or names is there, and so is every heading that a link points at."""
    text = FENCED.sub("", ALL[name])
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
        if named.startswith(TOP) and not (ROOT / named).exists() and not name.startswith("labgen/"):
            lost.append(named)
    assert not lost


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_settings_shown_are_settings() -> None:
    """Every piece of `labgen.yaml` on a page is accepted as it stands, and so is every option in one."""
    blocks = [block for text in ALL.values() for kind, block in FENCED.findall(text) if kind == "yaml"]
    marks = [block for block in blocks if "verdict:" in block]
    assert marks and all(parse_marks(block).marks and not parse_marks(block).violations for block in marks)
    pieces = [yaml.safe_load(block) for block in blocks if block not in marks]
    settings = [piece for piece in pieces if "seed_examples" not in piece]
    assert len(settings) >= 7
    parameters = [param for _, command in commands(app, "labgen") for param in command.params]
    variables = {param.envvar for param in parameters if isinstance(param.envvar, str)}
    options = {variable.removeprefix("LABGEN_").lower() for variable in variables} - {*SETTING_OF, *CONSENT}
    for piece in settings:
        read_section(Config, piece)
        assert set(piece.get("options", {})) <= options


@pytest.mark.parametrize("name", ALL)
def test_settings_named_are_settings(name: str) -> None:
    """A dotted name that begins like a section of `labgen.yaml` is a setting in it."""
    script = load_script()
    known = {
        f"{name.replace('[]', '')}.{setting.name}"
        for name, section, _ in script.sections(Config)
        for setting in script.settings_of(section)
    }
    named = [code for code in inline_code(ALL[name]) if re.fullmatch(r"[a-z_]+(\.(?!json$|yaml$)[a-z_]+)+", code)]
    assert not {code for code in named if code.split(".")[0] in Config.__struct_fields__ and code not in known}


def test_tests_named_as_proof_exist() -> None:
    """Each guarantee's test is there under the name that a page gives."""
    named = {test for text in ALL.values() for test in re.findall(r"`(test_\w+)`", text)}
    assert len(named) >= 15
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert not {name for name in named if f"def {name}(" not in tests}


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State) -> None:
    """One table of states has each of them."""
    assert sum(text.count(f"\n| `{state.value}` |") for text in BOOK.values()) == 1


def test_every_verdict_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in a row's verdicts, or in a rejection's, has its line in the table of verdicts."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    places = {"taxonomy": ROOT / "taxonomy", "output": tmp_path / "dataset", "work": tmp_path / "work", "samples": 4}
    labgen.build_dataset(labgen.load_config(overrides=places))
    rows = [row for file in (tmp_path / "dataset/data").glob("[ckfr]*") for row in pq.read_table(file).to_pylist()]
    names = {verdict["filter"] for row in rows for verdict in row["verdicts"]}
    assert {"pair_score", "groundedness", "duplicates"} <= names
    table = BOOK["docs/dataset.md"].partition("| verdict |")[2].partition("\n\n")[0]
    assert not {name for name in names if f"`{name}`" not in table}


@pytest.mark.parametrize("name", [name for name in BOOK if name.startswith("docs/")])
def test_every_page_says_whom_it_is_for(name: str) -> None:
    """A reader knows from a page's first words whether to go on."""
    assert re.match(r"# .+\n\nFor \w", BOOK[name])


def build_site(folder: Path, to: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as `scripts/site` does."""
    how = re.search(r"-m sphinx (.+?) --doctree-dir", (ROOT / "scripts/site").read_text(encoding="utf-8"))
    assert how
    command = [sys.executable, "-m", "sphinx", *how[1].split(), "--doctree-dir", str(to / "doctrees")]
    return subprocess.run(
        [*command, str(folder), str(to / "site")], capture_output=True, text=True, env=clean_environment(to)
    )


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Every link between pages, to a heading or to a file of the repository holds on the site too."""
    done = build_site(ROOT / "docs", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {file.stem for file in (tmp_path / "site").glob("*.html")} >= {Path(name).stem for name in BOOK} - {"README"}


def test_the_site_refuses_links_that_lead_nowhere(tmp_path: Path) -> None:
    """A page, a heading, a file and a label that are not there each stop it, and the message has the page's line."""
    links = ["nowhere.md", "other.md#nothing", "#nothing", "../NOWHERE.md", "../nowhere.py", "../HERE.md#nothing"]
    wrong = [*(f"[a]({link})" for link in links), '<a href="nowhere.md">a</a>', "[a][nothing]"]
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").write_bytes((ROOT / "docs/conf.py").read_bytes())
    (docs / "other.md").write_text("# Other\n\n## There\n")
    (tmp_path / "HERE.md").write_text("# Here\n\n## Now\n")
    toctree = "```{toctree}\nother\n```\n"
    front = "# Front\n\n[a](other.md#there) [b](../HERE.md) [c](#front) [d](../HERE.md#now) `[a][b]`\n\n"
    (docs / "index.md").write_text(front + toctree)
    assert build_site(docs, tmp_path).returncode == 0
    (docs / "index.md").write_text(front + "\n\n".join(wrong) + "\n\n" + toctree)
    done = build_site(docs, tmp_path)
    lines = {int(line) for line in re.findall(r"index\.md:(\d+): WARNING", done.stderr)}
    assert done.returncode == 1 and lines == {5 + 2 * number for number in range(len(wrong))}


def test_the_changelog_knows_this_version() -> None:
    """What this version can do is written down."""
    assert f"## {__version__}" in ALL["CHANGELOG.md"]


@pytest.mark.parametrize(("kind", "told"), [("python", "small True True"), ("verbs", "Build('small'")])
def test_the_python_examples_run(tmp_path: Path, kind: str, told: str) -> None:
    """The Python on the page, as it stands there."""
    done = subprocess.run(
        [sys.executable, "-c", example(kind)],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout


def test_the_shell_example_runs(tmp_path: Path) -> None:
    """The shell script on the page, as it stands there."""
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
