"""Builds in which one meeting with the disk goes wrong, and what must be true of each: for a test and for a script."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fault_points import ERRORS, KILLED, OWN_STATUS, Ending, Kind, Point, Stage, each_of
from faulty_teacher import FaultyTeacher
from workbench import TIDES, digest, freeform, knowledge, write_leaf

from labgen.teacher.rehearsal.wire import answer

CONCURRENCY = 4
DATASET = "dataset"
NOTES = "dataset/notes/mine.txt"
"""What a user has put into the dataset's folder, where there is one at the start: it stays."""
LEFT_OUT = "left out"
"""Kinds of state of a dataset after a fault, beside those of `BuildsWithFaults.state_of`."""


@dataclass
class Verdict:
    """What became of a build with a fault: `wrong` is empty where all is as it should be."""

    point: Point
    ended: Ending
    state: str
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = self.ended.err.strip().rpartition("\n")[2]
        status = "killed" if self.ended.status == KILLED else self.ended.status
        return f"{'; '.join(self.wrong) or 'good':<8} {self.point}: status {status}, dataset {self.state}: {said[:300]}"


class BuildsWithFaults:
    """Builds of two leaves in folders below `folder`; a context manager.

    `again` has each begin where a smaller build has ended, whose dataset it replaces; otherwise there is nothing yet.
    """

    def __init__(self, folder: Path, stage: Stage, teacher: FaultyTeacher, *, again: bool) -> None:
        self._folder, self._stage, self._teacher = folder, stage, teacher
        self._start = folder / "start"
        leaf = write_leaf(self._start / "taxonomy", "knowledge/science/tides", **knowledge())
        (leaf.parent / "tides.md").write_text(TIDES)
        write_leaf(self._start / "taxonomy", "foundational_skills/requests", **freeform())
        settings = {"teacher": {"first_backoff_sec": 0.01, "outage_sec": 5.0, "concurrency": CONCURRENCY}}
        (self._start / "labgen.yaml").write_text(json.dumps(settings))
        self._stage.warm_up(self._copy("warm"), self._command(2))
        if again:
            made = stage.run(self._start, self._command(1))
            assert made.status == 0, made.err
            (self._start / NOTES).parent.mkdir()
            (self._start / NOTES).write_text("mine")
            shutil.copytree(self._start / DATASET, folder / "before")
        self._names = {*(path.name for path in self._start.iterdir()), DATASET, ".labgen"}
        whole = self._copy("whole")
        self.undisturbed = stage.run(whole, self._command(2))
        assert self.undisturbed.status == 0, self.undisturbed.err
        self._expected = own(whole / DATASET)
        self._before = own(folder / "before") if again else None

    def points(self, *, turns: int = 1) -> list[Point]:
        """The points of a build that nothing disturbs; see `each_of`."""
        return list(each_of(self.undisturbed.points, turns=turns))

    def disturb(self, point: Point, kind: Kind) -> Verdict:
        """A build with a fault, and one after it without; and what is wrong with either."""
        folder = self._copy("disturbed")
        self._teacher.answered.clear()
        ended = self._stage.run(folder, self._command(2), at=point, kind=kind)
        verdict = Verdict(point, ended, self.state_of(folder, ended))
        if point not in ended.points:
            verdict.state += " (not met in this run)"
        elif kind == "kill":
            _note(verdict, ended.status == KILLED, f"ended by itself with {ended.status}")
        else:
            self._judge(verdict, kind)
        _note(verdict, verdict.state != "another", "the dataset is neither the one before nor the whole one")
        again = self._stage.run(folder, self._command(2))
        said = again.err.strip().rpartition("\n")[2]
        _note(verdict, again.status == 0, f"the next run ends with {again.status}: {said}")
        _note(verdict, self.state_of(folder, again) == "whole", "the next run's bytes are others")
        _note(verdict, self._before is None or (folder / NOTES).exists(), "what a user had there is lost")
        left = sorted({path.name for path in folder.iterdir()} ^ self._names)
        _note(verdict, not left, f"left behind: {left}")
        twice = self._teacher.answered_twice
        _note(verdict, twice <= CONCURRENCY, f"{twice} calls answered twice")
        shutil.rmtree(folder)
        return verdict

    def state_of(self, folder: Path, ended: Ending) -> str:
        """What a folder's dataset is: none, before, whole, `LEFT_OUT` (told, and marked by a status), or another."""
        dataset = folder / DATASET
        if not dataset.exists():
            return "none"
        here = own(dataset)
        if here in (self._expected, self._before):
            return "whole" if here == self._expected else "before"
        leaves = json.loads((dataset / "manifest.json").read_text())["leaves"]
        told = re.findall(r"^(\S+)/qna\.yaml:\d+", ended.err, re.MULTILINE)
        return LEFT_OUT if ended.status == 1 and told and not set(told) & set(leaves) else "another"

    def _judge(self, verdict: Verdict, kind: Kind) -> None:
        """Status and message of a build that met its fault and lived."""
        ended, err = verdict.ended, verdict.ended.err
        _note(verdict, "Traceback" not in err and ended.status != OWN_STATUS, "a traceback")
        # Settings, and leaves of which none can be read, are the user's to mend.
        most = 2 if verdict.point.path.startswith(("labgen.yaml", "taxonomy/")) else 1
        _note(verdict, 0 <= ended.status <= most, f"status {ended.status}")
        # On a disk where no renaming works any more, the one that puts it back fails, too: the next run does it.
        gone = verdict.state == "none" and self._before is not None and kind != "stay failed"
        _note(verdict, not gone, "the dataset that was there is gone")
        if ended.status == 0:
            _note(verdict, verdict.state == "whole", "status 0 without the whole dataset")
            return
        reason = reason_of(verdict.point, kind)
        # Where a disk stays full, what meets it next may be the one to say so.
        known = reason in err or (kind == "stay failed" and re.search("No space left|disk is full", err))
        _note(verdict, bool(known), f"the reason ({reason}) is not said")
        _note(verdict, re.search(r"(\. [A-Z]|; [a-z])[^.]+\.\s*$", err) is not None, "what to do is not said")

    def _command(self, samples: int) -> Sequence[str]:
        return (
            "generate", "--samples", str(samples), "--base-url", self._teacher.base_url, "--model", "labgen-rehearsal",
        )  # fmt: skip

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self._start, self._folder / name))


def own(dataset: Path) -> dict[str, str]:
    """Hashes of the files of a dataset that labgen wrote."""
    return {name: found for name, found in digest(dataset).items() if not name.startswith("notes/")}


def reason_of(point: Point, kind: Kind) -> str:
    """Words that a message on a fault has in it."""
    if kind == "no memory":
        return "memory"
    if point.operation in ERRORS:
        return os.strerror(ERRORS[point.operation])
    return "unable to open" if point.operation == "connect" else "full"


def rehearse(body: object) -> object:
    """What the teacher answers."""
    return answer(body, chat=True)


def _note(verdict: Verdict, good: bool, words: str) -> None:
    if not good:
        verdict.wrong.append(words)
