"""LG302 and LG303: seed examples that are nearly the same, in a leaf and across leaves.

The measure is ROUGE-L as `labgen.filters` has it, which stands to the right of this stage; so it is handed in: an index
and a fast measure, which propose, and the reference's, which decides on what is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from labgen.lazy.dataclasses import dataclass
from labgen.taxonomy.content import QuestionNodes, read_examples
from labgen.taxonomy.source import MAX_BYTES, LeafSource, leaf_path
from labgen.text.printable import shorten
from labgen.text.words import normalised, words

THRESHOLD = 0.9
"""ROUGE-L above which a warning is worth it. Real leaves' own questions often resemble each other by 0.7 and more."""
MAX_PAIRS = 4_000  # to compare one by one: some 20 microseconds each
MOST_ALIKE = 50
"""Examples alike with which each further one is compared (count): what copies cost grows as their number does."""
FEWEST_WORDS = 5  # below this a single word decides


class TextMatch(Protocol):
    """An indexed text that is close: its key, and how close."""

    @property
    def key(self) -> int: ...

    @property
    def similarity(self) -> float: ...


class TextIndex(Protocol):
    """What `labgen.filters.near_duplicates.NearDuplicates` offers and these rules need."""

    def add(self, text: str, key: int) -> None: ...

    def matches(self, text: str) -> Iterable[TextMatch]: ...


Similarity = Callable[[str, str], float]


@dataclass(frozen=True, slots=True)
class Measures:
    """How near-duplicates are found and measured, as `labgen.filters` has it.

    Attributes:
        new_index: makes an empty index with a threshold; used where there are many texts.
        similarity: ROUGE-L of two texts, 0 to 1, fast.
        reference: the same by the reference, slow; asked only about pairs that `similarity` finds too close.
    """

    new_index: Callable[[float], TextIndex]
    similarity: Similarity
    reference: Similarity


class _Pairs:
    """A `TextIndex` that compares with every text: for a few, cheaper than to build an index (and to import one)."""

    def __init__(self, similarity: Similarity) -> None:
        self._texts: list[tuple[int, str, int]] = []
        self._similarity = similarity

    def add(self, text: str, key: int) -> None:
        self._texts.append((key, text, len(words(text))))

    def matches(self, text: str) -> Iterator[TextMatch]:
        length = len(words(text))
        for key, other, other_length in self._texts:
            # Above 0.9 the shorter has at least 9/11 of the longer's words; 0.7 leaves room for other counts of words.
            if min(length, other_length) >= 0.7 * max(length, other_length):
                similarity = self._similarity(text, other)
                if similarity > THRESHOLD:
                    yield _Match(key, similarity)


@dataclass(frozen=True, slots=True)
class _Match:
    key: int
    similarity: float


def check_similar(
    checked: Sequence[LeafSource],
    others: Iterable[LeafSource],
    measures: Measures,
) -> None:
    """Note every near-duplicate of a checked leaf's examples among its own and all other leaves'.

    An example is close to another when question, context (both have one, or neither) and, within a leaf, the answer
    are above the threshold. Each example is warned of once, about the first that it resembles.

    Args:
        checked: leaves whose violations are wanted.
        others: leaves of the same taxonomy to compare with.
        measures: of near-duplicates.
    """
    known: list[tuple[LeafSource, QuestionNodes]] = []
    wanted = {id(source) for source in checked}
    for source in sorted([*checked, *others], key=lambda source: source.path):
        examples = read_examples(source)
        known += [(source, example) for example in examples if len(words(example.question.text)) >= FEWEST_WORDS]
    asked = sum(id(source) in wanted for source, _ in known)
    index = measures.new_index(THRESHOLD) if asked * len(known) > MAX_PAIRS else _Pairs(measures.similarity)
    for number, (_, example) in enumerate(known):
        text = _shown(example)
        if isinstance(index, _Pairs) or sum(1 for _ in islice(index.matches(text), MOST_ALIKE)) < MOST_ALIKE:
            index.add(text, number)
    elsewhere: dict[tuple[int, str], list[tuple[QuestionNodes, QuestionNodes]]] = {}
    for number, (source, example) in enumerate(known):
        if id(source) not in wanted:
            continue
        found = _first_like(number, known, index, measures)
        if found is None:
            continue
        other_source, other = found
        if other_source is not source:
            elsewhere.setdefault((id(source), other_source.path), []).append((example, other))
        elif not _same(example, other):
            line = source.where(other.question.start)[0]
            message = f"{example.name} is nearly the same as {other.name} in line {line}; write one that differs more."
            source.add("LG302", example.question, message)
    by_id = {id(source): source for source in checked}
    for (identity, path), pairs in elsewhere.items():
        _report_elsewhere(by_id[identity], path, pairs)


def _report_elsewhere(source: LeafSource, path: str, pairs: Sequence[tuple[QuestionNodes, QuestionNodes]]) -> None:
    """One violation for each other leaf, at the first example that it has too."""
    (example, other), *more = pairs
    count = f", and {len(more)} more like it" if more else ""
    where = shorten(path, 100)
    message = f"{example.name} is nearly the same as {other.name} of `{where}`{count}; keep each in one leaf."
    source.add("LG303", example.question, message)


def _first_like(
    number: int, known: Sequence[tuple[LeafSource, QuestionNodes]], index: TextIndex, measures: Measures
) -> tuple[LeafSource, QuestionNodes] | None:
    """The first example that one resembles: an earlier one of its own leaf, else any of another."""
    source, example = known[number]
    found = None
    # Where question and context are each close to another's, so are the two together; the rest is compared in full.
    for match in islice(index.matches(_shown(example)), MOST_ALIKE + 1):
        other_source, other = known[match.key]
        inside = other_source is source
        if match.key == number or (inside and match.key > number) or (found and not inside):
            continue
        if _close(example, other, inside, measures.similarity) and _confirmed(example, other, inside, measures):
            found = (other_source, other)
            if inside:
                break
    return found


def _shown(example: QuestionNodes) -> str:
    return f"{example.question.text}\n{example.context.text}" if example.context else example.question.text


def _confirmed(example: QuestionNodes, other: QuestionNodes, inside: bool, measures: Measures) -> bool:
    return _close(example, other, inside, measures.reference)


def _close(example: QuestionNodes, other: QuestionNodes, inside: bool, similarity: Similarity) -> bool:
    mine, theirs = example.context, other.context
    if (mine is None) != (theirs is None):
        return False
    if similarity(example.question.text, other.question.text) <= THRESHOLD:
        return False
    if mine is not None and theirs is not None and mine.text != theirs.text:
        if min(len(mine.text), len(theirs.text)) < 0.7 * max(len(mine.text), len(theirs.text)):
            return False
        if similarity(mine.text, theirs.text) <= THRESHOLD:
            return False
    # A template with another answer is variety within a leaf; between leaves the question alone tells.
    return not inside or similarity(example.answer.text, other.answer.text) > THRESHOLD


def _same(example: QuestionNodes, other: QuestionNodes) -> bool:
    """Whether LG301 has already spoken of the two."""
    return normalised(example.question.text) == normalised(other.question.text) and normalised(
        example.answer.text
    ) == normalised(other.answer.text)


def likely_relatives(root: Path, checked: Sequence[LeafSource], files: Iterable[Path]) -> list[Path]:
    """Of other leaves' files those that may hold a near-duplicate of a checked leaf's examples, by a look at raw text.

    Near-duplicates above the threshold share most of their words, so a file that lacks more than a fifth of a
    question's distinct words holds none; it need not be parsed. (A word that YAML broke or escaped may hide one.)
    """
    wanted = []
    own = {source.path for source in checked}
    for source in checked:
        for example in read_examples(source):
            found = set(words(example.question.text))
            if len(words(example.question.text)) >= FEWEST_WORDS:
                wanted.append(([word.encode() for word in found], len(found) // 5))
    return [file for file in files if leaf_path(root, file) not in own and _may_match(_lowered(file), wanted)]


def _lowered(file: Path) -> bytes:
    try:
        large = file.stat().st_size > MAX_BYTES
        return b"" if large or file.is_symlink() else file.read_text(encoding="utf-8", errors="ignore").lower().encode()
    except OSError:
        return b""


def _may_match(content: bytes, wanted: Sequence[tuple[list[bytes], int]]) -> bool:
    for found, allowed in wanted:
        missing = 0
        for word in found:
            if word not in content:
                missing += 1
                if missing > allowed:
                    break
        else:
            return True
    return False
