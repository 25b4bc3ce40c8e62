"""The card's two pictures, as SVG made from numbers alone: the taxonomy as a treemap of rows, and the funnel."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from itertools import takewhile

from labgen.export.funnel import Funnel, Tally
from labgen.lazy.dataclasses import dataclass
from labgen.records import State

WIDTH, HEIGHT, HEAD = 960.0, 560.0, 20.0
LEAF_HEIGHT, MAX_HEIGHT = 2.8, 1800.0
"""Pixels of height that each leaf brings, from 200 of them on; and the most that a page is given."""

FONT = 'font-family="system-ui, sans-serif"'
CHAR_WIDTH, LINE = 6.2, 12.0
"""Pixels that a character of 10-pixel text takes at most on average (wide scripts take more and are cut earlier), and
that a line of it takes."""

SHADES = {"knowledge": "#1f4060", "foundational_skills": "#3d561c", "compositional_skills": "#5e321f"}
"""Behind a branch's heading, and those of its groups."""

YIELDS = ((0.2, "#a84f04"), (0.4, "#e8ab66"), (0.6, "#6f6f6f"), (0.8, "#4a77a8"), (1.0, "#1f4f80"))
"""Share of the candidates that became rows, up to which a leaf has a colour; told apart with any colour vision."""

DARK_TEXT_ON = ("#e8ab66", "url(#empty)")
EMPTY = "url(#empty)"
"""How a leaf without rows is filled: white, hatched in red."""

GROUPED_LEAVES = 24
"""Leaves of a folder above which the folders below it get frames of their own."""

LEAST_SHARE = 0.25
"""Of the mean leaf's area, what one with few or no rows gets at least, so that it can be seen."""

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


@dataclass(frozen=True, slots=True)
class LeafYield:
    """What became of a leaf: accepted rows, and the candidates that it took."""

    rows: int
    candidates: int

    @property
    def share(self) -> float:
        """Rows of candidates, 0 to 1; 0 of none."""
        return self.rows / self.candidates if self.candidates else 0.0


def treemap(leaves: Mapping[str, LeafYield]) -> str:
    """The taxonomy as an SVG treemap: one rectangle per leaf, grouped by folder, coloured by yield.

    Areas are in proportion to rows, but for leaves with few or none, which are large enough to be seen.

    Args:
        leaves: leaf path to what became of it; those without rows are drawn as such.
    Returns: SVG text; the same for the same numbers. Every name is escaped.
    """
    height = min(MAX_HEIGHT, max(HEIGHT, LEAF_HEIGHT * len(leaves)))
    parts = [open_picture("Rows by leaf", height + 34), _HATCH]
    mean = sum(leaf.rows for leaf in leaves.values()) / max(1, len(leaves))
    areas = {path: max(leaf.rows, LEAST_SHARE * mean, 1e-3) for path, leaf in leaves.items()}
    _group(parts, leaves, areas, 0, Box(0, 0, WIDTH, height))
    _legend(parts, height + 8, sum(not leaf.rows for leaf in leaves.values()))
    return "\n".join([*parts, "</svg>", ""])


_HATCH = (
    '<defs><pattern id="empty" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#ffffff"/><line x1="0" y1="0" x2="0" y2="6" stroke="#c43a3a" stroke-width="2"/>'
    "</pattern></defs>"
)


def _group(parts: list[str], leaves: Mapping[str, LeafYield], areas: Mapping[str, float], depth: int, box: Box) -> None:
    """Draw the leaves of a folder, `depth` folders deep: as frames for the folders in it where they are many."""
    if depth and len(leaves) <= GROUPED_LEAVES:
        _leaves(parts, leaves, areas, box)
        return
    groups: dict[str, dict[str, LeafYield]] = {}
    for path in sorted(leaves):
        folders = path.split("/")[:-1] or [path]
        groups.setdefault("/".join(folders[: depth + 1]), {})[path] = leaves[path]
    if len(groups) == 1 and depth and all(path.count("/") <= depth + 1 for path in leaves):
        _leaves(parts, leaves, areas, box)
        return
    ordered = sorted(groups.items(), key=lambda item: (-sum(areas[path] for path in item[1]), item[0]))
    places = squarify([sum(areas[path] for path in members) for _, members in ordered], box)
    for (above, members), place in zip(ordered, places, strict=True):
        # A folder that holds one folder alone shares its frame.
        folder = _shared(list(members)) if depth or len(groups) > 1 else above
        name = folder.removeprefix(above.rpartition("/")[0]).strip("/") if depth else folder
        inner = _frame(parts, folder, name, sum(leaf.rows for leaf in members.values()), place)
        if all(path.rsplit("/", 1)[0] == folder for path in members):
            _leaves(parts, members, areas, inner)
        else:
            _group(parts, members, areas, folder.count("/") + 1, inner)


def _shared(paths: Sequence[str]) -> str:
    """The deepest folder that all leaves lie in."""
    split = [path.split("/")[:-1] or [path] for path in paths]
    shared = takewhile(lambda names: len(set(names)) == 1, zip(*split, strict=False))
    return "/".join(names[0] for names in shared)


def _frame(parts: list[str], folder: str, name: str, count: int, box: Box) -> Box:
    """Draw a folder's rectangle with its heading, where there is room for one; give the room inside."""
    branch, _, below = folder.partition("/")
    parts.append(f"<g><title>{svg_text(f'{folder}: {count:,} rows')}</title>")
    parts.append(f"{rectangle(box, SHADES.get(branch, '#333333'))}</g>")
    head = HEAD - 5 * bool(below) if box.height > 2 * HEAD and box.width > 40 else 2.0
    if head > 2:
        parts.append(_label(f"{name}: {count:,}", box.x + 4, box.y + head - 5, box.width - 6, bold=True))
    return Box(box.x + 2, box.y + head, max(1.0, box.width - 4), max(1.0, box.height - head - 2))


def _leaves(parts: list[str], leaves: Mapping[str, LeafYield], areas: Mapping[str, float], box: Box) -> None:
    ordered = sorted(leaves.items(), key=lambda item: (-areas[item[0]], item[0]))
    for (path, leaf), place in zip(ordered, squarify([areas[path] for path, _ in ordered], box), strict=True):
        about = svg_text(f"{path}: {leaf.rows:,} rows of {leaf.candidates:,} candidates ({100 * leaf.share:.0f} %)")
        colour = next(colour for most, colour in YIELDS if leaf.share <= most) if leaf.rows else EMPTY
        parts.append(f"<g><title>{about}</title>{rectangle(place, colour)}")
        parts += _wrapped(path.rsplit("/", 1)[-1].replace("_", " "), f"{leaf.rows:,}", place, colour)
        parts.append("</g>")


def _wrapped(name: str, count: str, box: Box, colour: str) -> list[str]:
    """A leaf's name on as many lines as there is room for, and its count where a line is left."""
    fit, room = int((box.width - 6) / CHAR_WIDTH), int((box.height - 3) / LINE)
    if fit < 3 or room < 1:
        return []
    lines = textwrap.wrap(name, fit)
    if len(lines) > room:
        lines = [*lines[: room - 1], lines[room - 1][: fit - 1] + "…"]
    elif len(lines) < room:
        lines.append(count)
    dark = colour in DARK_TEXT_ON
    behind = rectangle(Box(box.x + 2, box.y + 2, box.width - 4, LINE * len(lines)), "#ffffff")
    ys = [box.y + LINE * (at + 1) - 1 for at in range(len(lines))]
    texts = [_label(line, box.x + 3, y, box.width, dark=dark) for line, y in zip(lines, ys, strict=True)]
    return [*([behind] if colour == EMPTY else []), *texts]


def _legend(parts: list[str], y: float, empty: int) -> None:
    parts.append(dark_text("rows of candidates:", 4, y + 13))
    before, x = 0.0, 140.0
    for most, colour in YIELDS:
        parts.append(rectangle(Box(x, y, 16, 16), colour))
        parts.append(dark_text(f"{100 * before:.0f} to {100 * most:.0f} %", x + 22, y + 13))
        before, x = most, x + 125
    parts.append(rectangle(Box(x, y, 16, 16), EMPTY))
    parts.append(dark_text(f"no rows: {empty:,}", x + 22, y + 13))


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


def _label(text: str, x: float, y: float, room: float, *, bold: bool = False, dark: bool = False) -> str:
    """A short text, white or dark, cut to fit; nothing where not even three characters would."""
    fit = int(room / (CHAR_WIDTH * (1.15 if bold else 1.0)))
    if fit < 3:
        return ""
    shown = text if len(text) <= fit else text[: fit - 1] + "…"
    look = f'font-size="10" fill="{"#222222" if dark else "#ffffff"}"' + (' font-weight="bold"' if bold else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{svg_text(shown)}</text>'


def dark_text(text: str, x: float, y: float) -> str:
    """A line of text, 13 pixels high, from its left end on the base line."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="#222222">{svg_text(text)}</text>'


def svg_text(text: str) -> str:
    """Text as SVG may hold it: escaped, and without what can't be printed."""
    return escape("".join(char if char.isprintable() else "�" for char in text))
