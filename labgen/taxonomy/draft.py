"""Examples drafted from documents, for the author of a knowledge leaf to rewrite: passages and plain questions.

By rule, without a model: what is drafted is a form to fill in, no example of good questions.
"""

from __future__ import annotations

from collections.abc import Sequence

from labgen.lazy import re
from labgen.records import Pair, SeedExample
from labgen.taxonomy.scaffold import GAP

EXAMPLES = 5
PAIRS = 3
MAX_PASSAGE_CHARS = 1200

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+(?=[^\Wa-z_]|[\"'“„«(])")
_LINK = re.compile(
    r"!?\[([^\[\]]{0,300})\](?:\([^()]{0,500}(?:\([^()]{0,200}\)[^()]{0,200}){0,8}\)|\[[^\[\]]{0,300}\])"
)
_MARKUP = re.compile(r"\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)|\[\^[^\]]*\]|<[^<>]{1,80}>")
_WORD = re.compile(r"[^\W\d_][\w'’-]{4,}")
_ASK = (
    "What is said about {}?",
    "How do {} come into it?",
    "Which statement is made on {}?",
    "What should a reader know of {}?",
    "In which connection do {} stand?",
    "What can be learned of {}?",
    "What holds for {}?",
    "Describe {} as the text does.",
    "Say briefly what the document reports on {}.",
    "What part do {} play here?",
    "Explain the point on {}.",
    "Which fact is given on {}?",
    "Summarize the remark about {}.",
    "How are {} presented?",
    "What is to be kept in mind of {}?",
)


_DRAFTED = re.compile("|".join(re.escape(words).replace(r"\{\}", r".+") for words in _ASK))


def is_drafted(question: str) -> bool:
    """Whether a question is one of those that `draft_examples` puts."""
    return _DRAFTED.fullmatch(" ".join(question.split())) is not None


def draft_examples(texts: Sequence[str]) -> tuple[SeedExample, ...]:
    """Five passages, spread over the documents, each with three questions whose answers are its sentences.

    Where the documents have no five passages of three sentences, shorter ones are taken as well, and what is missing
    then is a gap, marked for the author to fill.
    """
    passages = [passage for text in texts for passage in _passages(text, PAIRS)]
    if len(passages) < EXAMPLES:
        passages = [passage for text in texts for passage in _passages(text, 1)]
    step = max(1.0, len(passages) / EXAMPLES)
    chosen = [passages[int(number * step)] for number in range(min(EXAMPLES, len(passages)))]
    asked = iter(_ASK)
    drafted = []
    for index, (passage, sentences) in enumerate(chosen):
        pairs = [Pair(next(asked).format(_subject(sentence)), sentence) for sentence in sentences[:PAIRS]]
        drafted.append(SeedExample(index, passage, (*pairs, *_gap_pairs(index, len(pairs)))))
    return fill_gaps(drafted, knowledge=True)


def count_passages(text: str) -> int:
    """How many passages of a text questions can be drafted on."""
    return len(_passages(text, PAIRS))


def fill_gaps(examples: Sequence[SeedExample], *, knowledge: bool, grounded: bool = False) -> tuple[SeedExample, ...]:
    """The examples, and gaps in the place of those that are missing up to five."""
    filled = list(examples)
    for index in range(len(filled), EXAMPLES):
        if knowledge:
            passage = f"{GAP} passage {index + 1}, copied word for word from the document"
            filled.append(SeedExample(index, passage, _gap_pairs(index, 0)))
        else:
            context = f"{GAP} text {index + 1}, which the question is about" if grounded else None
            pair = Pair(f"{GAP} question {index + 1}, unlike the others", f"{GAP} its answer")
            filled.append(SeedExample(index, context, (pair,)))
    return tuple(filled)


def _gap_pairs(index: int, there: int) -> tuple[Pair, ...]:
    return tuple(
        Pair(f"{GAP} question {number} on passage {index + 1}", f"{GAP} its answer, from the passage alone")
        for number in range(there + 1, PAIRS + 1)
    )


def _passages(text: str, least: int) -> list[tuple[str, list[str]]]:
    """Paragraphs of prose with so many sentences in them that differ, in order; the sentences without their markup."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        passage = "\n".join(line.rstrip() for line in paragraph.strip("\n").split("\n"))
        if not passage or passage[0] in "#|>-*`<![" or passage[0].isspace() or len(passage) > MAX_PASSAGE_CHARS:
            continue
        said = _SENTENCE.split(_MARKUP.sub("", _LINK.sub(r"\1", passage)))
        sentences = [" ".join(sentence.split()) for sentence in said if len(_WORD.findall(sentence)) >= 2]
        distinct = list({_subject(sentence): sentence for sentence in sentences}.values())
        if len(distinct) >= least and all(char.isprintable() or char == "\n" for char in passage):
            found.append((passage, distinct))
    return found


def _subject(sentence: str) -> str:
    """The two longest words of a sentence, in its order: enough to tell what it is about."""
    words = list(dict.fromkeys(_WORD.findall(sentence)))
    longest = sorted(words, key=lambda word: -len(word))[:2]
    return " and ".join(word for word in words if word in longest)
