"""What a slide says by where things stand, said in its text: raised and lowered runs, and merged cells.

Runs in the process that converts (`labgen.documents.convert_child`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from labgen.text.super_and_subscripts import subscript, superscript

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def mend_slides(data: bytes) -> bytes:
    """A presentation with its superscripts and subscripts as plain text and its merged cells filled."""
    from pptx import Presentation

    presentation = Presentation(io.BytesIO(data))
    changed = 0
    for slide in presentation.slides:
        parts = [slide, slide.notes_slide] if slide.has_notes_slide else [slide]
        changed += sum(_write_script(run) for part in parts for run in part._element.iter(f"{_DRAWING}r"))
        changed += sum(_fill_cells(shape.table) for shape in _flat(slide.shapes) if getattr(shape, "has_table", False))
    if not changed:
        return data
    mended = io.BytesIO()
    presentation.save(mended)
    return mended.getvalue()


def _flat(shapes: Iterable[Any]) -> Iterator[Any]:
    """All shapes, those in groups too."""
    pending = list(shapes)
    while pending:
        shape = pending.pop()
        pending.extend(getattr(shape, "shapes", ()))
        yield shape


def _write_script(run: Any) -> bool:
    """Write a run of text that stands above or below the line. Returns: whether it was one."""
    properties, text = run.find(f"{_DRAWING}rPr"), run.find(f"{_DRAWING}t")
    baseline = "" if properties is None else properties.get("baseline", "").rstrip("%")
    if text is None or not (text.text or "").strip() or baseline.strip("-0") == "":
        return False
    # An ordinal's ending (1st) stays as it is: only figures and signs change what a number says.
    if not text.text.strip().isalpha() or len(text.text.strip()) == 1:
        text.text = (subscript if baseline.startswith("-") else superscript)(text.text)
    return True


def _fill_cells(table: Any) -> bool:
    """Repeat merged cells in every place that they cover. Returns: whether there were any."""
    grid = [list(row.cells) for row in table.rows]
    merged = False
    for top, row in enumerate(grid):
        for left, cell in enumerate(row):
            if cell.is_merge_origin:
                merged = True
                for line in grid[top : top + cell.span_height]:
                    for covered in line[left : left + cell.span_width]:
                        if covered.is_spanned:
                            covered.text = cell.text
    return merged
