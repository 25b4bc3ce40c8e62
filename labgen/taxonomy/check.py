"""`labgen check`: every rule over a taxonomy or some of its leaves. Nothing is executed, nothing asked of a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from labgen.config.whole import CheckConfig
from labgen.lazy.dataclasses import dataclass
from labgen.records import Leaf, Severity, Violation
from labgen.taxonomy.attribution import ATTRIBUTION_FILE
from labgen.taxonomy.content import ContentHooks, check_content, read_examples
from labgen.taxonomy.lint import LINT_NAMES, LintSwitches
from labgen.taxonomy.load import to_leaf
from labgen.taxonomy.marks import MARKS_FILE, MarksFile, check_marks
from labgen.taxonomy.path_patterns import LEAF_FILE, match_path
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.scan import Stray
from labgen.taxonomy.similar import Measures, check_similar, likely_relatives
from labgen.taxonomy.source import LeafSource, find_leaf_files, leaf_path, note_same_elsewhere, read_source
from labgen.taxonomy.strict import check_strictly, read_strictly
from labgen.taxonomy.structure import check_structure
from labgen.taxonomy.style import find_comments, find_style_problems
from labgen.taxonomy.unedited import check_unedited

INSTRUCTLAB = "instructlab"


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How to check.

    Attributes:
        config: rules switched off, in all and by file.
        compat: `instructlab` judges as that project's validator does; empty judges as labgen does.
        hooks: what other stages know (see `ContentHooks`).
        measures: of near-duplicates; None: no LG302, no LG303.
    """

    config: CheckConfig = field(default_factory=CheckConfig)
    compat: str = ""
    hooks: ContentHooks = field(default_factory=ContentHooks)
    measures: Measures | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found.

    Attributes:
        leaves: paths of the leaves that were looked at.
        violations: by file, then line, column and code.
        texts: file name (as in the violations) to its text, for showing lines.
        read: the leaves that can be used.
        personas: leaf to the voice that would answer its instructions, and why that one, where a caller knows.
    """

    leaves: tuple[str, ...]
    violations: tuple[Violation, ...]
    texts: Mapping[str, str]
    read: tuple[Leaf, ...] = ()
    personas: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = [(self.count(severity), severity.value) for severity in Severity]
        found = ", ".join(f"{count} {name}" for count, name in counts if count) or "clean"
        return f"CheckResult({len(self.leaves)} leaves, {found})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        rows = [(f"{each.file}:{each.line}", each.severity.value, each.code, each.message) for each in self.violations]
        return html_table(repr(self), ("place", "", "rule", "what is wrong"), rows)

    def count(self, severity: Severity) -> int:
        """How many violations are of a severity."""
        return sum(violation.severity is severity for violation in self.violations)


def check_files(
    root: Path, files: Sequence[Path], options: CheckOptions, *, strays: Iterable[Stray] = (), marks: bool = False
) -> CheckResult:
    """Check some leaves of a taxonomy; the others are only looked at for near-duplicates.

    Args:
        root: the taxonomy's root.
        files: leaf files below it.
        strays: files and links that cannot be leaves, found on the way (see `labgen.taxonomy.scan`).
        marks: whether `marks.yaml` is looked at as well.
    """
    sources = [read_source(root, file) for file in files]
    note_same_elsewhere(root, sources)
    read = [check_source(source, options) for source in sources]
    if options.measures is not None:
        check_similar(sources, _relatives(root, files, sources), options.measures)
    violations = [kept for source in sources for kept in judged_violations(source, options)]
    misplaced = [Violation(stray.code, RULES[stray.code].severity, stray.name, 1, 1, stray.message) for stray in strays]
    violations += [
        _judged(found, None, options) for found in misplaced if enabled(found.code, found.file, options.config)
    ]
    marked = check_marks(root, (leaf_path(root, file) for file in find_leaf_files(root))) if marks else MarksFile()
    violations += [found for found in marked.violations if enabled(found.code, found.file, options.config)]
    violations.sort(key=lambda found: (found.file, found.line, found.column, found.code, found.message))
    texts = {source.name: source.text for source in sources}
    texts |= {MARKS_FILE: marked.text} if marked.text else {}
    texts |= {_attribution_name(source): source.attribution for source in sources if source.attribution}
    return CheckResult(tuple(source.path for source in sources), tuple(violations), texts, tuple(filter(None, read)))


def check_source(source: LeafSource, options: CheckOptions) -> Leaf | None:
    """Note all that is wrong with one leaf by itself: structure, content, style. Returns: it, where it can be used."""
    if options.compat == INSTRUCTLAB:
        read_strictly(source)
    version = check_structure(source)
    if options.compat == INSTRUCTLAB:
        check_strictly(source)
    if source.root is None:
        return None
    leaf = to_leaf(source, version) if source.usable else None
    check_content(source, leaf, options.hooks)
    check_unedited(source, read_examples(source))
    empty = {(found.line, found.column) for found in source.violations if found.code == "LG206"}
    for problem in find_style_problems(source):
        if source.where(problem.start) not in empty:  # spaces where a text is missing are no second slip
            source.add_span(problem.code, problem.start, problem.end, problem.message)
    return leaf


def compatible_severity(source: LeafSource | None, code: str) -> Severity:
    """How the reference validator would judge what a rule found."""
    verdict = RULES[code].instructlab
    if verdict in ("error", "refused") or (verdict == "lint" and source is not None and lint_applies(source)):
        return Severity.ERROR
    if RULES[code].severity is Severity.STYLE:
        return Severity.STYLE
    return Severity.WARNING


def lint_applies(source: LeafSource) -> bool:
    """Whether the reference lints a leaf: it does from version 2 on, whatever way the number is written."""
    node = source.root.get("version") if source.root else None
    if node is None or node.kind not in ("text", "integer", "number"):
        return False
    if node.kind == "text":
        return node.text.strip().isdecimal() and int(node.text.strip()[:9]) > 1
    value = node.number()
    # Longer than any number that could be read is larger than 1, unless it is below 0.
    return int(value) > 1 if value is not None and math.isfinite(value) else not node.text.startswith("-")


def _judged(found: Violation, source: LeafSource | None, options: CheckOptions) -> Violation:
    if options.compat != INSTRUCTLAB:
        return found
    return replace(found, severity=compatible_severity(source, found.code))


def judged_violations(source: LeafSource, options: CheckOptions) -> Iterable[Violation]:
    """The violations of a leaf that no switch, comment or setting turns off, with the severity they then have."""
    switches, spoken_to = None, "yamllint" in source.text
    for found in source.violations:
        if not enabled(found.code, found.file, options.config):
            continue
        if found.code in LINT_NAMES and spoken_to:
            switches = switches or LintSwitches(source.text, _comment_places(source))
            if switches.off(found.code, found.line):
                continue
        yield _judged(found, source, options)


def _comment_places(source: LeafSource) -> list[tuple[int, int]]:
    return [source.where(start) for start in find_comments(source.text, source.root)]


def enabled(code: str, file: str, config: CheckConfig) -> bool:
    """Whether a rule is on for a file (named below the taxonomy's root)."""
    off = [*config.disable]
    for pattern, codes in config.per_file.items():
        if match_path(file.removesuffix(f"/{ATTRIBUTION_FILE}"), pattern) or file == pattern:
            off += codes
    return not any(code.startswith(prefix) for prefix in off if prefix)


def _relatives(root: Path, files: Sequence[Path], sources: Sequence[LeafSource]) -> list[LeafSource]:
    others = sorted(set(find_leaf_files(root)) - set(files))
    likely = likely_relatives(root, sources, others) if len(others) > len(files) else others
    return [read_source(root, file) for file in likely]


def _attribution_name(source: LeafSource) -> str:
    return source.name.removesuffix(LEAF_FILE) + ATTRIBUTION_FILE
