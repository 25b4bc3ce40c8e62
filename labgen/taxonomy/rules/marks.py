"""LG5xx: marks of reviewers, in `marks.yaml`. What keeps the file from being read has the codes of LG1xx."""

from __future__ import annotations

from labgen.records import Severity
from labgen.taxonomy.rules.model import Rule

RULES = (
    Rule(
        "LG501",
        "no-mark",
        Severity.ERROR,
        "An entry of `marks.yaml` that is no mark, or a merge that git left to you.",
        "A build obeys every mark or stops: one that passed over an entry would bring back a row that somebody found "
        "to be bad. A mark stands under its row's id and has the row's `leaf` and a `verdict`: `good`, `bad`, `edited` "
        "(with the text to use instead) or `note`.",
        "9a3eed2bb6e6e4c3:\n  leaf: knowledge/science/biology/honey_bee\n  verdict: wrong",
        "9a3eed2bb6e6e4c3:\n  leaf: knowledge/science/biology/honey_bee\n  verdict: bad\n  reason: it does not answer.",
    ),
    Rule(
        "LG502",
        "bad-without-reason",
        Severity.WARNING,
        "A row is marked bad, and nobody says why.",
        "Whoever merges the marks wants to know, and so does whoever mends the leaf.",
        "9a3eed2bb6e6e4c3:\n  leaf: knowledge/science/biology/honey_bee\n  verdict: bad",
        "9a3eed2bb6e6e4c3:\n  leaf: knowledge/science/biology/honey_bee\n  verdict: bad\n  reason: it does not answer.",
        blocks_reading=False,
    ),
    Rule(
        "LG503",
        "mark-of-no-leaf",
        Severity.WARNING,
        "A mark on a row of a leaf that the taxonomy does not have.",
        "No build can obey it. Where the leaf was moved, its rows are others now; delete the mark.",
        "9a3eed2bb6e6e4c3:\n  leaf: knowledge/science/honey_be\n  verdict: good",
        "9a3eed2bb6e6e4c3:\n  leaf: knowledge/science/biology/honey_bee\n  verdict: good",
        blocks_reading=False,
    ),
)
