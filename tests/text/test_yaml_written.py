"""Data written as YAML is read back as it was, in its order, with and without the library in C."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.yaml_data import read_yaml
from labgen.text.yaml_written import write_yaml

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029")
"""All but the line ends that Unicode has beside ASCII's, which PyYAML's writer in Python loses."""
NAMES = st.text(CHARACTERS, max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(CHARACTERS, max_size=200)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


def order_of(value: Any) -> list[Any]:
    """The names in a value, in the order in which they come."""
    if isinstance(value, dict):
        return [[name, order_of(each)] for name, each in value.items()]
    return [order_of(each) for each in value] if isinstance(value, list) else []


@pytest.mark.parametrize("in_c", [True, False])
@given(value=st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_is_read_back_as_it_was(in_c: bool, value: dict[str, Any]) -> None:
    """By labgen and by PyYAML."""
    with pytest.MonkeyPatch.context() as patch:
        if not in_c:
            patch.delattr(yaml, "CSafeDumper", raising=False)
        text = write_yaml(value)
    assert read_yaml(text).data == yaml.safe_load(text) == value
    assert order_of(yaml.safe_load(text)) == order_of(value)


def test_emoji_and_rare_letters_stand_as_they_are() -> None:
    """Whoever reads the card or the settings sees what was written; no line end is lost for it."""
    assert write_yaml({"k": "fine 🙂", "𠮷野": 1}) == "k: fine 🙂\n𠮷野: 1\n"
    both = {"k": "fine 🙂", "n": "one\x85two"}
    assert read_yaml(write_yaml(both)).data == both


def test_half_of_a_surrogate_pair_is_escaped() -> None:
    """A teacher may send one in JSON; no file can hold it as it is."""
    write_yaml({"title": "\ud800"}).encode()
