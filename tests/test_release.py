"""A release: one version, the same bytes from the same commit, and what those need who publish, cite or report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from labgen import __version__

TOP = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source archive, as `scripts/build` makes them."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    done = subprocess.run(
        [TOP / "scripts/build", folder],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_wheel_and_source_are_built_with_the_same_bytes(built: Path) -> None:
    """`scripts/build` builds twice, in different places, and says so where the two differ."""
    names = sorted(path.name for path in built.iterdir())
    assert names == [f"labgen-{__version__}-py3-none-any.whl", f"labgen-{__version__}.tar.gz"]


def test_the_wheel_has_all_that_runs_and_nothing_else(built: Path) -> None:
    """Leaves, starter files and licence are in it; tests and scripts are in the source archive alone."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        entry = wheel.read(f"labgen-{__version__}.dist-info/entry_points.txt").decode()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"labgen", f"labgen-{__version__}.dist-info"} and "labgen = labgen.cli:main" in entry
    for wanted in (
        "labgen/py.typed",
        "labgen/taxonomy/starter/dot-github/workflows/check-leaves.yml",
        "labgen/bundled_taxonomy/knowledge/science/astronomy/moon_phases/qna.yaml",
        f"labgen-{__version__}.dist-info/licenses/LICENSE",
    ):
        assert wanted in names
    with tarfile.open(next(built.glob("*.tar.gz"))) as source:
        inside = {name.partition("/")[2] for name in source.getnames()}
    assert {"tests/test_release.py", "scripts/build", "SECURITY.md", "CITATION.cff", "docs/design.md"} <= inside


def test_the_version_stands_in_one_place() -> None:
    """In labgen/__init__.py; what must repeat it is compared here."""
    assert "version" in tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dynamic"]
    assert yaml.safe_load((TOP / "CITATION.cff").read_text())["version"] == __version__
    shown = re.findall(r"labgen-(\d[\w.]*?)-py3", (TOP / "docs/builds.md").read_text())
    assert shown and set(shown) == {__version__}


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("citation-file-format", "CITATION.cff"),
        ("github-issue-forms", ".github/ISSUE_TEMPLATE/[bi]*.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_what_github_reads_is_valid(schema: str, files: str) -> None:
    """By the public schemas, as check-jsonschema carries them."""
    found = sorted(TOP.glob(files))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, found)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found and done.returncode == 0, done.stdout + done.stderr


def test_only_the_last_steps_of_a_release_have_rights() -> None:
    """What builds and what tests may not publish; the wheel that is published is the one that was tried everywhere."""
    jobs: dict[str, Any] = yaml.safe_load((TOP / ".github/workflows/release.yml").read_text())["jobs"]
    rights = {
        name: {key for key, right in job["permissions"].items() if right == "write"} for name, job in jobs.items()
    }
    assert rights == {
        "build": set(),
        "test": set(),
        "publish": {"id-token", "attestations"},
        "announce": {"contents"},
    }
    assert set(jobs["publish"]["needs"]) == {"build", "test"} and jobs["announce"]["needs"] == "publish"
    assert len(jobs["test"]["strategy"]["matrix"]["system"]) == 3
    steps = [step for name in ("publish", "announce") for step in jobs[name]["steps"]]
    assert not any("checkout" in step.get("uses", "") for step in steps), "no code of the repository runs with rights"


def test_the_container_is_small_and_has_no_root() -> None:
    """It is made of the locked packages and what git knows, and everything that it copies reaches the builder."""
    lines = re.sub(r"\\\n", " ", (TOP / "Containerfile").read_text()).splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    last = [kind for kind, _ in words]
    assert last.index("USER") > max(at for at, kind in enumerate(last) if kind == "RUN")
    assert [what for kind, what in words if kind == "USER"] == ["10001"]
    assert any("--require-hashes" in what for kind, what in words if kind == "RUN")
    ignored = (TOP / ".containerignore").read_text()
    assert ignored == (TOP / ".dockerignore").read_text()
    kept = [line[1:] for line in ignored.splitlines() if line.startswith("!")]
    for kind, what in words:
        if kind == "COPY" and "--from" not in what:
            for source in what.split()[:-1]:
                assert (TOP / source).exists() and any(fnmatch(source, each) for each in kept), source
