"""Tables for notebooks, as HTML. All that they show is text from outside, so all of it is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

MOST_ROWS = 60
"""Rows that a notebook shows of a table; of more, the first ones, and how many there are."""


def html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table below a line of text. Numbers stand to the right, thousands told apart, fractions with two digits."""
    head = "".join(f'<th style="text-align:left">{_text(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:MOST_ROWS])
    more = f"<p>... and {len(rows) - MOST_ROWS:,} more</p>" if len(rows) > MOST_ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f"<div><p><b>{_text(title)}</b></p>{table}{more}</div>"


def html_texts(title: str, parts: Sequence[tuple[str, str]]) -> str:
    """Named texts below a line of text, with their lines and blanks as they are."""
    shown = "".join(
        f'<p style="margin-bottom:0">{_text(name)}</p>'
        f'<pre style="white-space:pre-wrap;margin-top:0">{_text(text)}</pre>'
        for name, text in parts
    )
    return f"<div><p><b>{_text(title)}</b></p>{shown}</div>"


def _cell(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
        return f'<td style="text-align:right">{shown}</td>'
    return f'<td style="text-align:left">{_text("" if value is None else str(value))}</td>'


def _text(words: str) -> str:
    return escape("".join(char if char.isprintable() or char in "\n\t" else f"\\u{ord(char):04x}" for char in words))
