"""What the mix has to know of the branches before it draws: sizes, passages, how much of each leaf."""

from __future__ import annotations

from typing import Any

from labgen.config.dataset import MixConfig
from labgen.export.balance import allocate
from labgen.export.forms import Passages
from labgen.records import BRANCHES, DOCUMENT_KINDS


class Survey:
    """Told of every accepted row as it is written, so that no further pass is needed.

    Attributes:
        mix: what it is for.
        passages: a sample of all leaves' passages, for leaves that have too few distractors of their own.
        documents: rows that are documents, which do not count in `sizes`.
        sizes: branch to leaf to rows. drawn: leaf to the rows that balance draws from it, once `close` was called.
    """

    def __init__(self, mix: MixConfig) -> None:
        self.passages = Passages(mix.seed)
        self.sizes: dict[str, dict[str, int]] = {branch: {} for branch in BRANCHES}
        self.drawn: dict[str, int] = {}
        self.documents = 0
        self.mix = mix

    def add(self, row: dict[str, Any]) -> None:
        """Note an accepted row of `rows.row_schema()`; rows come in the order in which they are written.

        Documents are drawn by a share of their own, and balanced by none.
        """
        if row["kind"] in DOCUMENT_KINDS:
            self.documents += 1
            return
        sizes = self.sizes[row["branch"]]
        sizes[row["leaf"]] = sizes.get(row["leaf"], 0) + 1
        if row["branch"] == "knowledge" and self.mix.distractors and row["context"]:
            self.passages.add(row["context"])

    def close(self) -> None:
        """Settle how much of each leaf is drawn.

        Raises: ConfigError: floors or totals ask for more rows than there are.
        """
        for branch in BRANCHES:
            total = self.mix.branch_rows.get(branch)  # type: ignore[call-overload]
            self.drawn |= allocate(self.sizes[branch], self.mix, total=total)
