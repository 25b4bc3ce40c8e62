"""`labgen.yaml` from disk: its text to data, its data to a `Config`, and words for what is wrong with it.

The models (and pydantic with them) are loaded when a `Config` is made, not before: what needs only the file's data,
such as `options:` for `labgen teacher`, starts without them.
"""

from __future__ import annotations

import difflib
import os.path
from collections.abc import Collection
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from labgen.errors import ConfigError
from labgen.lazy.dataclasses import dataclass

if TYPE_CHECKING:
    from pydantic import ValidationError

    from labgen.config.whole import Config
    from labgen.text.yaml_data import YamlData

CONFIG_NAME = "labgen.yaml"
LONGEST_SHOWN_CHARS = 20
"""Words of the settings that are as long as this may be a key in the wrong place, and are not repeated."""


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
    from pydantic import ValidationError

    from labgen.config.whole import WORK_FOLDER, Config

    data = deepcopy(file.data) if file else {}
    folder = file.path.parent if file else Path()
    _anchor_paths(data, folder)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    for name, value in given.items():
        _override(data, name, value)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(error, file, given)) from None
    if config.work is None:
        config = config.model_copy(update={"work": folder / WORK_FOLDER})
    config._file, config._given = file, tuple(given)
    return config


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


def _explain(error: ValidationError, file: SettingsFile | None, overridden: Collection[str]) -> str:
    lines = []
    for problem in error.errors():
        place = tuple(part for part in problem["loc"] if part != "[key]")
        name = ".".join(str(part) for part in place)
        # What an option or a caller gives stands in no file.
        where = file.where(*place) if file and name not in overridden else "settings"
        if problem["type"] == "extra_forbidden":
            known = _known_keys(place[:-1])
            near = difflib.get_close_matches(str(place[-1]), known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
            lines.append(f"{where}: unknown setting `{name}`. {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{where}: `{name}` is missing. Write it beneath `{'.'.join(map(str, place[:-1]))}:`.")
        elif problem["type"] == "value_error":
            lines.append(f"{where}: {f'`{name}`: ' if name else ''}{problem['ctx']['error']}.")
        else:
            lines.append(
                f"{where}: `{name}` {_wanted(problem)}; this is {kind_in_words(problem['input'])}.{_instead(problem)}"
            )
    return "\n".join(lines)


_WANTED = {
    "tuple_type": "takes a list, such as `[one, two]` or a line with a dash for each",
    "list_type": "takes a list, such as `[one, two]` or a line with a dash for each",
    "dict_type": "takes `name: value` lines beneath it",
    "model_type": "takes `name: value` lines beneath it",
    "model_attributes_type": "takes `name: value` lines beneath it",
    "int_type": "takes a whole number, such as `30`",
    "int_parsing": "takes a whole number, such as `30`",
    "int_parsing_size": "takes a whole number of ordinary size, such as `30`",
    "int_from_float": "takes a whole number, such as `30`",
    "float_type": "takes a number, such as `0.5`",
    "float_parsing": "takes a number, such as `0.5`",
    "finite_number": "takes a finite number, such as `0.5`",
    "bool_type": "takes `true` or `false`",
    "bool_parsing": "takes `true` or `false`",
    "string_type": "takes a text; put it in quotes where it looks like a number, a date, or yes or no",
    "path_type": "takes a path, such as `folder/file`",
    "literal_error": "takes {expected}",
    "greater_than": "takes a number above {gt}",
    "greater_than_equal": "takes a number of at least {ge}",
    "less_than": "takes a number below {lt}",
    "less_than_equal": "takes a number of at most {le}",
    "string_too_short": "takes a text that is not empty",
    "too_short": "takes a list that is not empty",
}
"""Kind of error, as pydantic names it, to what is wanted; the names in braces are those of its context."""


def _wanted(problem: Any) -> str:
    words = _WANTED.get(problem["type"])
    if words is None:
        return str(problem["msg"]).replace("Input should be", "takes")
    return words.format(**{name: str(value).replace("'", "`") for name, value in problem.get("ctx", {}).items()})


def _instead(problem: Any) -> str:
    """What to write where it is plain what was meant: a list of one."""
    given = problem["input"]
    one = problem["type"] == "tuple_type" and isinstance(given, str) and len(given) < LONGEST_SHOWN_CHARS
    return f" Write `[{given}]`." if one else ""


def kind_in_words(value: Any) -> str:
    """What was given, in words; the value itself where it is too short to be a key that stands in the wrong place."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "`name: value` lines"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = str(value)
    kind = "the text" if isinstance(value, str) else "the number" if isinstance(value, int | float) else "the value"
    words = f"`{text}`" if isinstance(value, str) else text
    return f"{kind} {words}" if len(text) < LONGEST_SHOWN_CHARS else "a longer text"


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    from pydantic import BaseModel

    from labgen.config.dataset import ExtraDataset
    from labgen.config.drawing import LeafOverride
    from labgen.config.models import EndpointConfig, JudgeConfig
    from labgen.config.whole import Config

    model: Any = Config
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        nested = {"leaves": LeafOverride, "extras": ExtraDataset, "endpoints": EndpointConfig, "judge": JudgeConfig}
        model = nested.get(part, annotation)
        for one in get_args(model):  # a section that may be left out
            model = one if isinstance(one, type) and issubclass(one, BaseModel) else model
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return sorted(model.model_fields)
