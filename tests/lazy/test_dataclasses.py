"""A class of `labgen.lazy.dataclasses` is one of the standard library's, but for when its methods are compiled."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.lazy.dataclasses import dataclass

HOWS = [
    {},
    {"frozen": True},
    {"slots": True},
    {"frozen": True, "slots": True},
    {"eq": False, "slots": True},
    {"frozen": True, "slots": True, "order": True},
]


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2
    names: list[str] = field(default_factory=list, compare=False)

    @property
    def sum(self) -> int:
        return self.x + self.y


@dataclass(frozen=True)
class Named(Point):
    name: str = ""
    twice: int = field(init=False)
    KIND: ClassVar[str] = "named"

    def __post_init__(self) -> None:
        object.__setattr__(self, "twice", 2 * self.x)


@dataclass
class Own:
    value: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __repr__(self) -> str:
        return "own"


@dataclass(frozen=True)
class OwnHash:
    value: int

    def __hash__(self) -> int:
        return 7


def told(act: Callable[[], Any]) -> Any:
    """What an act gives, or the error that it ends with."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


def pair(how: dict[str, bool]) -> tuple[type[Any], type[Any]]:
    """The same class by the standard library and by ours."""

    def made(decorate: Callable[..., Any]) -> type[Any]:
        class Kind:
            """Some kind."""

            a: Any
            b: Any = 1
            c: Any = field(default=2, repr=False)
            d: Any = field(default=3, compare=False)

        found: type[Any] = decorate(**how)(Kind)
        return found

    return made(dataclasses.dataclass), made(dataclass)


@pytest.mark.parametrize("how", HOWS, ids=str)
@given(st.lists(st.integers(0, 2), max_size=5), st.lists(st.integers(0, 2), max_size=5))
def test_all_that_a_class_says_is_what_the_standard_librarys_says(
    how: dict[str, bool], one: list[int], two: list[int]
) -> None:
    said = []
    for kind in pair(how):

        def say(act: Callable[[Any, Any], Any], kind: Any = kind) -> Any:
            return told(lambda: act(kind(*one), kind(*two)))

        said.append(
            [
                say(lambda a, b: repr(a)) if "eq" not in how else "its place in memory",
                say(lambda a, b: a == b) if "eq" not in how else "its place in memory",
                say(lambda a, b: hash(a) == hash(b)) if "eq" not in how else "its place in memory",
                say(lambda a, b: a < b),
                say(lambda a, b: a >= b),
                say(lambda a, b: a == 1),
                say(lambda a, b: setattr(a, "a", 5)),
                say(lambda a, b: delattr(a, "b")),
                say(lambda a, b: dataclasses.asdict(dataclasses.replace(a, a=9))),
                say(lambda a, b: dataclasses.astuple(copy.copy(a))),
                kind.__doc__,
                kind.__match_args__,
                kind.__hash__ is None,
                hasattr(kind, "__slots__"),
                repr(kind.__dataclass_params__),
            ]
        )
    assert said[0] == said[1]


@pytest.mark.parametrize("first", ["repr", "eq", "hash", "init"])
def test_whichever_method_is_used_first_works_and_stays(first: str) -> None:
    kind = pair({"frozen": True})[1]
    for _ in range(2):
        one, two = kind(1), kind(1)
        assert {"repr": repr(one) == repr(two), "eq": one == two, "hash": hash(one) == hash(two), "init": True}[first]
    assert kind.__init__.__code__.co_filename == "<string>"


def test_a_class_that_inherits_has_the_fields_of_both_and_its_own_rules() -> None:
    named = Named(1, name="a")
    assert (named.x, named.y, named.sum, named.twice, named.KIND) == (1, 2, 3, 2, "named")
    assert named == Named(1, 2, [], "a") and named != Named(1, 2, [], "b") and named != Point(1)
    assert repr(named) == "Named(x=1, y=2, names=[], name='a', twice=2)"
    for thing in (named, Point(1)):
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
            thing.x = 2  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'y'"):
            del thing.y


def test_a_package_may_extend_it_with_the_standard_librarys_own() -> None:
    @dataclasses.dataclass(frozen=True)
    class Further(Point):
        z: int = 3

    assert Further(1).sum == 3 and Further(1) == Further(1, 2, [], 3) and hash(Further(1)) == hash(Further(1))
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):
        dataclasses.dataclass(type("Loose", (Point,), {}))


def test_methods_that_a_class_has_stay_its_own() -> None:
    assert Own(1) == Own(2) and repr(Own(1)) == "own" and Own.__hash__ is None
    assert hash(OwnHash(1)) == 7


def test_its_signature_is_known_before_it_is_used() -> None:
    for how in HOWS:
        theirs, ours = (inspect.signature(kind) for kind in pair(how))
        assert str(ours) == str(theirs)
    ours = pair({})[1]
    ours(1)
    assert str(inspect.signature(ours)) == str(inspect.signature(pair({})[0]))

    class Made(Point):
        def __init__(self, z: int) -> None: ...

    assert list(inspect.signature(Made).parameters) == ["z"]


@pytest.mark.parametrize("name", ["__init__", "__eq__", "__repr__"])
def test_what_is_put_in_the_place_of_a_method_stays_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = pair({})[1]
    before, times = getattr(kind, name), 0

    def counted(*given: Any) -> Any:
        nonlocal times
        times += 1
        return before(*given)

    monkeypatch.setattr(kind, name, counted)
    for count in range(1, 4):
        one = kind(1)
        assert one == one and repr(one)
        assert times == count


def test_instances_go_through_pickle_and_copy() -> None:
    for thing in (Point(3, names=["n"]), Named(4, name="b"), Own(5)):
        assert dataclasses.asdict(pickle.loads(pickle.dumps(thing))) == dataclasses.asdict(thing)
        assert dataclasses.asdict(copy.deepcopy(thing)) == dataclasses.asdict(thing)


def test_each_instance_gets_a_list_of_its_own() -> None:
    one, two = Point(1), Point(1)
    one.names.append("n")
    assert two.names == []
