"""Runs for instructlab-training's `run_training`."""

from __future__ import annotations

from labgen.formats.runs.base import Run, Trainer, as_json

START = '''"""Gives a run's file to instructlab-training: `python start.py RUN MODEL`."""

import json
import sys

from instructlab.training import TorchrunArgs, TrainingArgs, run_training

settings = json.load(open(f"{sys.argv[1]}.json"))
settings["training"]["model_path"] = sys.argv[2]
run_training(TorchrunArgs(**settings["torchrun"]), TrainingArgs(**settings["training"]))
'''


def _settings(run: Run) -> str:
    training = {
        "model_path": run.model,
        "data_path": run.files[0],
        "ckpt_output_dir": run.output,
        "data_output_dir": f"prepared/{run.name}",
        "max_seq_len": run.max_tokens,
        "max_batch_len": run.max_tokens * run.device_rows,
        "num_epochs": run.epochs,
        "effective_batch_size": run.device_rows * run.accumulation * run.devices,
        "learning_rate": run.hyper.learning_rate,
        "warmup_steps": run.warmup_steps,
        "random_seed": run.seed,
        "checkpoint_at_epoch": True,
        "accelerate_full_state_at_epoch": True,
        "deepspeed_options": {},
        "fsdp_options": {},
    }
    torchrun = {
        "nproc_per_node": run.devices,
        "nnodes": 1,
        "node_rank": 0,
        "rdzv_id": 123,
        "rdzv_endpoint": "127.0.0.1:12222",
    }
    return as_json({"training": training, "torchrun": torchrun})


INSTRUCTLAB = Trainer(
    name="instructlab",
    format="instructlab",
    suffix=".json",
    settings=_settings,
    command='python start.py "$run" "$model"',
    trained='echo "$output/hf_format/$(ls "$output/hf_format" | sort -t_ -k2n | tail -n 1)"',
    extra_files={"start.py": START},
    takes_arguments=False,
)
