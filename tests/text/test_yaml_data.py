"""YAML is read as plain data with the line of every value; what can't be read is an error with its place."""

from __future__ import annotations

from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.yaml_data import YamlError, read_yaml

SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@given(VALUES)
def test_what_yaml_writes_is_read_as_yaml_reads_it(value: object) -> None:
    """Whatever is in it, and however it is written."""
    for flow in (True, False):
        text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
        assert read_yaml(text).data == yaml.safe_load(text)


def test_every_value_knows_its_line() -> None:
    """What is missing has the line of what it is missing in; part of a file counts from where it begins."""
    found = read_yaml("a: 1\nb:\n  - c: 2\n  - d: 2023-04-05\n", first_line=10)
    assert found.data == {"a": 1, "b": [{"c": 2}, {"d": date(2023, 4, 5)}]}
    assert [found.line_of(place) for place in (("a",), ("b", 1, "d"), ("b", 0, "x", "y"), ("z",))] == [10, 13, 12, None]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [\n", 2, "this is not YAML"),
        ("a:\n\tb: 1", 2, "tab"),
        ("x: " + "[" * 2000 + "]" * 2000, 1, "more than 40 levels of nesting"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(2000)), 41, "more than 40 levels of nesting"),
        ("a: 1\nb: " + "1" * 5000, 2, "a number of 5,000 characters is too long"),
        ("b: -" + "1" * 5000 + ".5", 1, "is too long"),
        ("a: 1\nb: 2\na: 3\n", 3, "`a` is already set in line 1"),
        ("a:\n  b: 1\n  c: {d: 1, d: 2}\n", 3, "`d` is already set in line 3"),
        ("yes: 1\ntrue: 2\n", 2, "`true` is set twice, in other words"),
        ("a: 2023-02-30\n", 1, "`2023-02-30` is no date"),
        ("a: 1\nb: 010\n", 2, "`010` is one number to some readers"),
        ("a: -0_7\n", 1, "`-0_7` is one number to some readers"),
        ("a: 10:30\n", 1, "`10:30` is one number to some readers"),
        ("a: !!int b\n", 1, "`b` is no integer"),
        ("a: !!python/object:os.system b\n", 1, "is not read here"),
        ("? [a]\n: 1\n", 1, "a list can't be a name"),
        ("a: &a [*a]\n", 1, "stands inside the very value"),
        ("a: \x01\n", 1, "control character"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int, said: str) -> None:
    """In one line of words, whatever the text does to other readers."""
    with pytest.raises(YamlError) as error:
        read_yaml(text)
    assert error.value.line == line and said in error.value.problem and "\n" not in str(error.value)
