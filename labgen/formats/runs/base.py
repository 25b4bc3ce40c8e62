"""What a training run is told, whatever the program: model, data, length and hyper-parameters, phase by phase.

LAB's own hyper-parameters (arXiv 2403.01081, section 4, and the Merlinite-7b card) are for base models of 7 to 13
billion parameters and 1.2 million rows. Small models are trained on fewer rows with smaller batches, so that a phase
still has some hundred steps.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.yaml_written import write_yaml

SMALL_PARAMETERS = 3_000_000_000
"""Models with fewer parameters than that are small."""

_SIZE = re.compile(r"(?<![\w.])(?:\d+x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HyperParameters:
    """How a phase is trained.

    Attributes:
        name: `lab` or `small`.
        learning_rate: at its highest; constant after the warm-up, since LAB has no decay between its phases.
        batch_rows: rows that a step learns from, over all devices.
        device_rows: rows that one device takes at a time.
        epochs: of each phase.
        warmup_steps: of each phase, at most.
    """

    name: str
    learning_rate: float
    batch_rows: int
    device_rows: int
    epochs: tuple[int, int, int]
    warmup_steps: int


LAB = HyperParameters("lab", 2e-5, 3840, 8, (4, 4, 7), 800)
"""LAB's for Llama bases; for Mistral's, the paper's Merlinite has 1e-6."""
SMALL = HyperParameters("small", 1e-4, 32, 8, (3, 3, 3), 50)
"""For models below three billion parameters."""
HYPER_PARAMETERS = {each.name: each for each in (LAB, SMALL)}


def model_parameters(model: str) -> int | None:
    """How many parameters a model has, as its name says (`SmolLM2-135M`, `Merlinite-7b`); None where it doesn't."""
    sizes = _SIZE.findall(model.replace("_", "-"))
    if not sizes:
        return None
    number, unit = sizes[-1]
    return int(float(number) * (1_000_000_000 if unit in "bB" else 1_000_000))


def hyper_parameters_for(model: str) -> HyperParameters:
    """Those for a model of that name: LAB's, unless the name says that it is small."""
    parameters = model_parameters(model)
    return SMALL if parameters is not None and parameters < SMALL_PARAMETERS else LAB


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a training program.

    Attributes:
        name: of its file and its output, such as `phase_1`.
        config: of the data. files: of that config, relative to the folder.
        model: to begin with: a name or folder, or the output of the run before.
        output: folder that the trained model is written to.
        max_tokens: longest row that is taken; no row of the data is longer.
        rows: of the data (count).
        epochs: times that it goes over them.
        hyper: all else.
        devices: that train at the same time.
        seed: of the order of rows.
    """

    name: str
    config: str
    files: tuple[str, ...]
    model: str
    output: str
    max_tokens: int
    rows: int
    epochs: int
    hyper: HyperParameters
    devices: int = 1
    seed: int = 0

    @property
    def accumulation(self) -> int:
        """Times that each device takes rows before a step."""
        return max(1, round(self.hyper.batch_rows / (self.device_rows * self.devices)))

    @property
    def device_rows(self) -> int:
        """Rows that one device takes at a time."""
        return max(1, min(self.hyper.device_rows, self.hyper.batch_rows // self.devices))

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * math.ceil(self.rows / (self.device_rows * self.accumulation * self.devices))

    @property
    def warmup_steps(self) -> int:
        """Steps in which the learning rate rises: no more than a tenth of the run."""
        return min(self.hyper.warmup_steps, self.steps // 10)


@dataclass(frozen=True, slots=True)
class Trainer:
    """A training program that run files are written for.

    Attributes:
        name: its word for `--for`.
        format: the export format that it is given.
        suffix: of a run's file.
        settings: a run's file, as text.
        command: the shell command that trains a run; `$run` is its name, `$model` what it begins with, `$resume` the
            last whole checkpoint or empty.
        trained: a shell command that prints the folder of the trained model below `$output`.
        extra_files: further files, name to text.
        takes_arguments: whether `run.sh` hands on to each run what it is given.
    """

    name: str
    format: str
    suffix: str
    settings: Callable[[Run], str]
    command: str
    trained: str = 'echo "$output"'
    extra_files: Mapping[str, str] | None = None
    takes_arguments: bool = True


def transformers_settings(run: Run) -> dict[str, object]:
    """What programs on top of transformers' `Trainer` are told, in its words: hyper-parameters and checkpoints."""
    return {
        "learning_rate": run.hyper.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": run.warmup_steps,
        "num_train_epochs": run.epochs,
        "per_device_train_batch_size": run.device_rows,
        "gradient_accumulation_steps": run.accumulation,
        "seed": run.seed,
        "save_strategy": "steps",
        "save_steps": max(1, min(500, run.steps // 4)),
        "save_total_limit": 2,
        "logging_steps": max(1, min(10, run.steps // 10)),
        "report_to": "none",
    }


def as_json(settings: Mapping[str, object]) -> str:
    """A run's file as JSON."""
    return json.dumps(settings, indent=2) + "\n"


def as_yaml(settings: Mapping[str, object], head: str) -> str:
    """A run's file as YAML, below a comment."""
    comment = "".join(f"# {line}\n" for line in textwrap.wrap(head, 100))
    return comment + write_yaml(dict(settings))


def run_script(trainer: Trainer, runs: Sequence[Run]) -> str:
    """`run.sh`: trains the runs one after the other; started again, it goes on where it was stopped."""
    first = runs[0].model.replace("'", "'\\''")
    names = " ".join(run.name for run in runs)
    given = "# What is given to it is given to each run.\nset -eu"
    if not trainer.takes_arguments:
        refusal = f"run.sh takes nothing: settings of a run stand in its file, such as {runs[0].name}{trainer.suffix}"
        given = f"set -eu\nif [ $# -gt 0 ]; then echo '{refusal}' >&2; exit 2; fi"
    return f"""#!/bin/sh
# Trains {names.replace(" ", ", then ")}, each from the last one's result. Run it again after a stop: runs that are done
# are left alone, and one that is not goes on from its last whole checkpoint.
{given}
cd "$(dirname "$0")"
model='{first}'
for run in {names}; do
  output="runs/$run"
  if [ ! -e "$output/done" ]; then
    mkdir -p "$output"
    resume=""
    for checkpoint in $(ls -d "$output"/checkpoint-* 2>/dev/null | sort -t- -k2n); do
      if [ -e "$checkpoint/trainer_state.json" ]; then resume="$checkpoint"; fi
    done
    echo "$run: from $model${{resume:+, going on from $resume}}"
    {trainer.command}
    echo "$model" > "$output/done"
  fi
  model="$({trainer.trained})"
done
echo "trained: $model"
"""
