"""Which prompt formats there are: the shipped ones by name or by a model's name, others by path."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from labgen.errors import ConfigError
from labgen.formats.chat import ChatFormat
from labgen.formats.template_files import read_template

TEMPLATES = Path(__file__).parent / "templates"
SHIPPED_TEMPLATES = ("mixtral", "tenyx", "cerebrum", "merlinite", "chatml")
"""Names of the formats of chat models that come with labgen."""

PLAIN = "plain"
"""For base models: no turns, and stops where such a model goes on to an example of its own."""

FOR_TEACHERS = (*SHIPPED_TEMPLATES, PLAIN)
"""All that a teacher's prompt can be written in by name."""

GUARDS = ("llama_guard_3", "granite_guardian_3")
"""Formats of guard models: not for teachers, since what they write around a conversation asks about it."""

SYNONYMS = {"mixtral-instruct-0.1-laser": "mixtral"}


def find_format(name_or_path: str) -> ChatFormat:
    """A format by its name, or from a Jinja file or a tokenizer's folder or `tokenizer_config.json`.

    Raises: ConfigError: neither a known name nor a readable template; the message lists the known ones.
    """
    name = SYNONYMS.get(name_or_path.lower(), name_or_path.lower())
    if name in (*FOR_TEACHERS, *GUARDS):
        return _shipped(name)
    path = Path(name_or_path)
    if path.exists():
        return read_template(path)
    hint = f"{path}: no such file." if path.suffix or len(path.parts) > 1 else f"no prompt format `{name_or_path}`."
    raise ConfigError(f"{hint} Known: {', '.join(FOR_TEACHERS)}, or the path of a Jinja chat template.")


def format_for_model(model: str) -> tuple[ChatFormat, str] | None:
    """The shipped format that a model's name calls for, and a note that says so; None where no format is known."""
    lower = model.lower()
    for name in SHIPPED_TEMPLATES:
        format = _shipped(name)
        if any(part in lower for part in format.models):
            return format, f"prompt format `{name}`, by the model's name `{model}`; `prompt_format:` sets another."
    return None


@cache
def _shipped(name: str) -> ChatFormat:
    return read_template(TEMPLATES / f"{name}.jinja", name=name)
