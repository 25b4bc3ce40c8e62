"""Reading a chat template and its settings: from our own files, a user's file, or a tokenizer's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labgen.errors import ConfigError
from labgen.formats.chat import ChatFormat
from labgen.lazy import re
from labgen.records import Message
from labgen.text.yaml_data import YamlError, read_yaml

HEADER = re.compile(r"\A\s*+\{#-?\s*+labgen:[^\S\n]*+\n(.*?)-?#\}", re.DOTALL)
SETTINGS = ("bos_token", "eos_token", "end_tokens", "stop", "special", "merges_system", "models")

# What marks look like in templates: <|im_end|>, [INST], <<SYS>>, </s>, <start_of_turn>.
MARK = re.compile(r"<\|[^|<>\s'\"]{1,40}\|>|<<?/?[A-Za-z_]{1,30}>>?|\[/?[A-Z_]{2,30}\]")


def read_template(path: Path, name: str | None = None) -> ChatFormat:
    """Read a format from a Jinja file, a `tokenizer_config.json`, or the folder of a tokenizer.

    A Jinja file may begin with a comment `{#- labgen: ... -#}` that holds settings as YAML (`bos_token`, `eos_token`,
    `end_tokens`, `stop`, `special`, `merges_system`). What it leaves out is taken from a `tokenizer_config.json` beside
    it, and then from the template itself: the marks it writes, and whether it refuses a system turn.

    Raises: ConfigError: unreadable, not a template, unknown settings, or tokens that are nowhere to be found.
    """
    source, tokenizer = _read_sources(path)
    where = name or str(path)
    header, settings = HEADER.match(source), {}
    if header:
        settings = _read_settings(header[1], path, source.count("\n", 0, header.start(1)) + 1)
    tokens = {token: _token(settings, tokenizer, token) for token in ("bos_token", "eos_token")}
    for token, value in tokens.items():
        if value is None and re.search(rf"\b{token}\b", source):
            raise ConfigError(
                f"{path}: the template uses `{token}`, whose text is not known. Begin the file with "
                f'{{#- labgen:\\n{token}: "..." -#}}, or put the tokenizer_config.json beside it.'
            )
    bos_token, eos_token = tokens["bos_token"] or "", tokens["eos_token"] or ""
    special = settings.get("special")
    if special is None:
        special = [*MARK.findall(source), *_added_tokens(tokenizer)]
    ends = (eos_token, *settings.get("end_tokens", ()))
    format = ChatFormat(
        name=where,
        template=source,
        bos_token=bos_token,
        eos_token=eos_token,
        stop=tuple(settings.get("stop", [eos_token] if eos_token else [])),
        eos_tokens=tuple(token for token in ends if token),
        special=tuple(dict.fromkeys(mark for mark in (*special, bos_token, *ends) if mark)),
        merges_system=bool(settings.get("merges_system", False)),
        models=tuple(settings.get("models", ())),
    )
    if "merges_system" in settings:
        return format
    return ChatFormat(**{**vars(format), "merges_system": _refuses_system(format)})


def _read_sources(path: Path) -> tuple[str, dict[str, Any]]:
    if path.is_dir():
        jinja = path / "chat_template.jinja"
        path = jinja if jinja.is_file() else path / "tokenizer_config.json"
    if path.suffix == ".json":
        tokenizer = _read_tokenizer(path)
        source = tokenizer.get("chat_template")
        if isinstance(source, list):
            # Several named templates: the one for plain chat is called `default`.
            source = next((entry["template"] for entry in source if entry.get("name") == "default"), None)
        if not isinstance(source, str):
            raise ConfigError(f"{path}: has no `chat_template`. Name a Jinja file, or a tokenizer that has one.")
        return source, tokenizer
    beside = path.parent / "tokenizer_config.json"
    return _read_text(path), _read_tokenizer(beside) if beside.is_file() else {}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a chat template ({error}).") from None


def _read_tokenizer(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_read_text(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error}).") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a tokenizer's configuration is a JSON object.")
    return data


def _read_settings(text: str, path: Path, first_line: int) -> dict[str, Any]:
    try:
        settings = read_yaml(text, first_line=first_line).data or {}
    except YamlError as error:
        where = f"{path}:{error.line}"
        raise ConfigError(f"{where}: the settings in its first comment can't be read: {error.problem}.") from None
    if not isinstance(settings, dict) or set(settings) - set(SETTINGS):
        raise ConfigError(f"{path}: the first comment's settings are `name: value` lines of: {', '.join(SETTINGS)}.")
    for name, value in settings.items():
        kind: type = str if name in ("bos_token", "eos_token") else bool if name == "merges_system" else list
        if not isinstance(value, kind) or (
            isinstance(value, list) and not all(isinstance(part, str) for part in value)
        ):
            wanted = "a list of texts" if kind is list else "true or false" if kind is bool else "a text in quotes"
            raise ConfigError(f"{path}: `{name}` in its first comment must be {wanted}.")
    return settings


def _token(settings: dict[str, Any], tokenizer: dict[str, Any], name: str) -> str | None:
    if name in settings:
        return str(settings[name])
    value = tokenizer.get(name, "" if tokenizer else None)
    if isinstance(value, dict):
        value = value.get("content")
    return None if value is None and not tokenizer else str(value or "")


def _added_tokens(tokenizer: dict[str, Any]) -> list[str]:
    entries = tokenizer.get("added_tokens_decoder")
    if not isinstance(entries, dict):
        return []
    return [str(entry["content"]) for entry in entries.values() if isinstance(entry, dict) and entry.get("content")]


def _refuses_system(format: ChatFormat) -> bool:
    """Whether the template raises at a system turn, or drops its text without a word."""
    turns = [Message("system", "be brief"), Message("user", "hello")]
    format.render(turns[1:])  # a template that can't write the simplest conversation is reported as such
    try:
        return "be brief" not in format.render(turns)
    except ConfigError:
        return True
