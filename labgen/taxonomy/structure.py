"""LG2xx: whether a parsed leaf has the structure that its version asks for, in plain words."""

from __future__ import annotations

from labgen.taxonomy.schema import VERSIONS, Problem, apply_schema, load_schema
from labgen.taxonomy.source import LeafSource, near
from labgen.text.printable import shorten
from labgen.text.yamltree import Node

_READ_AS = {
    "integer": "a number",
    "number": "a number",
    "boolean": "yes or no (a truth value)",
    "date": "a date",
    "null": "nothing",
    "list": "a list",
    "mapping": "`key: value` lines",
    "text": "text",
}
_WANTED = {"string": "text", "array": "a list", "object": "`key: value` lines", "integer": "a whole number"}


def check_structure(source: LeafSource) -> int:
    """Judge a parsed leaf by the schema of its version; violations go to the source.

    Returns: the version, 0 where it is unknown.
    """
    root = source.root
    if root is None:
        return 0
    version = read_version(source, root)
    if version not in VERSIONS:
        return 0
    if source.kind == "knowledge" and version < 3:
        source.add("LG202", root.get("version") or root, _explain_upgrade(root, version))
        return version
    if place := _other_branch(source, root):
        source.add("LG203", root, place)
        return version
    for problem in apply_schema(root, load_schema(source.kind, version)):
        _report(source, problem)
    return version


def read_version(source: LeafSource, root: Node) -> int:
    """The version that a leaf declares, 1 where it declares none, 0 (and a violation) where it is no version."""
    node = root.get("version")
    if node is None:
        return 1
    value = node.integer()
    if value in VERSIONS:
        return int(value)
    if node.kind == "text" and node.text.strip() in ("1", "2", "3"):
        source.add("LG210", node, f"write the version without quotes: `version: {node.text.strip()}`.")
        return int(node.text)
    if node.kind == "null":
        message = "`version:` has no value; write `version: 3`, or delete the line if this is a version 1 leaf."
    else:
        shown = shorten(node.text) if node.kind not in ("list", "mapping") else _READ_AS[node.kind]
        message = f"there is no version {shown}; known are 1, 2 and 3. New leaves are written as `version: 3`."
    source.add("LG201", node, message)
    return 0


def _explain_upgrade(root: Node, version: int) -> str:
    seeds = root.get("seed_examples")
    items = seeds.items if seeds else []
    needs = []
    if not items or any(item.get("questions_and_answers") is None for item in items):
        needs.append("`seed_examples` as passages (`context`), each with three `questions_and_answers`")
    if root.get("document") is None:
        needs.append("a `document` with `repo`, `commit` and `patterns`")
    needs += [f"`{name}`" for name in ("domain", "document_outline") if root.get(name) is None]
    says = f"version {version}" if root.get("version") else "version 1, as no `version` is given"
    if not needs:
        return f"this is a knowledge leaf of {says}, which nothing can be drawn from; write `version: 3`."
    return f"this is a knowledge leaf of {says}, which nothing can be drawn from; version 3 needs {_join(needs)}."


def _report(source: LeafSource, problem: Problem) -> None:
    """Put one departure from the schema into plain words."""
    word, place, node = problem.word, problem.place, problem.node
    if place and place[0] == "version":
        return
    if place == ("created_by",) or (word == "required" and problem.want == "created_by" and not place):
        _report_author(source, problem)
    elif word == "required":
        _report_missing(source, problem)
    elif word == "unknown":
        _report_unknown(source, problem)
    elif word == "uniqueItems":
        index, first = problem.want
        twin = f"{describe((*place[:-1], index))} in line {source.where(first.start)[0]}"
        source.add("LG213", node, f"{describe(place)} is the same as {twin}; write a new one, or delete it.")
    elif word == "type":
        _report_type(source, problem)
    elif word == "minLength":
        source.add("LG206", node, f"{describe(place)} is empty; write it, or delete the entry.")
    elif word == "blank":
        source.add("LG211", node, f"{describe(place)} is nothing but white space; write it, or delete the entry.")
    elif word == "minItems":
        _report_few(source, problem)
    elif word == "enum":
        wanted = " or ".join(f"`{value}`" for value in problem.want)
        message = f"{describe(place)} can't be `{shorten(node.text)}`; write {wanted}, or delete the line."
        source.add("LG214", node, message)


def _report_author(source: LeafSource, problem: Problem) -> None:
    advice = "write `created_by:` and your name, in quotes if it is not plain text."
    source.add("LG209", problem.node, f"nobody is named as the author; {advice}")


def _report_missing(source: LeafSource, problem: Problem) -> None:
    name, node, place = problem.want, problem.node, problem.place
    misspelt = near(name, [key.text for key, _ in node.entries], cutoff=0.75)
    if misspelt and misspelt != name:
        key = node.key(misspelt)
        source.add("LG203", key or node, f"`{misspelt}` should be `{name}`.")
        return
    if not place:
        source.add("LG203", node, f"the leaf has no `{name}`; add `{name}:` at the start of a line.")
        return
    source.add("LG203", node, f"{describe(place)} has no `{name}`; add it.")


def _report_unknown(source: LeafSource, problem: Problem) -> None:
    key, known = problem.node, problem.want
    if any(told.code == "LG203" and (told.line, told.column) == source.where(key.start) for told in source.violations):
        return  # as a misspelt key that is required
    name = shorten(key.text)
    meant = near(key.text, known)
    if meant and key.text != "reasoning":
        advice = f"did you mean `{meant}`?"
    elif key.text == "reasoning" and source.kind == "knowledge":
        advice = (
            "it has no effect on knowledge, whose answers come with their evidence. It is for skills; delete it here."
        )
    elif key.text.lower() in ("attribution", "license", "licence", "source"):
        advice = "sources and licences go into `attribution.txt` beside the leaf."
    else:
        advice = f"known here are {_join([f'`{entry}`' for entry in known])}. It is ignored."
    source.add("LG212", key, f"unknown key `{name}`; {advice}")


def _other_branch(source: LeafSource, root: Node) -> str:
    """What to say of a leaf that has the keys of another branch's: that alone, for all else follows from it."""
    skill, knowledge = root.get("task_description") is not None, root.get("document") is not None
    if source.kind == "skills" and knowledge and not skill:
        return "this looks like a knowledge leaf: move it beneath `knowledge/`, or write `task_description`."
    if source.kind == "knowledge" and skill and not knowledge:
        return "this looks like a skill: move it beneath `compositional_skills/`, or write `document`."
    return ""


def _report_type(source: LeafSource, problem: Problem) -> None:
    node, wanted = problem.node, problem.want
    what, read_as = describe(problem.place), _READ_AS[node.kind]
    if wanted == "string" and node.kind in ("integer", "number", "boolean", "date"):
        quote = "'" if '"' in node.text else '"'
        source.add("LG205", node, f"{what} is read as {read_as}; quote it: {quote}{shorten(node.text)}{quote}.")
    elif node.kind == "null":
        source.add("LG206", node, f"{what} has no value{_why_no_value(source, node, wanted)}.")
    else:
        source.add("LG204", node, f"{what} is {read_as}, but {_WANTED[wanted]} is wanted here.{_hint(node, wanted)}")


def _why_no_value(source: LeafSource, node: Node, wanted: str) -> str:
    rest = source.text[node.start :].split("\n", 1)[0].strip()
    if rest.startswith("#"):
        quote = "'" if '"' in rest else '"'
        return f": YAML takes `{shorten(rest)}` for a comment; quote it: {quote}{shorten(rest)}{quote}"
    if wanted == "string":
        return "; if the text follows below, indent it and write `|` after the colon"
    return "; add it"


def _hint(node: Node, wanted: str) -> str:
    if wanted == "array" and node.kind == "mapping":
        return " Begin each entry with a dash."
    if wanted == "array" and node.kind == "text":
        return " Put it on a line of its own, after a dash."
    if wanted == "string" and node.kind == "mapping":
        return " A colon in the text? Then quote all of it, or write `|` and the text below."
    if wanted == "string" and node.kind == "list":
        return " Write the lines as one text, after `|`."
    return ""


def _report_few(source: LeafSource, problem: Problem) -> None:
    node, place, wanted = problem.node, problem.place, problem.want
    have = len(node.items) + sum(node.start <= key.start < node.end for key in source.undashed)
    if place == ("document", "patterns"):
        source.add("LG208", node, 'the document has no pattern; add one, such as `patterns: ["*.md"]`.')
    elif have == 0:
        source.add("LG208", node, f"{describe(place)} is empty; write {_count(wanted)}.")
    else:
        more = wanted - have
        if more <= 0:
            return
        source.add(
            "LG207", node, f"{describe(place)} has {have}, this version asks for {wanted}; add {_count(more)} more."
        )


def _count(number: int) -> str:
    return "one" if number == 1 else f"{number}"


def describe(place: tuple[str | int, ...]) -> str:
    """Where a value is, for a message: `the answer of seed example 3`. Entries are counted from 1."""
    name = next((part for part in reversed(place) if isinstance(part, str)), "the leaf")
    indices = [part for part in place if isinstance(part, int)]
    ends_in_index = bool(place) and isinstance(place[-1], int)
    owners = []
    if len(indices) == 2 and "questions_and_answers" in place:
        owners.append(f"question {indices[1] + 1}")
    if indices:
        owners.append(f"{'pattern' if 'patterns' in place else 'seed example'} {indices[0] + 1}")
    if ends_in_index:
        return " of ".join(owners)
    return " of ".join([f"`{name}`", *owners])


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
