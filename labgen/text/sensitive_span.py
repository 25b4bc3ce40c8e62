"""A place in a text where a secret or personal data stands."""

from __future__ import annotations

from collections.abc import Iterable

from labgen.lazy.dataclasses import dataclass

SECRET = "secret"  # noqa: S105 - a kind of span, no password
PERSONAL = "personal data"


@dataclass(frozen=True, slots=True)
class SensitiveSpan:
    """One span that should not be there: characters `start` (inclusive) to `end` (exclusive) of the text.

    `category` says what it is ("GitHub token"), `kind` is `SECRET` or `PERSONAL`. The words themselves are not kept.
    """

    category: str
    start: int
    end: int
    kind: str


def without_overlaps(found: Iterable[SensitiveSpan]) -> list[SensitiveSpan]:
    """Spans by position; of those of one kind that overlap, the first and longest."""
    kept: list[SensitiveSpan] = []
    covered = {SECRET: 0, PERSONAL: 0}
    for span in sorted(found, key=lambda span: (span.start, -span.end, span.category)):
        if span.start >= covered[span.kind]:
            kept.append(span)
            covered[span.kind] = span.end
    return kept
