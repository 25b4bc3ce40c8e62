"""New instructions and source texts out of seed examples: words exchanged, settings and sentences added."""

from __future__ import annotations

from labgen.lazy import re
from labgen.teacher.rehearsal import lexicon
from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.request import Example, Request
from labgen.teacher.rehearsal.sentences import ASKING_WORDS, content, is_wide, sentences, split_words, stem
from labgen.text.language import guess_language

TOKEN = re.compile(r"(?<![^\n])[ \t]*\d{1,3}[.)]|\d+(?:[.,:]\d+)*|[^\W_]+(?:['’][^\W_]+)*")
"""The number of a list's item, a figure, or a word: what is exchanged as a whole, or (the first) never."""
_FIGURE = re.compile(r"\d+")
_HOLE = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")
_FILLERS = {
    "name": lexicon.FIRST_NAMES,
    "place": lexicon.PLACES,
    "noun": lexicon.NOUNS,
    "adjective": lexicon.ADJECTIVES,
    "doing": lexicon.DOINGS,
    "done": lexicon.DONES,
    "manner": lexicon.MANNERS,
}
EXCHANGED_SHARE = 0.6
"""Share of the exchangeable words that are exchanged: enough for ROUGE-L to fall, few enough to keep the task."""


def is_english(text: str) -> bool:
    """Whether a text reads as English; a text of a few words or of code counts as English unless it has accents."""
    if language := guess_language(text):
        return language == "en"
    # Quotation marks and dashes are no sign of another language; letters with accents are.
    return sum(not letter.isascii() and letter.isalpha() for letter in text) * 50 <= len(text)


def filled(dice: Dice, pattern: str) -> str:
    """`pattern` with its holes filled from the lexicon, each drawn anew."""

    def fill(hole: re.Match[str]) -> str:
        kind = hole[1]
        if kind == "where":
            return filled(dice, dice.pick(lexicon.WHERE))
        if kind == "nouns":
            return _plural(dice.pick(lexicon.NOUNS))
        if kind == "number":
            return str(3 + dice.below(95))
        if kind == "year":
            return str(1901 + dice.below(120))
        return dice.pick(_FILLERS[kind])

    return _with_articles(_HOLE.sub(fill, pattern.replace("{noun}s", "{nouns}")))


def sentence(dice: Dice, patterns: tuple[str, ...]) -> str:
    """One of the patterns, filled, with a capital letter."""
    text = filled(dice, dice.pick(patterns))
    return text[0].upper() + text[1:]


def _with_articles(text: str) -> str:
    return _ARTICLE.sub(r"\1n ", text)


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith("sis"):
        return noun[:-2] + "es"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def exchanged(dice: Dice, text: str, keep: frozenset[str], own: tuple[str, ...]) -> str:
    """`text` with names, numbers and subject words exchanged, the same word always for the same word.

    Args:
        keep: stems that stay, since they make the task what it is.
        own: words to exchange from; empty draws on the lexicon.
    """
    chosen: dict[str, str] = {}

    def exchange(match: re.Match[str]) -> str:
        word = match[0]
        if word[-1] in ".)":
            return word
        if word not in chosen:
            chosen[word] = _other(dice, word, keep, own)
        return chosen[word]

    return TOKEN.sub(exchange, text)


def _other(dice: Dice, word: str, keep: frozenset[str], own: tuple[str, ...]) -> str:
    if word[0].isdecimal():
        return word if len(word) > 12 or word in keep else _FIGURE.sub(lambda figure: _number(dice, figure[0]), word)
    if word in lexicon.KNOWN_NAMES:
        return dice.pick(lexicon.FIRST_NAMES)
    lower = word.lower()
    if (
        len(word) < 4
        or lower in lexicon.LASTING
        or lower in ASKING_WORDS
        or stem(word) in keep
        or not dice.chance(EXCHANGED_SHARE)
    ):
        return word
    if own:
        other = dice.pick(own)
    elif not word.isascii() or not word.isalpha():
        return word
    else:
        other = _alike(dice, lower)
    if word.isupper():
        return other.upper()
    return other[0].upper() + other[1:] if word[0].isupper() else other


def _number(dice: Dice, digits: str) -> str:
    """Another number of as many digits."""
    low = 10 ** (len(digits) - 1)
    return str(low + dice.below(9 * low)) if len(digits) > 1 else str(2 + dice.below(8))


def _alike(dice: Dice, word: str) -> str:
    if word.endswith("ing"):
        return dice.pick(lexicon.DOINGS)
    if word.endswith("ed"):
        return dice.pick(lexicon.DONES)
    if word.endswith("ly"):
        return dice.pick(lexicon.MANNERS)
    if word.endswith("s") and not word.endswith("ss"):
        return _plural(dice.pick(lexicon.NOUNS))
    if word.endswith(("ous", "ful", "ive", "al", "ic", "able", "ish")):
        return dice.pick(lexicon.ADJECTIVES)
    return dice.pick(lexicon.NOUNS)


def task_words(request: Request, parts: list[str]) -> frozenset[str]:
    """Stems that make the task what it is: in its description, or in at least two of the examples' `parts`."""
    seen: set[str] = set()
    shared: set[str] = set()
    for part in dict.fromkeys(parts):
        shared |= seen & content(part)
        seen |= content(part)
    return content(request.description) | shared


def own_words(parts: list[str]) -> tuple[str, ...]:
    """The longer words of texts, for languages that the lexicon does not speak."""
    found = {word for part in parts for word in split_words(part) if len(word) > 3 and word.isalpha()}
    return tuple(sorted(found))


def new_instructions(dice: Dice, request: Request, room: int) -> list[str]:
    """New instructions in the manner of the examples: as many as are asked for, or as fit into `room` bytes."""
    parts = [example.instruction for example in request.examples if example.instruction]
    if not parts:
        return [filled(dice, "Describe how to {noun} {where}.") for _ in range(request.count)]
    english = is_english(" ".join(parts))
    keep = task_words(request, parts)
    own = () if english else own_words(parts)
    order = dice.shuffled(parts)
    made = []
    for number in range(request.count):
        base = order[number % len(order)]
        made.append(_new_instruction(dice, base, keep, own) if english else _recombined(dice, base, parts, keep, own))
    return fitting(made, room)


def fitting(texts: list[str], room: int) -> list[str]:
    """The first texts that fit into `room` bytes with their tags, at least one."""
    kept: list[str] = []
    for text in texts:
        room -= len(text.encode("utf-8", "replace")) + 60
        if room < 0 and kept:
            break
        kept.append(text)
    return kept


def _new_instruction(dice: Dice, base: str, keep: frozenset[str], own: tuple[str, ...]) -> str:
    text = exchanged(dice, base, keep, own)
    length = len(split_words(text))
    # Below 0.7 on ROUGE-L takes additions of 0.86 times the length, or 30% of the words exchanged; a bit of both.
    added = 0
    before: list[str] = []
    after: list[str] = []
    while added < min(0.9 * length, 60) or not added:
        if dice.chance(0.3) and not before:
            piece = sentence(dice, lexicon.OPENINGS)
            before.append(piece)
        else:
            piece = sentence(dice, lexicon.FRAMES)
            after.append(piece)
        added += len(split_words(piece))
    separator = "\n" if "\n" in text else " "
    return separator.join([*before, text, *after])


def _recombined(dice: Dice, base: str, parts: list[str], keep: frozenset[str], own: tuple[str, ...]) -> str:
    """For languages without a lexicon here: the seeds' own words and sentences in new combinations."""
    pieces = [base, *dice.shuffled([part for part in parts if part != base])[: 1 + dice.below(2)]]
    if not is_wide(base):
        pieces = [exchanged(dice, piece, keep, own) for piece in pieces]
    return "\n".join(pieces)


def new_context(dice: Dice, request: Request, room: int) -> str:
    """One new source text: a seed's text with other words, a few sentences of the others, and a few added.

    It has at most about `room` bytes.
    """
    parts = [example.context for example in request.examples if example.context]
    if not parts:
        return " ".join(sentence(dice, lexicon.STORY) for _ in range(4))
    english = is_english(" ".join(parts)[:4000])
    base = dice.pick(parts)
    keep = task_words(request, [example.instruction for example in request.examples])
    others = [part for part in parts if part != base]
    units = _units(base)
    if others and len(units) > 1:
        for unit in dice.shuffled(_units(dice.pick(others)))[: max(1, len(units) // 3)]:
            units[dice.below(len(units))] = unit
    separator = "\n" if base.count("\n") > 2 else " "
    units = fitting(units, room * 3 // 5)
    if english:
        for _ in range(1 + dice.below(3)):
            units.insert(1 + dice.below(len(units)), sentence(dice, lexicon.STORY))
    own = () if english else own_words(parts)
    text = separator.join(units)
    if not is_wide(text):
        text = exchanged(dice, text, keep, own)
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")


def _units(text: str) -> list[str]:
    """Lines of a structured text, sentences of running text, at most 60."""
    if text.count("\n") > 2:
        return text.split("\n")[:60]
    return [sentence.raw for sentence in sentences(text)][:60] or [text]


def instructions_on(dice: Dice, request: Request, room: int) -> list[str]:
    """Instructions in the manner of the examples on the document in the prompt, as many as fit into `room` bytes."""
    examples = [example for example in request.examples if example.instruction] or [Example("", "Sum this up.", "")]
    english = is_english(" ".join(example.instruction for example in examples))
    phrases = dice.shuffled(_phrases(request.document)) or ["it"]
    order, aspects = dice.shuffled(examples), dice.shuffled(_ASPECTS)
    made = []
    for number in range(request.count):
        base = order[number % len(order)]
        text = _moved(dice, base, request.document)
        phrase = phrases[number % len(phrases)]
        if english:
            made.append(f"{text} {aspects[number % len(aspects)].replace('@', phrase)}")
        else:
            made.append(f"{text} ({phrase})")
    return fitting(made, room)


_ASPECTS = (
    "Pay special attention to “@”.",
    "Begin with what is said about “@”, and go on from there.",
    "What matters most is “@”.",
    "Keep it short, and do not forget “@”.",
    "The part on “@” must not be missing.",
    "Leave aside whatever has nothing to do with “@”.",
    "Treat “@” as the central point.",
    "Do it for “@” first of all.",
    "Take in everything from “@” onwards.",
    "I am mostly interested in “@”, so be exact there.",
    "Do not pass over “@” too quickly.",
    "If you have to choose, choose “@”.",
)


def _phrases(document: str) -> list[str]:
    """Stretches of a few words from the document, one for each sentence."""
    found = []
    for sentence in sentences(document):
        if is_wide(sentence.text):
            found.append(sentence.text[:10])
            continue
        split = sentence.text.split()
        found.append(" ".join(split[:5]).strip(" ,;:.!?\"'“”"))
        if len(split) > 12:
            found.append(" ".join(split[6:11]).strip(" ,;:.!?\"'“”"))
    return [phrase for phrase in dict.fromkeys(found) if phrase]


def _moved(dice: Dice, example: Example, document: str) -> str:
    """An example's instruction with the words that it takes from its own context exchanged for the document's."""
    from_context = content(example.context) & content(example.instruction)
    if not from_context or is_wide(document):
        return example.instruction
    there = [word for word in split_words(document) if len(word) > 3 and word.lower() not in ASKING_WORDS]
    if not there:
        return example.instruction

    def move(match: re.Match[str]) -> str:
        word = match[0]
        if len(word) < 4 or word.lower() in ASKING_WORDS or stem(word) not in from_context:
            return word
        return dice.pick(there)

    return TOKEN.sub(move, example.instruction)
