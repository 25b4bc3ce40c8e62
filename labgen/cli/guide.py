"""What `--help` says beside each command's own words: verbs in groups, and an example of each.

A new verb is one line in `GROUPS` and one in `EXAMPLES`; a test asks for both.
"""

from __future__ import annotations

GROUPS = {
    "Write leaves": ("init", "new", "check", "diff", "preview"),
    "Build the dataset": ("plan", "generate", "status", "bulk"),
    "Use it": ("show", "report", "review", "export", "evaluate", "compare", "push"),
    "Look after it": ("calibrate", "contaminate", "doctor", "ledger", "teacher"),
}
"""Headings, with their verbs in the order in which a newcomer meets them; those that there are."""

EXAMPLES = {
    "init": "labgen init my-taxonomy",
    "new": "labgen new knowledge/science/tides --document ~/tides.md",
    "check": "labgen check --fix 'knowledge/**'",
    "diff": "labgen diff --base main",
    "preview": "labgen preview knowledge/science/tides --rows 3",
    "plan": "labgen plan --by-leaf",
    "generate": "labgen generate --base-url http://localhost:8000/v1 --model mixtral --samples 100",
    "status": "labgen status",
    "bulk": "labgen bulk write requests --samples 100",
    "show": "labgen show --leaf 'knowledge/**'",
    "report": "labgen report",
    "review": "labgen review",
    "export": "labgen export --format openai",
    "evaluate": "labgen evaluate --base-url http://localhost:8000/v1 --model my-student",
    "compare": "labgen compare dataset-before dataset",
    "push": "labgen push me/my-dataset --dry-run",
    "calibrate": "labgen calibrate labelled.jsonl",
    "contaminate": "labgen contaminate gsm8k.jsonl",
    "doctor": "labgen doctor --base-url http://localhost:8000/v1 --model mixtral",
    "ledger": "labgen ledger --by-leaf",
    "teacher": "labgen teacher --gguf model.gguf",
}
"""A command that somebody might type, by verb."""


def grouped(verbs: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Verbs with their words by heading; what is in no group stands last."""
    placed = {verb for names in GROUPS.values() for verb in names}
    groups = {head: [(verb, verbs[verb]) for verb in names if verb in verbs] for head, names in GROUPS.items()}
    others = [(verb, words) for verb, words in verbs.items() if verb not in placed]
    return {head: rows for head, rows in [*groups.items(), ("More", others)] if rows}
