"""Exact prompt formats: what a conversation looks like as one text, for plain-completions endpoints and for training.

Each shipped format is one Jinja file in `templates/`, whose first comment holds its settings; a user's own file is read
the same way, so that there is one way for all. Templates are the user's and run in Jinja's immutable sandbox. What
messages say is data: a message that contains the format's own marks (`[/INST]`, `<|im_end|>`, `</s>`) has a space put
after the first character of each, in prompts and in exported text alike, so that it cannot end its turn. The space is
visible on purpose: a hidden character would travel into datasets unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError
from labgen.lazy.dataclasses import dataclass
from labgen.records import Message

if TYPE_CHECKING:
    from jinja2 import Template

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class ChatFormat:
    """How one family of models writes a conversation.

    Attributes:
        name: a shipped name, or the path of the user's file.
        template: Jinja source, given what chat templates are always given.
        bos_token, eos_token: as text; empty where the format writes none.
        stop: texts at which a completions endpoint should stop.
        eos_tokens: every token that may be left at the end of a reply.
        special: marks that end or begin a turn, the two tokens included; content may not contain them.
        merges_system: whether the model has no system role, so that system text goes into the first user turn.
        models: lower-case parts of model names that this format belongs to.
    """

    name: str
    template: str
    bos_token: str
    eos_token: str
    stop: tuple[str, ...]
    eos_tokens: tuple[str, ...]
    special: tuple[str, ...]
    merges_system: bool
    models: tuple[str, ...] = ()

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True, bos: bool = False) -> str:
        """The conversation as this format's text, to the character; the same on every day and machine.

        Args:
            messages: one or more turns; system turns are merged into user turns where `merges_system` is set.
            add_generation_prompt: whether the text ends where the assistant's next turn begins.
            bos: whether the beginning-of-sequence token is written as text, once. False leaves it to the server (or
                to the tokenizer in training), which adds it by itself: written in both places it would be there twice.
        Returns: the text, with the format's marks inside messages made harmless.
        Raises: ConfigError: no messages, an unknown role, or a template that refuses or breaks on them.
        """
        if self.merges_system:
            messages = merge_system(messages)
        if not messages:
            raise ConfigError(f"prompt format `{self.name}`: a conversation needs at least one turn.")
        for message in messages:
            if message.role not in ROLES:
                known = ", ".join(ROLES)
                raise ConfigError(f"prompt format `{self.name}`: unknown role `{message.role}`; known: {known}.")
        turns = [{"role": message.role, "content": self.neutralise(message.content)} for message in messages]
        text = self._run(turns, add_generation_prompt, self.bos_token if bos else "")
        if self.bos_token:
            # A template may write the token itself rather than through `bos_token`: it still stands there only once.
            while text.startswith(self.bos_token * 2 if bos else self.bos_token):
                text = text.removeprefix(self.bos_token)
        return text

    def neutralise(self, content: str) -> str:
        """`content` with a space put after the first character of each of the format's marks."""
        if self._marks is None:
            return content
        return self._marks.sub(lambda found: found[0][0] + " " + found[0][1:], content)

    @cached_property
    def _marks(self) -> re.Pattern[str] | None:
        # Longest first, so that a mark which begins with another is seen whole.
        marks = sorted({mark for mark in self.special if len(mark) > 1}, key=lambda mark: (-len(mark), mark))
        return re.compile("|".join(map(re.escape, marks))) if marks else None

    @cached_property
    def _compiled(self) -> Template:
        from jinja2 import TemplateSyntaxError

        try:
            compiled: Template = _environment().from_string(self.template)
        except TemplateSyntaxError as error:
            raise ConfigError(f"{self.name}:{error.lineno}: not a Jinja template: {error.message}.") from None
        return compiled

    def _run(self, turns: list[dict[str, str]], add_generation_prompt: bool, bos_token: str) -> str:
        from jinja2 import TemplateError

        try:
            return self._compiled.render(
                messages=turns,
                add_generation_prompt=add_generation_prompt,
                bos_token=bos_token,
                eos_token=self.eos_token,
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            # Python errors come out of the template's own expressions, such as adding a number to a text.
            raise ConfigError(f"prompt format `{self.name}`: the template says: {error}") from None


def merge_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation without system turns: their text leads the next user turn, after it a blank line.

    System text that no user turn follows becomes a user turn of its own.
    """
    merged: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.content)
        elif message.role == "user" and waiting:
            merged.append(Message("user", "\n\n".join([*waiting, message.content])))
            waiting = []
        else:
            merged.append(message)
    if waiting:
        merged.append(Message("user", "\n\n".join(waiting)))
    return tuple(merged)


def strip_end_tokens(text: str, format: ChatFormat) -> str:
    """A completion's text as a chat endpoint would give it: no end-of-sequence tokens at its end, no outer white space.

    The same marks inside the text stay: `</s>` in the middle of a reply is HTML, since a server stops at the real one.
    """
    ends = format.eos_tokens
    text = text.strip()
    while ends and text.endswith(ends):
        text = next(text.removesuffix(end) for end in ends if text.endswith(end)).rstrip()
    return text


@cache
def _environment() -> Any:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    # As transformers sets it up, since templates are written for that. Its `strftime_now` is left out: templates that
    # know it ask whether it is there, and a prompt that changes with the day would be a different dataset each day.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.globals["raise_exception"] = raise_exception
    return environment
