"""A folder that takes another's place, stopped at any step: there is the one before, or the whole new one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_points import KILLED, Kind, Point, Stage, changing, each_of
from workbench import digest, freeform, write_leaf

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="commands are forked")
AGAIN = ("export", "dataset", "--format", "alpaca", "--to", "exported")
FOLDER = "exported"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Where commands are run, killed, and meet faults."""
    with Stage() as opened:
        yield opened


@pytest.fixture(scope="module")
def start(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, an earlier export of it in other files."""
    folder = tmp_path_factory.mktemp("swap") / "start"
    write_leaf(folder / "taxonomy", "foundational_skills/requests", **freeform())
    assert stage.run(folder, ["generate", "--samples", "2"], kill_after_sec=600.0).status == 0
    stage.warm_up(Path(shutil.copytree(folder, folder.with_name("warm"))), AGAIN)
    assert stage.run(folder, [*AGAIN, "--files", "jsonl"], kill_after_sec=600.0).status == 0
    return folder


def own(folder: Path) -> dict[str, str]:
    """Hashes of what is there; empty where there is no such folder."""
    return digest(folder / FOLDER) if (folder / FOLDER).exists() else {}


def steps_of(points: tuple[Point, ...], kind: Kind) -> list[Point]:
    """Steps that change something; of those that fail, the swap's own, and what waits for the disk: builds try the
    writing."""
    found = list(each_of(points))
    if kind == "kill":
        return changing(found)
    return [point for point in found if "folder.py" in point.where and point.operation not in ("open", "read", "list")]


@pytest.mark.parametrize("kind", ["kill", "fail", "stay failed"])
def test_wherever_it_stops_a_whole_folder_is_there_and_the_next_run_puts_the_new_one(
    stage: Stage, start: Path, tmp_path: Path, kind: Kind
) -> None:
    """Nothing is left beside it."""
    earlier, names = own(start), sorted(path.name for path in start.iterdir())
    whole = Path(shutil.copytree(start, tmp_path / "whole"))
    undisturbed = stage.run(whole, AGAIN)
    assert undisturbed.status == 0, undisturbed.err
    points = steps_of(undisturbed.points, kind)
    expected = own(whole)
    assert earlier and expected and earlier != expected
    assert len(points) > (20 if kind == "kill" else 5)
    for number, point in enumerate(points):
        folder = Path(shutil.copytree(start, tmp_path / str(number)))
        ended = stage.run(folder, AGAIN, at=point, kind=kind)
        where = f"{point}: {ended.status}, {ended.err}"
        assert "Traceback" not in ended.err and ended.status in ((KILLED,) if kind == "kill" else (0, 1, 2)), where
        # Between its two renames there is none, after a kill or where none works any more: the next run mends it.
        between = kind != "fail" and (folder / f".{FOLDER}.old").exists()
        assert own(folder) in ((earlier, expected, {}) if between else (earlier, expected)), where
        assert ended.status != 0 or own(folder) == expected, where
        assert stage.run(folder, AGAIN, kill_after_sec=600.0).status == 0, where
        assert own(folder) == expected, where
        assert sorted(path.name for path in folder.iterdir()) == names, where
        shutil.rmtree(folder)
