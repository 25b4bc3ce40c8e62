"""Names of a dataset's configs, beside the three branches."""

from __future__ import annotations

DOCUMENTS = "documents"
REJECTED = "rejected"

RECALL, READING, SKILLS, CHOICE = "recall", "reading", "skills", "choice"

ASKED = (RECALL, READING, SKILLS)
"""Kinds of held-out rows that are drawn."""

HELD_OUT = (*ASKED, CHOICE)
"""Configs whose one split is `test`."""
