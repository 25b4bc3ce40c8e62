"""Every rule of `labgen check`, in one registry: what reading reports, what `--explain` says, what the README lists.

Codes are stable. LG1xx: the file cannot be read. LG2xx: its structure is wrong. LG3xx: usable, could be better.
LG4xx: style, all of it fixable. LG5xx: marks of reviewers.
"""

from __future__ import annotations

from labgen.records import Severity
from labgen.taxonomy.rules.content import RULES as CONTENT
from labgen.taxonomy.rules.marks import RULES as MARKS
from labgen.taxonomy.rules.model import Rule
from labgen.taxonomy.rules.reading import RULES as READING
from labgen.taxonomy.rules.structure import RULES as STRUCTURE
from labgen.taxonomy.rules.style import RULES as STYLE

RULES: dict[str, Rule] = {rule.code: rule for rule in (*READING, *STRUCTURE, *CONTENT, *STYLE, *MARKS)}
"""Code to rule, in the order of codes."""

__all__ = ["RULES", "Rule", "Severity"]
