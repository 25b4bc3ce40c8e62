"""Plain data as YAML text, as it stands in cards, settings and trainers' files."""

from __future__ import annotations

from typing import Any


def write_yaml(data: Any) -> str:
    """Mappings, lists, texts, numbers, truth values and None as YAML, in their order.

    Raises: yaml.YAMLError: anything else is in it.
    """
    import yaml

    # In C where PyYAML was built with it: settings of thousands of leaves take a sixth of the time.
    fastest: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    try:
        text: str = yaml.dump(data, Dumper=fastest, sort_keys=False, allow_unicode=True)
    except UnicodeEncodeError:  # half of a surrogate pair, which the one in Python escapes
        text = yaml.dump(data, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True)
    return text
