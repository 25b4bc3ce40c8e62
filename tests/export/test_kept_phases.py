"""Phases of the dataset before are taken over where they are the same, and only there."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbench import digest

from labgen.config.dataset import MixConfig
from labgen.export import kept_phases
from labgen.export.dataset import write_dataset
from labgen.export.folder import read_manifest
from labgen.export.mix import write_phases


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where phases were written, rather than taken over."""
    roots: list[Path] = []

    def noted(root: Path, *others: Any) -> Any:
        roots.append(root)
        return write_phases(root, *others)

    monkeypatch.setattr(kept_phases, "write_phases", noted)
    return roots


def phase_file(dataset: Path) -> Path:
    """One of the files of a dataset's phases."""
    name: str = read_manifest(dataset)["configs"]["phase_3_skills"]["files"][0]
    return dataset / name


def test_phases_of_unchanged_rows_are_taken_over_byte_for_byte(
    tmp_path: Path, make_build: Callable[..., Any], written: list[Path]
) -> None:
    """The second build writes none, has the same bytes, and its files are its own once the old dataset is gone."""
    out, work, build = tmp_path / "out", tmp_path / "work", make_build(12)
    write_dataset(out, **build.arguments(), mix=MixConfig(), work_folder=work)
    before = digest(out)
    write_dataset(out, **build.arguments(), mix=MixConfig(), work_folder=work)
    assert len(written) == 1 and digest(out) == before
    assert phase_file(out).stat().st_nlink == 1


@pytest.mark.parametrize(
    "what", ["a phase's file", "a phase's file, gone", "what is kept", "what is kept, cut", "version"]
)
def test_what_is_not_as_it_was_is_written_anew(
    tmp_path: Path, make_build: Callable[..., Any], written: list[Path], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that somebody has changed, and a damaged or foreign note of what it was made of, are not believed."""
    out, work, build = tmp_path / "out", tmp_path / "work", make_build(12)
    write_dataset(out, **build.arguments(), mix=MixConfig(), work_folder=work)
    before, note = digest(out), work / "outcomes" / "phases"
    match what:
        case "a phase's file":
            content = bytearray(phase_file(out).read_bytes())
            content[len(content) // 2] ^= 1
            phase_file(out).write_bytes(content)
        case "a file, gone":
            phase_file(out).unlink()
        case "what is kept":
            note.write_bytes(note.read_bytes().replace(b'"rows": ', b'"rows": 1', 1))
        case "what is kept, cut":
            note.write_bytes(note.read_bytes()[:200])
        case _:
            monkeypatch.setattr(kept_phases, "code_version", lambda: "another version's")
    write_dataset(out, **build.arguments(), mix=MixConfig(), work_folder=work)
    assert len(written) == 2 and digest(out) == before


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_dataset_is_the_same_with_and_without_what_is_kept(
    tmp_path_factory: pytest.TempPathFactory, make_build: Callable[..., Any], seed: int
) -> None:
    """After any row of changes of rows and settings, to and fro, every file has the bytes of a dataset made at once."""
    draw, root = random.Random(seed), tmp_path_factory.mktemp("datasets")
    for number in range(4):
        build = make_build(draw.choice([6, 9]))
        mix = MixConfig(replay_1_in_2=draw.choice([0.1, 0.5]), seed=draw.choice([0, 1]), phases=draw.random() < 0.9)
        write_dataset(root / "kept", **build.arguments(), mix=mix, work_folder=root / "work", replace=True)
        write_dataset(root / f"anew-{number}", **build.arguments(), mix=mix)
        assert digest(root / "kept") == digest(root / f"anew-{number}")
