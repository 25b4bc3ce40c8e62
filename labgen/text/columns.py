"""Tables as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def align_columns(lines: Sequence[Sequence[str]], left: int | None = 1) -> list[str]:
    """Lines of cells as lines of text.

    Args:
        lines: one or more, each with a cell for every column.
        left: how many columns are set to the left, the others to the right; None for all.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    count = len(widths) if left is None else left
    return [
        "  ".join(
            cell.ljust(width) if column < count else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
