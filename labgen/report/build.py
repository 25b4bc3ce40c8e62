"""A dataset's page: everything that the folder holds, and what the ledger adds to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from labgen.config.whole import PriceConfig
from labgen.errors import UsageError
from labgen.export.agreement import AGREEMENT
from labgen.export.configs import DOCUMENTS, HELD_OUT, REJECTED
from labgen.export.files import read_dataset_json, read_rows, read_tables
from labgen.export.folder import read_manifest
from labgen.export.funnel import Funnel
from labgen.export.passages import read_passages
from labgen.export.shortfall import why_short
from labgen.formats.training.base import PREFERENCE_CONFIGS
from labgen.records import BRANCHES
from labgen.report.calls import MAX_CANDIDATES, spending
from labgen.report.entries import Lineage
from labgen.report.page import Page
from labgen.report.sample import MOST_ROWS, sample_of

SHOWN = (*BRANCHES, DOCUMENTS, REJECTED, *HELD_OUT, *PREFERENCE_CONFIGS)
"""Configs on a page. Phases only repeat rows."""


def report_page(
    folder: Path,
    *,
    work: Path | None = None,
    price: PriceConfig | None = None,
    calls: bool | None = None,
    most_rows: int | None = None,
    served: bool = False,
) -> Iterator[str]:
    """A dataset as one self-contained HTML page, in pieces to be written one after another.

    The same dataset, ledger and options give the same bytes.

    Args:
        folder: of the dataset.
        work: the work folder, for what its ledger knows of the build's calls; None, or one without a ledger, leaves
            that out.
        price: what tokens cost; None shows no money.
        calls: whether prompts and replies go into the page; None for pages of at most `MAX_CANDIDATES` candidates.
        most_rows: of a dataset with more rows and rejections a sample is shown, and said to be; None: `MOST_ROWS`.
        served: whether the page may ask the server that it comes from for marks (`/marks`). Else it asks nobody for
            anything.
    Raises: UsageError: no dataset there, or it is damaged. LedgerError: the ledger is damaged.
    """
    manifest = read_manifest(folder)
    funnel = _funnel_of(folder)
    most = MOST_ROWS if most_rows is None else most_rows
    sample = sample_of(_files(folder, manifest), most) if _candidates(manifest) > most else None
    shown = sample.ids if sample else None
    lineage = read_lineage(folder, manifest, shown)
    with_calls = (len(shown) if shown else _candidates(manifest)) <= MAX_CANDIDATES if calls is None else calls
    ledger = work if work and (work / "ledger.sqlite").is_file() else None
    page = Page("report", passages=read_passages(folder, manifest), work=ledger if with_calls else None)
    for config in SHOWN:
        for row in rows_of(folder, manifest, config, shown):
            page.add([(row, config, lineage.get(row["id"], Lineage()))], **_state(config))
    spent = spending(ledger, _calls(folder, manifest)) if ledger else None
    shorts = {path: why for path, tally in Funnel.from_json(funnel).leaves.items() if (why := why_short(tally))}
    page.head |= {
        "title": folder.resolve().name,
        "about": about(manifest),
        "funnel": funnel,
        "short": shorts,
        "calibration": _json_where_it_is(folder / "calibration.json"),
        "agreement": _json_where_it_is(folder / AGREEMENT),
        "spending": spent.to_json(price) if spent and spent.by_step else None,
        "settings": _text_of(folder, "settings.yaml"),
        "warnings": [sample.words] if sample else [],
        "no_calls": "" if with_calls and ledger else _why_no_calls(with_calls),
    }
    return page.html(served=served)


def _why_no_calls(with_calls: bool) -> str:
    if with_calls:
        return "There was no ledger where this page was made: prompts and replies are left out."
    return "Prompts and replies are left out of this page; `labgen report --calls` takes them in."


def about(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a page says of the build as a whole."""
    names = ("labgen", "teacher", "served_models", "taxonomy_commit", "complete", "rehearsal")
    licences = sorted({licence for leaf in manifest["leaves"].values() for licence in leaf["licences"]})
    configs = {name: config["rows"] for name, config in manifest["configs"].items()}
    return {name: manifest.get(name) for name in names} | {"licences": licences, "configs": configs}


def rows_of(
    folder: Path, manifest: Mapping[str, Any], config: str, ids: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """A config's rows, in order; none where the dataset has none or its files stayed elsewhere (`rejected`).

    Args:
        ids: those of the rows that are wanted; None for all.
    """
    for path in _files_of(folder, manifest, config):
        yield from _rows(path, ids)


def read_lineage(folder: Path, manifest: Mapping[str, Any], ids: Collection[str] | None = None) -> dict[str, Lineage]:
    """Id to its draw and calls; empty for a dataset that came from the Hub, where `lineage/` does not go."""
    return {
        row["id"]: Lineage(row["slot"], row["position"], tuple(row["calls"]))
        for path in _lineage_files(folder, manifest)
        for row in _rows(path, ids)
    }


def _rows(path: Path, ids: Collection[str] | None) -> Iterator[dict[str, Any]]:
    if ids is None:
        yield from read_rows(path)
        return
    for table in read_tables(path):
        yield from table.filter([id in ids for id in table["id"].to_pylist()]).to_pylist()


def _calls(folder: Path, manifest: Mapping[str, Any]) -> Iterator[bytes]:
    for path in _lineage_files(folder, manifest):
        for row in read_rows(path, ["calls"]):
            yield from row["calls"]


def _lineage_files(folder: Path, manifest: Mapping[str, Any]) -> list[Path]:
    names = sorted(name for name in manifest["files"] if name.startswith("lineage/calls"))
    return [folder / name for name in names if (folder / name).is_file()]


def _files_of(folder: Path, manifest: Mapping[str, Any], config: str) -> list[Path]:
    names = manifest["configs"].get(config, {"files": []})["files"]
    return [folder / name for name in names if (folder / name).is_file() or config != REJECTED]


def _files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Path]:
    for config in SHOWN:
        yield from _files_of(folder, manifest, config)


def _state(config: str) -> dict[str, str]:
    """What stands for the state of rows that are no part of the funnel."""
    if config in HELD_OUT:
        return {"state": "held out"}
    return {"state": "preference"} if config in PREFERENCE_CONFIGS else {}


def _candidates(manifest: Mapping[str, Any]) -> int:
    return sum(config["rows"] for name, config in manifest["configs"].items() if name in SHOWN)


def _funnel_of(folder: Path) -> dict[str, Any]:
    path = folder / "funnel.json"
    data = read_dataset_json(path)
    try:
        return Funnel.from_json(data).to_json()
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(f"{path}: this is no funnel. Build or download the dataset again.") from None


def _json_where_it_is(path: Path) -> dict[str, Any] | None:
    return read_dataset_json(path) if path.is_file() else None


def _text_of(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError:
        return ""
