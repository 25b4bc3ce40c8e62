"""What the mix has to know of the branches before it draws: sizes, lengths, the cut, how much of each leaf."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

from labgen.config import MixConfig
from labgen.export.balance import allocate
from labgen.export.forms import Passages
from labgen.records import BRANCHES


class Survey:
    """Told of every accepted row as it is written, so that no further pass is needed.

    Attributes:
        passages: a sample of all leaves' passages, for leaves that have too few distractors of their own.
        sizes: branch to leaf to rows. drawn: leaf to the rows that balance draws from it, once `close` was called.
        lengths: response tokens of every knowledge row in order; 4 bytes a row, all that grows with their number.
        cut_tokens: knowledge responses up to this many tokens are short; known once `close` was called.
    """

    def __init__(self, mix: MixConfig, count_tokens: Callable[[str], int]) -> None:
        self.passages = Passages(mix.seed)
        self.sizes: dict[str, dict[str, int]] = {branch: {} for branch in BRANCHES}
        self.drawn: dict[str, int] = {}
        self.lengths = array("I")
        self.cut_tokens = 0
        self._mix = mix
        self._count_tokens = count_tokens

    def add(self, row: dict[str, Any]) -> None:
        """Note an accepted row of `rows.row_schema()`; rows come in the order in which they are written."""
        sizes = self.sizes[row["branch"]]
        sizes[row["leaf"]] = sizes.get(row["leaf"], 0) + 1
        if row["branch"] == "knowledge":
            self.lengths.append(self._count_tokens(row["messages"][-1]["content"]))
            if self._mix.distractors and row["context"]:
                self.passages.add(row["context"])

    def close(self) -> None:
        """Settle the cut, and how much of each leaf is drawn.

        Raises: ConfigError: floors or totals ask for more rows than there are.
        """
        for branch in BRANCHES:
            total = self._mix.branch_rows.get(branch)  # type: ignore[call-overload]
            self.drawn |= allocate(self.sizes[branch], self._mix, total=total)
        quantile = _quantile(Counter(self.lengths), self._mix.long_above_quantile)
        self.cut_tokens = self._mix.long_above_tokens or quantile


def _quantile(lengths: Counter[int], share: float) -> int:
    """The smallest length up to which at least `share` of the rows go."""
    seen, total = 0, sum(lengths.values())
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= share * total:
            return length
    return 0
