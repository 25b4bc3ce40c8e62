"""Examples drafted from documents, for the author of a knowledge leaf to rewrite: passages and plain questions.

By rule, without a model: what is drafted is a form to fill in, no example of good questions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labgen.errors import UsageError
from labgen.records import Pair, SeedExample

EXAMPLES = 5
PAIRS = 3
MAX_PASSAGE_CHARS = 1200

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+(?=[^\Wa-z_]|[\"'“„«(])")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\])")
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


_DRAFTED = re.compile("|".join(re.escape(words).replace(r"\{\}", r".+( and .+)?") for words in _ASK))


def is_drafted(question: str) -> bool:
    """Whether a question is one of those that `draft_examples` puts."""
    return _DRAFTED.fullmatch(" ".join(question.split())) is not None


def draft_examples(texts: Sequence[str]) -> tuple[SeedExample, ...]:
    """Five passages, spread over the documents, each with three questions whose answers are its sentences.

    Raises: UsageError: the documents have no five passages of three sentences.
    """
    passages = [passage for text in texts for passage in _passages(text)]
    if len(passages) < EXAMPLES:
        found = "only one passage" if len(passages) == 1 else f"{len(passages)} passages"
        raise UsageError(
            f"the documents have {found} of three sentences or more, and five are needed to draft examples "
            "from. Give longer documents, or your own examples with --examples FILE."
        )
    step = len(passages) / EXAMPLES
    chosen = [passages[int(number * step)] for number in range(EXAMPLES)]
    asked = iter(_ASK)
    return tuple(
        SeedExample(
            index,
            passage,
            tuple(Pair(next(asked).format(_subject(sentence)), sentence) for sentence in sentences[:PAIRS]),
        )
        for index, (passage, sentences) in enumerate(chosen)
    )


def _passages(text: str) -> list[tuple[str, list[str]]]:
    """Paragraphs of prose with enough sentences in them that differ, in order; the sentences without their markup."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        passage = "\n".join(line.rstrip() for line in paragraph.strip("\n").split("\n"))
        if not passage or passage[0] in "#|>-*`<![" or passage[0].isspace() or len(passage) > MAX_PASSAGE_CHARS:
            continue
        said = _SENTENCE.split(_MARKUP.sub("", _LINK.sub(r"\1", passage)))
        sentences = [" ".join(sentence.split()) for sentence in said if len(_WORD.findall(sentence)) >= 2]
        distinct = list({_subject(sentence): sentence for sentence in sentences}.values())
        if len(distinct) >= PAIRS and all(char.isprintable() or char == "\n" for char in passage):
            found.append((passage, distinct))
    return found


def _subject(sentence: str) -> str:
    """The two longest words of a sentence, in its order: enough to tell what it is about."""
    words = list(dict.fromkeys(_WORD.findall(sentence)))
    longest = sorted(words, key=lambda word: -len(word))[:2]
    return " and ".join(word for word in words if word in longest)
