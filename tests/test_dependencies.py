"""What labgen imports, it declares; what it declares, it uses; and the demo's lock is a state of the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labgen.text.yaml_data import read_yaml

TOP = Path(__file__).parent.parent

BY_NAME = {"detect_secrets": "labgen/text/secrets.py", "markitdown": "labgen/documents/convert_child.py"}
"""Modules that are imported by a name put together at run time, and where."""

TOOLS = {
    *(
        "axe-playwright-python",
        "check-jsonschema",
        "furo",
        "hatchling",
        "ipykernel",
        "mypy",
        "myst-parser",
        "playwright",
    ),
    *("pytest-timeout", "pytest-xdist", "ruff", "types-pyyaml", "uv", "zizmor"),
}
"""Declared for development and run as programs or found by their hosts, rather than imported."""

OPTIONAL = {"axolotl", "instructlab", "llamafactory", "torch", "transformers", "trl"}
"""Training programs that some scripts are about; each says itself how it gets them."""


def project() -> dict[str, Any]:
    found = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(found, dict)
    return found


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements} - {"labgen"}


def extras(*chosen: str) -> set[str]:
    known = project()["optional-dependencies"]
    return set().union(*(names(known[name]) for name in chosen or known))


@cache
def distributions() -> dict[str, list[str]]:
    return {module: [canonicalize_name(name) for name in found] for module, found in packages_distributions().items()}


def imported(file: Path, *, at_once: bool = False) -> set[str]:
    """Distributions that a file imports; `at_once`: only when it is itself imported, not within a function."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    if at_once:
        nodes = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    modules: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    ours = {path.stem for path in (*TOP.glob("scripts/*"), *TOP.glob("tests/**/*.py"))} | {"labgen", "report"}
    outside = modules - set(sys.stdlib_module_names) - ours - OPTIONAL
    return {name for module in outside for name in distributions().get(module, [canonicalize_name(module)])}


def test_what_the_package_imports_is_declared() -> None:
    """Not only brought along by something else, which may let go of it in its next release."""
    core, optional = (
        names(project()["dependencies"]),
        extras("documents", "browse", "tokenizers", "local", "hub", "ray"),
    )
    files = sorted((TOP / "labgen").rglob("*.py"))
    undeclared = {str(file): found for file in files if (found := imported(file) - core - optional)}
    assert not undeclared
    # An extra's package is imported where it is needed, so that everything else runs without it.
    late = {"labgen/publish/failures.py": {"huggingface-hub"}, "labgen/cli/browse.py": {"textual"}}
    for file in files:
        at_once = imported(file, at_once=True) - core
        assert at_once <= late.get(file.relative_to(TOP).as_posix(), set()), file


@pytest.mark.parametrize("folder", ["tests", "docs", "scripts"])
def test_what_developers_need_is_declared(folder: str) -> None:
    """With `labgen[dev]` tests, site and scripts run."""
    known = names(project()["dependencies"]) | extras()
    files = [file for file in (TOP / folder).rglob("*") if file.is_file() and _is_python(file)]
    assert not {str(file): found for file in files if (found := imported(file) - known)}


def _is_python(file: Path) -> bool:
    if file.suffix in ("", ".py"):
        return file.suffix == ".py" or file.read_bytes().startswith(b"#!/usr/bin/env python")
    return False


def test_what_is_declared_is_used() -> None:
    """Nobody installs what nothing imports."""
    files = [file for top in ("labgen", "tests", "docs", "scripts") for file in (TOP / top).rglob("*.py")]
    used = set().union(*map(imported, files)) | {canonicalize_name(name) for name in BY_NAME}
    assert not (names(project()["dependencies"]) | extras()) - used - TOOLS
    assert all(name in (TOP / place).read_text(encoding="utf-8") for name, place in BY_NAME.items())


def test_every_dependency_is_bounded_on_both_sides() -> None:
    """Below by what is tried in CI, above by the next release that may break what is here."""
    known = project()
    for each in (
        *known["dependencies"],
        *(word for words in known["optional-dependencies"].values() for word in words),
    ):
        requirement = Requirement(each)
        signs = {specifier.operator for specifier in requirement.specifier}
        assert requirement.name == "labgen" or signs == {">=", "<"}, each


def test_the_pythons_that_are_named_are_those_of_ci() -> None:
    """From the oldest that may be installed on, and with the lowest and the newest releases of what labgen needs."""
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project()["classifiers"]))
    workflow = (TOP / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    jobs = read_yaml(workflow).data["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == named
    assert project()["requires-python"] == f">={named[0]}"
    assert {"run": ".ci/run"} in jobs["test"]["steps"]
    ran = (TOP / ".ci/run").read_text(encoding="utf-8")
    assert all(f"\nscripts/check_dependencies {which}\n" in ran for which in ("lowest", "newest"))


def locked() -> dict[str, list[Requirement]]:
    """What the demo installs, by name; a package may have one version for some Pythons and another for others."""
    text = (TOP / "scripts/demo-lock.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        words, *hashes = line.split(" --hash=")
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", each) for each in hashes), line
        found.setdefault(canonicalize_name(Requirement(words).name), []).append(Requirement(words))
    return found


def test_the_demos_lock_is_what_is_declared() -> None:
    """Each dependency is in it, within its bounds, and each package by one version and hashes (scripts/lock)."""
    lock = locked()
    assert all({part.operator for part in each.specifier} == {"=="} for found in lock.values() for each in found)
    for requirement in map(Requirement, project()["dependencies"]):
        for each in lock[canonicalize_name(requirement.name)]:
            version = next(iter(each.specifier)).version
            assert requirement.specifier.contains(version), f"{each}: run scripts/lock"


def test_the_licences_of_the_whole_set_are_told() -> None:
    """Every package of the lock and of the extras for users has one, and none asks more than to be left as it is."""
    text = (TOP / "docs/dependencies.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| ([a-z0-9-]+) \| ([^|]*) \| (?:labgen|`[^|]*`) \|$", text, re.MULTILINE))
    everywhere = {name for name, found in locked().items() if any(each.marker is None for each in found)}
    missing = (everywhere | extras("documents", "browse", "tokenizers", "hub", "local", "ray")) - set(told)
    assert not missing, "run scripts/lock"
    permissive = r"MIT|BSD|Apache|PSF|MPL-2.0|0BSD|CNRI|Zlib|CC0"
    assert {name for name, licence in told.items() if not re.search(permissive, licence)} == {"python-stdnum"}
    assert not {name for name, licence in told.items() if re.search(r"(?<!L)GPL", licence)}
