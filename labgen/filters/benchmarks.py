"""Where benchmark items are read from: files, the Hugging Face Hub, and what is known of the usual benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.formats.conversation_rows import LISTS, ROLES
from labgen.formats.dataset_reader import FILE_ENDINGS, read_dataset
from labgen.lazy.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """A well-known benchmark: its Hub id, its configurations, the split that scores are taken on, its fields."""

    hub_id: str
    subsets: tuple[str | None, ...]
    splits: tuple[str, ...]
    fields: tuple[str, ...]


PRESETS: Mapping[str, Preset] = {
    "mmlu": Preset("cais/mmlu", ("all",), ("test", "validation", "dev"), ("question", "choices")),
    "arc": Preset(
        "allenai/ai2_arc", ("ARC-Challenge", "ARC-Easy"), ("test", "validation"), ("question", "choices.text")
    ),
    "hellaswag": Preset("Rowan/hellaswag", (None,), ("validation", "test"), ("ctx", "endings")),
    "winogrande": Preset("allenai/winogrande", ("winogrande_xl",), ("validation", "test"), ("sentence",)),
    "truthfulqa": Preset("truthfulqa/truthful_qa", ("generation",), ("validation",), ("question",)),
    "gsm8k": Preset("openai/gsm8k", ("main",), ("test",), ("question",)),
    "math": Preset(
        "EleutherAI/hendrycks_math",
        (
            "algebra",
            "counting_and_probability",
            "geometry",
            "intermediate_algebra",
            "number_theory",
            "prealgebra",
            "precalculus",
        ),
        ("test",),
        ("problem",),
    ),
    "humaneval": Preset("openai/openai_humaneval", (None,), ("test",), ("prompt", "canonical_solution")),
    "mt_bench": Preset("HuggingFaceH4/mt_bench_prompts", (None,), ("train",), ("prompt",)),
}
"""Name to preset. Items are questions with their choices, not answers: an answer such as "42" is nobody's property."""

_USUAL_FIELDS = ("question", "prompt", "problem", "instruction", "text", "sentence", "ctx", "query", "input")


def read_files(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """(part, texts) of every file at a path that `labgen.formats.dataset_reader` can read, in the order of names.

    Args:
        path: a file, or a folder of such files.
        fields: names of fields, `a.b` for a field inside a field; what they hold is joined to one text. Empty: the
            usual one that the first row has.
    Raises: UsageError: no such file, none that can be read, or a field that the rows don't have.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder.")
    found = path.rglob("*") if path.is_dir() else ()
    files = sorted(file for file in found if file.name.endswith(FILE_ENDINGS) and file.is_file())
    files = files if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{path}: benchmark items are read from {', '.join(FILE_ENDINGS)} files.")
    for file in files:
        part = file.name.split(".")[0] if len(files) > 1 else ""
        yield part, _texts(read_dataset(file), fields, str(file))


def read_hub(
    hub_id: str, subsets: Sequence[str | None], splits: Sequence[str], fields: Sequence[str]
) -> Iterator[tuple[str, Iterator[str]]]:
    """(part, texts) of a dataset on the Hub, streamed; parts are `subset/split`.

    Raises: UsageError: the dataset, subset or split is not there, or the Hub can't be reached.
    """
    for subset in subsets:
        for split in splits:
            part = "/".join(filter(None, (subset if len(subsets) > 1 else None, split)))
            yield part, _texts(read_dataset(hub_id, config=subset, split=split), fields, hub_id)


def _texts(rows: Iterable[Mapping[str, Any]], fields: Sequence[str], where: str) -> Iterator[str]:
    for number, row in enumerate(rows):
        if not fields:
            usual = [name for name in (*_USUAL_FIELDS, *LISTS) if name in row]
            if not usual:
                raise UsageError(f"{where}: which field holds the text? Choose with --field from: {_names(row)}.")
            fields = usual[:1]
        missing = [name for name in fields if name.split(".")[0] not in row]
        if missing:
            raise UsageError(f"{where}, row {number + 1}: no field `{missing[0]}`. There are: {_names(row)}.")
        yield "\n".join(text for name in fields for text in _strings(_inside(row, name)))


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, row))


def _inside(value: Any, name: str) -> Any:
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _strings(value: Any) -> Iterator[str]:
    """All texts inside a value, in order; not by recursion, for a stranger may nest as deeply as JSON is read."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            waiting += reversed(value)
        elif isinstance(value, Mapping):
            waiting += reversed(_said(value))
        elif value is not None:
            yield str(value)


def _said(value: Mapping[str, Any]) -> list[Any]:
    """What an object says: of a turn what is asked in it, of a part its text, of any other all."""
    speaker = value.get("role") or value.get("from")
    if speaker and ("content" in value or "value" in value):
        return [] if ROLES.get(str(speaker)) == "assistant" else [value.get("content"), value.get("value")]
    if "type" in value and isinstance(value.get("text"), str):
        return [value["text"]]
    return [*value.values()]
