"""Runs for llama-factory's `llamafactory-cli train`."""

from __future__ import annotations

from labgen.formats.runs.base import Run, Trainer, as_yaml, transformers_settings


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
        **transformers_settings(run),
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
