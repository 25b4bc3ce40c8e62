"""Runs for llama-factory's `llamafactory-cli train`."""

from __future__ import annotations

from labgen.formats.runs.base import Run, Trainer, as_yaml


def _settings(run: Run) -> str:
    settings = {
        "model_name_or_path": run.model,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "dataset_dir": ".",
        "dataset": f"labgen_{run.config}",
        "cutoff_len": run.max_tokens,
        "train_on_prompt": False,
        "output_dir": run.output,
        "learning_rate": run.hyper.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": run.warmup_steps,
        "num_train_epochs": run.epochs,
        "per_device_train_batch_size": run.device_rows,
        "gradient_accumulation_steps": run.accumulation,
        "seed": run.seed,
        "save_steps": max(1, min(500, run.steps // 4)),
        "save_total_limit": 2,
        "logging_steps": max(1, min(10, run.steps // 10)),
        "report_to": "none",
    }
    return as_yaml(
        settings,
        f"llama-factory: `llamafactory-cli train {run.name}.yaml`. The model's own chat template is applied; "
        "for a base model without one set `template:`.",
    )


LLAMA_FACTORY = Trainer(
    name="llama-factory",
    format="messages",
    suffix=".yaml",
    settings=_settings,
    command='llamafactory-cli train "$run.yaml" model_name_or_path="$model" '
    '${resume:+resume_from_checkpoint="$resume"} "$@"',
)
