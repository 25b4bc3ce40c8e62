"""What the ledger holds is replayed, by several processes where it holds much: the same build, and nothing asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workbench import Labgen, Teacher, built_once, clean_environment, digest, write_leaf
from workbench import freeform as freeform_content

SHARED = (
    "import sys\n"
    "import labgen.generate.resume as replay\n"
    "from labgen.cli import main\n"
    "replay.WORTH_SHARING, replay.spare_processes = 1, lambda: 2\n"
    "main(sys.argv[1:])\n"
)
"""The command line on a machine with two cores, where every reply is worth sharing out."""


def shared(labgen: Labgen, *arguments: str) -> str:
    """What a command prints whose replay is shared out among two processes."""
    done = subprocess.run(
        [sys.executable, "-c", SHARED, *arguments],
        cwd=labgen.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.fixture
def built(labgen: Labgen) -> dict[str, str]:
    """The digest of a dataset of eight rows per leaf; its ledger lies beside it."""
    shutil.copytree(built_once("--samples", "8"), labgen.folder, dirs_exist_ok=True)
    return digest(labgen.folder / "dataset")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")
def test_an_unchanged_build_is_replayed_by_several_processes_to_the_same_bytes(
    built: dict[str, str], labgen: Labgen
) -> None:
    """With the same counts as by one; an endpoint that is gone is not missed."""
    alone = labgen("generate", "--samples", "8", "--json").json
    together = json.loads(shared(labgen, "generate", "--samples", "8", "--json"))
    assert together == alone and together["calls"]["from_ledger"] > 50
    assert (together["calls"]["sent"], together["complete"]) == (0, True)
    assert digest(labgen.folder / "dataset") == built


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")
def test_plan_and_prune_count_the_same_however_many_processes_look(built: dict[str, str], labgen: Labgen) -> None:
    """Calls paid and to pay, for more samples than are there; calls that nothing uses any more."""
    for arguments in (("plan", "--samples", "8"), ("plan", "--samples", "30"), ("ledger", "prune")):
        assert shared(labgen, *arguments) == labgen(*arguments).out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")
def test_a_build_that_was_cut_short_goes_on_where_its_leaves_were(
    taxonomy: Path, labgen: Labgen, teacher: Teacher
) -> None:
    """Again and again: each run pays for new calls only, and the last one's dataset is that of a run in one go."""
    arguments = ["generate", "--samples", "6", "--base-url", teacher.base_url, "--model", "labgen-rehearsal"]
    runs = 0
    while True:
        limit = ["--max-calls", "30"] if runs < 20 else []
        result = json.loads(shared(labgen, *arguments, *limit, "--json"))
        runs += 1
        if result["complete"]:
            break
    assert runs > 2
    assert teacher.stats()["answered_twice"] == 0
    assert labgen("generate", "--samples", "6", "--output", "in_one_go", "--work", "elsewhere").status == 0
    assert digest(labgen.folder / "dataset") == digest(labgen.folder / "in_one_go")


def test_every_reply_taken_from_the_ledger_is_in_the_log_once(built: dict[str, str], labgen: Labgen) -> None:
    """Also of a leaf that the ledger answers in part."""
    log = labgen.folder / "log.jsonl"
    calls = labgen("generate", "--samples", "20", "--log", str(log), "--json").json["calls"]
    outcomes = [json.loads(line)["outcome"] for line in log.read_text().splitlines()]
    assert outcomes.count("ledger") == calls["from_ledger"] > 0
    assert outcomes.count("ok") == calls["answered"] > 0


def test_a_rebuild_asks_no_teacher_and_so_needs_none(built: dict[str, str], labgen: Labgen) -> None:
    """Nothing answers at the address, and nobody minds; a new leaf does, and an address that can be none."""
    arguments = ("generate", "--samples", "8", "--base-url", "http://127.0.0.1:9/v1", "--model", "labgen-rehearsal")
    assert labgen(*arguments).status == 0
    assert digest(labgen.folder / "dataset") == built
    write_leaf(labgen.folder / "taxonomy", "foundational_skills/more", **freeform_content())
    (labgen.folder / "labgen.yaml").write_text("teacher: {outage_sec: 1, first_backoff_sec: 0.1}\n")
    refused = labgen(*arguments)
    assert refused.status == 1 and "127.0.0.1:9" in refused.err
    wrong = labgen("generate", "--samples", "8", "--base-url", "ftp://nobody", "--model", "labgen-rehearsal")
    assert wrong.status == 2 and "ftp://nobody" in wrong.err


FILTER = '''
import asyncio

from labgen.records import Verdict


class Score(float):
    """A number as numeric libraries have them."""


class Words(str):
    """Text of a kind of its own."""


class Slow:
    """One look at a time, whatever is going on."""

    version, kind, stage, flows = "1", "rule", "pair", ("knowledge", "grounded", "freeform")

    def __init__(self):
        self._one = asyncio.Semaphore(1)

    async def __call__(self, candidate, scene):
        async with self._one:
            await asyncio.sleep(0)
            return [Verdict(Words("slow"), self.version, Score(0.5), Words("so"))]

    def decide(self, verdict, scene):
        return None

'''


def test_a_filter_of_another_package_sees_one_event_loop_in_a_build(
    built: dict[str, str], labgen: Labgen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds on to there works on; a build that goes on is that in one go, on any number of cores."""
    info = tmp_path / "site/slowly-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site/slowly.py").write_text(FILTER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slowly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[labgen.filters]\nslow = slowly:Slow\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for samples in ("8", "14"):
        run = labgen("generate", "--samples", samples, "--json")
        assert run.status == 0, run.err
    assert run.json["funnel"]["total"]["states"].get("failed", 0) == 0
    assert labgen("generate", "--samples", "14", "--output", "in_one_go", "--work", "elsewhere").status == 0
    assert digest(labgen.folder / "dataset") == digest(labgen.folder / "in_one_go")
    assert labgen("generate", "--samples", "14").status == 0


def test_a_plan_reckons_with_the_yield_that_the_dataset_shows(built: dict[str, str], labgen: Labgen) -> None:
    """Flow by flow; before there is a dataset, with the stated one."""
    funnel = json.loads((labgen.folder / "dataset/funnel.json").read_text())["leaves"]
    tally = funnel["foundational_skills/requests"]
    seen = (tally["states"]["accepted"] + tally["states"].get("surplus", 0)) / tally["candidates"]
    plan = labgen("plan", "--json").json
    assert plan["expected_yield"]["freeform"] == pytest.approx(seen)
    assert set(labgen("plan", "--output", "none", "--json").json["expected_yield"].values()) == {0.7}
