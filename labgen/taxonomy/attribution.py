"""What `attribution.txt` beside a leaf says of licences."""

from __future__ import annotations

from pathlib import Path

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.taxonomy.names import leads_out

ATTRIBUTION_FILE = "attribution.txt"
MAX_BYTES = 1_000_000

_LINE = re.compile(
    r"^[ \t]*+licen[sc]es?(?:[ \t]++of[ \t]++the[ \t]++work)?[ \t]*+:[ \t]*+(?P<licence>.*+)$", re.I | re.M
)
_ADDRESS = re.compile(r"(?<!\s)\s*+[\[(](?:https?:|www\.)[^\])\n]{0,1000}[\])]|https?://\S+")
_JOINED = re.compile(r"(?<!\s)\s++(?:or|and|OR|AND)\s++|(?<!\s)\s*+[,;&+]\s*+|[,;&+]\s*+")
_RESTRICTIVE = re.compile(
    r"\b(?:nc|nd|non-?commercial|no-?deriv\w*|[al]?gpl(?:-?\d[\w.+-]*)?|sspl|busl|proprietary|all rights reserved|"
    r"confidential|copyrighted)\b",
    re.IGNORECASE,
)
_PERMISSIVE = re.compile(
    r"^(?:apache(?:[- ]?(?:license|licence))?(?:,?[- ]?(?:version )?2(?:\.0)?)?|mit(?:-0)?"
    r"|[0123]?-?bsd(?:[- ][0-9].*)?|bsd[- ]?[0-9].*|isc|zlib|unlicense|wtfpl|ncsa|psf(?:-2\.0)?"
    r"|python-2\.0(?:\.1)?|cc0(?:[- ]?1\.0)?|cc[- ]zero"
    r"|cc[- ]?by(?:[- ]?sa)?(?:[- ]?[1-4]\.[05])?(?:[- ](?:international|unported|deed|igo|[a-z]{2}))*"
    r"|creative commons(?: attribution)?(?:[- ]share-?alike)?(?: [1-4]\.[05])?(?: .*)?"
    r"|public[- ]?domain.*|pddl(?:-1\.0)?|odc-by(?:-1\.0)?|cdla-permissive(?:-[12]\.0)?|cdla-sharing-1\.0|ogl.*"
    r"|gfdl(?:-1\.[23])?|u\.?s\.? government works?.*|blueoak-1\.0\.0|bsl-1\.0|ms-pl|upl-1\.0|postgresql|x11"
    r"|cc[- ]?pd(?:dc|m)?(?:-1\.0)?)(?: licen[sc]e)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LicenceNote:
    """One licence line: its rule (empty where all is well), place (1-based) and what it says."""

    code: str
    line: int
    column: int
    licence: str


def read_attribution(folder: Path) -> str | None:
    """The text of the attribution file in a leaf's folder; None where there is none that can be read.

    A link out of the folder counts as none; at most `MAX_BYTES` are read.
    """
    file = folder / ATTRIBUTION_FILE
    try:
        if leads_out(file, folder) or not file.is_file():
            return None
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return None


def judge_licences(text: str) -> list[LicenceNote]:
    """Every licence line of an attribution file that names no licence, an unknown or a restrictive one.

    Returns: one note for each such line; one at the start of the file where no line names a licence at all.
    """
    found = list(_LINE.finditer(text))
    if not found:
        return [LicenceNote("LG307", 1, 1, "")]
    notes = []
    for match in found:
        licence = match["licence"].rstrip(" \t\r").strip(" .\"'`")
        code = judge_licence(licence)
        if code:
            start = match.start("licence")
            line = text.count("\n", 0, start) + 1
            column = start - (text.rfind("\n", 0, start) + 1) + 1
            notes.append(LicenceNote(code, line, column, licence))
    return notes


def judge_licence(licence: str) -> str:
    """`LG308` for a restrictive licence, `LG307` for an unknown one or none, nothing for a permissive one.

    Several licences joined by `or`, `and`, commas or `+` are good where each is.
    """
    plain = _ADDRESS.sub("", licence).strip(" ,;.")
    if not plain or plain in ("-", "none", "n/a", "tbd"):
        return "LG307"
    if _RESTRICTIVE.search(plain):
        return "LG308"
    parts = [part.strip() for part in _JOINED.split(plain) if part.strip()]
    return "" if _PERMISSIVE.match(plain) or all(_PERMISSIVE.match(part) for part in parts) else "LG307"
