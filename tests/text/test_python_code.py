"""Python that does not parse is found; what need not parse by itself is passed; nothing is run."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.python_code import find_unparsable


def block(code: str, language: str = "python") -> str:
    """An answer with one block."""
    return f"Here it is:\n\n```{language}\n{code}\n```\n"


@pytest.mark.parametrize("language", ["python", "py", "Python3"])
def test_what_does_not_parse_is_found_with_its_line(language: str) -> None:
    """And with what Python says."""
    text = block("x = 1\nprint(x", language)
    (found,) = find_unparsable(text)
    assert found.line == text[found.start : found.end] == "print(x"
    assert "never closed" in found.message


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    ...",
        "    x = 1\n    y = 2",
        ">>> print(1\n1",
        "else:\n    y = 1",
        "%matplotlib inline\nimport this",
        "print(<your name>)",
        "fit(x, y, epochs=10, ...)",
        "'\\d'",
        "raise SystemExit",
        "await x",
        "(" * 5000,
        "9" * 6000,
        "-" * 15000 + "1",
        "x = 1" + "+1" * 9000,
        "",
    ],
)
def test_what_need_not_parse_is_passed(code: str) -> None:
    """Also what is too deep, and where warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(find_unparsable(block(code))) == []


@pytest.mark.parametrize(
    "code",
    [
        'f"{table["name"]}"',  # from 3.12 on
        "f'{table['name']} {'",
        "type Names = list[str]",
        "def first[T](all: list[T]) -> T: ...",
        'print(t"{name}")',  # from 3.14 on
        "try:\n    x\nexcept ValueError, TypeError:\n    y",
        "x = '\\t\\f' + f'{1}'",
        'print(f"""\n{x}\n""" rf"\\d{y}")',
    ],
)
def test_what_a_younger_python_reads_is_passed_by_all(code: str) -> None:
    """So a row does not depend on the Python that built it; broken or not, such a block is not looked at further."""
    assert list(find_unparsable(block(code))) == []


@pytest.mark.parametrize("code", ['x = f"{a}" b', "def f(x):\n    reutrn f'{x}'", 'print(f"""\n{x}\n"""'])
def test_code_with_formatted_strings_is_looked_at(code: str) -> None:
    """As if they were plain ones."""
    assert len(list(find_unparsable(block(code)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        block("print 'x'", "sh"),
        "In Python 2:\n" + block("print 'x'"),
        "This gives a SyntaxError:\n" + block("print(x"),
        "```python\nprint(x",
        "print(x",
    ],
)
def test_other_text_is_passed(text: str) -> None:
    """Other languages, Python 2 that says so, what is wrong on purpose, a block without an end."""
    assert list(find_unparsable(text)) == []


@given(st.text(max_size=300))
def test_no_code_is_too_strange(code: str) -> None:
    """Whatever stands there."""
    text = block(code)
    assert all(text[found.start : found.end].strip() == found.line for found in find_unparsable(text))
