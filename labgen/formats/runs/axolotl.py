"""Runs for axolotl's `axolotl train`."""

from __future__ import annotations

from labgen.formats.runs.base import Run, Trainer, as_yaml
from labgen.formats.training.messages import AXOLOTL as MESSAGES


def _settings(run: Run) -> str:
    settings = {
        "base_model": run.model,
        "datasets": [{"path": f"./{run.config}", "split": "train", **MESSAGES}],
        "val_set_size": 0,
        "dataset_prepared_path": f"prepared/{run.name}",
        "output_dir": run.output,
        "sequence_len": run.max_tokens,
        "sample_packing": False,
        "train_on_inputs": False,
        "learning_rate": run.hyper.learning_rate,
        "optimizer": "adamw_torch",
        "lr_scheduler": "constant_with_warmup",
        "warmup_steps": run.warmup_steps,
        "num_epochs": run.epochs,
        "micro_batch_size": run.device_rows,
        "gradient_accumulation_steps": run.accumulation,
        "seed": run.seed,
        "saves_per_epoch": 1,
        "save_total_limit": 2,
        "auto_resume_from_checkpoints": True,
        "logging_steps": max(1, min(10, run.steps // 10)),
    }
    return as_yaml(settings, f"axolotl: `axolotl train {run.name}.yaml`. Loss on the answers alone.")


AXOLOTL = Trainer(
    name="axolotl",
    format="messages",
    suffix=".yaml",
    settings=_settings,
    command='axolotl train "$run.yaml" --base-model "$model" "$@"',
)
