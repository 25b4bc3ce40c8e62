"""Whether draws repeat: `python scripts/bench_draws.py [--before PYTHON] [--taxonomy FOLDER] [--rows N]`.

Builds some leaves against a mock teacher, once with one that says the same to the same prompt (temperature 0) and once
with one that follows the sampling seed as well, and prints what came of it: draws and distinct prompts among them,
candidates and near-duplicates among these, the share of prompt tokens that a prefix cache would have served, calls and
tokens for each row. With `--before PYTHON` the labgen that this other Python has runs beside it, row by row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from bench_engine import SCRIPTS, mock_teacher

COLUMNS = (
    "labgen", "teacher", "rows", "wanted", "draws", "distinct", "candidates", "duplicates", "prefix cache",
    "calls a row", "tokens a row",
)  # fmt: skip
TEACHERS = {"by prompt": ("--by-prompt",), "by seed": ()}


def build(python: str, options: list[str], teacher: tuple[str, ...], settings: str) -> list[str]:
    """One build, as cells of the table."""
    with (
        tempfile.TemporaryDirectory(prefix="labgen-draws-") as folder,
        mock_teacher("--mean-sec", "0", "--prefix-cache", *teacher) as url,
    ):
        # The mock judge always says yes, which is what calibration is there to stop.
        (Path(folder) / "labgen.yaml").write_text(f"calibration: {{enabled: false}}\n{settings}\n")
        command = [python, "-m", "labgen", "generate", "--base-url", url, "--model", "mock", "--json", *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LABGEN_")}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if not done.stdout.startswith("{"):
            raise SystemExit(done.stderr[-2000:])
        said = json.loads(done.stdout)
        with urlopen(f"{url}/mock/stats") as answer:
            stats = json.load(answer)
    total, calls = said["funnel"]["total"], said["calls"]
    rows = total["states"].get("accepted", 0)
    tokens = calls["prompt_tokens"] + calls["completion_tokens"]
    per_row = [f"{calls['answered'] / rows:.2f}", f"{tokens / rows:,.0f}"] if rows else ["-", "-"]
    return [
        *(f"{number:,}" for number in (rows, total["wanted"], stats["draws"], stats["distinct_draws"])),
        *(f"{number:,}" for number in (total["candidates"], total["states"].get("duplicate", 0))),
        f"{stats['prefix_share']:.2f}",
        *per_row,
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="another Python, with another labgen")
    parser.add_argument("--taxonomy", type=Path, default=SCRIPTS.parent / "taxonomy")
    parser.add_argument("--leaf", action="append", default=[], help="only leaves that this matches (repeatable)")
    parser.add_argument("--rows", type=int, default=100, help="wanted of each leaf")
    parser.add_argument("--settings", default="", help="a line of labgen.yaml for this labgen, not for the other one")
    parser.add_argument("--teacher", choices=list(TEACHERS), action="append", help="only this one (repeatable)")
    chosen = parser.parse_args()
    options = ["--taxonomy", str(chosen.taxonomy.resolve()), "--samples", str(chosen.rows)]
    options += [part for pattern in chosen.leaf for part in ("--leaf", pattern)]
    pythons = {"now": sys.executable} | ({"before": chosen.before} if chosen.before else {})
    lines = [list(COLUMNS)]
    for teacher in chosen.teacher or TEACHERS:
        for name, python in pythons.items():
            settings = chosen.settings if name == "now" else ""
            lines.append([name, teacher, *build(python, options, TEACHERS[teacher], settings)])
            print(" | ".join(lines[-1]), file=sys.stderr, flush=True)
    from labgen.text.columns import align_columns

    print("\n".join(align_columns(lines, left=2)))


if __name__ == "__main__":
    main()
