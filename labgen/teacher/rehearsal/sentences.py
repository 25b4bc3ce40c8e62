"""Words, sentences and markup: the little that the rehearsal teacher understands of a text."""

from __future__ import annotations

from functools import lru_cache

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.unspaced import WORDS_DO_NOT_SHOW

_WORD = re.compile(r"[^\W_]+(?:['’.,:/][^\W_]+)*")
_WIDE_RUN = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in WORDS_DO_NOT_SHOW)}]+")
"""What is compared by pairs of characters, since its words do not show."""


def word_list(text: str) -> tuple[str, ...]:
    """The words of a text between white space: how the word lists of this package are written."""
    return tuple(text.split())


_STOP_TEXT = """
a an the and or but if then than so as at by for from in into of off on onto out over to up with without about after
again against all am any are aren't be because been before being below between both can cannot could did do does doing
don't down during each few further had has have having he her here hers him his how i is isn't it its itself just me
more most my no nor not now off once only other our ours own same she should some such that that's their them there
these they this those through too under until very was we were what when where which while who whom why will would you
your yours also may might must shall upon via per yes one's let's
der die das den dem des ein eine einen einem einer und oder aber wenn dann als wie im in ist sind war waren wird werden
mit von vom zu zum zur auf für aus bei nach über unter vor nicht auch sich es er sie wir ihr ich man was wer welche
welcher welches warum wann wo hat haben kann durch dass
le la les un une des du de et ou mais si donc que qui quoi dont où est sont était être avec pour par sur dans en au aux
ce cette ces il elle ils elles nous vous je on ne pas plus quel quelle quels quelles comment pourquoi quand
el los las una unos unas y o pero con para por sobre en al del es son era ser que qué quién cuál cuáles cómo dónde
cuándo se su sus lo no sí más
i gli uno e ma se con per su nel nella di da è sono che chi cosa quale quali come dove quando perché non più
o os as um uma e ou mas com para por sobre no na em do da dos das é são foi ser que quem qual quais como onde quando se
"""
STOP_WORDS = frozenset(_STOP_TEXT.split())
_ASKING_TEXT = """
question questions answer answers explain describe describes described tell give gives given list name named state
stated write provide find identify following text passage document sentence sentences paragraph article mean means
meant known called say says said according please many much kind type sort happen happens happened make makes made use
used uses main purpose role regarding fact facts figure detail details information info thing things way ways example
examples word words difference different differ step steps reason reasons
pay special attention begin matter matters keep short forget part missing leave aside whatever nothing treat central
point first everything onwards interested exact pass quickly choose case someone asks connect connection importance
belongs belong account newcomer subject mentioned true given full exact concerns know holds number numbers date story
stated
was wird wurde gesagt bekannt frage antwort genannt quelle dit connu question réponse dice sabe pregunta respuesta
"""
ASKING_WORDS = STOP_WORDS | frozenset(_ASKING_TEXT.split())
"""Words that belong to asking rather than to what is asked about."""
_ENDINGS = ("ation", "ment", "ing", "ed", "er", "ly", "en", "e")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\((?:[^()\"]|\([^()]{0,200}\)|\"[^\"]{0,200}\"){0,300}\)")
_MARKS = re.compile(r"\*{1,3}|_{2,3}|`|^[ \t]{0,3}#{1,6}[ \t]+|^[ \t]*>[ \t]?|\{[#.][^}]{0,200}\}", re.MULTILINE)
_MARK_SIGNS = frozenset("*_`#>{")
_ITEM = re.compile(r"^\s*(?:(?:[-*+•:>]|\d{1,3}[.)])\s+)+")
_ESCAPE = re.compile(r"\\(?=[^\w\s])")
_BREAK = re.compile(
    r"(?:^|\n)[ \t]*#{1,6} [^\n]*(?:\n|$)|(?<![.!?])[.!?]++[\"'”’»)\]*_]*+(?=\s)|[。！？]+[」』”]*|\n[ \t]*\n\s*|"
    r"\n(?=[ \t]*(?:[-*+•#>|]|\d{1,3}[.)])\s)"
)
_ABBREVIATION = re.compile(
    r"(?:(?:^|[\n\t ])\d{1,3}|\b[A-Za-z]|"
    r"\b(?:e\.g|i\.e|etc|vs|cf|ca|approx|no|nos|dr|mr|mrs|ms|prof|st|jr|sr|fig|vol|pp|inc|ltd|co|corp|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|u\.s|z\.b|bzw|usw|nr|d\.h))\.$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """A word reduced so that its common endings compare equal; figures lose their thousands separators."""
    word = word.lower().replace("’", "'")
    if word[0].isdigit():
        return word.replace(",", "").rstrip(".:/")
    word = word.removesuffix("'s")
    if len(word) <= 3:
        return word
    if word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    if word.endswith("y"):
        word = word[:-1] + "i"
    return word[:6]


@lru_cache(maxsize=256)
def split_words(text: str) -> tuple[str, ...]:
    """The words of a text in order, as written; scripts without spaces in pairs of characters."""
    found = _WORD.findall(text)
    if not _WIDE_RUN.search(text):
        return tuple(found)
    split: list[str] = []
    for word in found:
        wide = _WIDE_RUN.search(word)
        split.extend(_pairs(word) if wide else [word])
    return tuple(split)


def _pairs(word: str) -> list[str]:
    return [word[place : place + 2] for place in range(max(1, len(word) - 1))]


@lru_cache(maxsize=512)
def content(text: str) -> frozenset[str]:
    """The stems of what a text is about: no stop words, no words of asking."""
    return frozenset(stem(word) for word in split_words(text) if word.lower() not in ASKING_WORDS)


@lru_cache(maxsize=512)
def stems(text: str) -> frozenset[str]:
    """The stems of all words but stop words."""
    return frozenset(stem(word) for word in split_words(text) if word.lower() not in STOP_WORDS)


def numbers(text: str) -> list[str]:
    """The figures of a text in order, without thousands separators."""
    return [figure.replace(",", "") for figure in _NUMBER.findall(text)]


def is_wide(text: str) -> bool:
    """Whether a text is mostly written without spaces between words."""
    return sum(len(run) for run in _WIDE_RUN.findall(text)) * 3 > len(text)


def without_markup(text: str) -> str:
    """Markdown without links, emphasis, escapes, and marks of headings and items, white space in single spaces."""
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "\\" in text:
        text = _ESCAPE.sub("", text)
    item = _ITEM.match(text)
    if item:
        text = text[item.end() :]
    if not _MARK_SIGNS.isdisjoint(text):
        text = _MARKS.sub("", text)
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text: `raw` is letter for letter what stands there, `text` the same without markup."""

    raw: str
    text: str
    stems: frozenset[str]


@lru_cache(maxsize=128)
def sentences(text: str) -> tuple[Sentence, ...]:
    """A text's sentences in order: lines of lists and headings count as sentences, fenced code by its lines."""
    found = []
    start = 0
    for match in _BREAK.finditer(text):
        end = match.end()
        if match[0] == "." and _ABBREVIATION.search(text[max(start, end - 8) : end]):
            continue
        found.append(text[start:end])
        start = end
    found.append(text[start:])
    return tuple(
        Sentence(raw.strip(), clean, stems(clean)) for raw in found if _WORD.search(clean := without_markup(raw))
    )
