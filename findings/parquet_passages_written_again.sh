#!/usr/bin/env bash
# datasets 5.2.0, pyarrow 25.0.0: passages that stand beside many rows are written many times over.
#
# Behaviour: a Parquet column keeps each different value once per row group, in a dictionary; so rows in shuffled order
# with one of 10,000 passages beside each should cost hardly more than the passages. Once a dictionary has 1 MiB, though,
# which is some 500 passages, pyarrow gives it up without a word and writes every further value in full. `to_parquet`
# leaves it at that; with a larger `dictionary_pagesize_limit`, the same row group takes a fifth of the room.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==25.0.0
cd "$folder"
HF_HOME="$folder/hf" venv/bin/python - <<'PY'
import random
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
from datasets import Dataset, disable_progress_bars

disable_progress_bars()
print("datasets", version("datasets"), "pyarrow", version("pyarrow"))
dice = random.Random(1)
words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 9))) for _ in range(3000)]
passages = [" ".join(dice.choices(words, k=300)) for _ in range(10_000)]
rows = Dataset.from_dict({"context": [dice.choice(passages) for _ in range(50_000)]})
different = sum(map(len, set(rows["context"])))


def written(name: str, **options: object) -> tuple[int, int]:
    """Bytes of a file, and of its column before compression."""
    rows.to_parquet(name, batch_size=50_000, **options)
    about = pq.read_metadata(name)
    assert about.num_rows == 50_000
    columns = [about.row_group(number).column(0) for number in range(about.num_row_groups)]
    return Path(name).stat().st_size, sum(column.total_uncompressed_size for column in columns)


usual, large = written("usual.parquet"), written("large.parquet", dictionary_pagesize_limit=2**26)
print(f"different passages: {different / 1e6:.1f} MB")
for name, (size, plain) in (("as it is", usual), ("dictionary of up to 64 MiB", large)):
    print(f"{name}: {size / 1e6:.1f} MB on disk, {plain / 1e6:.1f} MB before compression")
assert usual[1] > 3 * different and usual[0] > 3 * large[0], "the behaviour changed"
assert large[1] < 1.1 * different, "the other way does not help any more"
print("as described: each passage is written several times, unless the dictionary may be larger")
PY
