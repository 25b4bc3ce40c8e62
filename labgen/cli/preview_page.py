"""A preview as text for a terminal or as a Markdown page. Leaves and teachers are quoted, never obeyed."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from labgen.export import markdown
from labgen.records import Candidate, Severity, Verdict
from labgen.text import printable
from labgen.text.printable import shorten

if TYPE_CHECKING:
    from labgen.verbs.preview import Comparison, LeafPreview, Preview

MARKER = "<!-- labgen preview -->"
"""First line of a page, by which a workflow finds the comment that it wrote before."""

MAX_PAGE_CHARS = 60_000
"""A comment on GitHub holds 65,536 characters, whatever they weigh in bytes; the workflow adds a line of its own."""

NOTES_CHARS = 20_000
"""Of these, for what is said of the preview as a whole, such as which leaves were deleted."""

TAIL_CHARS = 2_000
"""Of these, kept for what stands at the end: which leaves are not shown, or not in full."""

INERT = r"(@|<(?!/?(?:details|summary|code)>)|\](?=[(:])|:(?=//)|www(?=\.)|#(?=\d))(?!\u200b)"
"""What a renderer makes names, markup, links and numbers of issues of. Followed by a character that nobody sees, it is
text. The workflow that comments puts the same after the same, whoever wrote the page: to labgen's it adds nothing."""

MAX_TABLE_ROWS = 50
WRAP_CHARS = 100
"""A code block is as wide as its longest line, so longer ones are broken."""

MAX_TEXT_CHARS = 1500
MAX_VIOLATIONS = 20
MAX_REFUSED = 5

REHEARSAL = (
    "REHEARSAL: the built-in rehearsal teacher wrote and judged these rows, by rule and from the leaf's own words. "
    "They show that the leaf passes every stage, not what a model would make of it: for that, give --base-url and "
    "--model."
)


class Writer(Protocol):
    """How a preview's parts look. All that it is given may be a stranger's text."""

    def heading(self, level: int, text: str) -> str:
        """A heading; level 1 is the page's."""

    def line(self, text: str) -> str:
        """A line of its own."""

    def item(self, text: str) -> str:
        """One of a list."""

    def quote(self, label: str, text: str) -> str:
        """A passage under a label, its lines as they are."""


class TextWriter:
    """For a terminal."""

    def heading(self, level: int, text: str) -> str:
        """A heading, underlined at the upper levels."""
        line = printable.plain(text).replace("\n", " ")
        return f"\n{line}\n{'=-'[level - 1] * min(len(line), 78)}" if level < 3 else f"\n{line}"

    def line(self, text: str) -> str:
        """The text on one line."""
        return printable.plain(" ".join(text.split()))

    def item(self, text: str) -> str:
        """The text behind a dash."""
        return f"  - {printable.plain(' '.join(text.split()))}"

    def quote(self, label: str, text: str) -> str:
        """Label, then the text, indented."""
        return f"  {printable.plain(label)}:\n{printable.indented(_cut(text))}"


class MarkdownWriter:
    """For a pull request. A name after an at sign calls nobody, an address is no link, no markup works."""

    def heading(self, level: int, text: str) -> str:
        """A heading."""
        return f"\n{'#' * (level + 1)} {_harmless(text)}\n"

    def line(self, text: str) -> str:
        """A paragraph, apart from a list before it."""
        return f"\n{_harmless(text)}\n"

    def item(self, text: str) -> str:
        """An item."""
        return f"- {_harmless(text)}"

    def quote(self, label: str, text: str) -> str:
        """Label, then the text as a code block, its long lines broken."""
        return f"\n{_harmless(label)}:\n\n{inert(markdown.block(_wrapped(_cut(text))))}\n"


def inert(text: str) -> str:
    """The text with nothing in it that calls somebody, leads somewhere or is a tag, also where it is no Markdown."""
    return re.sub(INERT, "\\1\u200b", text, flags=re.IGNORECASE)


def _wrapped(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, WRAP_CHARS, replace_whitespace=False, drop_whitespace=True) or [line]
    return "\n".join(lines)


def _harmless(text: str) -> str:
    return inert(markdown.escaped(text, 1000))


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT_CHARS:
        return text
    return f"{text[:MAX_TEXT_CHARS]}\n[... {len(text) - MAX_TEXT_CHARS} more characters]"


def preview_text(preview: Preview) -> str:
    """The preview for a terminal."""
    writer = TextWriter()
    sections = ("\n".join([writer.heading(2, _title(leaf)), *_leaf(leaf, writer)]) for leaf in preview.leaves)
    return "\n".join([writer.heading(1, "Preview"), *preview_notes(preview, writer), *sections])


def preview_markdown(preview: Preview) -> str:
    """The preview as a page for a step summary or a comment, at most `MAX_PAGE_CHARS` characters long.

    It starts with a table of all leaves; each leaf is folded below its name. A leaf that does not fit is shown in part
    or not at all, and the page's end says so: neither a fold nor a code block is ever left open.
    """
    writer = MarkdownWriter()
    notes = list(preview_notes(preview, writer))
    told = _fitting(notes, NOTES_CHARS)
    if len(told) < len(notes):
        told.append(writer.line(f"{len(notes) - len(told)} more notes of this kind are not shown."))
    page = "\n".join([MARKER, writer.heading(1, "Preview"), _table(preview), *told])
    left: list[str] = []
    for leaf in preview.leaves:
        parts = list(_leaf(leaf, writer))
        room = MAX_PAGE_CHARS - TAIL_CHARS - len(page)
        shown = _fitting(parts, room - len(_fold(leaf, [])) - 2)
        if len(shown) < len(parts):
            left.append(leaf.path)
        if shown:
            page += f"\n\n{_fold(leaf, shown)}"
    if left:
        some = shorten(", ".join(left[:20]), 500) + (f" and {len(left) - 20} more" if len(left) > 20 else "")
        page += f"\n\n{writer.line(f'This page is full. Not shown in full: {some}.')}"
    return f"{page}\n"


def _fitting(parts: list[str], room: int) -> list[str]:
    """As many of some parts, from the first, as there are characters for."""
    sizes = accumulate(len(part) + 1 for part in parts)
    return [part for part, size in zip(parts, sizes, strict=True) if size <= room]


def _fold(leaf: LeafPreview, parts: list[str]) -> str:
    # In the line of the summary Markdown is off, and in `code` GitHub looks for neither names nor numbers of issues.
    path = escape(printable.one_line(_title(leaf), 300))
    summary = f"<code>{inert(path)}</code>: {_outcome(leaf)}"
    return markdown.folded(summary, "\n".join(parts).strip("\n"))


def _title(leaf: LeafPreview) -> str:
    change = leaf.change
    return f"{leaf.path} (was {change.old_path})" if change and change.kind == "renamed" else leaf.path


def _outcome(leaf: LeafPreview) -> str:
    if leaf.left_out:
        return "nothing can be drawn"
    rows, refused = len(leaf.draws.rows), len(leaf.draws.refused)
    return f"{rows} {'row' if rows == 1 else 'rows'}, {refused} refused"


def _table(preview: Preview) -> str:
    """What became of each leaf, at a glance."""
    rows = []
    for leaf in preview.leaves[:MAX_TABLE_ROWS]:
        change = leaf.change.kind if leaf.change else ""
        rows.append([inert(markdown.code(shorten(leaf.path, 120))), change, _findings(leaf), _outcome(leaf)])
    if not rows:
        return ""
    more = len(preview.leaves) - len(rows)
    return f"\n{markdown.markdown_table(['leaf', 'change', 'check', 'rows'], rows)}\n" + (
        f"\nand {more} more leaves\n" if more else ""
    )


def _findings(leaf: LeafPreview) -> str:
    counts = Counter(found.severity for found in leaf.violations)
    return ", ".join(_many(counts[severity], severity) for severity in Severity if counts[severity]) or "clean"


def preview_notes(preview: Preview, writer: Writer) -> Iterable[str]:
    """What is said of a preview as a whole."""
    if preview.rehearsal:
        yield writer.line(REHEARSAL)
    elif preview.teacher:
        other = preview.judge != preview.teacher
        judged = (
            f" by {preview.teacher} and judged by {preview.judge}" if other else f" and judged by {preview.teacher}"
        )
        yield writer.line(f"Written{judged}.")
    changes = preview.changes
    if changes:
        counts = Counter(change.kind for change in changes.leaves)
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"
        since = f"since {changes.base} ({changes.commit[:10]})" if changes.base else "so far"
        yield writer.line(f"Leaves that changed {since}: {told}.")
        for note in changes.notes:
            yield writer.line(note)
        for stray in changes.misplaced:
            yield writer.item(f"error {stray.code}, {stray.name}: {stray.message}")
        for change in changes.leaves:
            if change.kind == "deleted":
                yield writer.item(f"{change.path}: deleted")
    if preview.omitted:
        yield writer.line(f"{len(preview.omitted)} more leaves are not previewed (--max-leaves); `labgen check` has.")


def _leaf(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    yield from leaf_notes(leaf, writer)
    if leaf.left_out:
        return
    yield from _rows(leaf, writer)
    yield from _refused(leaf, writer)


def leaf_notes(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    """What is said of a leaf beside its rows: its change, its check, its judges, its price, how far it was drawn."""
    if leaf.change:
        yield writer.line(f"{leaf.change.kind.capitalize()}.")
        for detail in leaf.change.details:
            yield writer.item(detail.words)
    yield from _checked(leaf, writer)
    if leaf.left_out:
        yield writer.line(f"Nothing can be drawn: {leaf.left_out}")
        return
    yield from _judges(leaf, writer)
    yield from _price(leaf, writer)
    draws = leaf.draws
    asked = len(draws.rows) + len(draws.refused)
    short = f" Stopped: {draws.stopped}." if draws.stopped else ""
    rows = "1 row" if len(draws.rows) == 1 else f"{len(draws.rows)} rows"
    candidates = "1 candidate" if asked == 1 else f"{asked} candidates"
    yield writer.line(f"{rows} of {candidates}, {draws.calls} calls.{short}")
    if leaf.comparison:
        yield writer.line(_compared(leaf.comparison, len(draws.rows)))


def _many(number: int, severity: Severity) -> str:
    if severity is Severity.STYLE:
        return f"{number} of style"
    return f"{number} {severity.value}{'' if number == 1 else 's'}"


def _checked(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    yield writer.line(f"Check: {_findings(leaf)}.")
    for found in leaf.violations[:MAX_VIOLATIONS]:
        place = f"line {found.line}, column {found.column}"
        yield writer.item(f"{found.severity.value} {found.code}, {place}: {found.message}")
    if len(leaf.violations) > MAX_VIOLATIONS:
        yield writer.item(f"and {len(leaf.violations) - MAX_VIOLATIONS} more")


def _judges(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    told = [
        f"{judge.judge} passes {judge.true.passed} of {judge.true.asked} of them and {judge.false.passed} of "
        f"{judge.false.asked} that were made wrong"
        for judge in leaf.draws.judges
        if judge.true.asked or judge.false.asked
    ]
    if told:
        yield writer.line(f"The judges' test on the leaf's own examples: {'; '.join(told)}.")
    for weakness in leaf.unfit:
        yield writer.item(
            f"A build would draw nothing from this leaf, since {weakness}. Either the examples are hard to tell from "
            "wrong ones (make questions and answers more alike in form), or this model is no judge of them."
        )


def _price(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    estimate = leaf.estimate
    if estimate is None:
        return
    money = f", {leaf.currency} {leaf.cost:,.2f} at the configured prices" if leaf.cost is not None else ""
    yield writer.line(
        f"At full size ({estimate.plan.wanted} rows): about {round(estimate.calls):,} more calls "
        f"({round(estimate.prompt_tokens):,} prompt and {round(estimate.completion_tokens):,} completion "
        f"tokens{money}), reckoned with the yield seen here; {estimate.paid:,} calls are paid for already."
    )


def _rows(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    draws, comparison = leaf.draws, leaf.comparison
    for place, row in enumerate(draws.rows):
        mark = " (new)" if comparison and place in comparison.new else ""
        yield writer.heading(3, f"Row {place + 1}{mark}")
        yield from _row(row, writer)
        yield writer.line(f"Drawn from {_lineage(row)}.")
        for verdict in row.verdicts:
            if verdict.reason or verdict.evidence:
                yield writer.item(_verdict(verdict))
    for place, row in enumerate(comparison.gone if comparison else ()):
        yield writer.heading(3, f"Row {place + 1} at the base, not among these any more")
        yield from _row(row, writer)


def _compared(comparison: Comparison, rows: int) -> str:
    if comparison.problem:
        return f"No comparison with the rows at the base: {comparison.problem}"
    if comparison.unchanged:
        return "Compared with the base: nothing that rows depend on has changed, so the rows are the same."
    new, gone = len(comparison.new), len(comparison.gone)
    return f"Compared with the rows at the base: {rows - new} the same, {new} new, {gone} gone."


def _row(row: Candidate, writer: Writer) -> Iterable[str]:
    if row.context and row.source is None:
        yield writer.quote("Context", row.context)
    asked, answered = ("Question", "Answer") if row.source else ("Instruction", "Response")
    yield writer.quote("Title" if row.is_document else asked, row.instruction)
    if row.reasoning:
        yield writer.quote("Reasoning", row.reasoning)
    yield writer.quote("Text" if row.is_document else answered, row.response)


def _lineage(row: Candidate) -> str:
    seeds = ", ".join(str(number + 1) for number in row.seed_examples)
    source = row.source
    cited = ""
    if source:
        cited = (
            f", {source.file} characters {source.start} to {source.end} at {source.commit.removeprefix('sha256:')[:10]}"
        )
    kind = f", kind {row.kind}" if row.kind else ""
    return f"slot {row.slot}, seed examples {seeds}{kind}{cited}; id {row.id}"


def _verdict(verdict: Verdict) -> str:
    evidence = "; ".join(f"“{shorten(piece.text, 160)}”" for piece in verdict.evidence[:3] if piece.text)
    said = f": {shorten(verdict.reason, 300)}" if verdict.reason else ""
    return f"{verdict.filter} {verdict.value:g}{said}{f' [{evidence}]' if evidence else ''}"


def _refused(leaf: LeafPreview, writer: Writer) -> Iterable[str]:
    refused = leaf.draws.refused
    if not refused:
        yield writer.line("Nothing was refused.")
        return
    counts = Counter(candidate.state.value for candidate in refused if candidate.state)
    told = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    yield writer.heading(3, f"Refused: {told}")
    for candidate in refused[:MAX_REFUSED]:
        state = candidate.state.value if candidate.state else ""
        yield writer.item(f"{state}: {shorten(candidate.reason, 300)}")
        yield writer.quote("Said", candidate.instruction or candidate.raw or "nothing that could be read")
        if candidate.response:
            yield writer.quote("Answered", candidate.response)
        last = candidate.verdicts[-1:]
        for verdict in last:
            if verdict.reason or verdict.evidence:
                yield writer.item(_verdict(verdict))
    if len(refused) > MAX_REFUSED:
        yield writer.item(f"and {len(refused) - MAX_REFUSED} more")
