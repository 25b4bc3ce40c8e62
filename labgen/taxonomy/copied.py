"""Whether a seed's context stands in its leaf's documents word for word, and where the nearest passage is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Document
from labgen.text.printable import shorten

_WORD = re.compile(r"[^\W_]+(?:\\?['’][^\W_]+)?")
_NO_WORDS = re.compile(r"(?<=\])\([^()\s]*(?:\s+\"[^\"\n]*\")?\)|<https?://[^<>\s]*>|\{[#.][^{}\n]*\}")
_BREAK = re.compile(r"\n\s*\n|\[?(?:\.\.\.|…)\]?")
_RUN = 4
_MOST_PLACES = 4
_AROUND = 4


@dataclass(frozen=True)
class _Text:
    """A text as its words, which neither spacing nor punctuation nor marks of Markdown change."""

    name: str
    text: str

    @cached_property
    def matches(self) -> list[re.Match[str]]:
        # Addresses of links and attributes are left out, in a document as in what was copied from it.
        blank = _NO_WORDS.sub(lambda match: " " * len(match.group()), self.text)
        return list(_WORD.finditer(blank))

    @cached_property
    def words(self) -> list[str]:
        return [match.group().lower().replace("\\", "").replace("’", "'") for match in self.matches]

    @cached_property
    def joined(self) -> str:
        return f" {' '.join(self.words)} "

    def quoted(self, start: int, end: int) -> str:
        """The words from `start` to before `end`, as they are written."""
        some = self.matches[max(0, start) : max(0, end)]
        return shorten(" ".join(self.text[some[0].start() : some[-1].end()].split()), 80) if some else ""

    def line(self, word: int) -> int:
        """1-based line of a word."""
        return self.text.count("\n", 0, self.matches[word].start()) + 1


class Copied:
    """Compares what seeds show with the documents of their leaf."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = [_Text(document.file, document.text) for document in documents]

    def problem(self, context: str) -> str:
        """In words, where a context departs from every document; empty where each of its paragraphs stands in one.

        Compared by words: spacing, punctuation, case and the marks of Markdown do not count.
        """
        for paragraph in _BREAK.split(context):
            text = _Text("", paragraph)
            if text.words and not any(text.joined in document.joined for document in self._documents):
                return self._nearest(text)
        return ""

    def _nearest(self, text: _Text) -> str:
        runs: dict[tuple[str, ...], list[int]] = {}
        for at in range(len(text.words) - _RUN + 1):
            runs.setdefault(tuple(text.words[at : at + _RUN]), []).append(at)
        best = (0, 0, 0, 0)  # runs in common, number of the document, and places of the first run here and there
        for number, document in enumerate(self._documents):
            shared = Counter[int]()
            first: dict[int, tuple[int, int]] = {}
            words = document.words
            for there, run in enumerate(zip(*(words[offset:] for offset in range(_RUN)), strict=False)):
                for here in runs.get(run, ())[:_MOST_PLACES]:
                    around = (there - here) // len(text.words)
                    shared[around] += 1
                    first.setdefault(around, (here, there))
            if shared:
                around, count = max(shared.items(), key=lambda item: (item[1], -item[0]))
                if count > best[0]:
                    best = (count, number, *first[around])
        if not best[0]:
            return "nothing like it is there"
        return self._departure(text, self._documents[best[1]], here=best[2], there=best[3])

    def _departure(self, text: _Text, document: _Text, *, here: int, there: int) -> str:
        """Where a text departs from a document, of which a run of words is the same."""
        if here:
            mine, other, line = (
                text.quoted(here - _AROUND, here + 1),
                document.quoted(there - _AROUND, there + 1),
                there,
            )
        else:
            same = 0
            while text.words[same : same + 1] == document.words[there + same : there + same + 1] != []:
                same += 1
            low, high = same - _AROUND + 1, same + _AROUND - 1
            mine, other = text.quoted(low, high), document.quoted(there + low, there + high)
            line = min(there + same, len(document.words) - 1)
        place = f"line {document.line(line)} of `{shorten(document.name, 200)}`"
        return f'the nearest passage is in {place}, which has "{other}" for its "{mine}"'
