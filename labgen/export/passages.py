"""The passages that a build's documents were cut into, kept beside its lineage: drawn from or not, reserved or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.export.files import ShardedTable, read_rows
from labgen.export.rows import storable
from labgen.plan.leaf_plan import LeafPlan

if TYPE_CHECKING:
    import pyarrow as pa

STEM = "lineage/passages"


def passage_schema() -> pa.Schema:
    """The Arrow schema of `lineage/passages`: `text` is the document's own `[start:end]`, in characters;
    `reserved` says that it is kept for held-out questions.
    """
    import pyarrow as pa

    words = [(name, pa.string()) for name in ("leaf", "repo", "commit", "file")]
    return pa.schema(
        [*words, ("start", pa.int64()), ("end", pa.int64()), ("reserved", pa.bool_()), ("text", pa.string())]
    )


def passages_of(plans: Iterable[LeafPlan]) -> Iterator[dict[str, Any]]:
    """The passages of leaves with documents, as rows of `passage_schema()`, in the order of leaves and documents."""
    for plan in sorted(plans, key=lambda plan: plan.leaf.path):
        places = [(chunk, False) for chunk in plan.chunks] + [(chunk, True) for chunk in plan.reserved]
        places.sort(key=lambda place: (place[0].source.repo, place[0].source.file, place[0].source.start))
        for chunk, reserved in places:
            source = chunk.source
            yield {
                "leaf": plan.leaf.path,
                "repo": storable(source.repo),
                "commit": storable(source.commit),
                "file": storable(source.file),
                "start": source.start,
                "end": source.end,
                "reserved": reserved,
                "text": storable(chunk.text),
            }


def write_passages(root: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write them into a dataset's folder; nothing where there are none."""
    with ShardedTable(root, STEM, passage_schema()) as table:
        for row in rows:
            table.add(dict(row))


def read_passages(folder: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of a dataset; none of one that an earlier version wrote, or that came from the Hub."""
    names = sorted(name for name in manifest["files"] if name.startswith(f"{STEM}-"))
    return [row for name in names if (folder / name).is_file() for row in read_rows(folder / name)]
