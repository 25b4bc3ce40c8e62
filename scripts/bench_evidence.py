"""How much of real documents is found as evidence when it is quoted as a person would, and whether anything false is.

    python scripts/bench_evidence.py FOLDER... [--chunk-tokens 700]

Each folder is one set of Markdown documents. They are cut into passages as for a build. The sentences of a passage are
what markdown-it (of the extra `docs`), a reader of Markdown that labgen does not use, shows of it. Each one is looked
for as it is and changed in the ways that do not matter, then with a number, a name or a negation altered, and a word
dropped or added. Prints a table by set and kind, and ends with status 1 where an altered one is found.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from markdown_it import MarkdownIt

from labgen.documents.chunk import chunk_documents
from labgen.filters.groundedness import find_evidence
from labgen.records import Document
from labgen.text.token_count import ESTIMATE, load_token_counter

Change = Callable[[str], str | None]
"""What becomes of a sentence, or None where there is nothing in it to change."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# What pandoc writes and markdown-it does not read: attributes, spans that have some, and fences of divisions.
_SPAN = re.compile(r"\[([^\[\]]*)\](?=\{[.#])")
_ATTRIBUTES = re.compile(r"\{[.#][^{}]*\}")
_DIVISION = re.compile(r"(?m)^[ \t>]*:{3,}.*$")
_LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}
_DRAWING = re.compile(r"[-+=_~]{3,}|\|[^|]*\|")
_LONG = re.compile(r"\b[a-z]{4}(?=[a-z]{4})")


def replaced(pattern: str, becomes: str | Callable[[re.Match[str]], str], count: int = 0) -> Change:
    """A change by pattern; None where it does not apply."""

    def change(sentence: str) -> str | None:
        changed = re.sub(pattern, becomes, sentence, count=count)
        return changed if changed != sentence else None

    return change


def _added(word: str) -> Change:
    def change(sentence: str) -> str | None:
        words = sentence.split(" ")
        middle = len(words) // 2
        return " ".join((*words[:middle], word, *words[middle:]))

    return change


def _dropped(sentence: str) -> str | None:
    words = sentence.split(" ")
    middle = len(words) // 2
    if not re.search(r"[^\W\d_]", words[middle]):
        return None  # the number of a list's entry may be left out
    return " ".join((*words[:middle], *words[middle + 1 :]))


SAME: dict[str, Change] = {
    "marks dropped": lambda sentence: sentence,
    "words broken by hyphens": replaced(_LONG.pattern, lambda match: f"{match.group()}-\n"),
    "broken by soft hyphens": replaced(_LONG.pattern, lambda match: f"{match.group()}\u00ad"),
    "broken at their hyphens": replaced(r"(?<=[a-z])-(?=[a-z])", "-\n"),
    "dashes to hyphens": replaced("[–—−]", "-"),
    "hyphens to en dashes": replaced(r"(?<=\w)-(?=\w)", "–"),
    "hyphens to em dashes": replaced(r"(?<=\w)-(?=[^\W\d])", "—"),
    "quotes to typographic": replaced("[\"']", lambda match: "”" if match.group() == '"' else "’"),
    "double quotes to single": replaced('["“”]', "'"),
    "quotes to guillemets": replaced('"([^"]*)"', r"«\1»"),
    "decomposed (NFD)": lambda sentence: _other(sentence, "NFD"),
    "ligatures": replaced("|".join(_LIGATURES), lambda match: _LIGATURES[match.group()]),
    "emphasis added": replaced(r"\b[A-Za-z]{5,}\b", lambda match: f"**{match.group()}**", 1),
    "capitals": lambda sentence: sentence.upper() if sentence.upper().lower() == sentence.lower() else None,
}
ALTERED: dict[str, Change] = {
    "a digit altered": replaced(r"\d(?!.*\d)", lambda match: str((int(match.group()) + 3) % 10)),
    "a digit put in": replaced(r"\d(?!.*\d)", r"\g<0>4"),
    "a digit left out": replaced(r"(\d)\d(?!.*\d)", r"\1"),
    "a point moved": replaced(r"(\d)\.(\d)", r"\1\2."),
    "a name altered": replaced(r"(?<=[a-z] )[A-Z][a-z]{3,}", "Quillmore", 1),
    "a negation put in": replaced(r"\b(is|was|are|were|can|has|will)\b", r"\1 not", 1),
    "a short negation put in": replaced(r"\b(is|was|are|were|has|ca)n?\b(?!')", r"\1n't", 1),
    "a negation left out": replaced(r" not\b|n't\b| no(?= )", "", 1),
    "a word dropped": _dropped,
    "a word added": _added("purportedly"),
}


def _other(sentence: str, form: str) -> str | None:
    changed = unicodedata.normalize(form, sentence)  # type: ignore[arg-type]
    return changed if changed != sentence else None


def passages(folder: Path, chunk_tokens: int) -> Iterator[str]:
    """The passages of the Markdown documents below a folder."""
    for path in sorted(folder.rglob("*.md")):
        document = Document("", "", str(path), path.read_text(encoding="utf-8", errors="replace"), True)
        count = load_token_counter(ESTIMATE)
        for chunk in chunk_documents([document], chunk_tokens=chunk_tokens, min_chunk_tokens=20, count_tokens=count):
            yield chunk.text


def sentences(passage: str, reader: MarkdownIt) -> Iterator[str]:
    """What is to be read in a passage, sentence by sentence: at least four words; code and drawings are left out."""
    for token in reader.parse(_DIVISION.sub("", passage)):
        if token.type != "inline":
            continue
        shown = (
            " " if part.type in ("softbreak", "hardbreak") else part.content
            for part in token.children or []
            if part.type in ("text", "text_special", "code_inline", "softbreak", "hardbreak")
        )
        for sentence in _SENTENCE.split(_ATTRIBUTES.sub("", _SPAN.sub(r"\1", " ".join("".join(shown).split())))):
            if len(re.findall(r"[^\W\d_]{2,}", sentence)) >= 4 and not _DRAWING.search(sentence):
                yield sentence


def measure(folder: Path, chunk_tokens: int) -> int:
    """Print the table of one set. Returns: how many altered sentences were found."""
    reader = MarkdownIt("commonmark").enable("table")
    asked, found, examples = Counter[str](), Counter[str](), dict[str, str]()
    seconds = 0.0
    for passage in passages(folder, chunk_tokens):
        quotes = list(sentences(passage, reader))
        words = _words(" ".join(quotes)) + _words(passage)
        for sentence in quotes:
            for kind, change in (*SAME.items(), *ALTERED.items()):
                quote = change(sentence)
                if quote is None or (kind in ALTERED and _words(quote).strip() in words):
                    continue
                begun = time.perf_counter()
                hit = find_evidence(quote, passage) is not None
                seconds += time.perf_counter() - begun
                asked[kind] += 1
                found[kind] += hit
                if hit is (kind in ALTERED) and kind not in examples:
                    examples[kind] = quote
    print(f"\n{folder.name}: {asked['marks dropped']:,} sentences; {sum(asked.values()):,} looked for, "
          f"{1e6 * seconds / max(1, sum(asked.values())):.0f} µs each")  # fmt: skip
    for kind in (*SAME, *ALTERED):
        note = f"   such as {examples[kind]!r}"[:150] if kind in examples else ""
        print(f"  {kind:26}{found[kind]:>8,} of {asked[kind]:>7,}  {found[kind] / max(1, asked[kind]):8.2%}{note}")
    return sum(found[kind] for kind in ALTERED)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower())) + " "


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--chunk-tokens", type=int, default=700)
    options = parser.parse_args()
    false = sum([measure(folder, options.chunk_tokens) for folder in options.folders])
    sys.exit(1 if false else 0)


if __name__ == "__main__":
    main()
