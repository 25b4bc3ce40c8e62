"""Text from elsewhere inside Markdown: data, never markup."""

from __future__ import annotations

from collections.abc import Sequence

from labgen.lazy import re
from labgen.text.printable import one_line

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$!&])")


def escaped(text: str, limit: int = 300) -> str:
    """`text` on one line, its markup escaped and its control characters removed, cut to `limit` characters."""
    # A bare address would become a link in some renderers; a backslash would show in others.
    return _SPECIAL.sub(r"\\\1", one_line(text, limit)).replace("://", ":\\//")


def code(text: str) -> str:
    """`text` in a code span that can also stand in a table."""
    text = one_line(text, None)
    return "`" + (text.replace("`", "'").replace("|", "¦") or " ") + "`"


def block(text: str, kind: str = "") -> str:
    """`text` as a code block that nothing in it can end."""
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells that hold numbers only are set to the right."""
    right = [bool(rows) and all(re.fullmatch(r"[\d,. %–-]*", row[at]) for row in rows) for at in range(len(head))]
    rule = ["---:" if numbers else "---" for numbers in right]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [list(head), rule, *map(list, rows)])


def folded(summary: str, body: str) -> str:
    """A part that opens on a click; `summary` is HTML on one line, escaped by who gives it."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"
