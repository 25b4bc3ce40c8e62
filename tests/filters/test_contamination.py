# ruff: noqa: E501 - whole benchmark items stand on their lines
"""Benchmark items are found however they are disguised, and ordinary texts are not accused."""

import gzip
import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from labgen.cli import app
from labgen.errors import ConfigError, UsageError
from labgen.filters.benchmarks import PRESETS, read_files
from labgen.filters.contamination import (
    SUFFIX,
    ContaminationIndex,
    add_benchmark,
    list_benchmarks,
    remove_benchmark,
)
from labgen.filters.ngrams import hash_ngrams

LONG = (
    "A baker fills 14 trays with 12 rolls each before dawn. By noon she has sold three quarters of them, and in the"
    " afternoon a school orders 30 more than are left. How many rolls must she still bake for the school?"
)
CODE = (
    'def longest_gap(times: list[int]) -> int:\n    """Return the largest difference between neighbours of a sorted'
    ' list of arrival times, zero for fewer than two."""\n    return max((b - a for a, b in zip(times, times[1:])), default=0)'
)
MIDDLING = "Which of the seven hills of Rome is the highest one?"
SHORT = "Name the red planet."


@pytest.fixture
def folder(tmp_path):
    add_benchmark(tmp_path, "bakery", [("test", [LONG, "Another item about something else entirely, long enough to be"
                                                 " told apart from all others by its words alone."])], source="b.jsonl")  # fmt: skip
    add_benchmark(tmp_path, "mixed", [("a", [CODE]), ("b", [SHORT, "", MIDDLING])], source="m.jsonl")
    return tmp_path


@pytest.fixture
def index(folder):
    return ContaminationIndex.load(folder)


@pytest.mark.parametrize(
    "disguised",
    [
        LONG,
        LONG.upper(),
        LONG.replace(" ", "\n  "),
        LONG.replace(",", " -").replace(".", " ;"),
        f"Solve this for me, please, and show your work. {LONG} I need it by tomorrow.",
        LONG.replace("baker", "cook").replace("noon", "midday").replace("school", "canteen"),
    ],
)
def test_an_item_is_found_in_any_disguise_and_named(index, disguised):
    """Case, spacing, punctuation, surroundings and a few changed words hide nothing; the item is named."""
    hit = index.hit(disguised)
    assert hit is not None and hit.item == "bakery/test/0"
    assert 0.1 <= hit.share <= 1.0


def test_part_and_row_name_an_item(index):
    """Names count rows of the part as they are in the source, empty ones included."""
    assert index.hit(CODE).item == "mixed/a/0"
    assert index.hit(MIDDLING).item == "mixed/b/2"


def test_short_items_match_whole(index):
    """Eight words or more anywhere; fewer only as the whole text, since they are in texts by chance."""
    assert index.hit(f"Tell me: {MIDDLING.lower()} And why?").share == 1.0
    assert index.hit("Which of the seven hills of Rome is the steepest one?") is None
    assert index.hit("name the RED planet").item == "mixed/b/0"
    assert index.hit("Please name the red planet and its moons.") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "How many rolls must she bake?",
        "A baker fills 14 trays.",
        "Write a poem about a baker and a school." * 3,
    ],
)
def test_ordinary_texts_are_not_accused(index, text):
    """Shared words and short shared phrases are no hit."""
    assert index.hit(text) is None


def test_the_share_decides(folder):
    """The same overlap is a hit below the configured shares and none above."""
    half = (
        LONG.split(" and in the")[0] + " She goes home, has a cup of tea and reads the paper until the sun is up again."
    )
    found = ContaminationIndex.load(folder, share=0.0, near_share=1.0).hit(half)
    assert ContaminationIndex.load(folder, share=found.share, near_share=1.0).hit(half) == found
    assert ContaminationIndex.load(folder, share=found.share + 0.01, near_share=1.0).hit(half) is None


def test_common_forms_of_words_are_no_items(tmp_path):
    """What a benchmark says in most of its items is its form, not an item."""
    form = "Read the statement below with care and then say whether it is true or false in your own view: "
    add_benchmark(tmp_path, "forms", [("", [f"{form} {number}" for number in range(40)])], source="f")
    assert ContaminationIndex.load(tmp_path).hit(form + "cats can fly") is None


def test_benchmarks_are_listed_replaced_and_removed(folder):
    """One file each: adding again replaces, removing forgets, names are checked."""
    assert [(about.name, about.items) for about in list_benchmarks(folder)] == [("bakery", 2), ("mixed", 3)]
    before = ContaminationIndex.load(folder).fingerprint
    add_benchmark(folder, "mixed", [("", [CODE])], source="again")
    assert [about.items for about in list_benchmarks(folder)] == [2, 1]
    assert ContaminationIndex.load(folder).fingerprint != before
    remove_benchmark(folder, "mixed")
    remove_benchmark(folder, "bakery")
    assert ContaminationIndex.load(folder) is None and list_benchmarks(folder / "nowhere") == ()
    with pytest.raises(UsageError, match="no benchmark `mixed`"):
        remove_benchmark(folder, "mixed")
    with pytest.raises(UsageError, match="can't name a benchmark"):
        add_benchmark(folder, "../escape", [("", [CODE])], source="x")
    with pytest.raises(UsageError, match="no item there"):
        add_benchmark(folder, "empty", [("", ["", "?"])], source="x")


@pytest.mark.parametrize("damage", [b"", b"garbage", b"LABGEN-NGRAMS-1\n" + b"\xff" * 40])
def test_a_damaged_index_is_named(folder, damage):
    """A file that can't be read is named with what to do, not ignored: its items would get through."""
    (folder / f"mixed{SUFFIX}").write_bytes(damage)
    with pytest.raises(ConfigError, match=r"mixed\.ngrams.*add the benchmark again"):
        ContaminationIndex.load(folder)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=30), st.integers(1, 13))
def test_equal_runs_have_equal_hashes_and_others_do_not(words, size):
    """A hash depends on the run alone, not on where it stands, and tells runs apart."""
    runs = [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]
    hashes = hash_ngrams(words, size).tolist()
    assert len(hashes) == len(runs)
    assert len(set(hashes)) == len(set(runs))
    assert [hash_ngrams(run, size)[0] for run in runs] == hashes


@given(st.text())
def test_any_text_can_be_looked_up(text):
    """No text makes a look-up fail (hostile replies, lone surrogates)."""
    hash_ngrams([text], 1)


def test_items_are_read_from_the_usual_files(tmp_path):
    """JSONL, gzipped or not, JSON and Parquet; fields are joined, reached inside, or guessed."""
    import pyarrow
    from pyarrow import parquet

    rows = [{"question": "Who?", "choices": {"text": ["me", "you"]}, "n": 3}]
    (tmp_path / "a.jsonl").write_text(json.dumps(rows[0]) + "\n\n")
    (tmp_path / "b.json").write_text(json.dumps(rows))
    with gzip.open(tmp_path / "c.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(rows[0]))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "d.parquet")
    expected = [(part, ["Who?\nme\nyou\n3"]) for part in "abcd"]
    assert [(part, list(texts)) for part, texts in read_files(tmp_path, ("question", "choices.text", "n"))] == expected
    assert [list(texts) for _, texts in read_files(tmp_path / "a.jsonl", ())] == [["Who?"]]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", '{"x": 1}', "no field `question`. There are: x"),
        ("a.jsonl", "not json", "can't be read as JSON"),
        ("a.jsonl", "[1]", "a row is an object"),
        ("a.parquet", "x", "can't be read as Parquet"),
        ("a.txt", "x", "are read from .jsonl"),
    ],
)
def test_files_that_cannot_be_read_are_explained(tmp_path, name, content, message):
    """Every fault names the file and what to do."""
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message) as raised:
        for _, texts in read_files(tmp_path / name, ("question",)):
            list(texts)
    assert str(tmp_path / name) in str(raised.value)


def test_an_item_may_be_nested_as_deeply_as_json_is_read(tmp_path):
    """A stranger's file ends nothing."""
    (tmp_path / "a.jsonl").write_text('{"question": ["Who?", ' + "[" * 800 + '"me"' + "]" * 800 + ', {"n": 3}]}')
    assert [list(texts) for _, texts in read_files(tmp_path / "a.jsonl", ())] == [["Who?\nme\n3"]]


def test_an_item_that_is_a_conversation_is_what_is_asked_in_it(tmp_path):
    """Neither who speaks, nor the kinds of parts, nor answers."""
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "Who?"}]},
        {"role": "assistant", "content": "42"},
        {"from": "human", "value": "When\u2028then?"},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": turns}, ensure_ascii=False), encoding="utf-8")
    for fields in ((), ("messages",)):
        assert [list(texts) for _, texts in read_files(tmp_path / "a.jsonl", fields)] == [["Who?\nWhen\u2028then?"]]


def test_the_command_adds_lists_and_removes(tmp_path):
    """`labgen contaminate` does what its help says, and a preset lends its fields to a local file."""
    items = tmp_path / "items.jsonl"
    items.write_text(json.dumps({"question": LONG, "answer": "84"}) + "\n")
    work = ["--work", str(tmp_path / "work")]
    run = CliRunner().invoke(app, ["contaminate", "add", "gsm8k", str(items), *work], catch_exceptions=False)
    assert run.exit_code == 0 and "1 items indexed" in run.output
    listed = CliRunner().invoke(app, ["contaminate", "list", "--json", *work], catch_exceptions=False)
    assert [entry["name"] for entry in json.loads(listed.stdout)] == ["gsm8k"]
    assert ContaminationIndex.load(tmp_path / "work" / "contamination").hit(LONG).item == "gsm8k/0"
    CliRunner().invoke(app, ["contaminate", "remove", "gsm8k", *work], catch_exceptions=False)
    assert list_benchmarks(tmp_path / "work" / "contamination") == ()
    with pytest.raises(UsageError, match="is no preset"):
        CliRunner().invoke(app, ["contaminate", "add", "unheard-of", *work], catch_exceptions=False)


def test_presets_cover_the_usual_benchmarks():
    """The benchmarks that the field reports are known by name."""
    assert set(PRESETS) == {"mmlu", "arc", "hellaswag", "winogrande", "truthfulqa", "gsm8k", "math", "humaneval", "mt_bench"}  # fmt: skip
