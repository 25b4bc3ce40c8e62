"""Blocks of a text that say they are Python: do they parse? Nothing is ever run.

What need not parse by itself is passed: sessions at a prompt, notebooks' commands, Python 2 that says so, templates
with places to fill in, pieces that begin in the middle of a statement, and what the text itself calls wrong.
"""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Iterator

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

MOST_CHARS = 20_000
_FENCE = re.compile(r"^[ \t]*(?P<ticks>`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)[^\n`]*$", re.MULTILINE)
_PYTHON = frozenset(("python", "py", "python3", "py3"))
_SAID = re.compile(
    r"syntax ?error|indentation ?error|(?:invalid|wrong|incorrect) (?:python )?(?:syntax|code|indentation)|"
    r"pseudo-?code|python ?2|does(?:n['’]t| not) (?:parse|compile|run)",
    re.IGNORECASE,
)
_SESSION = re.compile(r"^[ \t]*(?:>>>|In \[\d+\]:|Traceback \(|[%!$?]|@@ )", re.MULTILINE)
_PLACE = re.compile(r"<[A-Za-z][\w .-]*>|\{\{.{0,200}?\}\}|\[\.\.\.\]|,\s*+\.\.\.\s*+\)|…")
_PIECE = re.compile(r"\s*(?:elif|else|except|finally|case)\b")
_NOT_ITS_FAULT = re.compile(
    r"too (?:many|deeply)|exceeds the limit|unknown encoding|source code string|null bytes", re.IGNORECASE
)
_YOUNGER = re.compile(r"^[^\S\n]*+type \w|(?:def|class) \w+\[|\b(?:[tT][rR]?|[rR][tT])['\"]|except \w+,", re.MULTILINE)
_FORMATTED = re.compile(r"(?<!\\)\b(?P<before>[rR]?)[fF](?P<after>[rR]?)(?=(?P<quote>\"{3}|'{3}|[\"']))")
_BODIES = {
    '"': re.compile(r'(?:\\.|[^"\\\n])*+', re.DOTALL),
    "'": re.compile(r"(?:\\.|[^'\\\n])*+", re.DOTALL),
    '"""': re.compile(r'(?:\\.|(?!""")[^\\])*+', re.DOTALL),
    "'''": re.compile(r"(?:\\.|(?!''')[^\\])*+", re.DOTALL),
}
"""Quotation mark of a string to what stands before the next."""


@dataclass(frozen=True, slots=True)
class Unparsable:
    """A block that Python can't read.

    Attributes:
        message: Python's own; line: the line that it stops at.
        start, end: that line's place in the text, in characters.
    """

    message: str
    line: str
    start: int
    end: int


def python_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Where the closed blocks of a text that say they are Python begin, in characters, and what is in them."""
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence["ticks"].startswith(opened["ticks"]) and not fence["language"]:
            if opened["language"].lower().strip("{}.") in _PYTHON:
                start = opened.end() + 1
                yield start, text[start : fence.start()]
            opened = None


def find_unparsable(text: str) -> Iterator[Unparsable]:
    """The blocks of Python in a text that do not parse, in order.

    The same blocks with every version of Python that labgen runs on: what only younger ones read is passed, and
    formatted strings, which these read otherwise, count as plain ones. Where in a block it stops, and what it says, may
    differ in rare cases.
    """
    if ("```" not in text and "~~~" not in text) or _SAID.search(text):
        return
    for start, code in python_blocks(text):
        if len(code) > MOST_CHARS or _SESSION.search(code) or _PLACE.search(code) or _PIECE.match(code):
            continue
        error = _error(code)
        if error is None:
            continue
        lines = code.splitlines(keepends=True)
        number = min(max(1, error.lineno or 1), max(1, len(lines)))
        line = lines[number - 1] if lines else ""
        at = start + sum(map(len, lines[: number - 1]))
        yield Unparsable(error.msg or "invalid syntax", line.strip(), at, at + len(line.rstrip()))


def _error(code: str) -> SyntaxError | None:
    """What Python says against the code, or None where it says nothing, or nothing of the code itself."""
    plain = _with_plain_strings(code.replace("\0", ""))
    if plain is None:
        return None
    try:
        # Warnings (of escapes such as "\d") are no errors, also where somebody has made errors of them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(textwrap.dedent(plain))
    except SyntaxError as error:
        return None if _YOUNGER.search(code) or _NOT_ITS_FAULT.search(str(error.msg)) else error
    except (RecursionError, MemoryError, ValueError, OverflowError):
        return None
    return None


def _with_plain_strings(code: str) -> str | None:
    """Code whose formatted strings are plain ones, in the same lines; None where one has its own quotes within."""
    for string in _FORMATTED.finditer(code):
        body = _BODIES[string["quote"]].match(code, string.end("quote"))
        if body and body.group().count("{") != body.group().count("}"):
            return None
    return _FORMATTED.sub(r"\g<before>\g<after>", code)
