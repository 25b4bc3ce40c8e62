"""New leaves: where they may lie, what their file says, and how their text is written so that YAML keeps it.

The comments in a new leaf teach, since the file is what its author will have open.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from labgen.errors import OutputError, UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES, DocumentSource, Pair, SeedExample
from labgen.taxonomy.attribution import ATTRIBUTION_FILE
from labgen.taxonomy.path_patterns import LEAF_FILE
from labgen.text.printable import one_line
from labgen.text.yaml_data import YamlError, read_yaml

MODELS = Path(__file__).parent / "models"
SCHEMAS = Path(__file__).parent / "schemas"
SCHEMA_FOLDERS = (".schemas", "../.schemas", "../schemas", "../labgen/taxonomy/schemas")
"""Where a taxonomy's schemas for editors may lie, relative to its root; the first is made where there is none."""

GAP = "TO DO:"
"""What marks a place that the author has yet to fill; `labgen check` warns of each."""

WIDTH = 110
NO_COMMIT = "0" * 40


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a leaf is made from; `licence` is empty where nobody has said it yet."""

    title: str
    link: str
    licence: str = ""
    creators: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A leaf that is about to be written.

    Attributes:
        task: the task description of a skill, or the domain of a knowledge leaf.
        examples: at least five.
        files: what else is written into its folder, by name.
        stand_in: what the examples are where the author has not written them: `model` (of another subject) or `drafted`
            (from the documents, by rule); empty where they are the author's own.
    """

    path: str
    created_by: str
    task: str
    examples: tuple[SeedExample, ...]
    attribution: Attribution
    outline: str = ""
    document: DocumentSource | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    stand_in: str = ""

    @property
    def knowledge(self) -> bool:
        """Whether it is a knowledge leaf."""
        return self.path.startswith("knowledge/")


def place_for(root: Path, path: str) -> str:
    """The path of a new leaf below a taxonomy's root, from what a person typed.

    Names of folders that are not there yet are written as the others are: `Tides & Currents` becomes
    `tides_and_currents`.

    Raises: UsageError: it is no place for a leaf, or there is one; the message says what to type.
    """
    typed = path.strip().replace("\\", "/")
    prefix = f"{root.as_posix().rstrip('/')}/"
    parts = [part for part in typed.removeprefix("./").removeprefix(prefix).split("/") if part not in ("", ".")]
    if parts and parts[-1] == LEAF_FILE:
        parts.pop()
    said = "/".join(parts) or typed
    if not all(part.isprintable() and not part.startswith((".", "-")) for part in parts) or Path(typed).is_absolute():
        raise UsageError(f"{said!r}: a leaf's folders are plain names below the taxonomy's root, without dots before.")
    for depth, part in enumerate(parts):
        if not root.joinpath(*parts[:depth], part).is_dir():
            parts[depth] = slug(part)
    if not parts or parts[0] not in BRANCHES:
        named = "/".join(filter(None, ["knowledge", *parts]))
        raise UsageError(
            f"{said!r}: a leaf's path starts with its branch: knowledge, foundational_skills or compositional_skills. "
            f"For example {named}"
        )
    if len(parts) < 2 or not all(parts):
        raise UsageError(f"{said!r}: add what the leaf is about, such as {parts[0]}/science/tides.")
    if (root.joinpath(*parts) / LEAF_FILE).exists():
        raise UsageError(
            f"{root.joinpath(*parts) / LEAF_FILE}: there is a leaf already. Choose another path, or edit it."
        )
    return "/".join(parts)


def slug(name: str) -> str:
    """A folder's name as a path has it: small letters and digits of any script, with underscores and hyphens."""
    spelt = unicodedata.normalize("NFC", name).strip().lower().replace("&", " and ")
    return re.sub(r"_+", "_", re.sub(r"[^\w-]+", "_", spelt)).strip("_-")


def load_model(path: str, *, grounded: bool = False) -> Draft:
    """A leaf of another subject, to be shown in a new leaf at `path` until its author has replaced it."""
    branch = path.split("/", 1)[0]
    kind = {"knowledge": "knowledge", "foundational_skills": "foundational"}.get(branch, "freeform")
    data = json.loads((MODELS / f"{'grounded' if grounded else kind}.json").read_text(encoding="utf-8"))
    name = data.get("document")
    return Draft(
        path=path,
        created_by="",
        task=data["task"],
        examples=examples_of(data["examples"], "the model"),
        attribution=Attribution(**data["attribution"]),
        outline=data.get("outline", ""),
        document=DocumentSource(".", NO_COMMIT, (name,)) if name else None,
        files={name: (MODELS / name).read_bytes()} if name else {},
        stand_in="model",
    )


def examples_of(items: Any, where: str) -> tuple[SeedExample, ...]:
    """Seed examples from plain data: a list of `question`, `answer` and perhaps `context`, or of passages with pairs.

    Rows that share a context and have one pair each are put together where more than one row has that context.
    Raises: UsageError: the data has another form; `where` names it.
    """
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UsageError(f"{where}: not a list of examples, each with `question` and `answer` (and `context`).")
    found: list[tuple[str | None, list[Pair]]] = []
    for number, item in enumerate(items, 1):
        context = str(item.get("context") or "").strip() or None
        listed = item.get("questions_and_answers") or [item]
        pairs = []
        for pair in listed if isinstance(listed, list) else [None]:
            texts = [pair.get(name) for name in ("question", "answer")] if isinstance(pair, dict) else []
            if len(texts) < 2 or not all(isinstance(text, str | int | float) and str(text).strip() for text in texts):
                raise UsageError(f"{where}: example {number} has no `question` or no `answer`.")
            pairs.append(Pair(str(texts[0]).strip(), str(texts[1]).strip()))
        same = next((old for old in found if context and old[0] == context), None)
        if same:
            same[1].extend(pairs)
        else:
            found.append((context, pairs))
    return tuple(SeedExample(index, context, tuple(pairs)) for index, (context, pairs) in enumerate(found))


def split_pairs(examples: tuple[SeedExample, ...]) -> tuple[SeedExample, ...]:
    """The same with one pair to an example, as skills have them."""
    flat = [(example.context, pair) for example in examples for pair in example.pairs]
    return tuple(SeedExample(index, context, (pair,)) for index, (context, pair) in enumerate(flat))


def write_draft(root: Path, draft: Draft) -> list[Path]:
    """Write a new leaf's folder: the leaf, its attribution, the files beside it, and schemas where the root has none.

    Returns: the files written, the leaf first.
    Raises: OutputError: the folder can't be written to, or a file is in the way; nothing is overwritten.
    """
    folder = root / draft.path
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        schema = schema_for(root, draft)
        contents = {LEAF_FILE: leaf_text(draft, schema).encode()}
        if not (folder / ATTRIBUTION_FILE).exists():
            contents[ATTRIBUTION_FILE] = attribution_text(draft).encode()
        wanted = {**contents, **draft.files}
        for name in wanted:
            if (folder / name).exists():  # before any is written, so that no half a leaf is
                raise FileExistsError(0, "", str(folder / name))
        for name, data in wanted.items():
            with (folder / name).open("xb") as stream:
                stream.write(data)
            written.append(folder / name)
    except FileExistsError as error:
        raise OutputError(f"{error.filename}: there is such a file already, and it is left alone.") from None
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror}).") from error
    return written


def schema_for(root: Path, draft: Draft) -> str:
    """The path from a new leaf to the schema that its editor checks it by; schemas are copied where there are none."""
    name = f"{'knowledge' if draft.knowledge else 'skills'}-v3.json"
    for place in SCHEMA_FOLDERS:
        if (root / place / name).is_file():
            return Path(os.path.relpath(root / place / name, root / draft.path)).as_posix()
    copy_schemas(root)
    return Path(os.path.relpath(root / SCHEMA_FOLDERS[0] / name, root / draft.path)).as_posix()


def copy_schemas(root: Path) -> None:
    """Put the schemas of leaves into a taxonomy, so that editors find them without labgen or a network."""
    folder = root / SCHEMA_FOLDERS[0]
    folder.mkdir(parents=True, exist_ok=True)
    for schema in sorted(SCHEMAS.glob("*.json")):
        (folder / schema.name).write_bytes(schema.read_bytes())


def attribution_text(draft: Draft) -> str:
    """The `attribution.txt` of a new leaf."""
    said = draft.attribution
    title, link, licence, creators = (
        one_line(text, None) for text in (said.title, said.link, said.licence, said.creators or draft.created_by)
    )
    return (
        f"Title of work: {title}\nLink to work: {link}\nRevision: 1\n"
        f"License of the work: {licence}\nCreator names: {creators}\n"
    )


def leaf_text(draft: Draft, schema: str) -> str:
    """The file of a new leaf, comments included."""
    lines = [f"# yaml-language-server: $schema={schema}", "#", *_comment(_ABOUT[_kind(draft)])]
    lines += ["", "# Schema version; 3 is the current one.", "version: 3", ""]
    lines += ["# Who wrote the leaf: a GitHub name, or a name for a group.", *entry("created_by", draft.created_by), ""]
    if draft.knowledge:
        lines += [*_comment(_DOMAIN), *entry("domain", draft.task), ""]
        lines += [*_comment(_OUTLINE), *entry("document_outline", draft.outline or f"About {draft.task}."), ""]
    else:
        lines += [*_comment(_TASK), *entry("task_description", draft.task), ""]
    lines += [*_comment(_STAND_IN[draft.stand_in]), *_comment(_SEEDS[_kind(draft)]), "seed_examples:"]
    for example in draft.examples:
        lines += [*_example(example, draft.knowledge), ""]
    if draft.document:
        lines += [*_comment(_DOCUMENT[draft.document.beside_leaf]), "document:"]
        lines += [*entry("repo", draft.document.repo, 2), *entry("commit", draft.document.commit, 2), "  patterns:"]
        lines += [f"    - {_quoted(pattern)}" for pattern in draft.document.patterns]
    return "\n".join(lines).rstrip() + "\n"


def _example(example: SeedExample, knowledge: bool) -> list[str]:
    parts = entry("context", example.context, 4) if example.context else []
    if knowledge:
        parts.append("    questions_and_answers:")
        for pair in example.pairs:
            first, *rest = entry("question", pair.question, 8) + entry("answer", pair.answer, 8)
            parts += [f"      - {first.lstrip()}", *rest]
    else:
        for pair in example.pairs[:1]:
            parts += entry("question", pair.question, 4) + entry("answer", pair.answer, 4)
    return [f"  - {parts[0].lstrip()}", *parts[1:]]


def entry(key: str, text: str, indent: int = 0) -> list[str]:
    """`key: text` as lines of YAML that read back as the same text: plain, quoted, folded or as a block."""
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    margin, inner = " " * indent, " " * (indent + 2)
    if not _block_safe(text):
        return [f"{margin}{key}: {_quoted(text)}"]
    if "\n" in text:
        return [f"{margin}{key}: |", *(f"{inner}{line}" if line else "" for line in text.split("\n"))]
    if indent + len(key) + 2 + len(text) <= WIDTH:
        return [f"{margin}{key}: {text if _plain_safe(text) else _quoted(text)}"]
    if "  " in text:
        return [f"{margin}{key}: |", f"{inner}{text}"]
    folded = textwrap.wrap(text, WIDTH - len(inner), break_long_words=False, break_on_hyphens=False)
    return [f"{margin}{key}: >", *(f"{inner}{line}" for line in folded)]


def _block_safe(text: str) -> bool:
    # A block begins with a line that is not indented, and holds no character that YAML would need an escape for.
    return bool(text) and not text[0].isspace() and all(char.isprintable() or char in "\n" for char in text)


def _plain_safe(text: str) -> bool:
    if re.search(r"[:#]|^[^\w]|[\[\]{},&*!|>'\"%@`]", text):
        return False
    try:
        return bool(read_yaml(text).data == text)
    except YamlError:
        return False


def _quoted(text: str) -> str:
    # JSON's strings are YAML's, but for line ends that only YAML knows and characters that neither shows.
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in shown)


def _comment(text: str) -> list[str]:
    return [f"# {line}" if line else "#" for line in text.strip().split("\n")] if text else []


def _kind(draft: Draft) -> str:
    if draft.knowledge:
        return "knowledge"
    return "grounded" if all(example.context for example in draft.examples) else "freeform"


_ABOUT = {
    "knowledge": """
A knowledge leaf teaches facts. Questions and answers are made from its document, in the manner of the examples
below, and each is checked against the document: what the document doesn't say won't be taught.""",
    "grounded": """
A skill on given texts: each example has a context, a question about it and an answer. From these, new contexts,
questions and answers are made in their manner.""",
    "freeform": """
A skill: each example has a question and an answer. From these, new ones are made in their manner.""",
}
_DOMAIN = "A few words, like the title of a chapter. The teacher is told that it writes about this."
_OUTLINE = "A sentence or two on what the document covers, so that the teacher knows where a passage belongs."
_TASK = """
What the teacher is told to produce; every prompt shows it. Say what a question contains, what an answer must do, and
what it must not do. What is left open here, the teacher decides."""
_STAND_IN = {
    "": "",
    "model": f"""
{GAP} the examples below (and the texts above them) are a model of another subject, so that you see the form.
Replace them all before you build anything from this leaf.
""",
    "drafted": f"""
{GAP} the passages below are from your document, but their questions were drafted by rule. Put a question that a
person would ask in the place of each, and answer it in your own words.
""",
}
_SEEDS = {
    "knowledge": """
At least five examples. Each has a passage, copied word for word from the document, and three or more questions that
the passage alone answers. Take passages from different parts. Ask in different ways (what, why, how long, compare),
and so that a reader who can't see the passage knows what is meant. `|` keeps the line breaks of the text below it,
`>` joins the lines.""",
    "grounded": """
At least five examples, as different from each other as the task allows: what is the same in all of them will be the
same in every row. An error in an example comes back in a thousand rows. `|` keeps the line breaks of the text below
it, `>` joins the lines.""",
    "freeform": """
At least five examples, as different from each other as the task allows: what is the same in all of them will be the
same in every row. An error in an example comes back in a thousand rows. `|` keeps the line breaks of the text below
it, `>` joins the lines.""",
}
_DOCUMENT = {
    True: """
`repo: .` takes files that lie beside this one; the commit is ignored then. For documents in a git repository, write
its address, the full hash of a commit, and patterns such as docs/*.md.""",
    False: """
A git repository, the full hash of a commit (so that everybody reads the same text), and which files to read.""",
}
