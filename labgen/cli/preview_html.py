"""A preview as the page of `labgen report`: its rows and what was refused, with prompts, replies and evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.cli.preview_page import TextWriter, leaf_notes, preview_notes
from labgen.export.calibration_report import calibration_json
from labgen.export.funnel import Funnel
from labgen.export.passages import passages_of
from labgen.export.provenance import leaf_info
from labgen.export.rows import BuildInfo, rejected_row_of, row_of
from labgen.filters.calibration import Calibration
from labgen.records import Candidate
from labgen.report.entries import Lineage
from labgen.report.page import Page

if TYPE_CHECKING:
    from labgen.verbs.preview import LeafPreview, Preview

AT_BASE = "at the base only"
"""State of rows that the leaf gave before it was changed."""


def preview_html(preview: Preview, work: Path) -> Iterator[str]:
    """The preview as a page, in pieces. `work`: the work folder, whose ledger has prompts and replies."""
    plans = [leaf.plan for leaf in preview.leaves if leaf.plan]
    about = BuildInfo(preview.teacher, preview.rehearsal)
    page = Page("preview", passages=passages_of(plans), work=work)
    funnel = Funnel()
    for leaf in preview.leaves:
        _add(page, funnel, leaf, about)
    told = {leaf.path: Calibration(leaf.draws.judges, ()) for leaf in preview.leaves if leaf.draws.judges}
    page.head |= {
        "title": "Preview",
        "subtitle": _names(preview),
        "about": {"teacher": preview.teacher, "rehearsal": preview.rehearsal},
        "funnel": funnel.to_json(),
        "notes": _notes(preview),
        "calibration": calibration_json(told) if told else None,
        "spending": None,
        "settings": "",
    }
    return page.html(served=False)


def _add(page: Page, funnel: Funnel, leaf: LeafPreview, about: BuildInfo) -> None:
    draws = leaf.draws
    funnel.open(leaf.path, len(draws.rows))
    for candidate in (*draws.rows, *draws.refused):
        funnel.add(candidate)
    funnel.close(leaf.path, calls=draws.calls, stopped=draws.stopped)
    if leaf.plan is None:
        return
    info, comparison = leaf_info(leaf.plan), leaf.comparison
    for place, row in enumerate(draws.rows):
        new = {"reason": "new"} if comparison and place in comparison.new else {}
        page.add([(row_of(row, info, about), info.branch, _lineage(row))], **new)
    for row in draws.refused:
        page.add([(rejected_row_of(row, info, about), "rejected", _lineage(row))])
    for row in comparison.gone if comparison else ():
        told: dict[str, Any] = row_of(row, info, about) | {"state": AT_BASE}
        page.add([(told, info.branch, _lineage(row))])


def _lineage(candidate: Candidate) -> Lineage:
    return Lineage(candidate.slot, candidate.position, candidate.calls)


def _names(preview: Preview) -> str:
    some = ", ".join(leaf.path for leaf in preview.leaves[:3])
    return some + (f" and {len(preview.leaves) - 3} more" if len(preview.leaves) > 3 else "")


def _notes(preview: Preview) -> list[dict[str, Any]]:
    writer = TextWriter()
    notes = [{"title": "What was drawn", "lines": list(preview_notes(preview, writer))}]
    for leaf in preview.leaves:
        was = f" (was {leaf.change.old_path})" if leaf.change and leaf.change.kind == "renamed" else ""
        notes.append({"title": f"{leaf.path}{was}", "lines": list(leaf_notes(leaf, writer))})
    return [note for note in notes if note["lines"]]
