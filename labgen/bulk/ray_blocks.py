"""Blocks of a Ray dataset from pieces of batch files, and files from blocks.

Ray's own readers would not do: its text reader takes U+2028 and other characters that JSON strings may hold for ends of
lines, its JSON reader gives every body the fields of all others. A block holds lines as they are, so nothing of a
request or a reply is turned into columns.

This module runs on the cluster's workers, where labgen need not be installed: it imports nothing of labgen but what
travels along.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labgen.lazy.dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Some lines of a file: `size` bytes from byte `start` on."""

    path: str
    start: int
    size: int

    def as_row(self) -> dict[str, Any]:
        """As Ray carries it."""
        return asdict(self)


def pieces(path: Path, lines: int) -> Iterator[Piece]:
    """A file in pieces of at most so many lines (count), in order; reads it once, line by line."""
    with path.open("rb") as file:
        start = end = held = 0
        for line in file:
            end += len(line)
            held += 1
            if held == lines:
                yield Piece(str(path), start, end - start)
                start, held = end, 0
        if end > start:
            yield Piece(str(path), start, end - start)


def read_piece(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """A piece's lines, each as a row; empty ones are left out."""
    with Path(row["path"]).open("rb") as file:
        file.seek(row["start"])
        content = file.read(row["size"])
    return [{"request": line.decode("utf-8", "replace")} for line in content.split(b"\n") if line.strip()]


def http_payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """What Ray's HTTP stage hands to the session."""
    return {"payload": {"line": row["request"]}}


def http_line(row: Mapping[str, Any]) -> dict[str, str]:
    """What the session made of it, and nothing else."""
    return {"line": row["http_response"]["line"]}


def write_block(block: Mapping[str, Any], *, folder: str) -> dict[str, list[Any]]:
    """Write a block's lines as a file that is whole or not there.

    The name follows from whom the lines answer. So a block that Ray works on again, since a node died before it could
    tell, replaces the file that it had written.

    Returns: a row with the file's name, its lines (count), and the node that wrote it.
    """
    lines = [str(line) for line in block["line"]]
    if not lines:
        return {"name": [], "lines": [], "node": []}
    identities = json.dumps([json.loads(line)["custom_id"] for line in lines])
    name = f"{hashlib.sha256(identities.encode()).hexdigest()[:24]}.jsonl"
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    half = place / f".{name}.{platform.node()}.{os.getpid()}.half"
    with half.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    half.replace(place / name)
    return {"name": [name], "lines": [len(lines)], "node": [platform.node()]}
