"""A build of which nothing has changed is found whole: nothing is written, and what is said of it is the same."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from workbench import TIDES, Labgen, digest, freeform, knowledge, write_leaf

from labgen.export.dataset import DatasetWriter
from labgen.outcomes.store import FILE_NAME, FOLDER, OutcomeStore


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a dataset was built, and built again from the ledger alone."""
    folder = tmp_path_factory.mktemp("built")
    leaf = write_leaf(folder / "taxonomy", "knowledge/science/tides", **knowledge())
    (leaf.parent / "tides.md").write_text(TIDES)
    write_leaf(folder / "taxonomy", "foundational_skills/requests", **freeform())
    (folder / "labgen.yaml").write_text(yaml.safe_dump({"samples": 3}))
    for _ in range(2):
        assert Labgen(folder)("generate").status == 0
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(built, tmp_path / "copy")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Datasets that were begun."""
    found: list[Path] = []
    begin = DatasetWriter.__init__

    def noted(self: DatasetWriter, folder: Path, *others: object, **named: object) -> None:
        found.append(folder)
        begin(self, folder, *others, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(DatasetWriter, "__init__", noted)
    return found


def build(folder: Path) -> dict[str, str]:
    assert Labgen(folder)("generate").status == 0
    return digest(folder / "dataset")


def test_what_is_said_of_it_is_the_same_and_nothing_is_written(folder: Path, written: list[Path]) -> None:
    """As when the dataset has to be written anew from the same outcomes."""
    before = {file: file.stat().st_mtime_ns for file in (folder / "dataset").rglob("*")}
    found = [Labgen(folder)("generate", *options) for options in ((), ("--json",), ("--max-calls", "5"))]
    assert not written
    assert before == {file: file.stat().st_mtime_ns for file in (folder / "dataset").rglob("*")}
    for run, options in zip(found, ((), ("--json",), ("--max-calls", "5")), strict=True):
        shutil.rmtree(folder / "dataset")
        made = Labgen(folder)("generate", *options)
        assert (run.status, run.out) == (made.status, made.out)
    assert len(written) == 3


def test_a_dataset_that_is_not_what_was_written_is_written_anew(folder: Path, written: list[Path]) -> None:
    """Whichever of its files is damaged, gone, or a link to somewhere else."""
    sound = digest(folder / "dataset")
    for name in ("README.md", "manifest.json", next(name for name in sound if name.endswith(".parquet"))):
        file = folder / "dataset" / name
        if name != "manifest.json":  # without which it is no dataset that may be replaced
            file.unlink()
            assert build(folder) == sound
            file.rename(folder / "elsewhere")
            file.symlink_to(folder / "elsewhere")
            assert build(folder) == sound
        file.write_bytes(file.read_bytes() + b"\n")
        assert build(folder) == sound
    assert len(written) == 7


def test_a_link_in_place_of_its_folder_or_manifest_is_no_part_of_it(folder: Path, written: list[Path]) -> None:
    """Whatever it leads to may be changed by others; what it leads to stays as it is."""
    sound = digest(folder / "dataset")
    for name in ("data", "manifest.json"):
        place = folder / "dataset" / name
        place.symlink_to(place.rename(folder / name))
        assert build(folder) == sound and not place.is_symlink()
    assert len(written) == 2 and (folder / "data").exists() and (folder / "manifest.json").exists()


def test_what_is_found_whole_is_the_last_to_go_where_room_is_needed(folder: Path, written: list[Path]) -> None:
    work = folder / ".labgen"
    with closing(sqlite3.connect(work / FOLDER / FILE_NAME)) as database, database:
        (size,) = database.execute("SELECT size FROM outcomes ORDER BY number DESC LIMIT 1").fetchone()
    with OutcomeStore(work, max_bytes=10**9) as store:
        store.keep(b"of another build, later", b"its outcome")
    build(folder)
    with OutcomeStore(work, max_bytes=size):
        """Room is made as it is closed."""
    build(folder)
    assert not written


def test_what_others_put_beside_it_stays(folder: Path, written: list[Path]) -> None:
    (folder / "dataset" / "notes.txt").write_text("ours")
    with_notes = digest(folder / "dataset")
    assert build(folder) == with_notes and not written


def test_a_changed_ledger_or_leaf_is_seen(folder: Path, written: list[Path]) -> None:
    """A reply that is gone, a note on an endpoint, and what only the card tells of a leaf."""
    sound = digest(folder / "dataset")
    with closing(sqlite3.connect(folder / ".labgen" / "ledger.sqlite")) as database, database:
        database.execute("DELETE FROM replies WHERE key = (SELECT max(key) FROM replies)")
    assert build(folder) == sound and len(written) == 1
    attribution = folder / "taxonomy/knowledge/science/tides/attribution.txt"
    attribution.write_text("Title of work: Tides\nLicense of the work: CC-BY-4.0\nCreator names: Ada\n")
    assert "CC-BY-4.0" in Labgen(folder)("generate").out + (folder / "dataset/README.md").read_text()
    assert len(written) == 2


def test_another_machine_s_word_is_not_believed(
    folder: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sound = digest(folder / "dataset")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    assert build(folder) == sound and len(written) == 1
