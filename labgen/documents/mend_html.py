"""What a page of HTML says by where things stand, said in its text: exponents, indices, and cells that span.

Runs in the process that converts (`labgen.documents.convert_child`), on the tree of Beautiful Soup, before the
converter writes Markdown: that drops the marks of `<sup>` and `<sub>`, and leaves spanned cells empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from labgen.text.super_and_subscripts import subscript, superscript

MOST_SCRIPT_CHARS = 60
"""Longer superscripts are text that is merely set small."""

MOST_FILLED_CELLS = 50_000
"""Cells of one page that are filled by repetition. What spans beyond that stays empty."""

MOST_REPEATED_CHARS = 500
"""Longer cells are not repeated."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DIGIT_BEFORE = re.compile(r"\d\s*\Z")
_FOOTNOTE = re.compile(r"\[.*\]|[*†‡§¶‖]+")
_ENDINGS = frozenset(["st", "nd", "rd", "th", "er", "re", "ère", "eme", "ème", "nde", "e", "o", "a", "ª", "º"])
_ABBREVIATIONS = frozenset(["tm", "sm", "®", "™", "©", "me", "lle", "mme"])


def mend_page(data: bytes) -> bytes:
    """A page with its superscripts and subscripts as plain text and its spanned cells filled, in UTF-8.

    Read by its byte order mark where it has one, else as UTF-8, else as it declares.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(data, "html.parser", from_encoding=None if data.startswith(_UTF16) else "utf-8")
    _write_scripts(soup)
    _fill_spans(soup)
    return str(soup).encode("utf-8", "replace")


def _write_scripts(soup: Any) -> None:
    # Inner ones first: a tag comes before those within it.
    for tag in reversed(soup.find_all(["sup", "sub", "msup", "msub"])):
        if tag.name in ("sup", "sub"):
            _write_script(tag)
        else:
            _write_formula(tag)


def _write_script(tag: Any) -> None:
    text = tag.get_text().strip()
    if not text or len(text) > MOST_SCRIPT_CHARS or tag.find("a") is not None or _is_plain(tag, text):
        tag.unwrap()
    else:
        tag.replace_with((superscript if tag.name == "sup" else subscript)(text))


def _is_plain(tag: Any, text: str) -> bool:
    """Whether a superscript is an ordinal's ending (1st), an abbreviation's (Mme) or the mark of a footnote."""
    if tag.name == "sub":
        return False
    if _FOOTNOTE.fullmatch(text) or text.lower() in _ABBREVIATIONS:
        return True
    before = tag.previous_sibling
    return text.lower() in _ENDINGS and isinstance(before, str) and bool(_DIGIT_BEFORE.search(before[-8:]))


def _write_formula(tag: Any) -> None:
    """MathML's `<msup>` and `<msub>`: a base and what is above or below it."""
    parts = [child for child in tag.children if getattr(child, "name", None)]
    text = parts[1].get_text().strip() if len(parts) == 2 else ""
    if 0 < len(text) <= MOST_SCRIPT_CHARS:
        write: Callable[[str], str] = superscript if tag.name == "msup" else subscript
        parts[1].replace_with(write(text))
    tag.unwrap()


def _fill_spans(soup: Any) -> None:
    """Repeat each cell that spans columns or rows in every place that it covers."""
    left = MOST_FILLED_CELLS
    for table in soup.find_all("table"):
        left = _fill_table(list(_rows(table)), soup, left)


def _rows(table: Any) -> Iterator[Any]:
    for child in table.find_all(["tr", "thead", "tbody", "tfoot"], recursive=False):
        if child.name == "tr":
            yield child
        else:
            yield from child.find_all("tr", recursive=False)


def _fill_table(rows: list[Any], soup: Any, left: int) -> int:
    """Fill one table. Returns: how many cells may still be filled."""
    above: dict[int, tuple[str, int]] = {}  # column: text of the cell that reaches down in it, and to which row
    for number, row in enumerate(rows):
        if left <= 0:
            break
        column = 0
        for cell in row.find_all(["td", "th"], recursive=False):
            while left > 0 and above.get(column, ("", -1))[1] >= number:
                cell.insert_before(_copy(soup, cell.name, above[column][0]))
                column, left = column + 1, left - 1
            across, down = max(1, min(_span(cell, "colspan"), left + 1)), _span(cell, "rowspan") or len(rows)
            text = cell.get_text(" ", strip=True) if across > 1 or down > 1 else ""
            text = text if len(text) <= MOST_REPEATED_CHARS else ""
            for _ in range(across - 1):
                cell.insert_after(_copy(soup, cell.name, text))
            if down > 1:
                above |= dict.fromkeys(range(column, column + across), (text, number + down - 1))
            cell.attrs.pop("colspan", None)
            cell.attrs.pop("rowspan", None)
            column, left = column + across, left - (across - 1)
        while left > 0 and above.get(column, ("", -1))[1] >= number:
            row.append(_copy(soup, "td", above[column][0]))
            column, left = column + 1, left - 1
    return left


def _span(cell: Any, name: str) -> int:
    """How many columns or rows a cell covers, at most 1000; 0 for all that follow."""
    given = str(cell.get(name, "1")).strip()
    return min(int(given), 1000) if given.isascii() and given.isdigit() and len(given) < 6 else 1


def _copy(soup: Any, name: str, text: str) -> Any:
    made = soup.new_tag(name)
    made.string = text
    return made
