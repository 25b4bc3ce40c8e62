"""Python in code blocks: what does not parse is found where it stands, and what is no error is passed."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.python_code import MOST_CODE_CHARS, broken_python


def fenced(code: str, about: str = "python") -> str:
    """Code as an answer has it."""
    return f"Here it is:\n\n```{about}\n{code}\n```\n\nIt adds up."


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("def add(a, b)\n    return a + b", "def add(a, b)"),
        ("x = 1\nprint 'x'", "print 'x'"),
        ("total = (1 + 2\nprint(total)", "total = (1 + 2"),
        ("for each in range(3):\nprint(each)", "print(each)"),
        ("if x = 3:\n    pass", "if x = 3:"),
        ("  a = 1\n  b = 2\n    c = 3", "c = 3"),
        (">>> 1 +* 2\n3", ">>> 1 +* 2"),
        ("return 'it's'", "return 'it's'"),
    ],
)
def test_the_line_that_is_no_python_is_named_where_it_stands(code: str, line: str) -> None:
    """Also in a session with prompts."""
    text = fenced(code)
    (found,) = broken_python(text)
    assert found.text == text[found.start : found.end] == line
    assert found.message


@pytest.mark.parametrize(
    "code",
    [
        "def add(a, b):\n    return a + b",
        ">>> def f(x):\n...     return x\n...\n>>> f(2)\n2",
        "    indented = 1\n    more = 2",
        "else:\n    x = 1",
        "except ValueError:\n    pass",
        "for x in xs:",
        "if x:\n    # what is to be done",
        "@cached",
        "try:\n    x()",
        "f(a=1, ...)",
        "range(start, stop[, step])",
        "open(<file name>)",
        "%matplotlib inline\nx = 1",
        "pip install numpy",
        "if x = 3:  # wrong: an assignment",
        "type Pair = tuple[int, int]",
        "def first[T](xs: list[T]) -> T:\n    return xs[0]",
        'print(f"{d["a"]}")',
        "await main()",
        "return x",
        "pattern = '\\d'",
        "",
    ],
)
def test_parts_of_programs_sessions_and_what_is_left_open_are_no_errors(code: str) -> None:
    """Nor is what only some versions of Python can read."""
    assert broken_python(fenced(code)) == []


@pytest.mark.parametrize(
    "text",
    [
        fenced("print 'x'").replace("Here it is", "In Python 2.7"),
        fenced("def f(:") + "It raises a SyntaxError.",
        fenced("def f(:", about=""),
        fenced("fn f() -> {", about="rust"),
        fenced("def f(:").removesuffix("```\n\nIt adds up."),
        "def f(: is no Python.",
    ],
)
def test_other_languages_and_texts_about_errors_are_left_alone(text: str) -> None:
    """And a block that was cut off, which another rule tells."""
    assert broken_python(text) == []


@given(
    st.text(alphabet="()[]{}:,=*\"'`~>. \n\\adef1xif", max_size=400), st.sampled_from(["", "```python\n", "~~~py\n"])
)
def test_no_text_is_too_odd(text: str, opening: str) -> None:
    """What is found stands in the text, and is in no block that Python itself can read."""
    whole = f"{opening}{text}\n{opening[:3]}"
    for line in broken_python(whole):
        assert whole[line.start : line.end] == line.text
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return
    if "`" not in text and "~" not in text and not any(each.lstrip().startswith(">>>") for each in text.split("\n")):
        assert broken_python(whole) == []


def test_code_that_is_too_long_or_too_deep_is_not_looked_at() -> None:
    """The parser's time for an error may grow with both."""
    assert broken_python(fenced("(" * 100)) == []
    assert broken_python(fenced("x = 1\n" * (MOST_CODE_CHARS // 6) + "x = = 1")) == []
