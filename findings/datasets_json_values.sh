#!/usr/bin/env bash
# datasets 5.2.0: load_dataset("json") does not give back the values that a JSON Lines file holds.
#
# Behaviour: texts that look like dates come back as datetime objects, so a column of texts changes its type with its
# content. A text of digits becomes a number where another row has a number. json.loads on each line keeps them all.
# Whoever reads training data of others by the "json" builder gets other questions and answers than the file has.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==25.0.0
cd "$folder"
HF_HOME="$folder/hf" venv/bin/python - <<'PY'
import json
from importlib.metadata import version
from pathlib import Path

from datasets import load_dataset

print("datasets", version("datasets"), "pyarrow", version("pyarrow"))
cases = {
    "dates": [{"answer": "2024-05-01"}, {"answer": "2023-11-30"}],
    "dates and words": [{"answer": "2024-05-01"}, {"answer": "on a Tuesday"}],
    "number and text": [{"answer": 42}, {"answer": "42"}],
    "text and number": [{"answer": "42"}, {"answer": 42}],
}
changed = {}
for name, rows in cases.items():
    path = Path(f"{name.replace(' ', '_')}.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    try:
        found = [row["answer"] for row in load_dataset("json", data_files=str(path), split="train")]
    except Exception as error:
        found = type(error).__name__
    written = [row["answer"] for row in rows]
    print(f"{name}: written {written!r}, read {found!r}")
    changed[name] = found != written
assert changed == {"dates": True, "dates and words": False, "number and text": True, "text and number": True}, changed
print("as described: texts became dates, and texts became numbers")
PY
