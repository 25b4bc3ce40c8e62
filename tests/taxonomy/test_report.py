"""What `labgen check` prints: for people, for GitHub, for programs."""

from __future__ import annotations

import json

from labgen.records import Severity, Violation
from labgen.taxonomy.check import CheckResult
from labgen.taxonomy.report import harmless, render

FILE = "knowledge/a,b/qna.yaml"
TEXT = "version: 3\nanswer: \x1b[31mYes\u202e\nlong: " + "x" * 300 + "HERE" + "y" * 300 + "\n漢字: Yes\n"
ERROR = Violation("LG205", Severity.ERROR, FILE, 2, 9, "read as \x1b[2Jyes: 100%\nquote it", 17)
RESULT = CheckResult(
    ("knowledge/a,b",),
    (
        ERROR,
        Violation("LG402", Severity.STYLE, FILE, 3, 307, "spaces", 311),
        Violation("LG306", Severity.WARNING, FILE, 4, 5, "wide", 8),
    ),
    {FILE: TEXT},
)


def test_text_has_one_line_for_each_violation_and_a_summary() -> None:
    """Without a terminal: nothing but lines that other tools can read."""
    first, *_, last = render(RESULT, "text")
    assert first.startswith(f"{FILE}:2:9: error LG205 ")
    assert last == "1 leaf: 1 error, 1 warning, 1 of style (2 fixable with --fix)."


def test_a_terminal_sees_the_line_with_a_caret_under_the_place() -> None:
    """Long lines are cut around it, wide characters counted as two columns."""
    lines = list(render(RESULT, "text", lines=True, colour=True))
    assert lines[2].index("^") == lines[1].index("�[31mYes")
    assert lines[2].count("^") == 8
    caret = lines[5].index("^")
    assert lines[4][caret : caret + 4] == "HERE"
    assert len(lines[4]) < 130
    assert lines[8].index("^") - lines[7].index("漢") == 2 * 2 + 2


def test_nothing_from_a_leaf_reaches_a_terminal_raw() -> None:
    """No control character, no reversal of direction, in any format."""
    for form in ("text", "github", "json", "sarif"):
        for line in render(RESULT, form, lines=True):
            assert "\x1b" not in line
            assert "\u202e" not in line
    assert harmless("a\tb\x00\u2028é漢") == "a b��é漢"


def test_github_annotations_are_escaped() -> None:
    """File, place, title and message, each in the form that the workflow command wants."""
    first = next(iter(render(RESULT, "github")))
    assert first.startswith("::error file=knowledge/a%2Cb/qna.yaml,line=2,col=9,endLine=2,endColumn=17,")
    assert first.endswith("title=LG205 unquoted-value::read as �[2Jyes: 100%25�quote it")


def test_json_and_sarif_carry_every_violation() -> None:
    """With codes, places and severities that programs can use."""
    (text,) = render(RESULT, "json")
    found = json.loads(text)
    assert (found["leaves"], found["errors"], found["warnings"], found["style"]) == (1, 1, 1, 1)
    assert found["violations"][0]["code"] == "LG205"
    (text,) = render(RESULT, "sarif")
    (run,) = json.loads(text)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["LG205", "LG306", "LG402"]
    assert [(result["level"], rules[result["ruleIndex"]]) for result in run["results"]] == [
        ("error", "LG205"),
        ("note", "LG402"),
        ("warning", "LG306"),
    ]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "knowledge/a%2Cb/qna.yaml"
    assert place["region"] == {"startLine": 2, "startColumn": 9, "endColumn": 17}
