"""What probably went wrong where YAML gave up: the cause and its place, in words for people who don't know YAML.

A parser reports where it could not go on, often lines below the slip. Each guess here looks for one kind of slip that
contributors make, and says nothing unless it sees it; the first that speaks wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.yamltree import TreeError

_KEY = re.compile(r"^(?P<lead>[ \t]*(?:-[ \t]+)*)(?P<key>['\"]?[A-Za-z_][\w -]{0,40}['\"]?)[ \t]*:(?P<rest>[ \t].*|)$")
_BLOCK = re.compile(r"^[ \t]+[|>][-+0-9]*[ \t]*(?:#.*)?$")
_GLUED_DASH = re.compile(r"^[ \t]*-(?=[A-Za-z_]\w*:(?:\s|$))")
_GLUED_COLON = re.compile(
    r"^[ \t]*(?:-[ \t]+)?(?P<key>version|created_by|task_description|reasoning|seed_examples|context|question|answer"
    r"|domain|document_outline|document|repo|commit|patterns|questions_and_answers):(?=[^\s:])"
)

_NO_COLON = re.compile(
    r"^[ \t]*(?:-[ \t]+)?(?P<key>version|created_by|task_description|seed_examples|document_outline"
    r"|questions_and_answers)(?=[ \t]|$)"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """The text in lines, and where the parser stopped and began (0-based)."""

    lines: list[str]
    row: int
    column: int
    begin_row: int
    begin_column: int
    error: TreeError


_Guess = tuple[int, int, str]


def explain_yaml_error(text: str, error: TreeError) -> tuple[int, str]:
    """(character offset of the likely cause, message) for a file that could not be parsed."""
    if error.code == "LG103" and "levels of nesting" in error.problem:
        return error.start, f"{error.problem}; take brackets or indentation out."
    if error.code == "LG103":
        return error.start, f"{error.problem}; write the text in full, without `&` and `*`."
    if error.code == "LG105":
        return error.start, "there is a control character here; delete it."
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    row, column = _locate(starts, min(error.start, len(text)), len(lines))
    begin_row, begin_column = (-1, -1)
    if error.context_start >= 0:
        begin_row, begin_column = _locate(starts, min(error.context_start, len(text)), len(lines))
    bare = [line.rstrip("\r\n") for line in lines] or [""]
    place = _Place(bare, row, column, begin_row, begin_column, error)
    for guess in _GUESSES:
        found = guess(place)
        if found is not None:
            found_row, found_column, message = found
            return starts[found_row] + found_column, f"this is not YAML: {message}"
    return error.start, f"this is not YAML: {error.problem or 'it cannot be read'} ({error.context or 'here'})."


def _locate(starts: list[int], offset: int, count: int) -> tuple[int, int]:
    row = max(0, min(count - 1, next((n for n, start in enumerate(starts) if start > offset), count) - 1))
    return row, max(0, offset - starts[row])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _key_column(line: str) -> int | None:
    """Column of a line's key, after any dashes; None for a line without a key."""
    found = _KEY.match(line)
    return len(found["lead"]) if found else None


def _tab(place: _Place) -> _Guess | None:
    for row in (place.row, place.begin_row):
        if row < 0:
            continue
        lead = re.match(r"[ \t]*", place.lines[row])
        if lead and "\t" in lead[0]:
            column = lead[0].index("\t")
            return row, column, "this line is indented with a tab; YAML allows only spaces there."
    if "\\t" in place.error.problem and place.lines[place.row][place.column : place.column + 1] == "\t":
        return place.row, place.column, "there is a tab between the parts of this line; use a space."
    return None


def _several_documents(place: _Place) -> _Guess | None:
    if "single document" not in place.error.problem:
        return None
    message = "a line of `---` begins a second document, and a file here is one; delete it, or indent it if it is text."
    return place.row, place.column, message


def _text_after_bar(place: _Place) -> _Guess | None:
    if "block scalar" not in place.error.context:
        return None
    sign = place.lines[place.begin_row][place.begin_column : place.begin_column + 1] if place.begin_row >= 0 else "|"
    message = f"there is text on the line of the `{sign}`; begin it on the next line, indented, or delete the `{sign}`."
    return place.row, place.column, message


def _glued_dash(place: _Place) -> _Guess | None:
    for row in range(place.row, max(-1, place.row - 4), -1):
        found = _GLUED_DASH.match(place.lines[row])
        if found:
            return row, found.end() - 1, "a space is missing after the dash."
    return None


def _glued_colon(place: _Place) -> _Guess | None:
    for row in range(place.row, max(-1, place.row - 3), -1):
        found = _GLUED_COLON.match(place.lines[row])
        if found:
            return row, found.end() - 1, f"a space is missing after `{found['key']}:`."
    return None


def _open_quote(place: _Place) -> _Guess | None:
    if "quoted scalar" not in place.error.context:
        return None
    quote = place.lines[place.begin_row][place.begin_column : place.begin_column + 1]
    if "unknown escape" in place.error.problem:
        message = "a backslash in double quotes means something special; use single quotes, or double the backslash."
        return place.row, place.column, message
    other = "a `'` in the text is written twice" if quote == "'" else 'a `"` in the text is written `\\"`'
    message = f"the quote {quote} that opens here never closes; close it where the text ends ({other})."
    return place.begin_row, place.begin_column, message


def _early_quote(place: _Place) -> _Guess | None:
    """Text that goes on after a closing quote: `'Why can't you'`, `"Yes" is the answer`."""
    line = place.lines[place.row]
    before = line[: place.column].rstrip()
    if not before or before[-1] not in "'\"]}" or place.column >= len(line):
        return None
    if line[place.column] in "#,]}":
        return None
    quote = before[-1]
    column = len(before) - 1
    if quote in "]}":
        message = f"YAML takes what ends here for a {'list' if quote == ']' else 'mapping'}, but the line goes on; "
        return place.row, column, message + "put quotes around the whole text."
    if quote == "'":
        advice = "an apostrophe inside single quotes is written twice, or put the text in double quotes"
    else:
        advice = "put single quotes around the whole text, or write it below a `|`"
    return place.row, column, f"the quoted text ends here, but the line goes on; {advice}."


def _missing_colon(place: _Place) -> _Guess | None:
    for row in range(place.row, max(-1, place.row - 3), -1):
        found = _NO_COLON.match(place.lines[row])
        if found:
            return row, found.end("key"), f"a colon is missing after `{found['key']}`."
    return None


def _ended_quote(place: _Place) -> _Guess | None:
    """A line of text below a quoted text that has already ended."""
    line = place.lines[place.row]
    above = next((row for row in range(place.row - 1, -1, -1) if place.lines[row].strip()), None)
    if above is None or _key_column(line) is not None or place.lines[above].rstrip()[-1] not in "'\"":
        return None
    column = len(place.lines[above].rstrip()) - 1
    message = "the quoted text ends here, so the line below belongs to nothing; delete one or the other."
    return above, column, message


def _stray_colon(place: _Place) -> _Guess | None:
    if "mapping values" not in place.error.problem:
        return None
    message = "there is a colon where none can stand; put quotes around the text that it is part of."
    return place.row, place.column, message


def _owner(place: _Place, row: int) -> tuple[int, str, int, bool] | None:
    """The nearest key above a row: (row, key, column of the key, whether it opens a block with `|` or `>`)."""
    for above in range(row - 1, -1, -1):
        found = _KEY.match(place.lines[above])
        if found and not _inside_block(place, above):
            return above, found["key"].strip("'\""), len(found["lead"]), bool(_BLOCK.match(found["rest"]))
    return None


def _lost_indentation(place: _Place) -> _Guess | None:
    """A line of text that stands no deeper than the key whose text it is."""
    rows = [row for row in (place.begin_row, place.row) if row >= 0]
    for row in rows:
        line = place.lines[row]
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or _key_column(line) is not None:
            continue
        owner = _owner(place, row)
        if owner is None:
            continue
        above, key, column, block = owner
        if _indent(line) <= column:
            first = _first_text(place, above, row, column) if block else row
            message = (
                f"this text belongs to `{key}` in line {above + 1} but is not indented below it; "
                f"indent all its lines by {column + 2} spaces."
            )
            if not block:
                message = (
                    f"this text goes on from `{key}` in line {above + 1} but is not indented; indent it by "
                    f"{column + 2} spaces, and write `{key}: |` if the text has several lines."
                )
            return first, _indent(place.lines[first]), message
        if block and row == place.row:
            message = (
                f"this line of `{key}` is indented less than the text's first line; indent it as deep, "
                "or say how deep the text begins (`|2` is two spaces)."
            )
            return row, _indent(line), message
    return None


def _first_text(place: _Place, above: int, row: int, column: int) -> int:
    for between in range(above + 1, row + 1):
        line = place.lines[between]
        if line.strip() and _indent(line) <= column:
            return between
    return row


def _colon_in_text(place: _Place) -> _Guess | None:
    if "mapping values" not in place.error.problem:
        return None
    line = place.lines[place.row]
    found = _KEY.match(line)
    if found is None or found.end("key") >= place.column:
        return None
    if found["rest"].strip()[:1] in ("'", '"', "|", ">"):
        return None
    message = (
        f"a colon and a space inside the unquoted text of `{found['key']}`; put quotes around the text, "
        f"or write `{found['key']}: |` and the text below."
    )
    return place.row, place.column, message


_ENTRY_KEY = re.compile(r"^(?P<lead>[ \t]*)(?P<key>context|question|answer):(?:[ \t]|$)")


def _missing_dash(place: _Place) -> _Guess | None:
    """An entry of a list that begins with its key, where the entries beside it begin with a dash."""
    line = place.lines[place.row]
    found = _ENTRY_KEY.match(line)
    if found and _begins_an_entry(found, place.lines[: place.row]):
        return _say_dash(place.row, found)
    if not re.match(r"^\s*-\s", line):
        return None
    # The parser met a dash among what it took for a mapping: the list's first entry then has none.
    row = next((row for row in range(place.row - 1, -1, -1) if _opens_list(place.lines[row], _indent(line))), None)
    first = next((below for below in range(row + 1, place.row) if place.lines[below].strip()), None) if row else None
    found = _ENTRY_KEY.match(place.lines[first]) if first is not None else None
    return _say_dash(first, found) if first is not None and found else None


def _begins_an_entry(found: re.Match[str], above: Sequence[str]) -> bool:
    """Whether a key at the column of dashes is one that entries begin with, or that the entry above has already.

    Another one is a key of that entry, indented too little.
    """
    column, key = len(found["lead"]), found["key"]
    last = next((row for row in range(len(above) - 1, -1, -1) if _is_dashed(above[row], column)), None)
    if last is None:
        return False
    entry = [above[last][column + 1 :], *above[last + 1 :]]
    firsts = (line[column + 2 :] for line in above if _is_dashed(line, column))
    return any(text.startswith(f"{key}:") for text in firsts) or any(
        text.strip().startswith(f"{key}:") for text in entry
    )


def _is_dashed(line: str, column: int) -> bool:
    return _indent(line) == column and line[column : column + 2] == "- "


def _opens_list(line: str, column: int) -> bool:
    return _indent(line) <= column and line.strip() in ("seed_examples:", "questions_and_answers:")


def _say_dash(row: int, found: re.Match[str]) -> _Guess:
    key = found["key"]
    return row, len(found["lead"]), f"a new entry begins here, and its dash is missing; write `- {key}:`."


def _entries_without_key(place: _Place) -> _Guess | None:
    line = place.lines[place.row]
    if not re.match(r"^\s*-\s", line) or place.row == 0:
        return None
    above = next((row for row in range(place.row - 1, -1, -1) if place.lines[row].strip()), None)
    if above is None:
        return None
    found = _KEY.match(place.lines[above])
    if found is None or not found["rest"].strip() or found["lead"].strip():
        return None
    if "questions" in found["rest"] or place.column < _indent(line):
        return None
    message = "a list begins here without a key; is `seed_examples:` missing on the line above?"
    return place.row, _indent(line), message


def _key_indentation(place: _Place) -> _Guess | None:
    """A key that stands neither under its neighbours nor under a key of its own."""
    line = place.lines[place.row]
    column = _key_column(line)
    if column is None:
        return None
    key = line[column:].split(":", 1)[0].strip()
    previous = _previous_key(place, line, column)
    if previous is None:
        return None
    above, wanted = previous
    return (
        place.row,
        column,
        f"`{key}` is indented by {column} spaces, but `{above}` above it by {wanted}; align the two.",
    )


def _previous_key(place: _Place, line: str, column: int) -> tuple[str, int] | None:
    """The neighbour that a key should stand under, and its column: the nearest key above in another column."""
    for row in range(place.row - 1, max(-1, place.row - 400), -1):
        other = _key_column(place.lines[row])
        if other is None or other == column or _inside_block(place, row):
            continue
        found = _KEY.match(place.lines[row])
        if found is None or (not found["rest"].strip() and other < column):
            continue
        return found["key"], other
    return None


def _inside_block(place: _Place, row: int) -> bool:
    """Whether a line is text of a block that began above it."""
    indent = _indent(place.lines[row])
    for above in range(row - 1, max(-1, row - 60), -1):
        line = place.lines[above]
        if not line.strip():
            continue
        found = _KEY.match(line)
        if found and len(found["lead"]) < indent and _BLOCK.match(found["rest"]):
            return True
        if _indent(line) < indent and found:
            return False
    return False


_STARTERS = {
    "`": "a backtick",
    "@": "an `@`",
    "%": "a `%`",
    "*": "a `*` (YAML takes it for an alias)",
    "&": "an `&` (YAML takes it for an anchor)",
    "[": "a `[` (YAML takes it for a list)",
    "{": "a `{` (YAML takes it for a mapping)",
    "!": "a `!` (YAML takes it for a tag)",
    "]": "a `]`",
    "}": "a `}`",
    ",": "a comma",
    "|": "a `|`",
    ">": "a `>`",
}


_FLOWS = {"[": "list", "{": "mapping"}


def _special_start(place: _Place) -> _Guess | None:
    for row, column in ((place.begin_row, place.begin_column), (place.row, place.column)):
        if row < 0:
            continue
        char = place.lines[row][column : column + 1]
        flow = "flow" in place.error.context and char in ("[", "{")
        other = char in _STARTERS and char not in ("[", "{")
        if flow or other:
            close = f", or, where a {_FLOWS[char]} is meant, close it" if flow else ""
            words = f"the text begins with {_STARTERS[char]}; put quotes around it, or write it below a `|`{close}."
            return row, column, words
    return None


_GUESSES: tuple[Callable[[_Place], _Guess | None], ...] = (
    _tab,
    _several_documents,
    _text_after_bar,
    _open_quote,
    _glued_dash,
    _glued_colon,
    _lost_indentation,
    _early_quote,
    _colon_in_text,
    _missing_dash,
    _entries_without_key,
    _key_indentation,
    _special_start,
    _missing_colon,
    _ended_quote,
    _stray_colon,
)
