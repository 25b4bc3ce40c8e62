"""A record with fields changed is what `dataclasses.replace` makes of it, whatever keeps its fields."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.records import Candidate, State
from labgen.records.changed import changed


@dataclass(frozen=True)
class InDictionary:
    """Fields beside what is worked out of them."""

    one: int
    two: list[int] = field(default_factory=list)

    @cached_property
    def twice(self) -> int:
        return 2 * self.one


@dataclass(frozen=True, slots=True)
class Checked:
    """Fields that are looked at whenever it is made."""

    one: int
    two: int = 0

    def __post_init__(self) -> None:
        if self.one < 0:
            raise ValueError("less than nothing")


class Longer(Candidate):
    """A class of another package, with a dictionary beside the slots."""


VALUES: dict[str, Any] = {"leaf": "a/b", "slot": 1, "position": 2, "instruction": "Say.", "state": State.ACCEPTED}


@given(st.dictionaries(st.sampled_from([each.name for each in fields(Candidate)]), st.text() | st.integers()))
@pytest.mark.parametrize("kind", [Candidate, Longer])
def test_candidates_come_out_as_of_replace(kind: type[Candidate], values: dict[str, Any]) -> None:
    """Whichever fields, and none; the old one stays as it was."""
    old = kind(**VALUES)
    made = changed(old, **values)
    assert type(made) is kind
    assert made == replace(old, **values)
    assert old == kind(**VALUES)


def test_what_was_worked_out_of_old_values_is_forgotten() -> None:
    """And lists are shared, as ever."""
    old = InDictionary(3)
    assert old.twice == 6
    made = changed(old, one=4)
    assert (made.twice, made.two is old.two) == (8, True)


def test_a_check_is_made_and_a_slip_is_told() -> None:
    """Nothing gets by that could not be made in the first place."""
    with pytest.raises(ValueError, match="less than nothing"):
        changed(Checked(1), one=-1)
    for record in (Candidate(**VALUES), InDictionary(1), Checked(1)):
        with pytest.raises(TypeError, match="thre"):
            changed(record, thre=3)
