"""A fetch that is killed at any step, or a clone that lacks a part: the next run works, or names what to delete."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from cheese import CHEESE
from fault_points import KILLED, Stage, changing, each_of
from workbench import TIDES, knowledge, write_leaf

from labgen.errors import TaxonomyError

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="commands are forked")
PLAN = ("plan", "--json")


@LINUX
def test_a_fetch_killed_at_any_step_is_done_by_the_next_run(origin, tmp_path):
    """The next plan is that of a run that nobody killed: no half clone is taken for a whole one."""
    full = origin.commit({"cheese.md": TIDES})
    start = tmp_path / "start"
    document = {"repo": origin.url, "commit": full, "patterns": ["*.md"]}
    write_leaf(start / "taxonomy", "knowledge/food/cheese", **knowledge(document=document))
    (start / "labgen.yaml").write_text("documents: {allow_local_repos: true}\n")
    with Stage() as stage:
        stage.warm_up(Path(shutil.copytree(start, tmp_path / "warm")), PLAN)
        whole = stage.run(Path(shutil.copytree(start, tmp_path / "whole")), PLAN)
        assert whole.status == 0 and "cheese" in whole.out, whole.err
        points = changing([point for point in each_of(whole.points) if "documents/" in point.where])
        assert len(points) > 15
        for number, point in enumerate(points):
            folder = Path(shutil.copytree(start, tmp_path / str(number)))
            ended = stage.run(folder, PLAN, at=point, kind="kill")
            assert ended.status == KILLED, f"{point}: {ended.err}"
            again = stage.run(folder, PLAN, kill_after_sec=600.0)
            assert (again.status, again.out) == (0, whole.out), f"{point}: {again.err}"
            shutil.rmtree(folder)


@pytest.mark.parametrize("listed", [True, False], ids=["the commit was listed", "it was not"])
def test_a_clone_that_lacks_any_of_its_files_is_mended_or_named(origin, make_leaf, make_store, tmp_path, listed):
    """Each file missing, or half there, as a git that was killed or a disk that failed leaves it."""
    leaf = make_leaf(origin.url, origin.commit({"cheese.md": CHEESE, "brie.md": "# Brie\n\nSoft.\n"}))
    first = make_store().fetch(leaf)
    (clone,) = (tmp_path / "documents").glob("*/shallow.git")
    files = sorted(path.relative_to(tmp_path / "documents") for path in clone.rglob("*") if path.is_file())
    assert len(files) > 5
    named = 0
    for name in files:
        for half in (False, True):
            folder = Path(shutil.copytree(tmp_path / "documents", tmp_path / "broken"))
            if not listed:
                next(folder.glob("*/*.json")).unlink()
            content = (folder / name).read_bytes()
            (folder / name).chmod(0o644)
            (folder / name).unlink()
            if half:
                (folder / name).write_bytes(content[: len(content) // 2])
            try:
                assert make_store(folder).fetch(leaf) == first, name
            except TaxonomyError as error:
                assert "Delete that folder; it is fetched again." in str(error) and str(folder) in str(error), name
                named += 1
                shutil.rmtree(next(folder.iterdir()))
                assert make_store(folder).fetch(leaf) == first
            shutil.rmtree(folder)
    assert named < 2 * len(files)
