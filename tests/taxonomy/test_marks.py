"""Marks are read as a stranger's file, and written so that nothing else in it is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import TaxonomyError
from labgen.records import Candidate, Severity
from labgen.taxonomy.marks import MARKS_FILE, MarkVerdict, RowMark, check_marks, load_marks, parse_marks, read_marks
from labgen.taxonomy.write_marks import HEADER, entry_text, set_mark, text_with

LEAF = "knowledge/science/tides"
SOUND = f"""9a3eed2bb6e6e4c3:
  leaf: {LEAF}
  verdict: bad
  reason: it does not answer
"""

FAULTS = [
    ("LG501", (1, 1), "xyz:\n  leaf: a\n  verdict: good\n"),
    ("LG501", (3, 12), f"9a3eed2bb6e6e4c3:\n  leaf: {LEAF}\n  verdict: wrong\n"),
    ("LG501", (1, 1), "9a3eed2bb6e6e4c3:\n  verdict: good\n"),
    ("LG501", (4, 3), SOUND.replace("reason", "reson")),
    ("LG501", (1, 1), f"9a3eed2bb6e6e4c3:\n  leaf: {LEAF}\n  verdict: edited\n"),
    ("LG501", (1, 1), SOUND + "  response: Another.\n"),
    ("LG501", (1, 19), "9a3eed2bb6e6e4c3: bad\n"),
    ("LG501", (5, 9), SOUND + f"  note: {'long ' * 1001}\n"),
    ("LG501", (5, 1), SOUND + "<<<<<<< HEAD\n" + SOUND),
    ("LG501", (4, 3), f'9a3eed2bb6e6e4c3:\n  leaf: {LEAF}\n  verdict: edited\n  response: " "\n'),
    ("LG101", (4, 13), SOUND.replace("it does", "it: does")),
    ("LG102", (5, 1), SOUND + SOUND),
    ("LG103", (1, 43), "a: " + 41 * "[" + 41 * "]" + "\n"),
    ("LG105", (4, 11), SOUND.replace("it does", "\x07it does")),
    ("LG106", (1, 1), "- bad\n"),
    ("LG110", (3, 12), SOUND.replace("bad", "!run bad")),
    ("LG502", (1, 1), SOUND.replace("reason: it does not answer", "by: Ada")),
]


@pytest.mark.parametrize(("code", "place", "text"), FAULTS)
def test_what_is_wrong_is_said_with_its_place(code: str, place: tuple[int, int], text: str) -> None:
    """Line and column of the value, and what to do."""
    found = parse_marks(text).violations
    assert [(each.code, each.line, each.column) for each in found] == [(code, *place)]
    assert found[0].message.endswith((".", "?"))


@pytest.mark.parametrize(("code", "_place", "text"), FAULTS)
def test_a_build_stops_at_what_it_can_not_obey(tmp_path: Path, code: str, _place: object, text: str) -> None:
    """A mark that is passed over would bring a bad row back."""
    (tmp_path / MARKS_FILE).write_text(text)
    if code == "LG502":
        assert load_marks(tmp_path).marks
        return
    with pytest.raises(TaxonomyError, match=r"marks\.yaml:\d+:\d+: .* Mend it first"):
        load_marks(tmp_path)


def test_a_file_outside_the_taxonomy_is_not_read(tmp_path: Path) -> None:
    """A link that a stranger commits leads nowhere."""
    (tmp_path / "elsewhere.yaml").write_text(SOUND)
    root = tmp_path / "taxonomy"
    root.mkdir()
    (root / MARKS_FILE).symlink_to(tmp_path / "elsewhere.yaml")
    assert [each.code for each in read_marks(root).violations] == ["LG109"]
    (root / MARKS_FILE).unlink()
    (root / MARKS_FILE).write_bytes(b"caf\xe9")
    assert [each.code for each in read_marks(root).violations] == ["LG105"]


def test_a_mark_of_a_leaf_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    """It stops nothing, and the leaf that is meant is named."""
    (tmp_path / MARKS_FILE).write_text(SOUND)
    (found,) = check_marks(tmp_path, ["knowledge/science/tide"]).violations
    assert (found.code, found.severity) == ("LG503", Severity.WARNING)
    assert "is `knowledge/science/tide` meant?" in found.message
    assert not check_marks(tmp_path, [LEAF]).violations


def test_the_same_text_of_another_draw_is_known_again() -> None:
    """A bad text stays out, whichever slot brings it."""
    bad = Candidate(LEAF, 3, 1, "Why?", "Because.", context="A passage.")
    mark = RowMark(LEAF, MarkVerdict.BAD, text=bad.text_id)
    marks = parse_marks(entry_text(bad.id, mark)).of_leaf(LEAF)
    assert marks.on(bad) == mark
    assert marks.on(Candidate(LEAF, 7, 0, "Why?", "Because.", context="A passage.")) == mark
    assert marks.on(Candidate(LEAF, 7, 0, "Why?", "Therefore.", context="A passage.")) is None


ids = st.text("0123456789abcdef", min_size=16, max_size=16) | st.sampled_from(["1234567890123456", "12345678901234e5"])
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n"), max_size=60).map(
    str.strip
)
filled = texts.filter(bool)


LEAVES = (LEAF, "foundational_skills/requests", "compositional_skills/a b/ü")


@st.composite
def marks(draw: st.DrawFn) -> RowMark:
    """Any mark that `labgen review` may set."""
    verdict = draw(st.sampled_from(MarkVerdict))
    reason = draw(filled) if verdict is MarkVerdict.BAD else ""
    new = draw(filled) if verdict is MarkVerdict.EDITED else None
    return RowMark(
        LEAF, verdict, reason, draw(texts), draw(texts), None, new, draw(texts), draw(st.sampled_from(["", "0" * 16]))
    )


@given(st.lists(st.tuples(ids, st.none() | marks()), max_size=12))
def test_any_marks_set_and_taken_away_are_what_the_file_says(steps: list[tuple[str, RowMark | None]]) -> None:
    """Whatever texts they have; and the file stays sorted by leaf and id, so that marks merge."""
    found, wanted = parse_marks(""), dict[str, RowMark]()
    for id, some in steps:
        # A row's leaf is part of what its id is made of.
        mark = some and replace(some, leaf=LEAVES[int(id[-1], 16) % 3])
        wanted.pop(id, None)
        if mark:
            wanted[id] = mark
        found = parse_marks(text_with(found, id, mark))
        assert not found.violations
        assert dict(found.marks) == wanted
    order = [(mark.leaf, id) for id, mark in found.marks.items()]
    assert order == sorted(order)
    assert "".join(entry_text(id, mark) for id, mark in found.marks.items()) in found.text


def test_one_mark_changes_its_own_lines_alone() -> None:
    """Comments, blank lines and whatever somebody wrote by hand stay as they are."""
    by_hand = f"""# Ours. Ask Ada.

# This one was hard:
0000000000000001: {{leaf: {LEAF}, verdict: good}}   # really

'0000000000000005':
    leaf:    {LEAF}
    verdict: bad
    reason: >
      folded
      by hand
# The last one.
0000000000000009:
  leaf: {LEAF}
  verdict: note
  note: kept
"""
    new = RowMark(LEAF, MarkVerdict.GOOD, by="Bo")
    added = text_with(parse_marks(by_hand), "0000000000000003", new)
    assert added.replace(entry_text("0000000000000003", new), "") == by_hand
    changed = text_with(parse_marks(by_hand), "0000000000000005", new)
    assert (
        changed
        == by_hand[: by_hand.index("'0000")]
        + entry_text("0000000000000005", new)
        + by_hand[by_hand.index("# The last") :]
    )
    assert text_with(parse_marks(added), "0000000000000003", None) == by_hand


def test_marks_in_braces_are_written_anew_and_none_is_lost() -> None:
    """What has no lines of its own can't be exchanged line by line."""
    text = f"{{9a3eed2bb6e6e4c3: {{leaf: {LEAF}, verdict: good}}, 0000000000000001: {{leaf: {LEAF}, verdict: good}}}}\n"
    found = parse_marks(text_with(parse_marks(text), "0000000000000001", None))
    assert found.text.startswith(HEADER)
    assert list(found.marks) == ["9a3eed2bb6e6e4c3"]


def test_reviewers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each reads what the others have written before it writes; no other file is left behind."""
    (tmp_path / MARKS_FILE).write_text("# by hand\n")
    numbers = [f"{number:016x}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda id: set_mark(tmp_path, id, RowMark(LEAF, MarkVerdict.GOOD)), numbers))
    assert list(read_marks(tmp_path).marks) == numbers
    assert read_marks(tmp_path).text.startswith("# by hand\n")
    assert [path.name for path in tmp_path.iterdir()] == [MARKS_FILE]


def test_a_file_that_somebody_broke_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """It is said what to mend, and nothing is overwritten."""
    (tmp_path / MARKS_FILE).write_text(SOUND + "<<<<<<< HEAD\n")
    with pytest.raises(TaxonomyError, match="git could not merge"):
        set_mark(tmp_path, "0" * 16, RowMark(LEAF, MarkVerdict.GOOD))
    assert (tmp_path / MARKS_FILE).read_text() == SOUND + "<<<<<<< HEAD\n"
