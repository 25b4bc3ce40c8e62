"""`labgen.yaml` from disk: its text to data, its data to a `Config`, and words for what is wrong with it.

The sections (and msgspec with them) are loaded when a `Config` is made, not before: what needs only the file's data,
such as `options:` for `labgen teacher`, starts without them.
"""

from __future__ import annotations

import os.path
from collections.abc import Collection, Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.config.values_in_words import kind_in_words
from labgen.errors import ConfigError
from labgen.lazy.dataclasses import dataclass

if TYPE_CHECKING:
    from labgen.config.whole import Config
    from labgen.text.yaml_data import YamlData

CONFIG_NAME = "labgen.yaml"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file as it was read. Relative paths in `data` are as written: they start at the file's folder.

    `text` knows the line of every setting.
    """

    path: Path
    data: dict[str, Any]
    text: YamlData | None = None

    def where(self, *place: Any) -> str:
        """What a message begins with that is about a setting: the file and, where it is known, the line."""
        line = self.text.line_of(place) if self.text else None
        return f"{self.path}:{line}" if line else str(self.path)


def load_config(path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Read `labgen.yaml` and lay `overrides` over it.

    Args:
        path: the file; None looks for `labgen.yaml` in the current folder and goes without where there is none.
        overrides: dotted setting names to values (`{"teacher.base_url": ...}`), None values ignored.
    Returns: the configuration, with relative paths taken from the file's folder.
    Raises: ConfigError: unreadable file, unknown key, value out of range; the message names file and key.
    """
    return make_config(read_settings(None if path is None else Path(path)), overrides)


def read_settings(path: Path | None = None) -> SettingsFile | None:
    """Read a settings file as data, without asking whether it makes sense.

    Args:
        path: the file; None looks for `labgen.yaml` in the current folder.
    Returns: what it says; None where no file was named and none is there.
    Raises: ConfigError: unreadable, not YAML, or not `name: value` lines.
    """
    if path is None:
        path = Path(CONFIG_NAME)
        if not os.path.lexists(path):
            return None
        if not path.is_file():  # settings that are there and not read would be others than those meant
            raise ConfigError(f"{path}: no file, but a folder, or a link that leads nowhere. Mend it, or move it away.")
    text = _read_text(path)
    return SettingsFile(path, text.data or {}, text)


def make_config(file: SettingsFile | None, overrides: dict[str, Any] | None = None) -> Config:
    """The configuration of a file that was read (None: of no file) with `overrides` laid over it, as `load_config`."""
    from msgspec import ValidationError

    from labgen.config.section import read_section
    from labgen.config.whole import WORK_FOLDER, Config

    data = deepcopy(file.data) if file else {}
    if places := list(_with_nul(data)):
        words = "holds a NUL character, which no file, address or name can. Take it out."
        raise ConfigError(
            "\n".join(f"{_where(place, file, ())}: `{'.'.join(map(str, place))}` {words}" for place in places)
        )
    folder = file.path.parent if file else Path()
    _anchor_paths(data, folder)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    for name, value in given.items():
        _override(data, name, value)
    try:
        config = read_section(Config, data)
    except ValidationError:
        from labgen.config.problems import find_problems

        lines = [f"{_where(problem.place, file, given)}: {problem.words}" for problem in find_problems(Config, data)]
        raise ConfigError("\n".join(lines)) from None
    if config.work is None:
        config = config.changed(work=folder / WORK_FOLDER)
    config.note_origin(file, given)
    return config


def _with_nul(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of texts with a NUL character."""
    if isinstance(value, dict):
        yield from ((*place, name) for name in value if isinstance(name, str) and "\0" in name)
        for name, each in value.items():
            yield from _with_nul(each, (*place, str(name)))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _with_nul(each, (*place, number))
    elif isinstance(value, str) and "\0" in value:
        yield place


def _where(place: tuple[str | int, ...], file: SettingsFile | None, given: Collection[str]) -> str:
    """Where a setting stands; what an option or a caller gives stands in no file."""
    return file.where(*place) if file and ".".join(map(str, place)) not in given else "settings"


def _override(data: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    section = data
    for parent in parents:
        if not isinstance(section.get(parent), dict):
            section[parent] = {}
        section = section[parent]
    if last == "base_url":
        section.pop("endpoints", None)  # The address given now stands in for those in the file.
    section[last] = value


def _read_text(path: Path) -> YamlData:
    from labgen.text.yaml_data import YamlError, read_yaml

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}). Check the path given with --config.") from None
    try:
        found = read_yaml(text)
    except YamlError as error:
        raise ConfigError(f"{path}:{error.line}:{error.column}: {error.problem}.") from None
    if not (found.data is None or isinstance(found.data, dict)):
        words = f"settings are `name: value` lines, and this is {kind_in_words(found.data)}"
        raise ConfigError(f"{path}:1: {words}. Write a line such as `samples: 30`.")
    return found


def _anchor_paths(data: dict[str, Any], folder: Path) -> None:
    for name in ("taxonomy", "output", "work", "prompts"):
        if isinstance(data.get(name), str):
            data[name] = folder / data[name]
    for name in ("teacher", "judge"):
        model = data.get(name)
        listed = model.get("endpoints") if isinstance(model, dict) else None
        for place in (model, *(listed if isinstance(listed, list) else ())):
            # A shipped format's name looks like a relative path: only what is there is a path.
            given = place.get("prompt_format") if isinstance(place, dict) else None
            if isinstance(given, str) and (folder / given).exists():
                place["prompt_format"] = str(folder / given)
    mix = data.get("mix")
    extras = mix.get("extras") if isinstance(mix, dict) else None
    for extra in extras if isinstance(extras, list) else []:
        # A Hub id looks like a relative path: only what is there is a path.
        if isinstance(extra, dict) and isinstance(extra.get("path"), str) and (folder / extra["path"]).exists():
            extra["path"] = str(folder / extra["path"])
