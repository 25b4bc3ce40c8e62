"""Settings are read into sections: what people write is taken as it is meant, and all that does not fit is told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError

from labgen.config.drawing import LeafOverride
from labgen.config.models import BackendConfig, GuardConfig
from labgen.config.problems import find_problems
from labgen.config.section import fitted, read_section
from labgen.config.whole import Config
from labgen.errors import ConfigError

MEANT = [
    ({"samples": "3"}, "samples", 3),
    ({"samples": 3.0}, "samples", 3),
    ({"taxonomy": "leaves"}, "taxonomy", Path("leaves")),
    ({"work": Path("work")}, "work", Path("work")),
    ({"teacher": {"tokens_per_minute": "1e6"}}, "teacher.tokens_per_minute", 1e6),  # as YAML 1.1 has it, a text
    ({"filters": {"disable": ["privacy"]}}, "filters.disable", ("privacy",)),
    ({"teacher": {"backend": {"kind": "own", "url": 3}}}, "teacher.backend", BackendConfig("own", {"url": 3})),
    ({"leaves": [{"match": "**", "turns": 2}]}, "leaves", (LeafOverride(match="**", turns=2),)),
]


@pytest.mark.parametrize(("data", "name", "value"), MEANT)
def test_what_is_written_is_taken_as_it_is_meant(data: dict[str, Any], name: str, value: Any) -> None:
    """A number in quotes is a number, a list is one however it is written."""
    found: Any = read_section(Config, data)
    for part in name.split("."):
        found = getattr(found, part)
    assert found == value and type(found) is type(value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Each with its place, in the order of the settings; unknown ones follow."""
    data = {
        "sampels": 3,
        "samples": True,
        "teacher": {"concurrency": 0, "backend": {"kind": 3}, "endpoints": [{}, 4]},
        "generation": {"attributes": {"x" * 61: ["", 3]}, "temperature": 2.5},
        "price": {"currency": "euro", "prompt_per_million": 1, "completion_per_million": -1},
        "mix": {"extras": "mine", "replay_1_in_2": "a tenth of all that there is", "phase_2_kinds": ["fact", "facts"]},
        "guard": {"kind": "llama_guard_3", "model": "g"},
    }
    found = {".".join(map(str, problem.place)): problem.words for problem in find_problems(Config, data)}
    assert found == {
        "samples": "`samples` takes a whole number, such as `30`; this is true.",
        "teacher.backend.kind": "`teacher.backend.kind` takes a text; put it in quotes where it looks like a number, "
        "a date, or yes or no; this is the number 3.",
        "teacher.endpoints.0.base_url": "`teacher.endpoints.0.base_url` is missing. Write it beneath "
        "`teacher.endpoints.0:`.",
        "teacher.endpoints.1": "`teacher.endpoints.1` takes `name: value` lines beneath it; this is the number 4.",
        "teacher.concurrency": "`teacher.concurrency` takes a number of at least 1; this is the number 0.",
        f"generation.attributes.{'x' * 61}": f"`generation.attributes.{'x' * 61}` takes a text of at most 60 "
        "characters; this is a longer text.",
        f"generation.attributes.{'x' * 61}.0": f"`generation.attributes.{'x' * 61}.0` takes a text that is not empty; "
        "this is empty.",
        f"generation.attributes.{'x' * 61}.1": f"`generation.attributes.{'x' * 61}.1` takes a text; put it in quotes "
        "where it looks like a number, a date, or yes or no; this is the number 3.",
        "generation.temperature": "`generation.temperature` takes a number of at most 2.0; this is the number 2.5.",
        "guard": "`guard`: needs `base_url` or `endpoints`: a guard is another model at its own address.",
        "mix.replay_1_in_2": "`mix.replay_1_in_2` takes a number, such as `0.5`; this is a longer text.",
        "mix.phase_2_kinds.1": "`mix.phase_2_kinds.1` takes `fact`, `joined`, `reasoning`, `long` or `across`; this is "
        "the text `facts`.",
        "mix.extras": "`mix.extras` takes a list, such as `[one, two]` or a line with a dash for each; this is the "
        "text `mine`. Write `[mine]`.",
        "price.currency": "`price.currency` takes a text that matches `[A-Z]{3}`; this is the text `euro`.",
        "price.completion_per_million": "`price.completion_per_million` takes a number of at least 0.0; this is the "
        "number -1.",
        "sampels": "unknown setting `sampels`. Did you mean `samples`?",
    }


NAMES = [*Config.__struct_fields__, *GuardConfig.__struct_fields__, *LeafOverride.__struct_fields__, "match", "odd"]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["", "3", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.dictionaries(st.sampled_from(NAMES), PLAIN, max_size=4), kind=st.sampled_from([Config, GuardConfig]))
def test_something_is_told_exactly_where_something_is_wrong(data: dict[str, Any], kind: type) -> None:
    """Whatever the settings' reader refuses has words, and nothing else has."""
    try:
        fitted(data, kind)
    except ValidationError:
        assert list(find_problems(kind, data))
    else:
        assert not list(find_problems(kind, data))


def test_a_changed_configuration_still_knows_its_lines(tmp_path: Path) -> None:
    """A setting that is refused later is told with its line, also where a command has changed another one."""
    from labgen.config.file import load_config

    file = tmp_path / "labgen.yaml"
    file.write_text("samples: 3\nteacher:\n  model: one\n")
    config = load_config(file, {"teacher.timeout_sec": 5}).changed(samples=4)
    assert config.samples == 4 and config.where(("teacher", "model")) == f"{file}:3"
    assert config.where(("teacher", "timeout_sec")) == ""


def test_who_gives_a_dictionary_in_place_of_a_section_is_told_what_takes_it() -> None:
    """Where it is given, and not where it is used."""
    with pytest.raises(TypeError, match=r"`teacher` takes sections: `load_config\(overrides=\.\.\.\)` makes"):
        Config(teacher={"model": "one"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"`leaves` takes sections"):
        Config(leaves=[{"match": "a"}])  # type: ignore[arg-type]


def test_a_text_is_never_read_as_nothing() -> None:
    """A guard that is off would be a guess; where a text is wanted, it is one."""
    wrong: dict[str, Any] = {"guard": "null", "judge": "NULL", "leaves": [{"match": "null", "turns": "null"}]}
    assert [".".join(map(str, problem.place)) for problem in find_problems(Config, wrong)] == [
        *("judge", "guard", "leaves.0.turns"),
    ]
    config = read_section(Config, {"teacher": {"model": "null", "base_url": "null"}, "guard": None})
    assert (config.teacher.model, config.teacher.base_url, config.guard) == ("null", "null", None)


def test_sections_are_written_as_json_has_them() -> None:
    """Whatever YAML can say in settings of others: they are hashed, and go into a dataset's settings."""
    options = {"day": date(2023, 1, 2), "names": {"one"}, "places": (Path("a"), [Path("b")])}
    plain = read_section(
        Config, {"options": options, "teacher": {"backend": {"kind": "own", "since": date(2023, 1, 2)}}}
    )
    assert plain.plain(only={"options"}) == {
        "options": {"day": "2023-01-02", "names": ["one"], "places": ["a", ["b"]]},
    }
    assert plain.teacher.plain()["backend"] == {"kind": "own", "since": "2023-01-02"}
    assert json.loads(json.dumps(plain.plain())) == plain.plain()


def test_sections_are_frozen() -> None:
    """Those with settings of others, too."""
    config = Config()
    for section, name in ((config, "samples"), (config.teacher, "model"), (config.teacher.backend, "kind")):
        with pytest.raises(AttributeError):
            setattr(section, name, "x")


def test_a_guard_has_one_way_to_be_reached() -> None:
    """As every model."""
    data = {
        "kind": "llama_guard_3",
        "model": "g",
        "base_url": "http://a/v1",
        "endpoints": [{"base_url": "http://b/v1"}],
    }
    assert [problem.words for problem in find_problems(Config, {"guard": data})] == [
        "`guard`: give either `base_url` or `endpoints`, not both."
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"samples_per_passage": float("inf")}, "takes a number of at most 1000000.0; this is the number inf."),
        (
            {"teacher": {"extra_body": {"day": date(2023, 1, 2)}}},
            "holds the value 2023-01-02, which JSON does not",
        ),
        ({"teacher": {"extra_body": {"top": [{"k": float("inf")}]}}}, "holds the number inf, which JSON does not have"),
        ({"teacher": {"extra_body": {"top": {3: "x"}}}}, "holds a name that is no text, which JSON does not have"),
    ],
)
def test_what_yaml_can_say_and_nothing_can_be_made_of_is_refused(data: dict[str, Any], words: str) -> None:
    """Before anything is drawn or asked: a number without end, a path that no file can have, a date in a request."""
    (problem,) = find_problems(Config, data)
    assert words in problem.words


def test_what_a_request_can_not_hold_is_told_with_its_line(tmp_path: Path) -> None:
    """As are texts that no file can have as its name, of any setting and all at once."""
    from labgen.config.file import load_config

    file = tmp_path / "labgen.yaml"
    file.write_text("teacher:\n  model: one\n  extra_body:\n    size: 3\n    day: 2023-01-02\n")
    with pytest.raises(ConfigError) as told:
        load_config(file)
    words = "holds the value 2023-01-02, which JSON does not have: put it in quotes."
    assert str(told.value) == f"{file}:5: `teacher.extra_body.day` {words}"
    file.write_text('tokenizer: "a\\0b"\nteacher:\n  endpoints:\n    - base_url: "http://a\\0/v1"\n')
    with pytest.raises(ConfigError) as told:
        load_config(file)
    words = "holds a NUL character, which no file, address or name can. Take it out."
    assert str(told.value).splitlines() == [
        f"{file}:1: `tokenizer` {words}",
        f"{file}:4: `teacher.endpoints.0.base_url` {words}",
    ]


def test_a_request_may_hold_all_that_json_has() -> None:
    """Of an endpoint's own parameters."""
    own: dict[str, Any] = {"top": [1, 0.5, True, None, "x", {"y": []}]}
    assert read_section(Config, {"teacher": {"extra_body": own}}).teacher.extra_body == own
