"""`labgen export --for`: the phases as a training program reads them, with a run for each and a script for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.export.fit import RowLength, conversations_of
from labgen.export.mix import PHASES
from labgen.formats.runs.base import HyperParameters, Run, Trainer, run_script
from labgen.lazy.dataclasses import dataclass

STACKED = "stacked"
"""The schedule, and its one config: the rows of all phases together, none twice."""
SCHEDULES = ("phased", STACKED)

STEP_TOKENS = 64
"""Lengths are multiples of that."""
ESTIMATE_SHARE = 1.5
"""An estimate of a row's tokens may be too low by a third."""
FEWEST_STEPS = 20
"""A phase with fewer steps an epoch is hardly trained."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a dataset is to be trained on.

    Attributes:
        trainer: the program. model: name or folder of the model to begin with.
        schedule: `phased`, LAB's phases one after the other, or `stacked`, all rows in one run, in which arXiv
            2412.13337 found no loss.
        hyper: hyper-parameters. devices: that train at the same time.
        max_tokens: longest row that is taken; None: as long as the longest is.
    """

    trainer: Trainer
    model: str
    schedule: str
    hyper: HyperParameters
    devices: int = 1
    max_tokens: int | None = None

    def sources(self, known: Sequence[str], asked: Sequence[str]) -> dict[str, list[str]]:
        """What is trained on, by name, and the configs that it is made of: phases there are, or those asked for.

        Raises: UsageError: the dataset has no phases, or something else is asked for.
        """
        phases = [phase for phase in PHASES.values() if phase in known]
        if not phases:
            raise UsageError(
                "the dataset has no phases to train on: build it with `mix: {phases: true}`, and with a "
                "`mix.max_tokens`, where there is one, that rows fit into (its mix.json says what was too long)."
            )
        if other := [name for name in asked if name not in phases]:
            raise UsageError(f"--for trains on phases, and `{other[0]}` is none. There are: {', '.join(phases)}.")
        chosen = [phase for phase in phases if not asked or phase in asked]
        return {STACKED: chosen} if self.schedule == STACKED else {phase: [phase] for phase in chosen}

    def runs(self, rows: dict[str, int], files: dict[str, tuple[str, ...]], longest: dict[str, int]) -> list[Run]:
        """A run for each config. `longest`: tokens of each config's longest row."""
        runs: list[Run] = []
        for config in rows:
            number = next((number for number, phase in PHASES.items() if phase == config), len(PHASES))
            name = STACKED if config == STACKED else f"phase_{number}"
            runs.append(
                Run(
                    name,
                    config,
                    files[config],
                    runs[-1].output if runs else self.model,
                    f"runs/{name}",
                    self.max_tokens or longest[config],
                    rows[config],
                    self.hyper.epochs[number - 1],
                    self.hyper,
                    self.devices,
                )
            )
        return runs

    def write(self, folder: Path, runs: Sequence[Run]) -> None:
        """Write the runs' files and `run.sh`."""
        for run in runs:
            (folder / f"{run.name}{self.trainer.suffix}").write_text(self.trainer.settings(run), encoding="utf-8")
        for name, text in (self.trainer.extra_files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        script = folder / "run.sh"
        script.write_text(run_script(self.trainer, runs), encoding="utf-8")
        script.chmod(0o755)


@dataclass
class MeasuredRows:
    """Rows on their way to a trainer: the longest, and how many are longer than the limit.

    Attributes:
        length: counts, and has the limit. keeps_long: whether rows that are longer go on; else they are left out.
        longest: tokens of the longest row that goes on. too_long: rows that are longer than the limit.
    """

    length: RowLength
    keeps_long: bool
    longest: int = 0
    too_long: int = 0

    def of(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows that go on."""
        for row in rows:
            tokens = max(map(self.length.tokens, conversations_of(row)))
            if self.length.max_tokens is not None and tokens > self.length.max_tokens:
                self.too_long += 1
                if not self.keeps_long:
                    continue
            self.longest = max(self.longest, tokens)
            yield row

    @property
    def limit(self) -> int:
        """Tokens that no row is longer than."""
        sure = self.longest if self.length.template else self.longest * ESTIMATE_SHARE
        return max(1, math.ceil(sure / STEP_TOKENS)) * STEP_TOKENS


def once(rows: Iterator[dict[str, Any]], key: Callable[[dict[str, Any]], Any]) -> Iterator[dict[str, Any]]:
    """The rows whose key has not come before."""
    seen = set()
    for row in rows:
        if (name := hash(key(row))) not in seen:
            seen.add(name)
            yield row


def hardly_trained(runs: Sequence[Run]) -> list[str]:
    """Words about runs whose batches are too large for their rows."""
    return [
        f"{run.name}: {run.rows:,} rows in batches of {run.hyper.batch_rows:,} are {run.steps // run.epochs} steps an "
        "epoch, so the model hardly changes. Take `--hyper-parameters small`, or edit its file."
        for run in runs
        if run.steps // run.epochs < FEWEST_STEPS and run.hyper.batch_rows > 64
    ]
