"""Promises of the dataset folder."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labgen.errors import OutputError, UsageError
from labgen.export.dataset import write_dataset
from labgen.export.files import ShardedTable, read_rows
from labgen.export.find import find_row
from labgen.export.folder import claim_output, read_manifest, replacing
from labgen.export.rows import row_schema
from labgen.records import Candidate


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` without network, with a cache of its own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_load_dataset_opens_every_config_with_the_rows_that_were_kept(
    tmp_path: Path, offline: None, make_build: Callable
) -> None:
    """The real library reads the folder by its card, and no rejected row is among the kept."""
    import datasets

    folder = write_dataset(tmp_path / "out", **make_build(5).arguments())
    sizes = {"knowledge": 10, "foundational_skills": 5, "compositional_skills": 5, "rejected": 8}
    for config, rows in sizes.items():
        loaded = datasets.load_dataset(str(folder), config, split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == rows
        assert datasets.load_dataset_builder(str(folder), config).info.splits["train"].num_examples == rows
        assert loaded.column_names == row_schema(rejected=config == "rejected").names
    assert {row["state"] for row in loaded} == {"duplicate", "unparsed"}
    assert datasets.get_dataset_config_names(str(folder)) == list(sizes)


def test_rows_are_in_leaf_order_and_the_parquet_schema_is_the_declared_one(
    tmp_path: Path, make_build: Callable
) -> None:
    """Sorted rows and one schema in every config."""
    import pyarrow.parquet as pq

    folder = write_dataset(tmp_path / "out", **make_build(3).arguments())
    for name, config in read_manifest(folder)["configs"].items():
        for file in config["files"]:
            assert pq.read_schema(folder / file).equals(row_schema(rejected=name == "rejected"))
            leaves = [row["leaf"] for row in read_rows(folder / file)]
            assert leaves == sorted(leaves)


def test_same_input_gives_the_same_bytes_and_changed_rows_another_file_name(
    tmp_path: Path, make_build: Callable
) -> None:
    """Data files are named by their content, so that no reader's cache serves stale rows."""
    one = contents(write_dataset(tmp_path / "one", **make_build(4).arguments()))
    assert contents(write_dataset(tmp_path / "two", **make_build(4).arguments())) == one
    changed = make_build(4)
    leaf = changed.candidates["knowledge/science/marble"]
    leaf[0] = replace(leaf[0], response="Another answer.")
    other = contents(write_dataset(tmp_path / "three", **changed.arguments()))
    assert {name for name in one if name.startswith("data/")} - set(other) == {
        name for name in one if name.startswith("data/knowledge")
    }


def test_a_config_without_rows_is_left_out_and_the_card_says_so(
    tmp_path: Path, offline: None, make_build: Callable
) -> None:
    """An empty Parquet file would not load."""
    import datasets

    build = make_build(3).only("knowledge/science/granite")
    folder = write_dataset(tmp_path / "out", **build.arguments())
    assert datasets.get_dataset_config_names(str(folder)) == ["knowledge", "rejected"]
    assert "`compositional_skills`" in (folder / "README.md").read_text()


def test_an_empty_build_is_written_and_says_so(tmp_path: Path, make_build: Callable) -> None:
    """Nothing accepted is a result, with a funnel to explain it."""
    folder = write_dataset(tmp_path / "out", **make_build(0).only().arguments())
    assert read_manifest(folder)["configs"] == {}
    assert json.loads((folder / "funnel.json").read_text())["total"]["candidates"] == 0


def test_rehearsal_rows_are_marked_on_the_first_line(tmp_path: Path, make_build: Callable) -> None:
    """Nobody should take them for a model's."""
    folder = write_dataset(tmp_path / "out", **make_build(2, rehearsal=True).arguments())
    prose = (folder / "README.md").read_text().split("---\n", 2)[2].strip()
    assert "Rehearsal" in prose.splitlines()[0]
    assert all(row["rehearsal"] for path in folder.glob("data/*.parquet") for row in read_rows(path))


@pytest.mark.parametrize("content", ["notes.txt", "manifest.json"])
def test_a_folder_of_someone_elses_is_never_replaced(tmp_path: Path, make_build: Callable, content: str) -> None:
    """Not even when told to replace."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / content).write_text("{}")
    with pytest.raises(UsageError, match=r"did not write|not a manifest"):
        write_dataset(tmp_path / "out", **make_build(2).arguments(), replace=content == "notes.txt")
    assert contents(tmp_path / "out") == {content: b"{}"}


@pytest.mark.parametrize("way", ["missing/..", "missing/../out/missing/../.."])
@pytest.mark.parametrize("name", ["out", "out/notes.txt"])
def test_no_way_round_leads_to_what_is_someone_elses(tmp_path: Path, make_build: Callable, way: str, name: str) -> None:
    """Through a folder that does not exist, and back: nothing is at such a path, but something is where it leads."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    for anyway in (False, True):
        with pytest.raises(UsageError, match="through a folder that does not exist"):
            write_dataset(tmp_path / way / name, **make_build(2).arguments(), replace=anyway)
    with pytest.raises(UsageError, match="through a folder that does not exist"), replacing(tmp_path / way / name):
        pass
    assert contents(tmp_path) == {"out/notes.txt": b"mine"}


def test_a_link_in_a_circle_is_no_place_for_a_dataset(tmp_path: Path, make_build: Callable) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="Choose another folder"):
        write_dataset(tmp_path / "loop", **make_build(2).arguments())
    assert (tmp_path / "loop").is_symlink() and len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_and_ones_own_dataset_are_replaced(tmp_path: Path, make_build: Callable) -> None:
    """Running again updates; notes that people left in the folder stay, old data files go."""
    (tmp_path / "out").mkdir()
    folder = write_dataset(tmp_path / "out", **make_build(2).arguments())
    (folder / "notes.txt").write_text("mine")
    write_dataset(folder, **make_build(3).arguments())
    manifest = read_manifest(folder)
    assert set(contents(folder)) == {*manifest["files"], "manifest.json", "notes.txt"}
    assert manifest["configs"]["knowledge"]["rows"] == 6
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_narrower_build_does_not_replace_a_fuller_one(tmp_path: Path, make_build: Callable) -> None:
    """Fewer leaves, fewer rows, an unfinished build, a rehearsal, another taxonomy: each is refused and says why."""
    full = make_build(3)
    folder = write_dataset(tmp_path / "out", **full.arguments())
    before = contents(folder)
    fewer = make_build(2)
    broken = full.only("knowledge/science/granite")
    broken.about = replace(broken.about, unselected=(), excluded={"knowledge/science/marble": "no document"})
    unfinished = replace(full, about=replace(full.about, complete=False))
    other = replace(full, leaves=[replace(full.leaves[0], path="compositional_skills/x")], candidates={})
    for build, why in (
        (full.only("knowledge/science/granite"), "leaves out compositional_skills/grounded/summary"),
        (broken, "leaves out knowledge/science/marble"),
        (fewer, "fewer rows"),
        (unfinished, "incomplete"),
        (make_build(3, rehearsal=True), "rehearsal"),
        (other, "another taxonomy"),
    ):
        with pytest.raises(UsageError, match=why):
            write_dataset(folder, **build.arguments())
    assert contents(folder) == before
    write_dataset(folder, **fewer.arguments(), replace=True)
    assert read_manifest(folder)["configs"]["knowledge"]["rows"] == 4


def test_a_leaf_deleted_from_the_taxonomy_is_not_missed(tmp_path: Path, make_build: Callable) -> None:
    """Deleting a leaf on purpose needs no force."""
    full = make_build(3)
    folder = write_dataset(tmp_path / "out", **full.arguments())
    build = full.only("knowledge/science/granite", "foundational_skills/reasoning")
    build.about = replace(build.about, unselected=())
    write_dataset(folder, **build.arguments())
    assert set(read_manifest(folder)["leaves"]) == {"knowledge/science/granite", "foundational_skills/reasoning"}


def test_a_failure_midway_leaves_the_old_dataset_and_nothing_half_written(tmp_path: Path, make_build: Callable) -> None:
    """Whatever goes wrong while rows are read."""
    full = make_build(3)
    folder = write_dataset(tmp_path / "out", **full.arguments())
    before = contents(folder)

    def breaks(leaf: str) -> Iterator[Candidate]:
        yield from full.candidates[leaf]
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        write_dataset(folder, **(full.arguments() | {"read": breaks}))
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_funnel_that_disagrees_with_the_rows_is_not_published(tmp_path: Path, make_build: Callable) -> None:
    """The card must not say other numbers than the data."""
    full = make_build(3)
    with pytest.raises(ValueError, match="funnel counts"):
        write_dataset(tmp_path / "out", **(full.arguments() | {"funnel": make_build(4).funnel}))
    assert list(tmp_path.iterdir()) == []


def test_a_run_killed_between_its_renames_loses_nothing(tmp_path: Path, make_build: Callable) -> None:
    """The old dataset is put back before anything else happens."""
    folder = write_dataset(tmp_path / "out", **make_build(3).arguments())
    folder.rename(tmp_path / ".out.old")
    (tmp_path / ".out.new").mkdir()
    with pytest.raises(UsageError, match="fewer rows"):
        write_dataset(folder, **make_build(2).arguments())
    assert read_manifest(folder)["configs"]["knowledge"]["rows"] == 6


def test_two_runs_do_not_write_to_the_same_folder(tmp_path: Path, make_build: Callable) -> None:
    """The second is told; once the first is done it may."""
    program = "import sys; from pathlib import Path; from labgen.export.folder import claim_output\n"
    program += "with claim_output(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match="another run"):
            write_dataset(tmp_path / "out", **make_build(2).arguments())
        other.communicate()
    with claim_output(tmp_path / "out"):
        write_dataset(tmp_path / "out", **make_build(2).arguments())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, make_build: Callable) -> None:
    """A real write error (here: the largest file size allowed) becomes a message; the old dataset stands."""
    folder = write_dataset(tmp_path / "out", **make_build(2).arguments())
    before = contents(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match="nothing is asked twice"):
            write_dataset(folder, **make_build(3).arguments())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_any_row_or_rejection_is_found_by_the_start_of_its_id(tmp_path: Path, make_build: Callable) -> None:
    """With its calls, so that its history can be shown; unknown and ambiguous ids are said."""
    folder = write_dataset(tmp_path / "out", **make_build(5).arguments())
    for config in read_manifest(folder)["configs"]:
        for row in (row for path in folder.glob(f"data/{config}-*") for row in read_rows(path)):
            found = find_row(folder, row["id"])
            assert found["config"] == config
            assert {name: found[name] for name in row} == row
            assert len(found["calls"][0]) == 64
            assert found["position"] == 0
    assert find_row(folder, row["id"][:12])["id"] == row["id"]
    with pytest.raises(UsageError, match="no row or rejection"):
        find_row(folder, "zz")
    with pytest.raises(UsageError, match="ids start with"):
        find_row(folder, "")
    with pytest.raises(UsageError, match="Check the path"):
        find_row(tmp_path, "a")


def test_what_went_wrong_first_is_what_is_told(tmp_path: Path) -> None:
    """Letting go of a file on a full disk fails as well, and hides nothing."""

    class Full:
        def close(self) -> None:
            raise OSError(28, "No space left on device")

    table = ShardedTable(tmp_path, "data/x", row_schema())
    table._writer = Full()
    table.abandon()
    table.abandon()
