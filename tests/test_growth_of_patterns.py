"""No pattern takes more than linear work on a stranger's text, however the text is made."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from growth import grows, texts_for

import labgen
from labgen.formats import draw_forms, jsonish, reading, reasoning
from labgen.text import secrets

PACKAGE = Path(labgen.__file__).parent
ANCHORED = frozenset({"match", "fullmatch"})
ASKED = frozenset({*ANCHORED, "search", "finditer", "findall", "sub", "subn", "split"})
"""What patterns are asked for."""

MADE_AS_NEEDED: dict[str, tuple[str, ...]] = {
    "filters/calibration_items.py alter_number": (r"(?<![\d.,])12(?!\d|[.,]\d)", r"(?<!\d)12(?!\d)"),
    "filters/figures.py _is_new_name": (r"\bbee\b",),
    "filters/figures.py _completes": (r"\b([A-Z]\w+|[A-Z]\.) Swift\b", r"\bSwift [A-Z]\w"),
    "filters/figures.py _has_month": (r"\d[-/.]0?3[-/.]\d|\b0?3[-/.]\d{1,2}[-/.]\d",),
    "formats/chat.py _marks": (r"<\|im_start\|>|</s>|\[INST\]",),
    "formats/draw_forms.py _invented": (draw_forms._invented("question|answer").pattern,),
    "formats/draw_forms.py _beginning": (draw_forms._beginning("title").pattern,),
    "formats/jsonish.py ": tuple(each.pattern for each in jsonish._SPECIAL.values()),
    "formats/prompts.py _echo_of": (
        r"\[\s*(?:the\s+question|an\s+answer)\s*\]|(?<=[\">])\s*(?:an\s+answer)\s*(?=[\"<])",
    ),
    "formats/reading.py _label_pattern": (reading._label_pattern(("on_task", "score")).pattern,),
    "formats/reading.py _tag_patterns": tuple(each.pattern for each in reading._tag_patterns("question")),
    "formats/reading.py _from_tags": (r"<\s*+(?:/\s*+)?(?:title|text)\b",),
    "formats/reasoning.py _marks": tuple(
        each.pattern for notation in reasoning._NOTATIONS for each in (notation.opening, notation.closing)
    ),
    "formats/template_files.py read_template": (r"\bbos_token\b",),
    "taxonomy/path_patterns.py _compile": (),
    "taxonomy/schema.py _condition_holds": (),
    "teacher/http.py _lack": (r"\bseed\b",),
    "text/secrets.py _patterns": tuple(each.pattern for _, _, patterns in secrets._patterns() for each in patterns),
}
"""Functions that put a pattern together, and examples of what comes of it; none for those that are made of what a user
or a schema says, which have tests of their own."""


@dataclass(frozen=True)
class Use:
    """A pattern as the package writes it. `asked`: what for; empty where that does not show."""

    place: str
    pattern: str | bytes = ""
    flags: int = 0
    asked: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.place


@cache
def uses() -> tuple[Use, ...]:
    """Every call of `re` in the package that takes a pattern."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    asked = _asked_of_names(trees)
    return tuple(use for path, tree in trees.items() for use in _uses(path, tree, asked))


def _asked_of_names(trees: dict[Path, ast.Module]) -> dict[tuple[str, str], set[str]]:
    """From the name of a pattern, and the file where it is private, to what it is asked for."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ASKED and isinstance(node.value, ast.Name):
                name = node.value.id
                found[str(path) if name.startswith("_") else "", name].add(node.attr)
    return found


def _uses(path: Path, tree: ast.Module, asked: dict[tuple[str, str], set[str]]) -> Iterator[Use]:
    named = {
        id(node.value): node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    functions = {
        inside: outer.name
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef)
        for inside in ast.walk(outer)
    }
    short = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, what = node.func.value, node.func.attr
        if not (isinstance(owner, ast.Name) and owner.id == "re" and what in ASKED | {"compile"}):
            continue
        name = named.get(id(node), "")
        if what == "compile":
            for_what = frozenset(asked.get((str(path) if name.startswith("_") else "", name), ()))
        else:
            for_what = frozenset({what})
        place = f"{short}:{node.lineno}"
        flags: Any = next((each.value for each in node.keywords if each.arg == "flags"), None)
        flags = flags or next((each for each in node.args[1:] if _is_flags(each)), None)
        values = vars(importlib.import_module(".".join(("labgen", *path.relative_to(PACKAGE).with_suffix("").parts))))
        number = int(eval(ast.unparse(flags), values)) if flags else 0
        try:
            yield Use(place, eval(ast.unparse(node.args[0]), values), number, for_what)
        except NameError:
            examples = MADE_AS_NEEDED.get(f"{short} {functions.get(node, '')}", ("",))
            yield from (Use(f"{place} {functions.get(node, '')}", each, number, for_what) for each in examples)


def _is_flags(node: ast.expr) -> bool:
    return all(
        isinstance(each, ast.BinOp | ast.Attribute | ast.Name | ast.operator | ast.expr_context)
        for each in ast.walk(node)
    ) and "re." in ast.unparse(node)


def test_patterns_that_are_put_together_are_known() -> None:
    """So that they are tried below like those that stand as they are."""
    unknown = [use.place for use in uses() if not use.pattern]
    assert not unknown, "add an example of each to MADE_AS_NEEDED"


def by_file() -> dict[str, list[Use]]:
    """Every pattern once for what it is asked for, by the file that has it first."""
    found: dict[str, list[Use]] = defaultdict(list)
    seen: set[object] = set()
    for use in uses():
        known = (use.pattern, use.flags, use.asked)
        if use.pattern and known not in seen:
            seen.add(known)
            found[use.place.split(":")[0]].append(use)
    return found


@pytest.mark.parametrize("file", sorted(by_file()))
def test_every_pattern_takes_linear_work(file: str) -> None:
    """Tried on texts that are made of what it speaks of, and of what it all but matches."""
    found = [f"{use.place}: {growth}" for use in by_file()[file] if (growth := _growth(use))]
    assert not found


def _growth(use: Use) -> str:
    # One that is asked about bytes does the same work on text.
    pattern = re.compile(use.pattern if isinstance(use.pattern, str) else use.pattern.decode(), use.flags)
    works: dict[str, Callable[[str], object]] = {name: getattr(pattern, name) for name in use.asked & ANCHORED}
    if use.asked - ANCHORED or not use.asked:
        works["finditer"] = lambda text: sum(1 for _ in pattern.finditer(text))
    for make in texts_for(pattern):
        for what, work in works.items():
            if growth := grows(work, make):
                return f"{what}, {growth}, as of {make(30)!r}"
    return ""


def test_a_pattern_that_takes_more_is_found() -> None:
    """White space before what never comes: each place is tried, to the end of the run each time."""
    assert _growth(Use("", r"\s*x", asked=frozenset({"search"})))
    assert _growth(Use("", r"a*a*b", asked=frozenset({"match"})))
    assert not _growth(Use("", r"(?<!\s)\s*+x", asked=frozenset({"search"})))
