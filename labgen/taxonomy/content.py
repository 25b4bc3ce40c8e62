"""LG3xx in one leaf: what its examples, its document and its attribution could do better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Document, DocumentSource, Leaf, Violation
from labgen.taxonomy.attribution import ATTRIBUTION_FILE, judge_licences, read_attribution
from labgen.taxonomy.copied import Copied
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.scaffold import GAP
from labgen.taxonomy.source import LeafSource
from labgen.text.language import other_languages
from labgen.text.personal_data import find_personal_data
from labgen.text.printable import shorten
from labgen.text.python_code import find_unparsable
from labgen.text.words import content_words, normalised, words
from labgen.text.wrong_sums import find_wrong_sums
from labgen.text.yamltree import Node

MIN_SUPPORT = 0.34
"""Share of an answer's content words that its passage (or the question) has, below which it counts as unsupported."""
MIN_CONTENT_WORDS = 5

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")


_COMMENT = re.compile(r"[ \t]+(?P<words>#[^\r\n]*)")


@dataclass(frozen=True, slots=True)
class QuestionNodes:
    """One question and answer, with its nodes: `number` counts seed examples from 1, `pair` a passage's questions."""

    number: int
    pair: int
    context: Node | None
    question: Node
    answer: Node

    @property
    def name(self) -> str:
        """For messages."""
        return f"question {self.pair} of seed example {self.number}" if self.pair else f"seed example {self.number}"


@dataclass(frozen=True, slots=True)
class ContentHooks:
    """What other stages know and reading does not; each may be missing, and its rule is then silent.

    Attributes:
        document_problem: what is wrong with a document's address or patterns, or nothing (LG317).
        documents_missing: what the patterns do not find, looked up only where it costs no network (LG310).
        benchmark_of: the benchmark that a question is copied from, or nothing (LG311).
        documents: a leaf's documents that are on this machine, and what can be said against others of them (LG319,
            LG320).
    """

    document_problem: Callable[[DocumentSource], str | None] | None = None
    documents_missing: Callable[[Leaf], str | None] | None = None
    benchmark_of: Callable[[str], str | None] | None = None
    documents: Callable[[Leaf], tuple[Sequence[Document], Sequence[str]]] | None = None


def read_examples(source: LeafSource) -> list[QuestionNodes]:
    """Every complete example of a leaf, knowledge or skill; those with a gap that `labgen new` marked are none."""
    root = source.root
    seeds = root.get("seed_examples") if root else None
    examples = []
    for number, item in enumerate(seeds.items if seeds else [], start=1):
        context = _text(item, "context")
        listed = item.get("questions_and_answers") if source.kind == "knowledge" else None
        pairs = [(0, item)] if source.kind == "skills" else list(enumerate(listed.items if listed else [], start=1))
        for pair, node in pairs:
            question, answer = _text(node, "question"), _text(node, "answer")
            if question and answer and not any(_is_gap(text) for text in (context, question, answer)):
                examples.append(QuestionNodes(number, pair, context, question, answer))
    return examples


def _text(node: Node, name: str) -> Node | None:
    value = node.get(name)
    return value if value is not None and value.kind == "text" and value.text.strip() else None


def _is_gap(node: Node | None) -> bool:
    return node is not None and node.text.lstrip().startswith(GAP)


def check_content(source: LeafSource, leaf: Leaf | None, hooks: ContentHooks) -> None:
    """Note every LG3xx violation of one leaf that does not need the others.

    Args:
        source: a parsed leaf whose structure has been checked.
        leaf: as read; None for one that cannot be used, whose document is then not looked at.
    """
    examples = read_examples(source)
    _check_repeats(source, examples)
    _check_contexts(source)
    _check_task(source)
    _check_languages(source, examples)
    _check_texts(source)
    for example in examples:
        _check_answer(source, example)
        _check_work(source, example.answer)
        if hooks.benchmark_of is not None and (name := hooks.benchmark_of(example.question.text)):
            source.add("LG311", example.question, f"this question is copied from {name}; write one of your own.")
    if leaf is not None and leaf.document is not None:
        _check_document(source, leaf, leaf.document, hooks)
    _check_attribution(source)


def _check_repeats(source: LeafSource, examples: list[QuestionNodes]) -> None:
    told = {violation.line for violation in source.violations if violation.code == "LG213"}
    seen: dict[tuple[str, str, str], QuestionNodes] = {}
    for example in examples:
        context = normalised(example.context.text) if example.context else ""
        # Knowledge may ask the same of several passages; a skill may answer the same question twice and differently.
        key = (context, normalised(example.question.text), normalised(example.answer.text))
        first = seen.setdefault(key, example)
        lines = {source.where(example.question.start)[0], source.where(example.question.start)[0] - 1}
        if first is not example and not lines & told:
            line = source.where(first.question.start)[0]
            message = f"{example.name} says the same as {first.name} in line {line}; write a new one, or delete it."
            source.add("LG301", example.question, message)


def _check_contexts(source: LeafSource) -> None:
    root = source.root
    seeds = root.get("seed_examples") if root and source.kind == "skills" else None
    items = [item for item in (seeds.items if seeds else []) if item.kind == "mapping"]
    without = [number for number, item in enumerate(items, start=1) if _text(item, "context") is None]
    if seeds is None or not without or len(without) == len(items):
        return
    few = without if len(without) <= len(items) / 2 else []
    names = f"seed example{'s' * (len(few) > 1)} {', '.join(map(str, few))} have" if few else "most have"
    names = names.replace(" have", " has") if len(few) == 1 else names
    message = f"some examples have a context, {names} none; give one to each, or write contexts into the questions."
    source.add("LG314", items[without[0] - 1] if few else seeds, message)


def _check_task(source: LeafSource) -> None:
    task = source.root.get("task_description") if source.root and source.kind == "skills" else None
    if task is not None and task.kind == "text" and not task.text.strip():
        source.add("LG316", task, "`task_description` is empty; say in a sentence what the skill is.")


def _check_languages(source: LeafSource, examples: list[QuestionNodes]) -> None:
    for index, language, others in other_languages([example.question.text for example in examples]):
        question = examples[index].question
        source.add(
            "LG312", question, f"this question looks {language}, the others {others}; use one language in a leaf."
        )


def _check_texts(source: LeafSource) -> None:
    root = source.root
    for name, node in _texts(root) if root else ():
        if name != "created_by":
            _check_privacy(source, node)
            _check_comment(source, node)
        control = _CONTROL.search(node.text)
        if control:
            source.add("LG315", node, f"there is a control character (U+{ord(control[0]):04X}) in the text; delete it.")


def _check_comment(source: LeafSource, node: Node) -> None:
    if not node.style and (lost := _COMMENT.match(source.text, node.end)):
        words = shorten(lost["words"])
        message = f"YAML takes `{words}` for a comment, so the text ends before it; quote the whole text."
        source.add_span("LG324", lost.start("words"), lost.end(), message)


def _check_privacy(source: LeafSource, node: Node) -> None:
    """One violation for each kind of data in a text, at the first of the kind."""
    found: dict[str, list[tuple[int, int]]] = {}
    for span in find_personal_data(node.text):
        found.setdefault(span.category, []).append(_find_in(source, node, node.text[span.start : span.end]))
    for category, places in found.items():
        what = f"{'an' if category[0] in 'aeiou' else 'a'} {category}"
        more = f" (and {len(places) - 1} more in this text)" if len(places) > 1 else ""
        start, end = min(places)
        source.add_span("LG313", start, end, f"this looks like {what}{more}; replace it by an invented one.")


def _texts(node: Node, name: str = "") -> Iterator[tuple[str, Node]]:
    if node.style == "*":
        return
    if node.kind == "text":
        yield name, node
    for item in node.items:
        yield from _texts(item, name)
    for key, value in node.entries:
        if key.text != "document":
            yield from _texts(value, key.text)


def _find_in(source: LeafSource, node: Node, snippet: str) -> tuple[int, int]:
    """Where a part of a value stands in the file; the value's own start where YAML wrote it differently."""
    at = source.text.find(snippet, node.start, node.end)
    return (at, at + len(snippet)) if at >= 0 else (node.start, node.start)


def _check_answer(source: LeafSource, example: QuestionNodes) -> None:
    answer = example.answer.text
    if source.kind == "knowledge" and example.context is not None:
        share = support(answer, f"{example.context.text}\n{example.question.text}")
        if share < MIN_SUPPORT:
            message = f"only {share:.0%} of this answer's words are in its context; answer from the passage alone."
            source.add("LG304", example.answer, message)
    if given_away(example.question.text, answer, strict=source.kind == "skills"):
        message = f"the question already says the answer ({shorten(answer, 30)}); ask without telling it."
        source.add("LG305", example.question, message)


def _check_work(source: LeafSource, answer: Node) -> None:
    """Sums that do not come out, and Python that does not parse."""
    for wrong in find_wrong_sums(answer.text):
        start, end = _find_in(source, answer, wrong.text)
        message = f"`{shorten(wrong.text)}` does not come out: the left side is {wrong.left}; correct it."
        source.add_span("LG321", start, end, message)
    for block in find_unparsable(answer.text):
        start, end = _find_in(source, answer, block.line)
        message = f"this Python does not parse ({shorten(block.message)}); correct it, or name another language."
        source.add_span("LG322", start, end, message)


def support(answer: str, passage: str) -> float:
    """Share (0 to 1) of an answer's content words that a passage has too, by their first five letters.

    Answers of fewer than five such words say too little to be judged: 1.
    """
    wanted = set(content_words(answer))
    if len(wanted) < MIN_CONTENT_WORDS:
        return 1.0
    stems = {word[:5] for word in words(passage)}
    return sum(word[:5] in stems for word in wanted) / len(wanted)


_NO_ANSWER = {"yes", "no", "true", "false", "none"}


def given_away(question: str, answer: str, *, strict: bool) -> bool:
    """Whether a question contains its own answer, word for word, and not only among choices that it offers.

    Args:
        strict: for skills, where a question may well carry the material of its answer (a sentence to correct, things
            to choose from): then only an answer of eight words or more that is most of a one-line question counts.
    """
    asked, told = words(question), words(answer)
    if not told or set(told) <= _NO_ANSWER or len(told) >= len(asked):
        return False
    if strict and (len(told) < 8 or len(told) < 0.6 * len(asked) or "\n" in question.strip()):
        return False
    if not strict and (len(told) < 2 or "or" in asked or not content_words(answer)):
        return False
    return f" {' '.join(told)} " in f" {' '.join(asked)} "


def _check_document(source: LeafSource, leaf: Leaf, document: DocumentSource, hooks: ContentHooks) -> None:
    node = source.root.get("document") if source.root else None
    if node is None or any(pattern.startswith(GAP) for pattern in document.patterns):
        return
    if hooks.document_problem is not None and (problem := hooks.document_problem(document)):
        source.add("LG317", node.get("repo") or node, problem)
        return
    commit = document.commit
    if not document.beside_leaf and not re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", commit):
        what = "an abbreviated hash" if re.fullmatch(r"[0-9a-fA-F]{4,63}", commit) else "no commit hash"
        digits = "all 40 digits (or 64, as `git rev-parse` prints it)"
        message = f"`{shorten(commit)}` is {what}; write {digits}, so that it always means the same documents."
        source.add("LG309", node.get("commit") or node, message)
    if hooks.documents_missing is not None and (problem := hooks.documents_missing(leaf)):
        source.add("LG310", node.get("patterns") or node, problem)
        return
    if hooks.documents is not None:
        documents, problems = hooks.documents(leaf)
        for problem in problems:
            source.add("LG319", node.get("patterns") or node, problem)
        _check_copies(source, documents)


def _check_copies(source: LeafSource, documents: Sequence[Document]) -> None:
    if not documents:
        return
    copied = Copied(documents)
    seeds = source.root.get("seed_examples") if source.root else None
    for number, item in enumerate(seeds.items if seeds else [], start=1):
        context = _text(item, "context")
        if context is not None and not _is_gap(context) and (problem := copied.problem(context.text)):
            message = (
                f"the context of seed example {number} is not in the leaf's documents word for word: {problem}; copy "
                "the passage as it is there."
            )
            source.add("LG320", context, message)


def _check_attribution(source: LeafSource) -> None:
    text = read_attribution(source.file.parent)
    if text is None:
        message = "there is no `attribution.txt` beside the leaf; say in it where the content is from, and the licence."
        source.add("LG306", 0, message)
        return
    source.attribution = text
    name = source.name.rsplit("/", 1)[0] + "/" + ATTRIBUTION_FILE if "/" in source.name else ATTRIBUTION_FILE
    for note in judge_licences(text):
        if note.code == "LG308":
            message = (
                f"`{shorten(note.licence)}` is not a permissive licence; use a source that all may share and change."
            )
        elif note.licence.strip("-"):
            message = f"labgen does not know the licence `{shorten(note.licence)}`; write its SPDX identifier."
        else:
            message = "no licence is named; write `License of the work:` and an SPDX identifier such as CC-BY-SA-4.0."
        end = note.column + len(note.licence) if note.licence else 0
        found = Violation(note.code, RULES[note.code].severity, name, note.line, note.column, message, end)
        source.violations.append(found)
