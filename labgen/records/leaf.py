"""What people curate: leaves with their seed examples, and what is wrong with one."""

from __future__ import annotations

import enum
from pathlib import Path

from labgen.lazy.dataclasses import dataclass

BRANCHES = ("knowledge", "foundational_skills", "compositional_skills")


class Severity(enum.StrEnum):
    """How bad a violation is: an `error` must be mended (most keep the leaf out of a build), others stop nothing."""

    ERROR = "error"
    WARNING = "warning"
    STYLE = "style"


@dataclass(frozen=True, slots=True)
class Violation:
    """One problem in one file of the taxonomy.

    Attributes:
        code: stable rule code, such as `LG101`.
        severity: what follows from it.
        file: path as a person would type it, relative to the taxonomy root, with forward slashes.
        line, column: 1-based position of the value that is wrong.
        message: what is wrong and what to do, in plain words, without a final full stop's worth of jargon.
        end_column: 1-based column just past the value on the same line, 0 where unknown.
    """

    code: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer, as a contributor wrote them (outer white space removed)."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class SeedExample:
    """One entry of a leaf's `seed_examples`.

    A skill's entry has exactly one pair; a knowledge entry has a context and one or more pairs on it.
    """

    index: int
    context: str | None
    pairs: tuple[Pair, ...]


BESIDE_LEAF = (".", "./")
"""How a leaf says that its documents lie in its own folder."""


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a knowledge leaf's documents are, as written in the leaf.

    Attributes:
        repo: a git address, or `.` for files beside the leaf.
        commit: full or abbreviated hash as written; ignored for `repo: .`, and may then be empty.
        patterns: file patterns inside the repository (or the leaf's folder).
        line: 1-based line of `document` in the leaf's file, for messages.
    """

    repo: str
    commit: str
    patterns: tuple[str, ...]
    line: int = 1

    @property
    def beside_leaf(self) -> bool:
        """Whether the documents lie in the leaf's own folder."""
        return self.repo.strip() in BESIDE_LEAF


@dataclass(frozen=True, slots=True)
class Leaf:
    """One `qna.yaml`: the smallest thing a person curates and the unit that labgen samples from.

    Attributes:
        path: folder of the leaf below the taxonomy root, with forward slashes, starting with the branch.
        branch: one of `BRANCHES`.
        file: where the YAML was read from.
        version: schema version the file declares (1 where it declares none).
        task_description: what a skill leaf asks for; empty for knowledge.
        domain, document_outline: what a knowledge leaf is about; empty for skills.
        seed_examples: one or more, in the file's order.
        document: knowledge only.
        created_by: contributor's name as written; it does not change rows.
        reasoning: what is kept beside a skill's answers of how they came about: `plan`, which the teacher is asked for;
            `own`, what a reasoning teacher thought aloud anyway; empty for nothing.
        turns: questions of a conversation, each with its answer (1 or 2); as the settings say.
    """

    path: str
    branch: str
    file: Path
    version: int
    task_description: str
    domain: str
    document_outline: str
    seed_examples: tuple[SeedExample, ...]
    document: DocumentSource | None
    created_by: str
    reasoning: str = ""
    turns: int = 1

    @property
    def grounded(self) -> bool:
        """Whether this is a skill whose every seed example has a context.

        Of a skill leaf where only some have one, each context counts as part of its instruction.
        """
        return self.branch != "knowledge" and all(seed.context for seed in self.seed_examples)

    def __repr__(self) -> str:
        return f"Leaf({self.path!r}, {len(self.seed_examples)} seed examples)"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        about = self.task_description or f"{self.domain}. {self.document_outline}"
        pairs = [(seed.context, pair.question, pair.answer) for seed in self.seed_examples for pair in seed.pairs]
        return html_table(f"{self.path}: {about}", ("context", "question", "answer"), pairs)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All usable leaves below a root, in path order, and what kept the others out.

    `violations` holds errors only (the full set of rules is `labgen check`); `excluded` names the leaves they cost.
    """

    root: Path
    leaves: tuple[Leaf, ...]
    violations: tuple[Violation, ...]
    excluded: tuple[str, ...] = ()

    def __repr__(self) -> str:
        left_out = f", {len(self.excluded)} left out" if self.excluded else ""
        return f"Taxonomy({str(self.root)!r}, {len(self.leaves)} leaves{left_out})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        rows: list[tuple[object, ...]] = [
            (leaf.path, leaf.branch, len(leaf.seed_examples), leaf.created_by) for leaf in self.leaves
        ]
        rows += [(path, "left out", None, "") for path in self.excluded]
        return html_table(repr(self), ("leaf", "branch", "seed examples", "created by"), rows)
