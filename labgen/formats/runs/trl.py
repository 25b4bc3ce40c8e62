"""Runs for TRL's `trl sft`."""

from __future__ import annotations

from labgen.formats.runs.base import Run, Trainer, as_yaml


def _settings(run: Run) -> str:
    settings = {
        "model_name_or_path": run.model,
        "dataset_name": f"./{run.config}",
        "output_dir": run.output,
        "max_length": run.max_tokens,
        "completion_only_loss": True,
        "packing": False,
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
    return as_yaml(
        settings,
        f"TRL: `trl sft --config {run.name}.yaml`. Loss on the answers alone. Without a GPU, give run.sh "
        "`--use_cpu true --bf16 false`.",
    )


TRL = Trainer(
    name="trl",
    format="prompt-completion",
    suffix=".yaml",
    settings=_settings,
    command='trl sft --config "$run.yaml" --model_name_or_path "$model" '
    '${resume:+--resume_from_checkpoint "$resume"} "$@"',
)
