"""What a page of HTML says by where things stand, said in its text: exponents, indices, and cells that span.

Runs in the process that converts (`labgen.documents.convert_child`), on the tree of Beautiful Soup, before the
converter writes Markdown: that drops the marks of `<sup>` and `<sub>`, and leaves spanned cells empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labgen.lazy import re
from labgen.text.super_and_subscripts import subscript, superscript

MOST_SCRIPT_CHARS = 60
"""Longer superscripts are text that is merely set small."""

MOST_FILLED_CELLS = 20_000
"""Cells of one page that are filled by repetition. What spans beyond that stays empty."""

MOST_COLUMNS = 60
"""A cell that says that it spans more columns is taken to span so many."""

MOST_REPEATED_CHARS = 500
"""Longer cells are not repeated."""

MOST_NODES = 200
"""Nodes of the page that are looked at for one script or one cell."""

MOST_BLANKS = 200
"""Spaces in a row. A browser shows one for them; the converter tries each of them as the beginning of all others."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANKS = re.compile(rb"[ \t]{%d,}" % MOST_BLANKS)
_DIGIT_BEFORE = re.compile(r"\d\s*\Z")
_FOOTNOTE = re.compile(r"\[.*\]|[*†‡§¶‖]+")
_ENDINGS = frozenset(["st", "nd", "rd", "th", "er", "re", "ère", "eme", "ème", "nde", "e", "o", "a", "ª", "º"])
_ABBREVIATIONS = frozenset(["tm", "sm", "®", "™", "©", "me", "lle", "mme"])


def mend_page(data: bytes) -> bytes:
    """A page with its superscripts and subscripts as plain text and its spanned cells filled, in UTF-8.

    Read by its byte order mark where it has one, else as UTF-8, else as it declares.
    """
    from bs4 import BeautifulSoup

    if data.startswith(_UTF16):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    data = _easy_to_read(data)
    soup = BeautifulSoup(data, "html.parser", from_encoding="utf-8")
    try:
        _write_scripts(soup)
        _fill_spans(soup)
        return str(soup).encode("utf-8", "replace")
    except RecursionError:
        return data  # nested so deeply that the converter takes the text alone


def _easy_to_read(data: bytes) -> bytes:
    """A page without what parser and converter go through again from each place of it.

    Tags and comments that nothing closes are the text that they are taken for; long runs of spaces are cut.
    """
    closed = data.rfind(b"-->") + 1
    data = data[:closed] + data[closed:].replace(b"<!--", b"&lt;!--")
    closed = data.rfind(b">") + 1
    data = data[:closed] + data[closed:].replace(b"<", b"&lt;")
    return _BLANKS.sub(b" " * MOST_BLANKS, data)


def _write_scripts(soup: Any) -> None:
    # Inner ones first: a tag comes before those within it.
    for tag in reversed(soup.find_all(["sup", "sub", "msup", "msub"])):
        if tag.name in ("sup", "sub"):
            _write_script(tag)
        else:
            _write_formula(tag)


def _write_script(tag: Any) -> None:
    text = _short_text(tag)
    if text and tag.find("a") is None and not _is_plain(tag, text):
        _become(tag, (superscript if tag.name == "sup" else subscript)(text))
    # What stays is written by the converter as its text alone.


def _short_text(tag: Any, most: int = MOST_SCRIPT_CHARS) -> str:
    """The text of a tag, in single spaces; empty where it is longer than `most` characters.

    Looks at so many nodes at most: tags may be nested thousands deep, and each of them is asked.
    """
    from bs4.element import PreformattedString

    pieces: list[str] = []
    waiting, size, left = [tag], 0, MOST_NODES
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if not isinstance(node, PreformattedString):  # comments and the like
                pieces.append(node)
                size += len(node)
        else:
            waiting += reversed(node.contents[:MOST_NODES])
        left -= 1
        if not left or size > 4 * most:
            return ""
    text = " ".join("".join(pieces).split())
    return text if len(text) <= most else ""


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
    text = _short_text(parts[1]) if len(parts) == 2 else ""
    if text:
        _become(parts[1], (superscript if tag.name == "msup" else subscript)(text))


def _become(tag: Any, text: str) -> None:
    """Make a tag a text. To put a text in its place would look for that place among all of its siblings."""
    tag.name, tag.attrs = "span", {}
    tag.string = text


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
            across, down = (
                max(1, min(_span(cell, "colspan"), MOST_COLUMNS, left + 1)),
                _span(cell, "rowspan") or len(rows),
            )
            text = _short_text(cell, MOST_REPEATED_CHARS) if across > 1 or down > 1 else ""
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
