"""Figures and names of an answer that stand neither in its passage nor in its question.

This is asked of strings alone, before any judge. It is made to be right when it speaks: what might have been said in
other words (small counts, first words of sentences, adjectives of places, acronyms of names that are there) is passed.
"""

from __future__ import annotations

import calendar
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import chain

from labgen.filters.numerals import all_values, find_numerals, find_spelled, plain_digits
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.markdown_marks import find_marks, without_marks

_MONTHS = [month.lower() for month in calendar.month_name[1:]]
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})", re.IGNORECASE)
_DAYS = [day.lower() for day in calendar.day_name]
_ENUMERATOR = re.compile(r"(?m)^[ \t>*_#-]*(?:\(?\d{1,3}[.):]|(?:step|part|item)\s+\d{1,3}\b)", re.IGNORECASE)
_LEAST_SPELLED = 13  # smaller numbers in letters are mostly counts that the answer itself makes
_LEAST_CITED = 2  # "one" is mostly no number
_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]*`", re.DOTALL)
_LISTED = re.compile(r"[\s>]*\(?\d{1,3}[.)]")
_BROKEN = re.compile(r"(?<=[^\W\d_])[-\u2010]\n[ \t]*(?=[a-z])")
_CAPITALISED = re.compile(r"\b[A-Z][\w'’-]*+(?: (?:(?:of|and|the|for|in) )?[A-Z][\w'’-]*+){0,7}")
_MOST_INITIALS = 16
_LEAST_DERIVED, _LEAST_STEM, _LONGEST_ENDING = 5, 3, 4
_URL = re.compile(r"\bhttps?://\S+")
_OF_A_PLACE = re.compile(r"(?:ian|ean|an|ese|nish|ttish|lish|ish|i)s?$")
_UNBROKEN = re.compile(r"\w+(?:['’]\w+)*+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_DIGIT = re.compile(r"\d")
_LONGEST_NUMBER = 60  # characters; few are longer, and those are sought one by one
_LONGEST_NAME = 80  # characters; a longer one has no neighbours
_BEFORE_A_WORD = re.compile(rf"\b([A-Z]\w+|[A-Z]\.) (?=([\w'’-]{{1,{_LONGEST_NAME}}}))")
_BEFORE_A_CAPITAL = re.compile(r"(?<![\w'’-])[\w'’-]++ (?=[A-Z]\w)")
_FIRST_LETTER, _LAST_LETTER = re.compile(r"\b\w"), re.compile(r"\w\b")
# After these a capital letter says nothing: it begins a sentence, a heading, a list entry or a quotation.
_OPENERS = frozenset('.!?:;\n"“”‘«»([{*#>|•–—…/_=')
_SMALL = frozenset(
    re.findall(
        r"\w+",
        """a an the and or of in on at to for by from with as is are was were it its this that these those he she
        they we you i his her their our your no not yes but if then there here who what when where why how which mr mrs
        ms dr""",
    )
)
_COMMON_ACRONYMS = frozenset(
    re.findall(
        r"\w+",
        """ai am api bc ce ceo cpu css csv dna dns eu faq gb gmt gpu html http https id io ip it json kb mb os pc pdf pm
        ram sql tb tv ui uk un url urls us usa usb utc xml yaml""",
    )
)
_OPENINGS = frozenset(
    re.findall(
        r"\w+",
        """about above according after again all along already also although always among another any around because
        before below besides between both by can consequently despite do does during each either even every everything
        except few finally first following furthermore generally given had has have hence how however if including
        indeed instead into its later less like many may meanwhile more moreover most much must near neither never
        nevertheless nor nothing now often once one only other others otherwise out over overall per perhaps rather
        second several should similarly since so some sometimes soon still such than their them therefore third those
        though through throughout thus today together too under unless unlike until up upon using usually various very
        was when whenever whereas wherever whether while whoever whose why will within without would yet""",
    )
)
_OF_TITLES = "study notes note summary key facts fact overview introduction guide brief basics main points explained"
_GERMAN = frozenset(re.findall(r"\w+", "der die das und ist nicht ein eine mit von den dem auf für"))


def unsupported_figures(answer: str, passage: str, question: str) -> list[str]:
    """Numbers, dates and names in an answer that appear neither in the passage nor in the question.

    Numbers are compared by value (1,000 = 1000 = one thousand), names word by word without regard to case, possessives,
    plurals and hyphens. The passage is what a reader sees of it: a number in a link's address or a footnote's mark
    bears nothing out, and 10<sup>6</sup> is no 106. Numbers of list entries, spelled numbers under 13, first words of
    sentences, words in code, addresses of the passage, and names in German (where all nouns have capitals) are not
    looked at.

    Returns: the words as the answer has them, in order, each once. Deterministic.
    """
    answer = plain_digits(_URL.sub(lambda match: _blank(match) if match.group() in passage else match.group(), answer))
    source = _Source(passage, plain_digits(question))
    found = [*_numbers(answer, source), *_names(answer, source)]
    words = [text for _, text in sorted(found)]
    return list(dict.fromkeys(words))


def unsupported_in_sentence(sentence: str, passage: str, cited: str, documents: Iterable[str]) -> list[str]:
    """The same for one sentence of a text on a passage, held against the very words that are to bear it out.

    Stricter, since another sentence takes its place: figures must stand in these words, also in the middle of a name
    (`ext4`), and spelled ones from two on; names must stand in the passage wherever they are in the sentence. What has
    a capital only since a sentence or a quotation begins with it is passed where it is a word of everyday.

    Args:
        cited: the words of the passage that are to bear the sentence out.
        documents: texts that show which words are everyday ones, by writing them small.
    Returns: the words as the sentence has them without its marks, each once.
    """
    plain = plain_digits(" ".join(without_marks(sentence, find_marks(sentence)).split()))
    source = _Source(passage)
    found = [*_cited_numbers(plain, _seen(cited)), *_names(plain, source)]
    for word in _WORD.finditer(plain):
        if any(_is_new_name(part, source, documents) for part in word.group().split("-") if part):
            found.append((word.start(), word.group()))
    return list(dict.fromkeys(text for _, text in sorted(found)))


def _cited_numbers(sentence: str, cited: str) -> Iterator[tuple[int, str]]:
    """The numbers of a sentence that its evidence does not have."""
    known, tokens = frozenset(all_values(cited)), frozenset(re.findall(r"\w+", cited.casefold()))
    for number in find_numerals(sentence):
        before = re.search(r"\w{0,40}\Z", sentence[max(0, number.start - 40) : number.start])
        if before and any(char.isalpha() for char in before.group()):
            after = re.match(r"\w*", sentence[number.start :])
            token = before.group() + (after.group() if after else "")
            if token.casefold() not in tokens:
                yield number.start, token
        elif not (number.values & known or (number.scale and number.unscaled & known)):
            yield number.start, number.text
    for number in find_spelled(sentence):
        if not number.values & known and all(int(value) >= _LEAST_CITED for value in number.values):
            yield number.start, number.text


def unsupported_in_title(title: str, passage: str, about: str) -> list[str]:
    """The same for a title, in which capitals say little: whatever has one must stand in the passage or in `about`."""
    # Words that a title of any text may have, and between all of its words one that begins no name.
    shown = " besides ".join(("", *title.split()))
    return unsupported_figures(shown, passage, f"{about}\n{_OF_TITLES}")


def _is_new_name(word: str, source: _Source, documents: Iterable[str]) -> bool:
    """Whether a word has a capital, is none that its passage has, and may be a name."""
    if not word[0].isupper() or source.is_german or word.lower() in _SMALL | _OPENINGS:
        return False
    if word.lower().endswith("ly") or _is_known(word, source):
        return False
    return not any(word.lower() in _small_words(text) for text in documents)


@lru_cache(maxsize=64)
def _small_words(text: str) -> frozenset[str]:
    """The words of a text that have no capital, and the parts of those with apostrophes."""
    found = set(_UNBROKEN.findall(text))
    for word in [word for word in found if not word.isalnum()]:
        found.update(re.split("['’]", word))
    return frozenset(word for word in found if word == word.lower())


class _Source:
    """A passage, and a question on it: what an answer's words may stand in. Each is found when it is first asked for,
    since most answers ask for few; of a passage once for all the answers on it.

    Attributes:
        text: what a reader sees, with plain digits.
        months: numbers of those that it names.
        words: folded, those of its marks, too; acronyms: words of capitals alone.
    """

    def __init__(self, passage: str, question: str = "") -> None:
        self._passage, self._question = passage, question

    @cached_property
    def text(self) -> str:
        seen = _seen(self._passage)
        return f"{seen}\n{self._question}" if self._question else seen

    def has_one_of(self, values: frozenset[str]) -> bool:
        """Whether one of its numbers may stand for one of these; most often one of the passage's does."""
        texts = (_seen(self._passage), self._question)
        return any(not values.isdisjoint(_values(text)) for text in texts)

    @cached_property
    def months(self) -> frozenset[str]:
        return frozenset(str(_MONTHS.index(month.lower()) + 1) for month in _MONTH.findall(self.text))

    @cached_property
    def words(self) -> frozenset[str]:
        return _known_words(_seen(self._passage)) | _known_words(self._passage) | _known_words(self._question)

    @cached_property
    def acronyms(self) -> frozenset[str]:
        return frozenset(word for word in _WORD.findall(self.text) if word.isupper() and len(word) > 2)

    @cached_property
    def is_german(self) -> bool:
        return len(_GERMAN & self.words) >= 4


@lru_cache(maxsize=256)
def _seen(passage: str) -> str:
    """What a reader sees of a passage: without marks, but with the numbers of lists, and with broken words whole."""
    marks = [mark for mark in find_marks(passage) if not _LISTED.match(passage, mark.start, mark.end)]
    return plain_digits(_BROKEN.sub("", without_marks(passage, marks).replace("\u00ad", "")))


@lru_cache(maxsize=256)
def _values(text: str) -> frozenset[str]:
    return frozenset(all_values(text))


def _numbers(answer: str, source: _Source) -> Iterator[tuple[int, str]]:
    lowered = ""
    enumerators = list(chain.from_iterable(match.span() for match in _ENUMERATOR.finditer(answer)))
    for number in find_numerals(answer):
        if bisect_right(enumerators, number.start) % 2:
            continue  # within one of them
        if number.start and answer[number.start - 1].isalpha():
            continue  # part of a word: host1, ext4, H2O
        if source.has_one_of(number.values) or number.values & source.months or _stands_in(source.text, number.text):
            continue
        if number.scale and source.has_one_of(number.unscaled):
            lowered = lowered or source.text.lower()
            if number.scale.rstrip("s") in lowered:
                continue  # "5.2 million" from a table in millions
        yield number.start, number.text
    for number in find_spelled(answer):
        if all(int(value) >= _LEAST_SPELLED for value in number.values) and not source.has_one_of(number.values):
            yield number.start, number.text


def _stands_in(source: str, number: str) -> bool:
    """Whether what begins with a digit stands somewhere in a text, maybe within a longer number."""
    if len(number) > _LONGEST_NUMBER:
        return number in source
    beginnings = _from_digits(source)
    place = bisect_left(beginnings, number)
    return place < len(beginnings) and beginnings[place].startswith(number)


@lru_cache(maxsize=4)
def _from_digits(source: str) -> list[str]:
    """What stands from each digit of a text on, as much as a number may have, sorted: there may be many of either."""
    return sorted(source[digit.start() : digit.start() + _LONGEST_NUMBER] for digit in _DIGIT.finditer(source))


def _names(answer: str, source: _Source) -> Iterator[tuple[int, str]]:
    text = _URL.sub(_blank, _blank_code(answer))
    capitals = [word for word in _WORD.findall(text) if word[0].isupper() and word.lower() not in _SMALL]
    if not capitals or source.is_german or all(_is_known(word, source) for word in capitals):
        return
    for run in _capital_runs(text):
        missing = [
            word
            for place, word in enumerate(run)
            if not _is_known(word.group(), source) and not _completes(run, place, source)
        ]
        if not missing:
            continue
        initials = "".join(word.group()[0] for word in run).upper()
        if len(run) > 1 and initials in source.acronyms:
            continue  # an acronym of the source, written out
        yield missing[0].start(), text[missing[0].start() : missing[-1].end()]


def _capital_runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Neighbouring words with capitals, first words of sentences and whole capitalised lines left out."""
    run: list[re.Match[str]] = []
    previous_end = 0
    line, headings = 0, dict[int, bool]()
    for word in _WORD.finditer(text):
        between = text[previous_end : word.start()]
        if "\n" in between:
            line = previous_end + between.rindex("\n") + 1
        capital = word.group()[0].isupper() and word.group().lower() not in _SMALL
        opens = (not between.strip(" \t,") and previous_end == 0) or any(char in _OPENERS for char in between)
        if run and (not capital or opens or between.strip(" \t")):
            yield run
            run = []
        if capital and not opens:
            if line not in headings:
                headings[line] = _is_heading(text, line)
            if not headings[line]:
                run.append(word)
        previous_end = word.end()
    if run:
        yield run


def _is_heading(text: str, start: int) -> bool:
    """Whether most words of the line that begins there have capitals, as in headings and titles."""
    end = text.find("\n", start)
    words = [word for word in _WORD.findall(text[start : end if end >= 0 else len(text)]) if word.lower() not in _SMALL]
    return len(words) >= 3 and sum(word[0].isupper() for word in words) > 0.8 * len(words)


@lru_cache(maxsize=256)
def _known_words(text: str) -> frozenset[str]:
    known = set(map(_fold, set(_WORD.findall(plain_digits(text)))))
    for word in [word for word in known if "-" in word or "'" in word]:
        known.update(re.split(r"['-]", word))
    return frozenset(known)


def _fold(word: str) -> str:
    """Lower case, without accents, possessives and typographic apostrophes."""
    if not word.isascii():
        word = "".join(char for char in unicodedata.normalize("NFKD", word) if not unicodedata.combining(char))
    bare = word.casefold().replace("’", "'")
    return bare[:-2] if bare.endswith("'s") else bare.removesuffix("'")


def _is_known(word: str, source: _Source) -> bool:
    folded, known = _fold(word), source.words
    if folded in known or len(folded) < 2 or (word.isupper() and folded in _COMMON_ACRONYMS):
        return True
    if all(part in known or part in _SMALL for part in re.split(r"['-]", folded)):
        return True
    stem = folded.removesuffix("es").removesuffix("s")
    if stem in known or f"{folded}s" in known or f"{folded}es" in known:
        return True
    if folded in _MONTHS:
        return folded[:3] in known or _has_month(source.text, _MONTHS.index(folded) + 1)
    if folded in _DAYS:
        return folded[:3] in known
    if word.isupper() and len(word) <= 8:
        return folded.upper() in _acronyms(source.text)
    return _is_derived(folded, known)


def _is_derived(word: str, known: frozenset[str]) -> bool:
    """Whether a word is made from a known one, or a known one from it: American, Italian, Spanish, Sydneysiders."""
    if len(word) < _LEAST_DERIVED:
        return False
    made = _derived(known)
    after = bisect_left(made.words, word)
    if after < len(made.words) and made.words[after].startswith(word):
        return True
    if any(word[:length] in known for length in range(_LEAST_DERIVED, min(len(word), made.longest) + 1)):
        return True
    stem = _stem(word)
    beginnings = (word[: len(word) - more] for more in range(_LONGEST_ENDING + 1))
    return (bool(stem) and stem in made.beginnings) or not made.stems.isdisjoint(beginnings)


@dataclass(frozen=True, slots=True)
class _Derived:
    """What words may be made from, or of, ready to be looked up.

    Attributes:
        words: sorted; longest: length of the longest.
        beginnings: of words, up to four letters shorter; stems: of those with the ending of a place.
    """

    words: list[str]
    longest: int
    beginnings: frozenset[str]
    stems: frozenset[str]


@lru_cache(maxsize=64)
def _derived(known: frozenset[str]) -> _Derived:
    shorter = (word[: len(word) - less] for word in known for less in range(_LONGEST_ENDING + 1))
    stems = frozenset(filter(None, map(_stem, known)))
    return _Derived(sorted(known), max(map(len, known), default=0), frozenset(shorter), stems)


def _stem(word: str) -> str:
    """What is left of a word without the ending of a place, where that is enough to tell; else empty."""
    stem = _OF_A_PLACE.sub("", word)
    return stem if stem != word and len(stem) >= _LEAST_STEM else ""


def _completes(run: list[re.Match[str]], place: int, source: _Source) -> bool:
    """Whether a word makes a name of the source more complete ("Taylor" Swift) and the source has no other there."""
    if place + 1 < len(run) and _fold(run[place + 1].group()) in source.words:
        return _neighbours(source.text).before.get(run[place + 1].group(), frozenset()) <= _SMALL
    if place and _fold(run[place - 1].group()) in source.words:
        return run[place - 1].group() not in _neighbours(source.text).followed
    return False


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """Which words of a text have one with a capital beside them.

    Attributes:
        before: word to those with capitals, or initials, that it comes after; in lower case.
        followed: words that one with a capital comes after.
    """

    before: dict[str, frozenset[str]]
    followed: frozenset[str]


@lru_cache(maxsize=64)
def _neighbours(source: str) -> _Neighbours:
    before: dict[str, set[str]] = {}
    for match in _BEFORE_A_WORD.finditer(source):
        word = match.group(2)
        for end in (last.end() for last in _LAST_LETTER.finditer(word)):
            before.setdefault(word[:end], set()).add(match.group(1).lower())
    followed: set[str] = set()
    for match in _BEFORE_A_CAPITAL.finditer(source):
        word = match.group()[-_LONGEST_NAME:].rstrip()
        followed.update(word[first.start() :] for first in _FIRST_LETTER.finditer(word))
    return _Neighbours({word: frozenset(others) for word, others in before.items()}, frozenset(followed))


@lru_cache(maxsize=64)
def _has_month(source: str, month: int) -> bool:
    return bool(re.search(rf"\d[-/.]0?{month}[-/.]\d|\b0?{month}[-/.]\d{{1,2}}[-/.]\d", source))


@lru_cache(maxsize=64)
def _acronyms(source: str) -> set[str]:
    """Initials of the capitalised names in a text ("World Health Organization")."""
    found: set[str] = set()
    for match in _CAPITALISED.finditer(source):
        words = re.split(r"[ -]", match.group())
        for first in range(len(words)):
            for last in range(first + 2, min(len(words), first + _MOST_INITIALS) + 1):
                initials = [word[0] for word in words[first:last] if word]
                found.add("".join(char for char in initials if char.isupper()))
                found.add("".join(initials).upper())
    return found


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _blank_code(text: str) -> str:
    return _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
