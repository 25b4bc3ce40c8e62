"""LG323: texts that `labgen new` put into a leaf for its author to replace, and that still stand there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Violation
from labgen.taxonomy.attribution import ATTRIBUTION_FILE
from labgen.taxonomy.content import QuestionNodes
from labgen.taxonomy.draft import is_drafted
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.scaffold import GAP, MODELS
from labgen.taxonomy.source import LeafSource
from labgen.taxonomy.style import find_comments
from labgen.text.words import normalised
from labgen.text.yamltree import Node, walk

_TITLE = re.compile(r"^Title of work:[ \t]*+(?P<title>.*+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Models:
    """What the models say: texts of examples, tasks and outlines, titles, and documents by name."""

    texts: frozenset[str]
    tasks: frozenset[str]
    titles: frozenset[str]
    documents: dict[str, bytes]


def check_unedited(source: LeafSource, examples: Sequence[QuestionNodes]) -> None:
    """Note each stand-in once, with the numbers of the seed examples that have it, at the first of them.

    Args:
        source: a parsed leaf, its attribution read.
        examples: its complete examples.
    """
    before = len(source.violations)
    gaps = [(number, node) for number, node in _seed_texts(source) if node.text.lstrip().startswith(GAP)]
    _add(source, gaps, f"gaps that are marked `{GAP}`", "write what is missing")
    models = _models()
    model = [(one.number, one.question) for one in examples if normalised(one.question.text) in models.texts]
    _add(source, model, "the model's questions, of another subject", "write your own")
    drafted = [(one.number, one.question) for one in examples if source.kind == "knowledge" and _drafted(one)]
    _add(source, drafted, "questions that were drafted by rule", "write what a person would ask")
    marker = next((start for start in _markers(source)), None)
    if len(source.violations) == before and marker is not None:
        source.add("LG323", marker, "the mark `TO DO` of `labgen new` stands here; delete it once its work is done.")
    _check_task(source, models)
    _check_document(source, models)
    _check_title(source, models)


@cache
def _models() -> _Models:
    texts, tasks, titles, documents = set(), set(), set(), {}
    for file in sorted(MODELS.glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        pairs = [pair for example in data["examples"] for pair in example.get("questions_and_answers", [example])]
        texts |= {normalised(pair["question"]) for pair in pairs}
        tasks.add(normalised(data.get("outline", data["task"])))
        titles.add(data["attribution"]["title"])
        if name := data.get("document"):
            documents[name] = (MODELS / name).read_bytes()
    return _Models(frozenset(texts), frozenset(tasks), frozenset(titles), documents)


def _seed_texts(source: LeafSource) -> Iterator[tuple[int, Node]]:
    """Number of the seed example and text, of each text in the examples."""
    seeds = source.root.get("seed_examples") if source.root else None
    for number, item in enumerate(seeds.items if seeds else [], 1):
        yield from ((number, node) for node in walk(item) if node.kind == "text")


def _drafted(example: QuestionNodes) -> bool:
    return is_drafted(example.question.text)


def _add(source: LeafSource, found: Sequence[tuple[int, Node]], what: str, advice: str) -> None:
    if not found:
        return
    numbers = list(dict.fromkeys(number for number, _ in found))
    names = f"seed example{'s' * (len(numbers) > 1)} {_listed(numbers)} {'has' if len(numbers) == 1 else 'have'}"
    source.add("LG323", found[0][1], f"{names} {what}; {advice}.")


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


def _markers(source: LeafSource) -> Iterable[int]:
    if f"# {GAP}" not in source.text:
        return []
    return [start for start in find_comments(source.text, source.root) if source.text.startswith(f"# {GAP}", start)]


def _check_task(source: LeafSource, models: _Models) -> None:
    root = source.root
    for name in ("task_description", "document_outline") if root else ():
        node = root.get(name) if root else None
        if node is not None and node.kind == "text":
            if normalised(node.text) in models.tasks:
                source.add("LG323", node, f"`{name}` is still the model's, of another subject; write your own.")
            elif node.text.lstrip().startswith(GAP):
                source.add("LG323", node, f"`{name}` is a gap that is marked `{GAP}`; write it.")


def _check_document(source: LeafSource, models: _Models) -> None:
    document = source.root.get("document") if source.root else None
    patterns = document.get("patterns") if document else None
    for node in patterns.items if patterns else []:
        if node.text.startswith(GAP):
            source.add("LG323", node, f"the document is a gap that is marked `{GAP}`; name the leaf's documents.")
        wanted = models.documents.get(node.text)
        file = source.file.parent / node.text if wanted else None
        if file is not None and file.is_file() and not file.is_symlink() and file.read_bytes() == wanted:
            source.add("LG323", node, f"`{node.text}` is the model's document, of another subject; name your own.")


def _check_title(source: LeafSource, models: _Models) -> None:
    found = _TITLE.search(source.attribution)
    if found and found["title"].rstrip(" \t") in models.titles and "Link to work: qna.yaml" in source.attribution:
        name = f"{source.name.rpartition('/')[0]}/{ATTRIBUTION_FILE}"
        line = source.attribution.count("\n", 0, found.start("title")) + 1
        column = found.start("title") - found.start() + 1
        message = "the title is still the model's, of another subject; write what this leaf is made from."
        source.violations.append(Violation("LG323", RULES["LG323"].severity, name, line, column, message, 0))
