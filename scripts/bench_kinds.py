"""Calls and tokens for each row by kind: `python scripts/bench_kinds.py [--taxonomy FOLDER] [--rows N]`.

Builds leaves with documents with the rehearsal teacher, every kind of question and of document in the same share, and
prints for each kind its rows, its candidates, and what a row took: the calls in the history of all its candidates, each
counted once for a kind. The judges' test is left out. Tokens are the rehearsal's, four characters each.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent


def measure(folder: Path, options: list[str]) -> list[list[str]]:
    """Build in a folder. Returns: a line for each kind."""
    import pyarrow.parquet as pq

    from labgen.config.drawing import KINDS

    (folder / "labgen.yaml").write_text(json.dumps({"knowledge": {"kinds": dict.fromkeys(KINDS, 0.1)}}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LABGEN_", "OPENAI_"))}
    command = [sys.executable, "-m", "labgen", "generate", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not (folder / "dataset").is_dir():
        raise SystemExit(done.stderr[-2000:])
    calls = {
        row["id"]: row["calls"]
        for file in folder.glob("dataset/lineage/calls-*.parquet")
        for row in pq.read_table(file).to_pylist()
    }
    with sqlite3.connect(folder / ".labgen/ledger.sqlite") as ledger:
        tokens = dict(ledger.execute("SELECT key, prompt_tokens + completion_tokens FROM replies"))
    rows: Counter[str] = Counter()
    candidates: Counter[str] = Counter()
    spent: dict[str, set[bytes]] = defaultdict(set)
    for config in ("knowledge", "documents", "rejected"):
        for file in folder.glob(f"dataset/data/{config}-*.parquet"):
            for row in pq.read_table(file, columns=["id", "kind"]).to_pylist():
                candidates[row["kind"]] += 1
                rows[row["kind"]] += config != "rejected"
                spent[row["kind"]].update(calls[row["id"]])
    return [
        [kind, f"{rows[kind]:,}", f"{candidates[kind]:,}", *_per_row(spent[kind], tokens, rows[kind])]
        for kind in KINDS
        if candidates[kind]
    ]


def _per_row(spent: set[bytes], tokens: dict[bytes, int], rows: int) -> list[str]:
    if not rows:
        return ["-", "-"]
    return [f"{len(spent) / rows:.2f}", f"{sum(tokens.get(key, 0) for key in spent) / rows:,.0f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxonomy", type=Path, default=SCRIPTS.parent / "taxonomy")
    parser.add_argument("--leaf", default="knowledge/**")
    parser.add_argument("--rows", type=int, default=60, help="wanted of each leaf")
    chosen = parser.parse_args()
    options = ["--taxonomy", str(chosen.taxonomy.resolve()), "--leaf", chosen.leaf, "--samples", str(chosen.rows)]
    from labgen.text.columns import align_columns

    with tempfile.TemporaryDirectory(prefix="labgen-kinds-") as folder:
        lines = measure(Path(folder), options)
    print("\n".join(align_columns([["kind", "rows", "candidates", "calls a row", "tokens a row"], *lines])))


if __name__ == "__main__":
    main()
