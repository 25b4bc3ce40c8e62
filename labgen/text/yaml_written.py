"""Plain data as YAML text, as it stands in cards, settings and trainers' files."""

from __future__ import annotations

from typing import Any

_LINE_ENDS = ("\\N", "\\L", "\\P")
"""How those are escaped that Unicode has beside ASCII's, which PyYAML's writer in Python loses."""


def write_yaml(data: Any) -> str:
    """Mappings, lists, texts, numbers, truth values and None as YAML, in their order.

    Raises: yaml.YAMLError: anything else is in it.
    """
    import yaml

    def written(dumper: Any) -> str:
        text: str = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True)
        return text

    # In C where PyYAML was built with it: settings of thousands of leaves take a sixth of the time.
    try:
        text = written(getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    except UnicodeEncodeError:  # half of a surrogate pair, which the writer in Python escapes
        return written(yaml.SafeDumper)
    if "\\U" in text and not any(escape in text for escape in _LINE_ENDS):
        # As which the one in C writes emoji and rarer letters, which people want to read.
        return written(yaml.SafeDumper)
    return text
