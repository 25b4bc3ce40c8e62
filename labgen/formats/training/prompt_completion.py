"""`prompt-completion`: what is asked and the answer apart, so that trainers learn from the answer alone."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from labgen.errors import ConfigError, UsageError
from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.formats.training.messages import TURNS, as_turns
from labgen.records import Message


def _split(conversation: Conversation) -> tuple[Sequence[Message], Sequence[Message]]:
    turns = conversation.turns
    if len(turns) < 2 or turns[-1].role != "assistant":
        raise UsageError("does not end with an answer, so it has no completion.")
    return turns[:-1], turns[-1:]


def _convert(conversation: Conversation) -> dict[str, object]:
    asked, answer = _split(conversation)
    return {"prompt": as_turns(asked), "completion": as_turns(answer)}


def _convert_to_text(conversation: Conversation) -> dict[str, object]:
    prompt = conversation.through_template(_split(conversation)[0], add_generation_prompt=True)
    whole = conversation.through_template(conversation.turns)
    if not whole.startswith(prompt):
        template = conversation.template.name if conversation.template else ""
        raise ConfigError(
            f"prompt format `{template}`: the prompt is not the beginning of the whole text, so the two can't be told "
            "apart. Export as `text`, or without --template."
        )
    return {"prompt": prompt, "completion": whole[len(prompt) :]}


FORMAT = ExportFormat(
    name="prompt-completion",
    one_answer=True,
    description="What is asked and the answer apart, as TRL has them: turns, or texts through a chat template.",
    plain=RowShape({"prompt": TURNS, "completion": TURNS}, _convert),
    templated=RowShape(
        columns={"prompt": pa.string(), "completion": pa.string()},
        convert=_convert_to_text,
        llama_factory={"columns": {"prompt": "prompt", "response": "completion"}},
        axolotl={
            "type": {
                "field_instruction": "prompt",
                "field_output": "completion",
                "format": "{instruction}",
                "no_input_format": "{instruction}",
            }
        },
    ),
)
