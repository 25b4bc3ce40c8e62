"""What students scored as SVG: for each config a bar with its 95 % interval for each student, one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labgen.export.pictures import WIDTH, Box, dark_text, open_picture, rectangle, svg_text
from labgen.export.scores import Evaluation
from labgen.export.scores_report import ScoreLine, rating_lines, share_lines
from labgen.filters.rating import HIGHEST, LOWEST
from labgen.text.printable import one_line

COLOURS = ("#b4bec8", "#5b8fc4")
"""Of the first and the last student; a single one has the last."""
LEFT, RIGHT = 300.0, 250.0
"""Pixels beside the bars: for names, and for what is said of them."""
BAR, HEAD = 16.0, 34.0
NAME_CHARS = 42


def scores_picture(found: Evaluation, *, by_leaf: bool = False) -> str:
    """Shares and ratings as bars with whiskers, each student's below the other's, and their difference beside.

    Returns: SVG text; the same for the same numbers. Every name is escaped.
    """
    groups = [("Right answers", share_lines(found, by_leaf), (0.0, 100.0), "%")]
    if found.rated:
        groups.append(("Ratings", rating_lines(found, by_leaf), (float(LOWEST), float(HIGHEST)), ""))
    parts: list[str] = []
    y = HEAD
    students = [one_line(scores.student, NAME_CHARS) for scores in found.scores]
    for place, name in enumerate(students):
        parts.append(rectangle(Box(LEFT + 300 * place, 10, 14, 14), _colour(place, len(students))))
        parts.append(dark_text(name, LEFT + 300 * place + 20, 22))
    for title, lines, scale, unit in groups:
        parts += [dark_text(f"{title}, {scale[0]:g} to {scale[1]:g} {unit}".rstrip(), 4, y + 22), *_axis(y + 30, scale)]
        y += HEAD
        for line in lines:
            parts += _bars(line, y, scale, unit)
            y += BAR * len(line.students) + 12
        y += 8
    if found.rehearsal:
        parts.append(
            dark_text("REHEARSAL: the built-in rehearsal teacher judged. These numbers mean nothing.", 4, y + 16)
        )
        y += 24
    title = f"What {' and '.join(students)} made of held-out questions"
    return "\n".join([open_picture(title, y + 10), *parts, "</svg>", ""])


def _bars(line: ScoreLine, y: float, scale: tuple[float, float], unit: str) -> Iterator[str]:
    asked = f" ({line.asked})" if line.asked else ""
    yield dark_text(_cut(f"{line.name}{asked}"), 20 if line.indent else 4, y + 13)
    digits = 0 if unit else 1
    for place, spread in enumerate(line.students):
        if spread is None:
            continue
        top = y + BAR * place
        value, low, high = (_x(each, scale) for each in spread)
        words = f"{line.name}: {spread[0]:.{digits}f} ({spread[1]:.{digits}f} to {spread[2]:.{digits}f})"
        bar = rectangle(Box(LEFT, top, max(1.0, value - LEFT), BAR - 2), _colour(place, len(line.students)))
        middle = top + BAR / 2 - 1
        yield f"<g><title>{svg_text(words)}</title>{bar}{_whisker(low, high, middle)}</g>"
    if line.difference:
        value, low, high = line.difference
        words = f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"
        yield dark_text(words, WIDTH - RIGHT + 20, y + BAR + 3)


def _whisker(low: float, high: float, y: float) -> str:
    ends = "".join(f"M{x:.1f} {y - 4:.1f}V{y + 4:.1f}" for x in (low, high))
    return f'<path d="M{low:.1f} {y:.1f}H{high:.1f}{ends}" stroke="#222222" fill="none"/>'


def _axis(y: float, scale: tuple[float, float]) -> Sequence[str]:
    low, high = scale
    scores = [low, (low + high) / 2, high]
    return [f'<path d="M{_x(mark, scale):.1f} {y - 4:.1f}V{y:.1f}" stroke="#888888" fill="none"/>' for mark in scores]


def _x(value: float, scale: tuple[float, float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - scale[0]) / (scale[1] - scale[0])


def _colour(place: int, students: int) -> str:
    return COLOURS[-1] if place == students - 1 else COLOURS[0]


def _cut(name: str) -> str:
    return name if len(name) <= NAME_CHARS else f"…{name[1 - NAME_CHARS :]}"
