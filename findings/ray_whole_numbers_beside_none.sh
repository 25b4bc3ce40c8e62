#!/usr/bin/env bash
# Ray Data 2.60.0: whole numbers within a column of parameters become fractions beside a row that has none.
#
# Behaviour: ray.data.llm takes vLLM's sampling parameters as a dictionary in a column. Where one row of a block has
# `seed` or `max_tokens` as None, or lacks it, and its block becomes a batch, the others' whole numbers come out as
# floating-point numbers: 24 as 24.0, and a seed above 2**53 as another seed. A column of plain dictionaries that all
# have the number keeps it. vLLM takes no fraction for either, so every row has to bring both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "ray[data]==2.60.0"
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 venv/bin/python - 2>ray.log <<'PY' || { tail -30 ray.log; exit 1; }
from importlib.metadata import version

import ray

print("ray", version("ray"))
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)


def through_a_batch(parameters):
    rows = [{"place": place, "parameters": each} for place, each in enumerate(parameters)]
    blocks = ray.data.from_items(rows, override_num_blocks=1)
    batches = blocks.map_batches(lambda batch: {"place": batch["place"], "said": [repr(x) for x in batch["parameters"]]})
    return [row["said"] for row in sorted(batches.take_all(), key=lambda row: row["place"])]


seed = 2**60 + 1
whole = through_a_batch([{"max_tokens": 24, "seed": seed}, {"max_tokens": 16, "seed": 7}])
mixed = through_a_batch([{"max_tokens": 24, "seed": seed}, {"max_tokens": 16, "seed": None}, {"seed": 7}])
print("all rows have both: ", whole)
print("one lacks a number:", mixed)
assert whole == [repr({"max_tokens": 24, "seed": seed}), repr({"max_tokens": 16, "seed": 7})], whole
assert mixed[0] == repr({"max_tokens": 24.0, "seed": float(seed)}) and int(float(seed)) != seed, mixed
print("as described: 24 became 24.0, and the seed another one")
PY
