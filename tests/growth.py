"""How the work that something takes grows with the length of a text, and texts that make a pattern's work grow most.

Nothing here waits for a time: what is compared is the processor time of the same work on a text and on one several
times as long, each the shortest of several runs.
"""

from __future__ import annotations

import calendar
import random
import re
import re._parser as parser  # type: ignore[import-untyped]  # what the pattern says, by the reader that `re` itself has
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zlib import crc32

from thoroughness import THOROUGH

SIZES = (12, 24, 100, 1_000, 10_000)
"""Lengths of texts, each looked at only where the ones before were no trouble (characters)."""
LONGEST = 100_000
FLOOR_SEC = 0.003
"""Less than this is not measured: 10,000 characters looked at once each take a hundredth, and each with each a tenth
of a second or more."""
SLACK = 3.0
"""A text ten times as long may take thirty times as long: what is quadratic takes a hundred times."""

Make = Callable[[int], Any]
"""From about how many characters to a text, or whatever the work is done on."""
Node = tuple[int, ...]
"""A part of a pattern: the way to it."""


def grows(work: Callable[[Any], object], make: Make, sizes: Sequence[int] = SIZES) -> str:
    """How the work grows where that is faster than its texts do, in words; empty where it does not.

    What looks like it is measured once more: the machine may have had other work.
    """
    return _growth(work, make, sizes) and _growth(work, make, sizes)


def _growth(work: Callable[[Any], object], make: Make, sizes: Sequence[int]) -> str:
    before_sec, before = 0.0, 0
    for size in sizes:
        taken_sec = cpu_sec(work, make(size))
        if taken_sec > FLOOR_SEC and before and taken_sec > SLACK * size / before * max(before_sec, FLOOR_SEC / 10):
            # A bound that a text had not reached makes the first texts cheap; beyond it work grows with them.
            if taken_sec < 0.3 and size == sizes[-1]:
                longer_sec = cpu_sec(work, make(4 * size))
                if longer_sec <= 8 * taken_sec:
                    return ""
            return f"{taken_sec / max(before_sec, 1e-9):.0f} times the work for {size / before:.0f} times the text"
        before_sec, before = taken_sec, size
    return ""


def cpu_sec(work: Callable[[Any], object], text: Any, runs: int = 3) -> float:
    """Processor time of this thread, in seconds: the least of some runs, or of one that is short or long."""
    least = float("inf")
    for _ in range(runs):
        begun = time.thread_time()
        work(text)
        least = min(least, time.thread_time() - begun)
        if least < FLOOR_SEC or least > 0.2:
            break
    return least


def texts_for(pattern: re.Pattern[str]) -> Iterator[Make]:
    """Texts made of what a pattern speaks of: each of its characters over and over, mixed, what it matches, and what
    it all but matches with each of its repetitions drawn out."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    draw = random.Random(0)
    chars = list(dict.fromkeys(_characters(tree)))
    draw.shuffle(chars)
    for char in chars[:10]:
        yield lambda size, char=char: char * size
        yield lambda size, char=char: f"a{char * size}\x01"
    for _ in range(8):
        unit = "".join(draw.choice(chars or ["a"]) for _ in range(draw.randint(2, 5)))
        yield lambda size, unit=unit: _repeated(unit, size) + "\x01"
    for seed in range(3):
        unit = _Drawn(random.Random(seed)).text(tree)[:200] or "a"
        for length in {len(unit), len(unit) - 1, len(unit) // 2, len(unit) // 3}:
            yield lambda size, unit=unit[:length] or unit: _repeated(unit, size)
    for place in _repetitions(tree):
        for seed in range(2):
            for end in ("", "\x01", "\n\x01"):
                yield lambda size, place=place, seed=seed, end=end: _drawn_out(tree, place, seed, size) + end


def _repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def _others(form: str, size: int) -> str:
    """A text without repetition: what is kept by word, name or number is worked out for each of them."""
    made, length, number = [], 0, 0
    while length < size:
        number += 1
        # Neighbours differ in all places, also the first ones.
        place = number * 7_919 % 456_976
        word = "".join(chr(97 + place // 26**power % 26) for power in range(4)) + "on"
        made.append(
            form.format(
                word=word,
                name=word.capitalize(),
                acronym=word.upper(),
                number=place,
                day=number % 28 + 1,
                month=calendar.month_name[number % 12 + 1],
                year=place % 9_000 + 1_000,
            )
        )
        length += len(made[-1])
    return "".join(made)[:size]


def _drawn_out(tree: Any, place: Node, seed: int, size: int) -> str:
    return _Drawn(random.Random(seed), place, size).text(tree)[:size]


_OF_CATEGORY = {
    "CATEGORY_SPACE": " \n",
    "CATEGORY_NOT_SPACE": "a-",
    "CATEGORY_DIGIT": "1",
    "CATEGORY_NOT_DIGIT": "a ",
    "CATEGORY_WORD": "a1_",
    "CATEGORY_NOT_WORD": " .",
}


def _of_class(items: Any) -> list[str]:
    """Some characters that a class allows."""
    named: list[str] = []
    others = False
    for kind, value in items:
        match str(kind):
            case "NEGATE":
                others = True
            case "LITERAL":
                named.append(chr(value))
            case "RANGE":
                named += (chr(value[0]), chr((value[0] + value[1]) // 2))
            case "CATEGORY":
                named += _OF_CATEGORY[str(value)]
    return [char for char in 'a1 .-\n_A<*"`\x02' if char not in named] if others else named


def _is_repetition(kind: Any) -> bool:
    return str(kind) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def _inside(kind: Any, value: Any) -> list[Any]:
    """The parts of a part."""
    match str(kind):
        case "SUBPATTERN":
            return [value[3]]
        case "ATOMIC_GROUP":
            return [value]
        case "BRANCH":
            return list(value[1])
        case "ASSERT" | "ASSERT_NOT":
            return [value[1]]
    return [value[2]] if _is_repetition(kind) else []


def _characters(tree: Any) -> Iterator[str]:
    for kind, value in tree:
        match str(kind):
            case "LITERAL":
                yield chr(value)
            case "NOT_LITERAL":
                yield from (chr(value), "a")
            case "ANY":
                yield "a"
            case "IN":
                yield from _of_class(value)
        for part in _inside(kind, value):
            yield from _characters(part)


def _repetitions(tree: Any, way: Node = ()) -> Iterator[Node]:
    for number, (kind, value) in enumerate(tree):
        here = (*way, number)
        if _is_repetition(kind) and int(value[1]) > 8:
            yield here
        for place, part in enumerate(_inside(kind, value)):
            yield from _repetitions(part, (*here, place))


class _Drawn:
    """A text that a pattern about matches, drawn at random; at `place` something is repeated `times`."""

    def __init__(self, draw: random.Random, place: Node = (), times: int = 0) -> None:
        self._draw, self._place, self._times = draw, place, times

    def text(self, tree: Any, way: Node = ()) -> str:
        return "".join(self._part(kind, value, (*way, number)) for number, (kind, value) in enumerate(tree))

    def _leads(self, way: Node) -> bool:
        return bool(self._place) and self._place[: len(way)] == way

    def _part(self, kind: Any, value: Any, way: Node) -> str:
        if _is_repetition(kind):
            return self._repetition(value, way)
        match str(kind):
            case "LITERAL":
                return chr(value)
            case "NOT_LITERAL":
                return "b" if value == ord("a") else "a"
            case "ANY":
                return "a"
            case "IN":
                return self._draw.choice(_of_class(value) or ["\x02"])
            case "ASSERT_NOT":
                return self.text(value[1], (*way, 0)) if self._leads(way) else ""
        parts = _inside(kind, value)
        if not parts:
            return ""
        chosen = self._draw.randrange(len(parts))
        if self._leads(way):
            chosen = self._place[len(way)]
        return self.text(parts[chosen], (*way, chosen))

    def _repetition(self, value: Any, way: Node) -> str:
        least, most, part = value
        if way == self._place:
            one = _Drawn(self._draw).text(part)
            return one * max(1, min(self._times // max(1, len(one)), int(most)))
        if self._leads(way):
            return self.text(part, (*way, 0)) * max(1, min(least, 20))
        times = self._draw.choice((least, min(least + 1, int(most))))
        return "".join(_Drawn(self._draw).text(part) for _ in range(min(times, 20)))


SHAPES: dict[str, Make] = {
    "one letter": lambda size: "a" * size,
    "one word, all letters": lambda size: _repeated("abcdefghij", size),
    "one character of a script without spaces": lambda size: "日" * size,
    "spaces": lambda size: " " * size + "x",
    "line ends": lambda size: "\n" * size + "x",
    "digits": lambda size: "7" * size,
    "prose": lambda size: _repeated("The bee is small. It flies far, and Mary saw 12 of them on 3 May 1998. ", size),
    "one long sentence": lambda size: _repeated("and then 12 more of them came ", size),
    "numbers": lambda size: _repeated("1,234.5 ", size),
    "names": lambda size: _repeated("Ada Byron King ", size),
    "sums": lambda size: _repeated("1 + 2 x ", size),
    "equations": lambda size: _repeated("2 + 2 = 4\n", size),
    "short lines": lambda size: _repeated("ab\n", size),
    "nearly the same lines": lambda size: "\n".join(
        f"Line {number} of the text is this." for number in range(size // 30)
    ),
    "paragraphs": lambda size: _repeated("A line of text.\n\n", size),
    "list": lambda size: _repeated("- item\n", size),
    "numbered list": lambda size: _repeated("1. item\n", size),
    "list within list": lambda size: "".join("  " * (number % 40) + "- item\n" for number in range(size // 45)),
    "headings": lambda size: _repeated("# Title\n", size),
    "table": lambda size: "| a | b |\n| --- | --- |\n" + _repeated("| 1 | 2 |\n", size),
    "cells": lambda size: "|" * size,
    "quotes within quotes": lambda size: "> " * (size // 2) + "a",
    "fences": lambda size: _repeated("```\n", size),
    "code": lambda size: "```python\n" + _repeated("print((1)\n", size) + "```\n",
    "back-ticks": lambda size: _repeated(" ".join("`" * (1 + number % 90) for number in range(90)), size),
    "stars": lambda size: _repeated("*a **b ", size),
    "underscores": lambda size: "_" * size,
    "links": lambda size: _repeated("[a](b) ", size),
    "open brackets": lambda size: "[" * size,
    "brackets": lambda size: "(" * (size // 2) + ")" * (size // 2),
    "braces": lambda size: '{"a":' * (size // 5),
    "array": lambda size: "[" + "1," * (size // 2) + "1]",
    "objects": lambda size: "[" + '{"score": 3, "reason": "yes"},' * (size // 29),
    "open objects": lambda size: '{"a": [' * (size // 7),
    "quotation marks": lambda size: '"' * size,
    "apostrophes": lambda size: "it's 'so' " * (size // 10),
    "backslashes": lambda size: "\\" * size,
    "open tags": lambda size: "<question>" * (size // 10),
    "tags": lambda size: "<question>a</question><answer>b</answer>" * (size // 40),
    "tags within tags": lambda size: "<b>" * (size // 7) + "a" + "</b>" * (size // 7),
    "tags without end": lambda size: "<a " * (size // 3),
    "comments without end": lambda size: "<!--" * (size // 4),
    "superscripts": lambda size: "x<sup>2</sup>" * (size // 13),
    "less-than signs": lambda size: "<" * size,
    "ampersands": lambda size: "&amp;" * (size // 5),
    "labels": lambda size: _repeated("Question: a\nAnswer: b\n", size),
    "thoughts": lambda size: "<think>" * (size // 7),
    "templates": lambda size: "{{" * (size // 2),
    "e-mail addresses": lambda size: "jane.roe@example.com " * (size // 21),
    "at signs": lambda size: "a@" * (size // 2),
    "dots": lambda size: "a." * (size // 2),
    "hyphens": lambda size: "a-" * (size // 2),
    "addresses": lambda size: "https://example.org/a?b=c " * (size // 26),
    "one long address": lambda size: "https://" + "a/" * (size // 2),
    "colons": lambda size: "a: " * (size // 3),
    "YAML": lambda size: _repeated("- question: a\n  answer: b\n", size),
    "comments": lambda size: "# a " * (size // 4),
    "switches of a linter": lambda size: _repeated("a:   \n# yamllint disable rule:colons\n", size),
    "YAML within YAML": lambda size: "- " * min(size // 2, 300) + "a\n" * (size // 2),
    "anchors": lambda size: "".join(f"a{number}: &a{number} [*a{number - 1}]\n" for number in range(1, size // 20)),
    "escapes": lambda size: "\x1b[1m" * (size // 4),
    "control characters": lambda size: "\x07" * size,
    "combining accents": lambda size: "a" + "\u0301" * size,
    "direction marks": lambda size: "\u202e" * size,
    "percent signs": lambda size: "100 % " * (size // 6),
    "roots": lambda size: "√" * size,
    "powers": lambda size: "2^" * (size // 2),
    "fractions": lambda size: "½" * size,
    "ellipses": lambda size: "... " * (size // 4),
    "base64": lambda size: _repeated("Zm9vYmFyMTIzNDU2Nzg5MA", size),
    "hexadecimal": lambda size: _repeated("0123456789abcdef", size),
    "keys": lambda size: _repeated("sk-abcdef0123456789abcdef0123456789 ", size),
    "armour": lambda size: _repeated("-----BEGIN KEY-----\n", size),
    "items of HTML": lambda size: "<ol>" + "<li>a</li>" * (size // 10),
    "other words": lambda size: _others("{word} ", size),
    "other names": lambda size: _others("{name} ", size),
    "other names in sentences": lambda size: _others("Then came {name} and saw {name} there. ", size),
    "other numbers": lambda size: _others("{number} ", size),
    "other amounts": lambda size: _others("{number}.5 million, ", size),
    "other dates": lambda size: _others("{day} {month} {year}, ", size),
    "other dates in figures": lambda size: _others("{year}-{day}-{day}\n", size),
    "other quotations": lambda size: _others('"{word} {word}" ', size),
    "other links": lambda size: _others("[{word}](https://example.org/{word}) ", size),
    "other addresses": lambda size: _others("https://example.org/{word}?{word}={number} ", size),
    "other headings": lambda size: _others("# {name}\n\n{word}\n\n", size),
    "other sentences": lambda size: _others("The {word} has {number} of {word}. ", size),
    "other sums": lambda size: _others("{number} + {day} = {number}\n", size),
    "other lines": lambda size: _others("- {word}: {word}\n", size),
    "other rows": lambda size: "| a | b |\n| --- | --- |\n" + _others("| {word} | {number} |\n", size),
    "other acronyms": lambda size: _others("{acronym} ", size),
}
"""Texts as a stranger may send them, of about so many characters. None is more than a nuisance to any reader."""


def grows_on_shapes(work: Callable[[Any], object], sizes: tuple[int, int], name: str = "") -> list[str]:
    """Shapes on which the work for the longer text is out of proportion to that for the shorter one, in words.

    Looked at once, and several times where that seems out of proportion. Every fourth shape, others for
    each name, where not all are tried.
    """
    short, long = sizes
    found = []
    shapes = list(SHAPES.items())
    for shape, make in shapes if THOROUGH else shapes[crc32(name.encode()) % 4 :: 4]:
        growth = out_of_proportion(work, make(short), make(long), long / short)
        if growth:
            found.append(f"{shape}: {growth}")
    return found


def out_of_proportion(work: Callable[[Any], object], short: Any, long: Any, times: float) -> str:
    """How much more work the longer text is, in words, where it is out of proportion; empty where it is not."""
    many_sec = cpu_sec(work, long, runs=1)
    for runs in (1, 5):
        few_sec = cpu_sec(work, short, runs=runs)
        if many_sec <= SLACK * times * max(few_sec, FLOOR_SEC / 10):
            return ""
        many_sec = min(many_sec, cpu_sec(work, long, runs=runs))
    if many_sec <= SLACK * times * max(few_sec, FLOOR_SEC / 10):
        return ""
    return f"{many_sec / max(few_sec, 1e-9):.0f} times the work for {times:.0f} times the text"
