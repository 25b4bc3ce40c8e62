"""Prompts: read from files, rendered, and versioned by content.

A prompt file has a `--- user ---` section and may have a `--- system ---` section before it; both are Jinja
templates. A section `--- form ---` after them is plain text, the form of the reply: it stands wherever a template says
`{{ form }}`, and again where a reply that could not be read is asked for once more. What the model is to fill in stands
there in square brackets, so that a form which is only copied is told from an answer.

The shipped files are in `labgen/formats/prompts/`; a folder given with `--prompts` replaces those it has files for.

What people or teachers wrote is *data* in a prompt: any of the prompts' own tags inside it lose their opening bracket,
so that a passage with `</document>` in it cannot end its own section.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Message

if TYPE_CHECKING:
    from jinja2 import Environment, Template

HAZARDS = (
    "violent crimes",
    "sex-related crimes",
    "child sexual exploitation",
    "suicide and self-harm",
    "indiscriminate weapons",
    "intellectual property violations",
    "defamation",
    "non-violent crimes",
    "hate",
    "privacy violations",
    "specialized advice",
    "sexual content",
)
"""Hazard categories of the MLCommons AILuminate benchmark, by name."""

TAGS = (
    "pair", "question", "answer", "domain", "outline", "example", "passage", "document", "instruction", "response",
    "task_description", "context", "candidate", "query", "reply",
)  # fmt: skip
MOST_RECORDS = 2048
"""Leaves, seed examples and slots whose escaped form is kept for the next prompt that shows them."""

_OWN_TAG = re.compile(rf"<(?=/?\s*(?:{'|'.join(TAGS)})\b)", re.IGNORECASE)
_TASK = re.compile(r"^## Task:(.*)$", re.MULTILINE)
_SECTION = re.compile(r"^--- (system|user|form) ---[ \t]*\n", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\[([^\[\]{}\n]{2,200})\]")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt.

    Attributes:
        name: its word in settings and in the ledger, where it is the step of a call.
        text: empty for those that come with labgen, which are read from their files.
        rehearsed_as: the skill of the rehearsal teacher that answers it (see `labgen.teacher.rehearsal.model.SKILLS`).
    Raises: TypeError: one of them is no text.
    """

    name: str
    text: str = ""
    rehearsed_as: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "text", "rehearsed_as"):
            if type(getattr(self, name)) is not str:
                raise TypeError(f"`{name}` of a Prompt is text, not a {type(getattr(self, name)).__name__}")


RESTATE = Prompt("restate", rehearsed_as="restate")
"""Asks once more for a reply that could not be read; part of every flow."""


def as_data(text: str) -> str:
    """`text` with our own tags made harmless: `</document>` becomes `&lt;/document>`; all else unchanged."""
    return _OWN_TAG.sub("&lt;", text) if "<" in text else text


class PromptSet:
    """The prompts of one run.

    Args:
        folder: files here (`respond.md`, ...) replace the prompts of the same name. None: none is replaced.
        prompts: those that bring a text of their own, beside all that come with labgen.
    Raises: ConfigError: the folder does not exist, holds a file that names no prompt, or a prompt has no user turn.
    """

    def __init__(self, folder: Path | None = None, prompts: Iterable[Prompt] = ()) -> None:
        self._records: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._texts = {name: _shipped(name) for name in shipped_prompts()}
        self._texts.update({prompt.name: prompt.text for prompt in prompts if prompt.text})
        self._titles = {name: f"prompt `{name}.md`" for name in self._texts}
        if folder is not None:
            replaced = _replacements(folder, sorted(self._texts))
            self._texts.update(replaced)
            self._titles.update({name: str(folder / f"{name}.md") for name in replaced})
        self._echoes: dict[str, re.Pattern[str] | None] = {}
        self._templates: dict[str, dict[str, Template | str]] = {}
        self._sections = {step: _split(self._titles[step], text) for step, text in self._texts.items()}

    @property
    def fingerprint(self) -> str:
        """Hex digits over the texts of all prompts."""
        digest = hashlib.sha256()
        for name, text in sorted(self._texts.items()):
            digest.update(f"{name}\0{text}\0".encode())
        return digest.hexdigest()

    def version(self, prompts: Iterable[Prompt]) -> str:
        """Twelve hex digits that change when any of some prompts, or their order, changes."""
        digest = hashlib.sha256()
        for name in (prompt.name for prompt in prompts):
            digest.update(name.encode() + b"\0" + self._texts[name].encode() + b"\0")
        return digest.hexdigest()[:12]

    def task(self, name: str) -> str:
        """The words after `## Task:` in a prompt; empty where it has none."""
        found = _TASK.search(self._texts[name])
        return found[1].strip() if found else ""

    @property
    def shipped(self) -> bool:
        """Whether all come with labgen."""
        return not self._others()

    def check(self) -> None:
        """Raises: ConfigError: a template is not valid. Those that come with labgen are, and need no look."""
        for step in self._others():
            self._compiled(step)

    def _others(self) -> list[str]:
        return [step for step, text in self._texts.items() if step not in shipped_prompts() or text != _shipped(step)]

    def render(self, step: str, **values: Any) -> tuple[Message, ...]:
        """The messages of a step: at most one system turn, then one user turn.

        `values` are escaped here, strings inside sequences, mappings and record attributes included.
        Raises: ConfigError: a replaced prompt uses a name that the step does not have.
        """
        given = {name: self._escape(value) for name, value in values.items()}
        return self._render(step, given | {"form": self.form(step)})

    def restate(self, step: str, problem: str) -> tuple[Message, ...]:
        """The turn that asks once more for a reply to a step: `problem` says what was wrong with the first."""
        return self._render(RESTATE.name, {"problem": problem, "form": self.form(step)})

    def form(self, step: str) -> str:
        """The form of a step's reply as its prompt shows it; empty where the prompt has no section for it."""
        return self._sections.get(step, {}).get("form", "").strip()

    def echo(self, step: str) -> re.Pattern[str] | None:
        """What finds the placeholders of a step's form in a reply that copies them, with their brackets or without.

        Returns: None where the form has no placeholders.
        """
        if step not in self._echoes:
            self._echoes[step] = _echo_of(self.form(step))
        return self._echoes[step]

    def _render(self, step: str, given: Mapping[str, Any]) -> tuple[Message, ...]:
        from jinja2 import TemplateError

        given = {**given, "hazards": ", ".join(HAZARDS)}
        try:
            return tuple(
                Message(role, template if isinstance(template, str) else _tidy(template.render(given)))
                for role, template in self._compiled(step).items()
            )
        except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            # A template computes: whatever it fails at is the fault of who wrote it.
            names, words = ", ".join(sorted(given)), str(error).rstrip(".")
            raise ConfigError(f"{self._titles[step]} cannot be filled in: {words}. It is given {names}.") from None

    def _compiled(self, step: str) -> dict[str, Template | str]:
        """A step's sections: each a template, or the text itself where there is nothing to fill in."""
        if step in self._templates:
            return self._templates[step]
        from jinja2 import TemplateSyntaxError

        compiled: dict[str, Template | str] = {}
        for role, text in self._sections[step].items():
            try:
                if role != "form":
                    compiled[role] = _compile(text)
            except TemplateSyntaxError as error:
                whole = self._texts[step]
                line = whole[: whole.index(text)].count("\n") + error.lineno
                words = str(error.message).rstrip(".")
                raise ConfigError(f"{self._titles[step]}, line {line}: {words}.") from None
        self._templates[step] = compiled
        return compiled

    def _escape(self, value: Any) -> Any:
        """A value as templates see it: strings escaped, records as dictionaries of their fields."""
        if isinstance(value, str):
            return as_data(value)
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, list | tuple):
            return [self._escape(item) for item in value]
        known = self._records.get(id(value))
        if known is None:
            if len(self._records) >= MOST_RECORDS:
                self._records.clear()
            parts = (
                {field.name: getattr(value, field.name) for field in fields(value)}
                if is_dataclass(value)
                else vars(value)
            )
            record = {name: self._escape(part) for name, part in parts.items() if not isinstance(part, Path)}
            # Kept with the record itself, so that no other one can get its address.
            known = self._records[id(value)] = (value, record)
        return known[1]


@lru_cache(maxsize=256)
def _compile(text: str) -> Template | str:
    """A section as a template; the text itself where there is nothing to fill in. Raises: TemplateSyntaxError."""
    if "{" not in text:
        return _tidy(text)
    template = _environment().from_string(text)
    template.globals = dict(template.globals)  # Jinja copies them for every prompt: a plain dictionary is fast
    return template


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class FieldsFirst(ImmutableSandboxedEnvironment):
        """Looks for a record's field before it looks for a dictionary's own attributes."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if type(obj) is dict and attribute in obj:
                return obj[attribute]
            return super().getattr(obj, attribute)

    return FieldsFirst(undefined=StrictUndefined, keep_trailing_newline=False)


def _tidy(text: str) -> str:
    """`text` with no more than one blank line in a row."""
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()


@cache
def shipped_prompts() -> tuple[str, ...]:
    """Names of the prompts that come with labgen, in order."""
    files = resources.files("labgen.formats").joinpath("prompts").iterdir()
    return tuple(sorted(file.name.removesuffix(".md") for file in files if file.name.endswith(".md")))


@cache
def _shipped(step: str) -> str:
    return resources.files("labgen.formats").joinpath("prompts", f"{step}.md").read_text(encoding="utf-8")


def _replacements(folder: Path, names: Sequence[str]) -> dict[str, str]:
    called = f"Prompts are called {', '.join(f'{name}.md' for name in names)}."
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of prompts. Check --prompts.")
    texts = {}
    for path in sorted(folder.glob("*.md")):
        if path.stem not in names:
            if path.stem.lower() == "readme":
                continue
            raise ConfigError(f"{path}: names no prompt. {called}")
        try:
            texts[path.stem] = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error}). Prompts are texts in UTF-8.") from None
    if not texts:
        raise ConfigError(f"{folder}: holds no prompt. {called}")
    return texts


def _split(title: str, text: str) -> dict[str, str]:
    pieces = _SECTION.split(text)
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    if "user" not in sections:
        raise ConfigError(f"{title} has no line `--- user ---`; it marks where the user turn begins.")
    return {role: sections[role] for role in ("system", "user", "form") if role in sections}


def _echo_of(form: str) -> re.Pattern[str] | None:
    words = "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in dict.fromkeys(_PLACEHOLDER.findall(form)))
    # Without its brackets a placeholder may be part of an honest sentence; it is an echo where nothing else stands.
    return re.compile(rf"\[\s*(?:{words})\s*\]|(?<=[\">])\s*(?:{words})\s*(?=[\"<])", re.IGNORECASE) if words else None
