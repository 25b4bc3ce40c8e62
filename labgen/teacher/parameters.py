"""What the configuration has sent with every call to a model, beyond what labgen sends itself.

`extra_body` and `reasoning` may change replies, so they are part of a call's key; `extra_headers` and `extra_query`
belong to an address, as its key does, and are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from labgen.config.models import OWN_PARAMETERS, ModelConfig
from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.lazy import re
from labgen.records import Schema
from labgen.text.secret_settings import find_secret_setting, secret_header, secret_text

_VARIABLE = re.compile(r"\$\{(\w+)\}")

REASONING_OFF: Mapping[str, Any] = {
    "reasoning_effort": "none",
    "chat_template_kwargs": {"enable_thinking": False, "thinking": False},
}
"""What asks for no reasoning: hosted APIs and Ollama know the first, vLLM, SGLang and llama.cpp the second.

Either is left out for an endpoint that refuses it.
"""


class CallParameters(TypedDict, total=False):
    """Fields of a `labgen.records.Call` that the configuration sets for a model."""

    extra_body: Schema
    reasoning: str


def call_parameters(config: Config) -> dict[str, CallParameters]:
    """Logical name of a model to what each call to it carries; models without any are left out.

    Raises: ConfigError: a secret stands in it, or it sets what labgen sets.
    """
    found = {}
    for where, model in _models(config):
        if parameters := _parameters(where, model):
            found[model.model] = parameters
    return found


def expanded(values: Mapping[str, str], where: str) -> dict[str, str]:
    """Headers or a query with `${NAME}` replaced by the environment's variable of that name.

    Raises: ConfigError: there is no such variable, or a secret is written out.
    """
    found = {}
    for name, value in values.items():
        if not _VARIABLE.search(value) and (secret_header(name) or secret_text(value)):
            raise ConfigError(
                f"{where}.{name} looks like a secret. Keep it in the environment, and write its variable here: "
                f"`{name}: ${{NAME_OF_THE_VARIABLE}}`.",
                (where, name),
            )
        lacking = [each for each in _VARIABLE.findall(value) if not os.environ.get(each)]
        if lacking:
            raise ConfigError(
                f"{where}.{name}: the environment variable {lacking[0]} is not set. Set it, and run again.",
                (where, name),
            )
        found[name] = _VARIABLE.sub(lambda match: os.environ[match[1]], value)
        if not (found[name].isascii() and found[name].isprintable()):
            raise ConfigError(
                f"{where}.{name} has characters that can't be sent, such as a line break or a typographic dash.",
                (where, name),
            )
    return found


def secrets_in(values: Mapping[str, str]) -> tuple[str, ...]:
    """What of headers or a query came from the environment, which no message may repeat."""
    named = (name for value in values.values() for name in _VARIABLE.findall(value))
    return tuple(os.environ.get(name, "") for name in named)


def _models(config: Config) -> Iterator[tuple[str, Any]]:
    yield "teacher", config.teacher
    if config.judge:
        yield "judge", config.judge
    if config.preferences and config.preferences.responder:
        yield "preferences.responder", config.preferences.responder
    if config.guard:
        yield "guard", config.guard


def _parameters(where: str, model: ModelConfig) -> CallParameters:
    found: CallParameters = {}
    if model.extra_body:
        if secret := find_secret_setting(model.extra_body, f"{where}.extra_body"):
            raise ConfigError(
                f"{secret} looks like a secret, and datasets show what is asked with. Send it as a header, from the "
                f"environment: `{where}.extra_headers`.",
                (where, "extra_body"),
            )
        if taken := OWN_PARAMETERS.intersection(model.extra_body):
            raise ConfigError(
                f"{where}.extra_body: labgen sets `{min(taken)}` itself. See `generation:` and `{where}:` in the "
                "reference for what can be set of it.",
                (where, "extra_body", min(taken)),
            )
        found["extra_body"] = Schema(model.extra_body)
    if model.reasoning == "off":
        if model.api == "completions":
            raise ConfigError(
                f"{where}.reasoning: `off` is for the chat API; with `api: completions` the prompt format decides.",
                (where, "reasoning"),
            )
        found["reasoning"] = "off"
    return found
