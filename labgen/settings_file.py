"""`labgen.yaml` from disk: its text to data, its data to a `Config`, and words for what is wrong with it.

The models (and pydantic with them) are loaded when a `Config` is made, not before: what needs only the file's data,
such as `options:` for `labgen teacher`, starts without them.
"""

from __future__ import annotations

import difflib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from labgen.config import Config

CONFIG_NAME = "labgen.yaml"
SECRET_CHARS = 20
"""Words of the settings that are as long as this may be a key in the wrong place, and are not repeated."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file as it was read. Relative paths in `data` are as written: they start at the file's folder."""

    path: Path
    data: dict[str, Any]


def load_config(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Read `labgen.yaml` and lay `overrides` over it.

    Args:
        path: the file; None looks for `labgen.yaml` in the current folder and goes without where there is none.
        overrides: dotted setting names to values (`{"teacher.base_url": ...}`), None values ignored.
    Returns: the configuration, with relative paths taken from the file's folder.
    Raises: ConfigError: unreadable file, unknown key, value out of range; the message names file and key.
    """
    return make_config(read_settings(path), overrides)


def read_settings(path: Path | None = None) -> SettingsFile | None:
    """Read a settings file as data, without asking whether it makes sense.

    Args:
        path: the file; None looks for `labgen.yaml` in the current folder.
    Returns: what it says; None where no file was named and none is there.
    Raises: ConfigError: unreadable, not YAML, or not `name: value` lines.
    """
    if path is None and not Path(CONFIG_NAME).is_file():
        return None
    path = path or Path(CONFIG_NAME)
    return SettingsFile(path, _read_yaml(path))


def make_config(file: SettingsFile | None, overrides: dict[str, Any] | None = None) -> Config:
    """The configuration of a file that was read (None: of no file) with `overrides` laid over it, as `load_config`."""
    from pydantic import ValidationError

    from labgen.config import WORK_FOLDER, Config

    data = deepcopy(file.data) if file else {}
    folder = file.path.parent if file else Path()
    _anchor_paths(data, folder)
    for name, value in (overrides or {}).items():
        if value is not None:
            _override(data, name, value)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(error, str(file.path if file else "settings"))) from None
    return config if config.work is not None else config.model_copy(update={"work": folder / WORK_FOLDER})


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


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}). Check the path given with --config.") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not YAML: {getattr(error, 'problem', error)}.") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1: settings are `name: value` lines, this is a {type(data).__name__}.")
    return data


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


def _explain(error: ValidationError, where: str) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
            lines.append(f"{where}: unknown setting `{place}`. {hint}")
        else:
            lines.append(f"{where}: `{place}`: {problem['msg']}{_given(problem['input'])}.")
    return "\n".join(lines)


def _given(value: Any) -> str:
    """What was given, where it is too short to be a key that stands in the wrong place."""
    return f" (given: {value!r})" if isinstance(value, str | int | float) and len(str(value)) < SECRET_CHARS else ""


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    from pydantic import BaseModel

    from labgen.config import Config, EndpointConfig, ExtraDataset, JudgeConfig, LeafOverride

    model: Any = Config
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        nested = {"leaves": LeafOverride, "extras": ExtraDataset, "endpoints": EndpointConfig, "judge": JudgeConfig}
        model = nested.get(part, annotation)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return sorted(model.model_fields)
