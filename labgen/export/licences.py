"""Licences of what leaves build on: read from `attribution.txt`, put into one spelling, the strictest first."""

from __future__ import annotations

from pathlib import Path

from labgen.export.rows import Licence
from labgen.lazy import re
from labgen.taxonomy.attribution import read_attribution

_FIELDS = {
    "title of work": "title",
    "link to work": "link",
    "revision": "revision",
    "license of the work": "licence",
    "licence of the work": "licence",
    "license": "licence",
    "licence": "licence",
    "creator names": "creators",
    "creator name": "creators",
}
_NOTHING = frozenset(("", "-", "n/a", "na", "none", "unknown", "tbd", "?"))

_CREATIVE_COMMONS = re.compile(r"\bcc[ -]?by|creative commons")
_CONDITIONS = (
    ("NC", re.compile(r"\bnc\b|non-? ?commercial")),
    ("SA", re.compile(r"\bsa\b|share-? ?alike")),
    ("ND", re.compile(r"\bnd\b|no-? ?deriv")),
)
_PUBLIC = re.compile(r"public[ -]domain|\bpd\b|^cc[ -]?0|unlicense|\bpddl\b|creative commons zero")
_NAMED = (
    (re.compile(r"\b(agpl|lgpl|gpl)[ -]*v?(\d(?:\.\d)?)?"), ""),
    (re.compile(r"\b(mpl|epl|ecl|osl|afl)[ -]*v?(\d(?:\.\d)?)?"), ""),
    (re.compile(r"\b(apache)[^\d]*(\d(?:\.\d)?)?"), "2.0"),
    (re.compile(r"\b(bsd)[ -]*([234])[ -]*clause"), ""),
    (re.compile(r"\b(mit|isc|zlib|gfdl|odbl|wtfpl|bsd)\b()"), ""),
    (re.compile(r"(gnu f(?:ree )?d(?:oc\w*)? ?l)()"), ""),
)
_SPELLED = {"agpl": "AGPL", "lgpl": "LGPL", "gpl": "GPL", "mpl": "MPL", "epl": "EPL", "ecl": "ECL", "osl": "OSL"}

_HUB_IDS = """apache-2.0 mit isc zlib bsd bsd-2-clause bsd-3-clause gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0
    agpl-3.0 mpl-2.0 epl-1.0 epl-2.0 odbl unlicense cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0
    cc-by-sa-4.0
    cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 wtfpl"""
HUB_IDS = frozenset(_HUB_IDS.split())
"""Identifiers that the Hub's metadata knows."""


def read_licences(folder: Path) -> tuple[Licence, ...]:
    """The works that the `attribution.txt` in a leaf's folder names; none where there is no such file.

    The file has a line `Title of work: ...` (and link, revision, license, creators) per fact; a fact that comes again
    begins the next work. Blank lines, unknown lines and odd encodings are passed over. See `read_attribution`.
    """
    works: list[dict[str, str]] = []
    for line in (read_attribution(folder) or "").splitlines():
        name, colon, value = line.partition(":")
        field = _FIELDS.get(" ".join(name.lower().split()))
        if not colon or field is None:
            continue
        if not works or field in works[-1]:
            works.append({})
        works[-1][field] = " ".join(value.split())
    return tuple(
        Licence(
            title=work.get("title", ""),
            link="" if work.get("link", "").lower() in _NOTHING else work["link"],
            licence="" if work.get("licence", "").lower() in _NOTHING else work["licence"],
            creators=work.get("creators", ""),
        )
        for work in works
    )


def spdx(licence: str) -> str:
    """A licence as people write it, in SPDX's spelling where it is recognised, else as written.

    Only the spelling changes: a version that is not written is not made up (`CC BY` becomes `CC-BY`), but for Apache,
    of which one version is in use.
    """
    text = " ".join(licence.lower().replace("_", " ").split())
    if _PUBLIC.search(text):
        if "unlicense" in text:
            return "Unlicense"
        return "CC0-1.0" if re.search(r"cc[ -]?0|zero", text) else "Public domain"
    if _CREATIVE_COMMONS.search(text):
        conditions = [name for name, pattern in _CONDITIONS if pattern.search(text)]
        return "-".join(["CC", "BY", *conditions, *re.findall(r"\d\.\d", text)[:1]])
    for pattern, usual in _NAMED:
        if found := pattern.search(text):
            name, version = found[1], found[2] or usual
            if name == "bsd" and version:
                return f"BSD-{version}-Clause"
            if name == "apache":
                return f"Apache-{version if '.' in version else version + '.0'}"
            if name.startswith("gnu f"):
                return "GFDL"
            spelled = _SPELLED.get(name, name.upper() if name != "zlib" else "Zlib")
            return f"{spelled}-{version if '.' in version else version + '.0'}" if version else spelled
    return licence


def strictness(licence: str) -> int:
    """How much a licence (in SPDX's spelling) asks of whoever uses the work: 0 nothing, 6 the most; 7 where unknown.

    1 attribution, 2 copyleft by file, 3 share alike, 4 not commercially, 5 not commercially and share alike, 6 no
    derivatives (which a dataset made from the work may well be). It orders a table; it is no legal advice.
    """
    parts = licence.upper().split("-")
    if parts[0] in ("CC0", "PUBLIC DOMAIN", "UNLICENSE", "PDDL"):
        return 0
    if parts[0] == "CC":
        if "ND" in parts:
            return 6
        return (5 if "SA" in parts else 4) if "NC" in parts else 3 if "SA" in parts else 1
    if parts[0] in ("AGPL", "GPL", "GFDL", "ODBL", "OSL"):
        return 3
    if parts[0] in ("LGPL", "MPL", "EPL"):
        return 2
    if parts[0] in ("APACHE", "MIT", "BSD", "ISC", "ZLIB", "ECL", "AFL", "WTFPL"):
        return 1
    return 7


def hub_id(licence: str) -> str:
    """The Hub's identifier for a licence in SPDX's spelling; `other` where it has none, `unknown` for none stated."""
    if not licence:
        return "unknown"
    name = licence.lower()
    return name if name in HUB_IDS else "other"
