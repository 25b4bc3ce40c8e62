"""Runs for TRL's `trl sft`."""

from __future__ import annotations

from labgen.formats.runs.base import Run, Trainer, as_yaml, transformers_settings


def _settings(run: Run) -> str:
    settings = {
        "model_name_or_path": run.model,
        "dataset_name": f"./{run.config}",
        "output_dir": run.output,
        "max_length": run.max_tokens,
        "completion_only_loss": True,
        "packing": False,
        **transformers_settings(run),
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
