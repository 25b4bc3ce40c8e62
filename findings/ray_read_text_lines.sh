#!/usr/bin/env bash
# Ray Data 2.60.0: read_text ends lines where a JSON Lines file does not.
#
# Behaviour: ray.data.read_text splits a file with Python's str.splitlines, so that U+2028, U+2029, U+0085, form feeds
# and some other control characters end a line. JSON strings may hold the first three as they are, and many writers
# leave them so. A JSON Lines file that is read with read_text then has pieces of JSON for lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "ray[data]==2.60.0"
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 venv/bin/python - 2>ray.log <<'PY' || { tail -30 ray.log; exit 1; }
import json
from importlib.metadata import version
from pathlib import Path

import ray

print("ray", version("ray"))
texts = ["plain", "line\u2028separator", "paragraph\u2029separator", "next\u0085line"]
path = Path("texts.jsonl")
path.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
with path.open(encoding="utf-8") as file:
    assert [json.loads(line) for line in file] == texts
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
found = [row["text"] for row in ray.data.read_text(str(path.resolve())).take_all()]
print(f"{len(texts)} lines written, {len(found)} read: {found!r}")
assert len(found) == 7, found
print("as described: one line became two, three times")
PY
