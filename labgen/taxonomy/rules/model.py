"""What a rule is."""

from __future__ import annotations

from labgen.lazy.dataclasses import dataclass
from labgen.records import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with a leaf.

    Attributes:
        code: stable, such as `LG101`; name: the same for people, such as `not-yaml`.
        severity: by default; `--compat` may raise or lower it.
        summary: one line for the table of rules.
        why: why the rule exists, in a few sentences.
        bad, good: a leaf (or the part that matters) before and after.
        blocks_reading: errors only: whether a build leaves the leaf out. What can still be used, is.
        fixable: whether `--fix` mends it.
        instructlab: how the reference validator judges the same, which `--compat instructlab` takes for the severity:
            `error`, `warning`, `lint` and `lint-warning` (its lint, which it applies from version 2 on), empty where it
            says nothing, and `refused` where it says nothing but labgen cannot go along.
    """

    code: str
    name: str
    severity: Severity
    summary: str
    why: str
    bad: str
    good: str
    blocks_reading: bool = True
    fixable: bool = False
    instructlab: str = ""
