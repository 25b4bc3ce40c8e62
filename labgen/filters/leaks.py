"""Whether anything of rows that are held out occurs in training rows: the one rule that draws, writes and exports by.

What counts, on words as near-duplicates are measured on (lower case, without punctuation):

- a question, answer or piece of evidence of `RUN_WORDS` words or more, where the same words stand together in any
  order: a question in what a row asks, shows or answers, an answer in what it answers, evidence in its answer or its
  evidence;
- a shorter question, where it is a whole question; a shorter answer on a document, where it is a whole answer, unless
  it holds nothing but numbers, yes or no, and the commonest words: "42" is right by chance;
- evidence at the same place of a document, at least half of the shorter of the two;
- a passage of which `PASSAGE_SHARE` of the runs of `PASSAGE_WORDS` words stand anywhere in a row.

The words of a run are told by the sum of their hashes, so that a text is looked through once for each length.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from labgen.filters.ngrams import hash_ngrams, hash_words
from labgen.lazy.dataclasses import dataclass
from labgen.text.rouge_words import tokenize
from labgen.text.words import COMMON_ENGLISH

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

RUN_WORDS = 5
"""Words from which on a run of them is taken for the same text."""

PASSAGE_WORDS = 8
PASSAGE_SHARE = 0.2
"""A passage occurs where this share of its runs of `PASSAGE_WORDS` words does."""

SAME_PLACE = 0.5
"""Share of the shorter of two pieces of evidence that both have, from which on they are the same."""

_SAYS_LITTLE = COMMON_ENGLISH | {"yes", "no", "true", "false", "none", "never", "always", "both", "neither", "unknown"}
_BETWEEN = "\0"  # no word: a run never reaches from one text into the next


class HeldOutPiece(enum.StrEnum):
    """What of a held-out row occurs."""

    QUESTION = "question"
    ANSWER = "answer"
    EVIDENCE = "evidence"
    PASSAGE = "passage"


class Place(NamedTuple):
    """Characters `start` up to `end` of a document, which is named by what identifies it."""

    document: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class HeldOutText:
    """What must not occur of a held-out row.

    Attributes:
        passage: text that it is asked on, where that is held out, too; else empty.
        of_document: whether its answer is a fact of a document, so that a short one counts.
    """

    id: str
    question: str
    answer: str
    evidence: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    passage: str = ""
    of_document: bool = False


@dataclass(frozen=True, slots=True)
class TrainingText:
    """What a training row shows a model, and what its answer rests on.

    Attributes:
        asked: all user turns, with a text that the task brings; question: without that.
        context: the row's passage, wherever it stands.
        passages: those of documents that are shown with what is asked, each by itself: nothing reaches from one of them
            into the next, or into the question. So no form of a row shows more than the rows that were drawn do.
    """

    id: str
    asked: str
    question: str
    answer: str
    context: str = ""
    passages: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """A piece of a held-out row that occurs in a training row; both by their ids."""

    held_out: str
    piece: HeldOutPiece
    training: str


class _Words:
    """The words of several texts one after the other, as hashes.

    Args:
        texts: the words of each, with the place of the row that it is of.
    """

    def __init__(self, texts: Iterable[tuple[int, Sequence[str]]]) -> None:
        import numpy

        words: list[str] = []
        starts, self.rows = [], []
        for row, text in texts:
            starts.append(len(words))
            self.rows.append(row)
            words.extend(text)
            words.append(_BETWEEN)
        self.words = words
        self.starts = numpy.array(starts, dtype=numpy.int64)
        self.sums = numpy.concatenate([numpy.zeros(1, numpy.uint64), numpy.cumsum(hash_words(words))])

    def text_at(self, place: int) -> int:
        return int(self.starts.searchsorted(place, side="right")) - 1

    @cached_property
    def ngrams(self) -> NDArray[numpy.uint64]:
        return hash_ngrams(self.words, PASSAGE_WORDS)


class Training:
    """Training rows, their words counted once."""

    def __init__(self, rows: Sequence[TrainingText]) -> None:
        self.rows = tuple(rows)
        answers = [tokenize(row.answer) for row in rows]
        evidence = [[*_joined(row.evidence)] for row in rows]
        contexts = [row.context if row.context not in row.asked else "" for row in rows]
        shown = [
            [*tokenize(row.asked), _BETWEEN, *answer, _BETWEEN, *tokenize(context)]
            for row, answer, context in zip(rows, answers, contexts, strict=True)
        ]
        passages = [
            (place, tokenize(passage))
            for place, row in enumerate(rows)
            for passage in row.passages
            if passage != row.context
        ]
        self.answers = answers
        self.questions = [tuple(sorted(tokenize(row.question))) for row in rows]
        self.said = _Words(enumerate(answers))
        self.said_or_borne_out = _Words([*enumerate(answers), *enumerate(evidence)])
        self.shown = _Words([*enumerate(shown), *passages])


def _joined(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from tokenize(text)
        yield _BETWEEN


class LeakIndex:
    """Held-out rows, ready to be looked for."""

    def __init__(self, rows: Sequence[HeldOutText]) -> None:
        self._rows = tuple(rows)
        self._runs = {piece: _Runs() for piece in HeldOutPiece}
        self._whole: dict[HeldOutPiece, dict[tuple[str, ...], list[int]]] = {
            piece: defaultdict(list) for piece in (HeldOutPiece.QUESTION, HeldOutPiece.ANSWER)
        }
        self._places: dict[tuple[str, ...], list[tuple[int, Place]]] = defaultdict(list)
        self._passages: dict[int, list[int]] = defaultdict(list)
        self._passage_sizes: dict[int, int] = {}
        for number, row in enumerate(self._rows):
            self._add(number, row)

    def _add(self, number: int, row: HeldOutText) -> None:
        question, answer = tokenize(row.question), tokenize(row.answer)
        if len(question) >= RUN_WORDS:
            self._runs[HeldOutPiece.QUESTION].add(number, question)
        elif question:
            self._whole[HeldOutPiece.QUESTION][tuple(sorted(question))].append(number)
        if len(answer) >= RUN_WORDS:
            self._runs[HeldOutPiece.ANSWER].add(number, answer)
        elif row.of_document and tells(answer):
            self._whole[HeldOutPiece.ANSWER][tuple(answer)].append(number)
        for piece in row.evidence:
            if len(words := tokenize(piece)) >= RUN_WORDS:
                self._runs[HeldOutPiece.EVIDENCE].add(number, words)
        for place in row.places:
            self._places[place.document].append((number, place))
        passage = tokenize(row.passage)
        if len(passage) < 2 * PASSAGE_WORDS:
            if len(passage) >= RUN_WORDS:
                self._runs[HeldOutPiece.PASSAGE].add(number, passage)
            return
        ngrams = set(hash_ngrams(passage, PASSAGE_WORDS).tolist())
        self._passage_sizes[number] = len(ngrams)
        for ngram in ngrams:
            self._passages[ngram].append(number)

    def find(self, training: Training) -> list[Leak]:
        """Every piece that occurs in these training rows, once for each of them."""
        found = set(self._find_runs(training)) | set(self._find_whole(training))
        found.update(self._find_places(training), self._find_passages(training))
        rows = training.rows
        return sorted(Leak(self._rows[held].id, piece, rows[text].id) for held, piece, text in found)

    def _find_runs(self, training: Training) -> Iterator[tuple[int, HeldOutPiece, int]]:
        where = {
            HeldOutPiece.QUESTION: training.shown,
            HeldOutPiece.ANSWER: training.said,
            HeldOutPiece.EVIDENCE: training.said_or_borne_out,
            HeldOutPiece.PASSAGE: training.shown,
        }
        for piece, words in where.items():
            for held, text in self._runs[piece].find(words):
                yield held, piece, words.rows[text]

    def _find_whole(self, training: Training) -> Iterator[tuple[int, HeldOutPiece, int]]:
        for piece, texts in (
            (HeldOutPiece.QUESTION, training.questions),
            (HeldOutPiece.ANSWER, map(tuple, training.answers)),
        ):
            wanted = self._whole[piece]
            for place, words in enumerate(texts):
                for held in wanted.get(words, ()):
                    yield held, piece, place

    def _find_places(self, training: Training) -> Iterator[tuple[int, HeldOutPiece, int]]:
        for number, row in enumerate(training.rows):
            for place in row.places:
                for held, other in self._places.get(place.document, ()):
                    if overlap(place, other) >= SAME_PLACE:
                        yield held, HeldOutPiece.EVIDENCE, number

    def _find_passages(self, training: Training) -> Iterator[tuple[int, HeldOutPiece, int]]:
        if not self._passages:
            return
        seen: dict[tuple[int, int], set[int]] = defaultdict(set)
        ngrams = training.shown.ngrams
        for place in _among(ngrams, self._passages):
            ngram = int(ngrams[place])
            for held in self._passages.get(ngram, ()):
                seen[held, training.shown.text_at(place)].add(ngram)
        for (held, text), found in seen.items():
            if len(found) >= PASSAGE_SHARE * self._passage_sizes[held]:
                yield held, HeldOutPiece.PASSAGE, training.shown.rows[text]


class _Runs:
    """Runs of words in any order, by how many there are."""

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))

    def add(self, number: int, words: Sequence[str]) -> None:
        total = int(hash_words(words).sum())
        self._by_length[len(words)][total].append(number)

    def find(self, words: _Words) -> Iterator[tuple[int, int]]:
        for length, wanted in self._by_length.items():
            if len(words.sums) <= length:
                continue
            sums = words.sums[length:] - words.sums[:-length]
            for place in _among(sums, wanted):
                for number in wanted.get(int(sums[place]), ()):
                    yield number, words.text_at(place)


def _among(values: NDArray[numpy.uint64], wanted: Iterable[int]) -> Iterator[int]:
    """Places of values that may be among those wanted: all that are, and few others."""
    import numpy

    low = numpy.uint64(0xFFFF)
    table = numpy.zeros(0x10000, dtype=bool)
    table[numpy.fromiter(wanted, dtype=numpy.uint64) & low] = True
    yield from map(int, numpy.flatnonzero(table[values & low]))


def tells(answer: Sequence[str]) -> bool:
    """Whether a short answer's words say something: one of them is neither a number nor among the commonest."""
    return any(not word.isdigit() and word not in _SAYS_LITTLE for word in answer)


def overlap(one: Place, other: Place) -> float:
    """Characters that two places of one document share, as a share of the shorter one; 0 for two documents."""
    if one.document != other.document:
        return 0.0
    shared = min(one.end, other.end) - max(one.start, other.start)
    return max(0, shared) / max(1, min(one.end - one.start, other.end - other.start))
