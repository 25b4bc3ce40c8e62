"""The card's two pictures, as SVG made from numbers alone: the taxonomy as a treemap of rows, and the funnel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from labgen.export.funnel import Funnel, Tally
from labgen.records import State

WIDTH, HEIGHT, HEAD = 960.0, 560.0, 22.0
FONT = 'font-family="system-ui, sans-serif"'
CHAR_WIDTH = 6.4
"""Pixels that a character of 11-pixel text takes at most on average; wide scripts take more and are cut earlier."""

COLOURS = {"knowledge": "#2f5d8a", "foundational_skills": "#5a7d2a", "compositional_skills": "#8a4b2f"}
SHADES = {"knowledge": "#1f4060", "foundational_skills": "#3d561c", "compositional_skills": "#5e321f"}
"""The same, darker: behind a branch's heading."""

GROUPED_LEAVES = 40
"""Leaves of a branch above which folders below it get frames of their own."""

STATE_COLOURS = {
    State.ACCEPTED: "#2f7d4f",
    State.UNPARSED: "#7d7d7d",
    State.MALFORMED: "#a0a0a0",
    State.DUPLICATE: "#b8912f",
    State.CONTAMINATED: "#8a2f6b",
    State.IRRELEVANT: "#6b5fb0",
    State.UNGROUNDED: "#b04f4f",
    State.UNSAFE: "#7a1f1f",
    State.LOW_QUALITY: "#c07a4a",
    State.MARKED_BAD: "#2f6f9f",
    State.SURPLUS: "#9fb8a8",
    State.FAILED: "#333333",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """Cut `box` into one rectangle per size (all above 0, falling), areas in proportion, as square as they get.

    The method is Bruls, Huizing and van Wijk's (2000): fill rows along the shorter side, and begin a new row when
    another rectangle would make the worst one of the row longer.
    """
    boxes: list[Box] = []
    total, start = sum(sizes), 0
    while start < len(sizes):
        if box.width * box.height <= 0:  # what is left of the box is below what a float can tell
            return [*boxes, *[box] * (len(sizes) - start)]
        scale = box.width * box.height / total
        side = min(box.width, box.height)
        end = start + 1
        while end < len(sizes) and _worst(sizes[start : end + 1], scale, side) <= _worst(sizes[start:end], scale, side):
            end += 1
        row = sizes[start:end]
        thick = sum(row) * scale / side
        at = 0.0
        for size in row:
            long = size * scale / thick
            upright = box.width >= box.height
            boxes.append(Box(box.x, box.y + at, thick, long) if upright else Box(box.x + at, box.y, long, thick))
            at += long
        if box.width >= box.height:
            box = Box(box.x + thick, box.y, max(0.0, box.width - thick), box.height)
        else:
            box = Box(box.x, box.y + thick, box.width, max(0.0, box.height - thick))
        total -= sum(row)
        start = end
    return boxes


def _worst(row: Sequence[float], scale: float, side: float) -> float:
    area = sum(row) * scale
    return max(side * side * max(row) * scale / (area * area), area * area / (side * side * min(row) * scale))


def treemap(rows: Mapping[str, int]) -> str:
    """The taxonomy as an SVG treemap: one rectangle per leaf, its area in proportion to its rows.

    Leaves are grouped by branch, and in a branch of more than `GROUPED_LEAVES` by the folder below it.

    Args:
        rows: leaf path to number of rows; leaves without rows are not drawn.
    Returns: SVG text; the same for the same numbers. Every name is escaped.
    """
    parts = [open_picture("Rows by leaf", HEIGHT)]
    whole = Box(0, 0, WIDTH, HEIGHT)
    for branch, leaves, box in _placed(_grouped({path: n for path, n in rows.items() if n}, 1), whole):
        colour = COLOURS.get(branch, "#555555")
        inner = _frame(parts, branch, sum(leaves.values()), box, SHADES.get(branch, "#333333"))
        if len(leaves) <= GROUPED_LEAVES:
            _leaves(parts, leaves, inner, colour)
            continue
        for group, members, place in _placed(_grouped(leaves, 2), inner):
            _leaves(parts, members, _frame(parts, group, sum(members.values()), place, colour), colour)
    return "\n".join([*parts, "</svg>", ""])


def _grouped(rows: Mapping[str, int], depth: int) -> list[tuple[str, dict[str, int]]]:
    """Leaves by the first `depth` folders of their path, largest group first, under the last folder's name."""
    groups: dict[str, dict[str, int]] = {}
    for path, count in rows.items():
        groups.setdefault("/".join(path.split("/")[:depth]), {})[path] = count
    ordered = sorted(groups.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return [(folder.rsplit("/", 1)[-1], leaves) for folder, leaves in ordered]


def _placed(groups: list[tuple[str, dict[str, int]]], box: Box) -> list[tuple[str, dict[str, int], Box]]:
    boxes = squarify([sum(leaves.values()) for _, leaves in groups], box)
    return [(name, leaves, place) for (name, leaves), place in zip(groups, boxes, strict=True)]


def _frame(parts: list[str], name: str, count: int, box: Box, colour: str) -> Box:
    """Draw a group's rectangle with its heading, where there is room for one; give the room inside."""
    parts.append(rectangle(box, colour))
    head = HEAD if box.height > 2 * HEAD and box.width > 40 else 2.0
    if head == HEAD:
        parts.append(_label(f"{name}: {count:,}", box.x + 6, box.y + 15, box.width - 10, bold=True))
    return Box(box.x + 2, box.y + head, max(1.0, box.width - 4), max(1.0, box.height - head - 2))


def _leaves(parts: list[str], leaves: Mapping[str, int], box: Box, colour: str) -> None:
    ordered = sorted(leaves.items(), key=lambda item: (-item[1], item[0]))
    for (path, count), place in zip(ordered, squarify([n for _, n in ordered], box), strict=True):
        parts.append(f"<g><title>{svg_text(f'{path}: {count:,} rows')}</title>{rectangle(place, colour)}")
        if place.height >= 16:
            parts.append(_label(path.rsplit("/", 1)[-1], place.x + 5, place.y + 14, place.width - 8))
        if place.height >= 32:
            parts.append(_label(f"{count:,}", place.x + 5, place.y + 28, place.width - 8))
        parts.append("</g>")


def funnel_picture(funnel: Funnel) -> str:
    """The funnel as SVG: a bar per branch and one in all, cut into states; a legend with counts.

    Returns: SVG text; the same for the same numbers.
    """
    bars: list[tuple[str, Tally]] = [*funnel.branches(), ("in all", funnel.total())]
    total = funnel.total()
    states = [state for state in State if total.count(state)]
    height = 20.0 + 44 * len(bars) + 24 * ((len(states) + 3) // 4) + 10
    parts = [open_picture("Where candidates ended", height)]
    left, room = 170.0, WIDTH - 170 - 190
    for place, (name, tally) in enumerate(bars):
        y, x = 12.0 + 44 * place, left
        parts.append(dark_text(name, 4, y + 19))
        for state in states:
            width = room * tally.count(state) / max(1, total.candidates)
            if width:
                about = svg_text(f"{name}: {tally.count(state):,} {state.value}")
                parts.append(f"<g><title>{about}</title>{rectangle(Box(x, y, width, 28), STATE_COLOURS[state])}</g>")
            x += width
        share = f" ({100 * tally.accepted / tally.candidates:.0f} %)" if tally.candidates else ""
        parts.append(dark_text(f"{tally.accepted:,} of {tally.candidates:,}{share}", x + 8, y + 19))
    for place, state in enumerate(states):
        x, y = 4 + (WIDTH / 4) * (place % 4), 20.0 + 44 * len(bars) + 24 * (place // 4)
        parts.append(rectangle(Box(x, y, 14, 14), STATE_COLOURS[state]))
        parts.append(dark_text(f"{state.value} {total.count(state):,}", x + 20, y + 12))
    return "\n".join([*parts, "</svg>", ""])


def open_picture(title: str, height: float) -> str:
    """The beginning of a picture of `WIDTH` by `height` pixels; `</svg>` ends it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" '
        f'height="{height:.0f}" role="img" {FONT}>\n<title>{svg_text(title)}</title>\n'
        f'<rect width="{WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    )


def rectangle(box: Box, colour: str) -> str:
    """A filled rectangle."""
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" fill="{colour}" '
        'stroke="#ffffff"/>'
    )


def _label(text: str, x: float, y: float, room: float, *, bold: bool = False) -> str:
    """White text, cut to fit; nothing where not even three characters would."""
    fit = int(room / (CHAR_WIDTH * (1.15 if bold else 1.0)))
    if fit < 3:
        return ""
    shown = text if len(text) <= fit else text[: fit - 1] + "…"
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="#ffffff"{weight}>{svg_text(shown)}</text>'


def dark_text(text: str, x: float, y: float) -> str:
    """A line of text, 13 pixels high, from its left end on the base line."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="#222222">{svg_text(text)}</text>'


def svg_text(text: str) -> str:
    """Text as SVG may hold it: escaped, and without what can't be printed."""
    return escape("".join(char if char.isprintable() else "�" for char in text))
