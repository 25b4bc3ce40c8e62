"""Python in a text's fenced code blocks, and where it does not parse.

Made to be right when it speaks: parts of a program, sessions with prompts, places left open with `...`, signatures as
manuals write them and syntax that only some versions of Python know are no errors. Nothing is run; code is parsed by
the standard library, of bounded length and depth, since its time to word an error can grow with the nesting.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

MOST_CODE_CHARS = 10_000
"""All Python of a text that is looked at, from its beginning; a block that goes beyond is not."""
MOST_DEPTH = 12
"""Nor are those with more brackets open at once."""

_FENCE = re.compile(r"[ \t]{0,12}(?P<marks>`{3,}|~{3,})[ \t]{0,3}(?P<about>[^`\n]{0,100})")
_PYTHON = frozenset({"python", "py", "python3", "pycon"})
_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.)(?:[ ]|$)")
# What is not the whole of a program, or is written for readers and not for a parser.
_LEFT_OPEN = re.compile(
    r"\.\.\.|…|<[A-Za-z_][\w -]{0,40}>|\[[ ]?,|\{%|^[ \t]*(?:[%!$?]|In ?\[\d*\]|pip3? |python3? )", re.MULTILINE
)
_SHOWN_AS_WRONG = re.compile(
    r"(?i)#.{0,80}\b(?:wrong|incorrect|invalid|error|bad|broken|bug|fails?|not valid|missing)\b"
)
_NEWER = re.compile(
    r"^[ \t]*(?:type[ \t]+\w+|(?:async[ \t]+)?def[ \t]+\w+[ \t]*\[|class[ \t]+\w+[ \t]*\[|except\b[^()\n:]{1,200},"
    r"|match\b|case\b)"
    r"|\b[tT][rR]?[\"']",
    re.MULTILINE,
)
_ABOUT_ERRORS = re.compile(r"\b(?:SyntaxError|IndentationError|TabError)\b")
_PYTHON_2 = re.compile(r"\bpython[ -]?2(?:\.\d|\.x|k)?\b", re.IGNORECASE)
_GOES_ON = {"elif": "if 0:\n pass\n", "else": "if 0:\n pass\n", "except": "try:\n pass\n", "finally": "try:\n pass\n"}


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """The line at which a block of Python stops being Python, and where it stands in the text (`start` to `end`)."""

    text: str
    start: int
    end: int
    message: str


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines between two fences; `start` is where the first one begins in the text, in characters."""

    lines: tuple[str, ...]
    start: int


def broken_python(text: str) -> list[BrokenLine]:
    """The first wrong line of each Python block that does not parse; none where the text speaks of syntax errors."""
    if _ABOUT_ERRORS.search(text) or _PYTHON_2.search(text):
        return []
    found = (_broken_line(block) for block in _python_blocks(text))
    return [line for line in found if line is not None]


def excuses_broken_python(text: str) -> bool:
    """Whether a task is about wrong or old Python, so that its answer may show some."""
    return bool(_ABOUT_ERRORS.search(text) or _PYTHON_2.search(text))


def _python_blocks(text: str) -> Iterator[_Block]:
    """Closed blocks marked as Python; one without an end was cut off, which is another filter's matter."""
    marks, start, at, size, lines = "", 0, 0, 0, list[str]()
    wanted = False
    for line in text.split("\n"):
        at += len(line) + 1
        if marks:
            ended = line.strip()
            if ended.startswith(marks) and not ended.strip(marks[0]):
                size += at - start if wanted else 0
                if wanted and size <= MOST_CODE_CHARS:
                    yield _Block(tuple(lines), start)
                marks = ""
            else:
                lines.append(line)
        elif fence := _FENCE.fullmatch(line.rstrip()):
            words = re.split(r"[\s{.,:]+", fence["about"].strip().casefold().lstrip("{."))
            marks, start, lines, wanted = fence["marks"], at, [], words[0] in _PYTHON


def _broken_line(block: _Block) -> BrokenLine | None:
    code = "\n".join(block.lines)
    if _depth(code) > MOST_DEPTH:
        return None
    lines = (
        _without_prompts(block.lines) if any(line.lstrip().startswith(">>>") for line in block.lines) else block.lines
    )
    plain = textwrap.dedent("\n".join(lines)).expandtabs() if "\t" in code else textwrap.dedent("\n".join(lines))
    error = _error(plain)
    if error is None or _for_readers(code, error) or any(_error(whole) is None for whole in _completed(plain)):
        return None
    place = min(max(error.lineno or 1, 1), len(block.lines)) - 1
    start = block.start + sum(len(line) + 1 for line in block.lines[:place])
    said = block.lines[place].strip()
    start += len(block.lines[place]) - len(block.lines[place].lstrip())
    return BrokenLine(said, start, start + len(said), error.msg or "invalid syntax")


def _for_readers(code: str, error: SyntaxError) -> bool:
    """Whether what does not parse is left open, shown as wrong, or may be another version's syntax."""
    if "f-string" in (error.msg or ""):
        return True  # what may stand in one depends on the version
    return any(pattern.search(code) for pattern in (_LEFT_OPEN, _SHOWN_AS_WRONG, _NEWER))


def _error(code: str) -> SyntaxError | None:
    """Why code does not parse; None where it does, or where the parser gives up for another reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and the like, which are no errors
            ast.parse(code)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _completed(code: str) -> Iterator[str]:
    """Code that is part of a program, with what would have to stand around it."""
    first = re.match(r"\s*(?:#[^\n]*\s+)*(\w+)", code)
    before = _GOES_ON.get(first[1], "") if first else ""
    indent = next((line for line in reversed(code.split("\n")) if line.strip()), "")
    indent = indent[: len(indent) - len(indent.lstrip())]
    for after in ("", f"\n{indent}    pass", f"\n{indent}def f(): pass", "\nexcept E: pass"):
        if before or after:
            yield f"{before}{code.rstrip()}{after}\n"
    # The body of a function, of which only the first line lost its indentation.
    lines = code.strip("\n").split("\n")
    yield textwrap.dedent("\n".join(lines[1:])) if len(lines) > 1 and _error(lines[0]) is None else "("


def _without_prompts(lines: tuple[str, ...]) -> tuple[str, ...]:
    """What was typed in a session, each line at its place; what Python printed is left blank."""
    typed = []
    for line in lines:
        found = _PROMPT.match(line)
        typed.append(line[found.end() :] if found else "")
    return tuple(typed)


def _depth(code: str) -> int:
    """The most brackets that are open at once; those in strings count, too."""
    depth = most = 0
    for char in code:
        if char in "([{":
            depth += 1
            most = max(most, depth)
        elif char in ")]}":
            depth = max(0, depth - 1)
    return most
