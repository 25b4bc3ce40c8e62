"""The folders' order is the data's journey, and imports point one way along it."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "labgen"

ORDER = (
    {"lazy"},
    {"errors", "packages"},
    {"text"},
    {"records"},
    {"config"},
    {"outcomes"},
    {"git"},
    {"taxonomy"},
    {"documents"},
    {"formats"},
    {"plan"},
    {"ledger"},
    {"teacher"},
    {"filters"},
    {"flows"},
    {"generate"},
    {"bulk"},
    {"export"},
    {"report"},
    {"publish"},
    {"progress"},
    {"verbs"},
)
"""Kinds of step, in the data's order; `verbs` strings them together; last come cli, and api and aio for Python."""

HEAVY = ("openai", "rich", "pyarrow", "datasets", "git", "aiohttp", "numpy", "huggingface_hub")


@cache
def modules() -> dict[str, Path]:
    """Every module's dotted name and file."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Module to the labgen modules that it imports anywhere, in functions and for type checking too.

    The package's own `__init__` imports nothing itself: it hands names on when they are asked for.
    """
    found: dict[str, set[str]] = {}
    for name, file in modules().items():
        wanted = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{file}:{node.lineno}: write the module's full name"
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                wanted |= inside & set(modules()) or {node.module or ""}
        found[name] = (wanted & set(modules())) - {"labgen", name} if name != "labgen" else set()
    return found


def rank(module: str) -> int:
    """Place of a module in `ORDER`."""
    stage = module.split(".")[1]
    if stage in ("api", "aio"):
        return len(ORDER) + 2
    if stage in ("cli", "__main__"):
        return len(ORDER) + 1
    return next((place for place, stages in enumerate(ORDER) if stage in stages), len(ORDER))


def test_imports_point_from_later_steps_to_earlier_ones():
    """A step knows the nouns and what comes before it, never what comes after."""
    backward = [
        f"{module} imports {wanted}"
        for module, all_wanted in imports().items()
        for wanted in all_wanted
        if rank(wanted) > rank(module)
    ]
    assert not backward, "\n".join(sorted(backward))


def test_no_modules_import_each_other_in_a_circle():
    """Every module can be understood after those it imports."""
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_only_the_command_line_prints():
    """A step returns what it has to say; `cli/` says it."""
    printing = []
    for name, file in modules().items():
        # The converter is a process of its own, whose output is its result.
        if name.startswith("labgen.cli") or name == "labgen.documents.convert_child":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            printed = isinstance(called, ast.Name) and called.id == "print"
            if printed or (isinstance(node, ast.Import) and any(alias.name == "click" for alias in node.names)):
                printing.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not printing, printing


def test_there_is_no_place_for_odds_and_ends():
    """Helpers live with the step that they help."""
    names = {part for file in modules().values() for part in file.relative_to(ROOT).with_suffix("").parts}
    assert not names & {"util", "utils", "helpers", "misc", "common"}


def test_help_is_shown_without_loading_what_builds_need():
    """`labgen --help` answers at once: no client, no Arrow, no git."""
    code = (
        "import sys\n"
        "from labgen.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Write leaves:" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_the_nouns_load_without_what_builds_need():
    """`import labgen` and its nouns cost a script nothing."""
    code = (
        "import sys, labgen\n"
        "labgen.Leaf, labgen.Verdict, labgen.Config\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_means_one_thing():
    """No class or function that other modules may use shares its name with another.

    But for `command`, which is every verb's own, and `api`, whose functions are named as verbs are.
    """
    homes: dict[str, list[str]] = {}
    for module, file in modules().items():
        if module == "labgen.api":
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                homes.setdefault(node.name, []).append(module)
    assert not {name: found for name, found in homes.items() if len(found) > 1 and name not in ("command", "main")}


def test_contributing_says_what_each_folder_is_for():
    """A sentence for every folder, in the order in which they may import, and one for none that is not there."""
    text = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where things are")[2].partition("\n## ")[0]
    )
    lines = re.findall(r"^- `(\w+)/` (.+)$", text, re.MULTILINE)
    folders = {file.parent.name for file in PACKAGE.glob("*/*.py")}
    steps = [name for kinds in ORDER for name in sorted(kinds) if name in folders] + ["cli"]
    assert [name for name, _ in lines] == steps and set(steps) == folders
    assert all(words.endswith(".") and words.count(".") == 1 for _, words in lines)
    loose = {file.name for file in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert all(text.count(f"`{name}`") == 1 for name in loose)


def test_tests_mirror_the_package():
    """What is tested in a folder lies in the folder of the same name; what other packages add, in `extending/`."""
    folders = {file.parent.name for file in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - {"extending"} <= {file.parent.name for file in PACKAGE.glob("*/*.py")}
