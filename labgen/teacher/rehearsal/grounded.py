"""Judging an answer against its document, claim by claim, by the words and figures they share."""

from __future__ import annotations

import math
from collections import Counter

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.rehearsal.sentences import (
    Sentence,
    content,
    numbers,
    sentences,
    split_words,
    stem,
    stems,
    without_markup,
)
from labgen.teacher.rehearsal.wholeness import breaks_off

CLAIM_SHARE = 0.5
"""Share of a claim's words that document and question must have: contributors' answers reword what they draw on."""
SKILL_SHARE = 0.15
"""The same for a skill that works on a text, over the whole answer: it may name, sort or rewrite in its own words."""
LABEL_WORDS = 2
"""A skill's answer of at most so many content words may be a label, which no text has to hold."""
RELEVANT_SHARE = 0.2
"""How close to the question an answer must be, as a share of how close the document's closest sentence is."""
ANSWERABLE_SHARE = 0.4
"""Share of the question's content words that the document must have."""
EVIDENCE_CHARS = 240
_LIST_MARK = re.compile(r"^\d{1,3}[.)]")


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer and the words of the document that support it, empty where none do."""

    text: str
    evidence: str

    @property
    def supported(self) -> bool:
        """Whether there are such words."""
        return bool(self.evidence)


@dataclass(frozen=True, slots=True)
class GroundedVerdict:
    """What the judge found, before it is put into words."""

    answerable: bool
    claims: tuple[Claim, ...]
    relevant: bool
    score: int
    reason: str


def judge_grounded(document: str, query: str, reply: str, *, skill: bool) -> GroundedVerdict:
    """Judge a pair. `skill`: whether it is a task on a text rather than a question about a document."""
    passage = sentences(document)
    known = stems(document) | stems(query)
    said = [sentence for sentence in sentences(reply) if any(letter.isalpha() for letter in sentence.text)]
    figures = _Figures(document, query, reply, skill)
    added = frozenset(word for sentence in said for word in sentence.stems) - stems(query)
    drawn = len(added & stems(document)) / len(added) if len(added) > LABEL_WORDS + 1 else 1.0
    accepted = not skill or (_skill_share(said, known) >= SKILL_SHARE and drawn >= SKILL_SHARE)
    claims = tuple(
        _claim(sentence, passage, known, query, skill)
        if accepted and figures.fit(sentence)
        else Claim(sentence.text, "")
        for sentence in said or sentences(reply)
    )
    asked = content(query)
    answerable = skill or not asked or len(asked & stems(document)) >= ANSWERABLE_SHARE * len(asked)
    relevant = (skill and drawn >= 2 * SKILL_SHARE) or _relevant(passage, asked, reply, said)
    score, reason = 3, "borne out by the text and complete"
    if not claims or not all(claim.supported for claim in claims):
        score, reason = 1, "not all of it is borne out by the text"
    elif not relevant or not answerable:
        score, reason = 1, "it does not answer what was asked"
    elif breaks_off(reply, (), sentence_words=8 if skill else 4) and not _quoted_last(said, passage):
        score, reason = 1, "the answer breaks off"
    elif len(split_words(reply)) < 6:
        score, reason = 2, "right but bare"
    return GroundedVerdict(answerable, claims, relevant, score, reason)


def _quoted_last(said: list[Sentence], passage: tuple[Sentence, ...]) -> bool:
    """Whether the answer ends in a whole sentence or line of the document, which may well have no full stop."""
    return bool(said) and any(said[-1].text == sentence.text for sentence in passage)


class _Figures:
    """Which figures of an answer are borne out by document and question."""

    def __init__(self, document: str, query: str, reply: str, skill: bool) -> None:
        self._known = set(numbers(without_markup(document))) | set(numbers(query))
        said = set(numbers(without_markup(reply)))
        # A skill may count and calculate. Where most of its figures are the document's, so must the others be.
        self._lenient = skill and len(said & self._known) <= len(said) / 2

    def fit(self, sentence: Sentence) -> bool:
        """Whether a sentence has no figure that it should not have."""
        return self._lenient or self._known.issuperset(numbers(_LIST_MARK.sub("", sentence.text)))


def _skill_share(said: list[Sentence], known: frozenset[str]) -> float:
    every = frozenset(word for sentence in said for word in sentence.stems)
    return len(every & known) / len(every) if len(every) > LABEL_WORDS else 1.0


def _claim(sentence: Sentence, passage: tuple[Sentence, ...], known: frozenset[str], query: str, skill: bool) -> Claim:
    # "Yes." and the like say nothing by themselves: what they affirm is the question.
    said = sentence.stems or content(query)
    if not passage or (said and not skill and len(said & known) < CLAIM_SHARE * len(said)):
        return Claim(sentence.text, "")
    best = _closest(passage, said)
    if said and not skill and not best.stems & said:
        return Claim(sentence.text, "")
    return Claim(sentence.text, _excerpt(best.raw, said))


def _excerpt(raw: str, said: frozenset[str]) -> str:
    """At most `EVIDENCE_CHARS` characters of the sentence, letter for letter, from its first word that counts."""
    if len(raw) <= EVIDENCE_CHARS:
        return raw
    start = 0
    place = 0
    for word in raw.split():
        place = raw.index(word, place)
        if any(stem(part) in said for part in split_words(word)):
            start = place
            break
    end = start + EVIDENCE_CHARS
    if end < len(raw):
        end = max(raw.rfind(" ", start, end), start + EVIDENCE_CHARS // 2)
    return raw[start:end].strip()


def _relevant(passage: tuple[Sentence, ...], asked: frozenset[str], reply: str, said: list[Sentence]) -> bool:
    """Whether the answer, or where it stands in the document, has enough of what sets the question apart.

    Words that many sentences of the document have (its topic) count little. An answer's own words count in full,
    those of the sentences it draws on by three quarters. A question without any word of the document's is left alone.
    """
    spread = Counter(word for sentence in passage for word in sentence.stems & asked)
    if not spread:
        return True
    weight = {word: math.log((len(passage) + 1) / (count + 0.5)) for word, count in spread.items()}
    closest = max(sum(weight[word] for word in sentence.stems & weight.keys()) for sentence in passage)
    own = stems(reply) & weight.keys()
    near: set[str] = set()
    for sentence in said:
        near |= _closest(passage, sentence.stems).stems & weight.keys()
    return (
        sum(weight[word] for word in own) + 0.75 * sum(weight[word] for word in near - own) >= RELEVANT_SHARE * closest
    )


def _closest(passage: tuple[Sentence, ...], said: frozenset[str]) -> Sentence:
    return max(passage, key=lambda sentence: (len(sentence.stems & said), -len(sentence.raw)))
