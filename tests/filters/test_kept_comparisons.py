"""What was compared across leaves is not compared again, and nothing else ever changes by that."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.filters import kept_comparisons, near_duplicates
from labgen.filters.earlier_instructions import EarlierInstructions
from labgen.filters.kept_comparisons import KeptComparisons
from labgen.filters.near_duplicates import NearDuplicates
from labgen.outcomes.store import kept_bytes

WORDS = ["add", "the", "two", "sum", "of", "x", "7", "cat's", "Name", "list", "moon", "red", "été", "月"]
RARE = [f"rare{number}" for number in range(60)]


class Leaf(NamedTuple):
    """A leaf as the look across leaves meets it: texts with their contexts, where it has such."""

    threshold: float
    by_context: bool
    pairs: list[tuple[str, str]]


def draw_text(draw: random.Random) -> str:
    """One of a few texts, most often with some words changed."""
    of = random.Random(draw.randrange(12))
    words = of.choices(WORDS, k=of.randrange(3, 9)) + of.choices(RARE, k=3)
    for _ in range(draw.randrange(4)):
        words[draw.randrange(len(words))] = draw.choice(RARE)
    return " ".join(words)


def draw_leaf(draw: random.Random) -> Leaf:
    pairs = [(draw_text(draw), draw_text(draw)) for _ in range(draw.randrange(9))]
    return Leaf(draw.choice([0.0, 0.1, 0.25]), draw.random() < 0.3, pairs)


def edited(leaves: list[Leaf], draw: random.Random) -> list[Leaf]:
    """The leaves after one change: of a text, of a threshold, of their order, or of which there are."""
    leaves = [Leaf(*leaf[:2], list(leaf.pairs)) for leaf in leaves]
    at = draw.randrange(len(leaves))
    match draw.randrange(7):
        case 0:
            draw.shuffle(leaves)
        case 1:
            leaves[at] = leaves[at]._replace(threshold=draw.choice([0.0, 0.1, 0.25]))
        case 2:
            leaves.insert(at, draw_leaf(draw))
        case 3:
            leaves.append(leaves.pop(at))
        case 4:
            leaves[at].pairs.insert(0, draw.choice([pair for leaf in leaves for pair in leaf.pairs] or [("x", "y")]))
        case 5:
            leaves[at] = leaves[at]._replace(pairs=leaves[at].pairs[1:])
        case 6:
            leaves[at].pairs[1:3] = [(draw_text(draw), draw_text(draw))]
    return leaves


def build(leaves: list[Leaf], base: float, kept: KeptComparisons | None = None) -> list[object]:
    """What becomes of each text; the first of those that are alike wins, as in a build."""
    seen = {each: EarlierInstructions(base, by_context=each, kept=kept) for each in (False, True)}
    became: list[object] = []
    new: list[tuple[bool, str, str, str]] = []
    for number, leaf in enumerate(leaves):
        for by_context, *pair in new:
            seen[by_context].add(*pair)
        new.clear()
        if number % 2:
            seen[leaf.by_context].expect(leaf.pairs)
        for text, context in leaf.pairs:
            limit = base + leaf.threshold
            verdict = seen[leaf.by_context].find(text, context, threshold=limit, context_threshold=limit)
            became.append(verdict)
            if verdict is None:
                new.append((leaf.by_context, text, context, f"leaf {number}"))
    return became


@settings(max_examples=some(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_build_is_the_same_with_and_without_what_is_kept(tmp_path_factory, seed):
    """After any row of edits of texts, order, leaves and thresholds, no decision and no number differs."""
    draw = random.Random(seed)
    folder = tmp_path_factory.mktemp("work")
    leaves, base = [draw_leaf(draw) for _ in range(draw.randrange(1, 6))], 0.7
    for _ in range(6):
        kept = KeptComparisons(base, folder)
        assert build(leaves, base, kept) == build(leaves, base)
        kept.save()
        for _ in range(draw.randrange(4)):
            leaves = edited(leaves, draw)
        base = draw.choice([base, base, 0.6, 0.7, 0.75])


def some_leaves(count: int = 12) -> list[Leaf]:
    """Leaves of two kinds, with duplicates across them."""
    draw = random.Random(5)
    return [draw_leaf(draw)._replace(by_context=number % 4 == 3) for number in range(count)]


def unlike_leaves(count: int) -> list[Leaf]:
    """Leaves of 20 texts, all of which become rows."""
    draw = random.Random(2)
    return [Leaf(0.0, False, [(" ".join(draw.choices(RARE, k=9)), "") for _ in range(20)]) for _ in range(count)]


def kept_of(leaves: list[Leaf], folder: Path, base: float = 0.7) -> list[object]:
    """Build once and keep what was compared."""
    kept = KeptComparisons(base, folder)
    became = build(leaves, base, kept)
    kept.save()
    return became


def refuse(*_: object) -> int:
    raise AssertionError("two texts are compared")


def test_an_unchanged_build_compares_nothing(tmp_path, monkeypatch):
    """Neither the fast measure nor the reference is asked again, and nothing is written."""
    leaves = some_leaves()
    became = kept_of(leaves, tmp_path)
    assert any(became)
    monkeypatch.setattr(near_duplicates, "_common", refuse)
    monkeypatch.setattr(kept_comparisons, "reference_rouge_l", refuse)
    # Instructions on contexts that are alike are few, and compared each time.
    monkeypatch.setattr("labgen.filters.earlier_instructions.rouge_l", near_duplicates_of_before)
    kept = KeptComparisons(0.7, tmp_path)
    assert build(leaves, 0.7, kept) == became
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    kept.save()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written


def near_duplicates_of_before(a: str, b: str) -> float:
    """`rouge_l` of its own, as it is refused to the index."""
    from rapidfuzz.distance import LCSseq

    first, second = near_duplicates.tokenize(a), near_duplicates.tokenize(b)
    return near_duplicates.f_measure(int(LCSseq.similarity(first, second)), len(first), len(second))


def test_an_edited_leaf_alone_is_compared_with_the_rest(tmp_path, monkeypatch):
    """The index of all other leaves is asked about the new texts; about the old ones, that of the new texts."""
    leaves = unlike_leaves(12)
    kept_of(leaves, tmp_path)
    new = [(f"an entirely new text about {name} here", "") for name in ("mars", "venus")]
    leaves[4] = leaves[4]._replace(pairs=new)
    looks: list[tuple[int, set[str]]] = []
    look = NearDuplicates._matches
    monkeypatch.setattr(
        NearDuplicates, "_matches", lambda self, texts: looks.append((len(self), set(texts))) or look(self, texts)
    )
    kept = KeptComparisons(0.7, tmp_path)
    became = build(leaves, 0.7, kept)
    assert {text for size, texts in looks for text in texts if size > len(new)} <= {text for text, _ in new}
    looks.clear()
    assert build(leaves, 0.7) == became


@given(at=st.floats(0, 1, exclude_max=True), how=st.sampled_from(["flip", "cut", "longer"]))
@settings(max_examples=some(40), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_file_is_not_believed(tmp_path_factory, at, how):
    """Whatever byte of it is changed, or where it ends, all is compared anew, and a whole file stands there again."""
    folder = tmp_path_factory.mktemp("work")
    leaves = some_leaves(6)
    became = kept_of(leaves, folder)
    (file,) = (folder / "outcomes").iterdir()
    content = bytearray(file.read_bytes())
    place = int(at * len(content))
    if how == "flip":
        content[place] ^= 1 << place % 8
    file.write_bytes(content[:place] if how == "cut" else bytes(content) + b"x" * (how == "longer"))
    kept = KeptComparisons(0.7, folder)
    assert kept.instructions.counts == (0, 0)
    assert build(leaves, 0.7, kept) == became
    kept.save()
    assert KeptComparisons(0.7, folder).instructions.counts[1] > 0


def test_a_foreign_file_is_not_believed(tmp_path, monkeypatch):
    """What another version compared, or a build with a higher threshold, does not count; losing it changes nothing."""
    leaves = some_leaves()
    became = kept_of(leaves, tmp_path, base=0.75)
    assert KeptComparisons(0.75, tmp_path).instructions.counts[1]
    assert not KeptComparisons(0.7, tmp_path).instructions.counts[1]
    monkeypatch.setattr(kept_comparisons, "_compares", lambda: b"another version")
    assert not KeptComparisons(0.75, tmp_path).instructions.counts[1]
    assert kept_of(leaves, tmp_path, base=0.75) == became


def test_what_is_kept_stays_small_and_outlives_a_narrow_build(tmp_path):
    """It holds the last build alone, and one of a few leaves does not take its place."""
    draw = random.Random(1)
    leaves = unlike_leaves(20)
    kept_of(leaves, tmp_path)
    size = kept_bytes(tmp_path)
    assert 0 < size < 60 * 400 + 4000
    kept_of([*leaves[:2], draw_leaf(draw)._replace(by_context=False)], tmp_path)
    assert kept_bytes(tmp_path) == size
    for number in range(3):
        leaves[number] = Leaf(0.0, False, [(" ".join(draw.choices(RARE, k=9)), "") for _ in range(20)])
        kept_of(leaves, tmp_path)
    assert abs(kept_bytes(tmp_path) - size) < 1000


WRITER = """
import sys
from pathlib import Path
from labgen.filters.kept_comparisons import KeptComparisons
kept = KeptComparisons(0.7, Path(sys.argv[1]))
for number in range(3000):
    kept.instructions.matches(f"text {number}")
while True:
    kept.save()
    print(flush=True)
"""


def test_a_run_killed_while_it_writes_leaves_a_whole_file(tmp_path):
    """At whatever moment `kill -9` comes, what was kept before or after is there, and what is left over is counted."""
    for pause_sec in (0.0, 0.003, 0.011):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause_sec)
            os.kill(process.pid, signal.SIGKILL)
        assert KeptComparisons(0.7, tmp_path).instructions.counts == (0, 3000)
    assert kept_bytes(tmp_path) == sum(path.stat().st_size for path in (tmp_path / "outcomes").iterdir())


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(tmp_path):
    """Where nothing can be kept, the build goes on as if it were."""
    (tmp_path / "outcomes").write_text("a file is in the way")
    leaves = some_leaves()
    assert kept_of(leaves, tmp_path) == build(leaves, 0.7)


def test_what_another_machine_compared_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    kept_of(some_leaves(), tmp_path)
    assert KeptComparisons(0.7, tmp_path).instructions.counts[1]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    assert KeptComparisons(0.7, tmp_path).instructions.counts == (0, 0)


def test_keys_come_in_order(tmp_path):
    """A key out of order would name the wrong text, and is refused."""
    with pytest.raises(ValueError, match="next key is 0"):
        KeptComparisons(0.7, tmp_path).instructions.add("text", 1)
