"""Passages that training does not draw from, so that a trained model can be asked about texts it has not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from labgen.records import Chunk


def reserved_passages(chunks: Sequence[Chunk], share: float, *, leaf: str, seed: int) -> tuple[Chunk, ...]:
    """The passages of a leaf that are reserved, in the documents' order.

    Which ones depends on their own texts, not on their places: a document that grows keeps most of its choice.

    Args:
        share: of the passages, 0 to 1. Above 0 it is one passage at least, and one is always left to train on.
    """
    if not share or len(chunks) < 2:
        return ()
    count = min(max(1, round(share * len(chunks))), len(chunks) - 1)

    def number(chunk: Chunk) -> tuple[bytes, int]:
        words = f"{seed}\0{leaf}\0reserved\0{chunk.passage}"
        return hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest(), chunk.index

    chosen = {chunk.index for chunk in sorted(chunks, key=number)[:count]}
    return tuple(chunk for chunk in chunks if chunk.index in chosen)
