"""What `labgen check` found, for people, for GitHub, for programs (JSON) and for code scanners (SARIF)."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from labgen import __version__
from labgen.records import Severity, Violation
from labgen.taxonomy.check import CheckResult
from labgen.taxonomy.rules import RULES

MOST_PERSONAS = 5
"""More leaves than that are not told one by one which persona answers them; JSON has all."""

FORMATS = ("text", "github", "json", "sarif")

_LINE_CHARS = 100  # of an offending line that are shown; longer ones are cut around the place
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.STYLE: "36"}
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.STYLE: "notice"}
_SARIF = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.STYLE: "note"}


def harmless(text: str) -> str:
    """Text that a terminal or a log may print: nothing in it moves, colours, hides or reverses anything."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _shows(char) else "\N{REPLACEMENT CHARACTER}" for char in text.replace("\t", " "))


def _shows(char: str) -> bool:
    # Zero-width joiners hold emoji and Indic letters together; other format characters can hide or reverse text.
    return char.isprintable() or char in "\u200d\u200c\u00a0\u3000\u2009\u202f"


def render_text(result: CheckResult, *, lines: bool = False, colour: bool = False) -> Iterator[str]:
    """One line for each violation (`file:line:column: severity CODE message`), then a summary.

    Args:
        lines: show the offending line too, with a caret below the place.
        colour: for terminals that have it.
    """
    for found in result.violations:
        place = f"{harmless(found.file)}:{found.line}:{found.column}"
        word = f"{found.severity.value} {found.code}"
        if colour:
            place, word = f"\x1b[1m{place}\x1b[0m", f"\x1b[{_COLOURS[found.severity]}m{word}\x1b[0m"
        yield f"{place}: {word} {harmless(found.message)}"
        if lines:
            yield from _excerpt(found, result.texts.get(found.file, ""))
    if len(result.personas) <= MOST_PERSONAS:
        for leaf, (voice, why) in result.personas.items():
            yield f"{harmless(leaf)}: answered by the {voice} persona ({harmless(why)})."
    yield check_summary(result)


def check_summary(result: CheckResult) -> str:
    """How many leaves and violations there are, in one line."""
    counts = [
        _plural(result.count(Severity.ERROR), "error"),
        _plural(result.count(Severity.WARNING), "warning"),
        f"{result.count(Severity.STYLE)} of style",
    ]
    fixable = sum(RULES[found.code].fixable for found in result.violations)
    hint = f" ({fixable} fixable with --fix)" if fixable else ""
    return f"{_plural(len(result.leaves), 'leaf', 'leaves')}: {', '.join(counts)}{hint}."


def rule_statistics(result: CheckResult) -> Iterator[str]:
    """One line for each rule that something was found by: how often, most often first."""
    counts = Counter(found.code for found in result.violations)
    severities = {found.code: found.severity.value for found in result.violations}
    for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        mended = " (--fix)" if RULES[code].fixable else ""
        yield f"{count:>6}  {code} {severities[code]:<7}  {RULES[code].name}{mended}"


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _excerpt(found: Violation, text: str) -> Iterator[str]:
    lines = text.splitlines()
    if not 1 <= found.line <= len(lines):
        return
    line = lines[found.line - 1]
    start = min(found.column - 1, len(line))
    end = max(start + 1, min(found.end_column - 1, len(line)) if found.end_column else start + 1)
    first = max(0, start - _LINE_CHARS // 2) if len(line) > _LINE_CHARS and start > _LINE_CHARS * 3 // 4 else 0
    shown = line[first : first + _LINE_CHARS]
    before, inside = harmless(shown[: start - first]), harmless(shown[start - first : end - first])
    lead = "…" if first else ""
    rest = "…" if first + _LINE_CHARS < len(line) else ""
    gutter = f"{found.line:>6} | "
    yield f"{gutter}{lead}{harmless(shown)}{rest}"
    yield f"{'|':>8} {' ' * (len(lead) + _width(before))}{'^' * max(1, _width(inside))}"


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 or char in "\u200d\u200c" for char in text)


def render_github(result: CheckResult) -> Iterator[str]:
    """Workflow commands that annotate the lines of a pull request, and a summary for the log."""
    for found in result.violations:
        properties = {
            "file": harmless(found.file),
            "line": str(found.line),
            "col": str(found.column),
            **({"endLine": str(found.line), "endColumn": str(found.end_column)} if found.end_column else {}),
            "title": f"{found.code} {RULES[found.code].name}",
        }
        said = ",".join(f"{name}={_escape(value, inside=True)}" for name, value in properties.items())
        yield f"::{_GITHUB[found.severity]} {said}::{_escape(harmless(found.message))}"
    yield check_summary(result)


def _escape(text: str, *, inside: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if inside else text


def render_json(result: CheckResult) -> str:
    """One object: counts, and the violations with all that is known of them. ASCII only."""
    content = {
        "leaves": len(result.leaves),
        "errors": result.count(Severity.ERROR),
        "warnings": result.count(Severity.WARNING),
        "style": result.count(Severity.STYLE),
        "personas": {leaf: {"persona": voice, "why": why} for leaf, (voice, why) in result.personas.items()},
        "violations": [
            {
                "code": found.code,
                "name": RULES[found.code].name,
                "severity": found.severity.value,
                "file": found.file,
                "line": found.line,
                "column": found.column,
                "end_column": found.end_column or None,
                "message": found.message,
                "fixable": RULES[found.code].fixable,
            }
            for found in result.violations
        ],
    }
    return json.dumps(content, indent=2)


def render_sarif(result: CheckResult) -> str:
    """A SARIF 2.1.0 log, as code scanning services read it."""
    codes = sorted({found.code for found in result.violations})
    number = {code: index for index, code in enumerate(codes)}
    driver = {"name": "labgen", "version": __version__, "rules": [_sarif_rule(code) for code in codes]}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(found, number[found.code]) for found in result.violations],
            }
        ],
    }
    return json.dumps(log, indent=2)


def _sarif_rule(code: str) -> dict[str, Any]:
    rule = RULES[code]
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why}\n\nBad:\n{rule.bad}\n\nGood:\n{rule.good}\n"},
        "defaultConfiguration": {"level": _SARIF[rule.severity]},
    }


def _sarif_result(found: Violation, index: int) -> dict[str, Any]:
    region: dict[str, int] = {"startLine": found.line, "startColumn": found.column}
    if found.end_column:
        region["endColumn"] = found.end_column
    place = {"artifactLocation": {"uri": quote(found.file)}, "region": region}
    return {
        "ruleId": found.code,
        "ruleIndex": index,
        "level": _SARIF[found.severity],
        "message": {"text": found.message},
        "locations": [{"physicalLocation": place}],
    }


def render(result: CheckResult, form: str, *, lines: bool = False, colour: bool = False) -> Iterator[str]:
    """The report in one of `FORMATS`, line by line or whole. `lines` and `colour` are for text."""
    if form == "text":
        yield from render_text(result, lines=lines, colour=colour)
    elif form == "github":
        yield from render_github(result)
    else:
        yield render_json(result) if form == "json" else render_sarif(result)


def explain_rule(code: str) -> str:
    """A rule in full, for `--explain`: why it exists, a bad and a good example."""
    rule = RULES[code]
    mended = " `labgen check --fix` mends it." if rule.fixable else ""
    return (
        f"{rule.code} {rule.name} ({rule.severity.value})\n\n{rule.summary}{mended}\n\n{rule.why}\n\n"
        f"Bad:\n\n{_indented(rule.bad)}\n\nGood:\n\n{_indented(rule.good)}"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def rule_table(codes: Sequence[str] = tuple(RULES)) -> str:
    """The rules as a Markdown table, for the README."""
    rows = ["| rule | | severity | what | `--fix` |", "|---|---|---|---|---|"]
    for code in codes:
        rule = RULES[code]
        fix = "yes" if rule.fixable else ""
        rows.append(f"| {rule.code} | {rule.name} | {rule.severity.value} | {_cell(rule.summary)} | {fix} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
