#!/usr/bin/env bash
# datasets 5.2.0, pyarrow 25.0.0: the same rows in the same order take a quarter, by the order inside a Parquet dictionary.
#
# Behaviour: prompts that begin with a passage are all different, so that a dictionary saves nothing; and in rows in
# shuffled order a passage comes again long after Zstandard has stopped looking back. A column that is handed to pyarrow
# as a dictionary array keeps its values in the order that they were given in. Given sorted, the prompts on a passage stand
# side by side, and the file is a quarter as large. Readers see the same strings in the same rows. A limit on the size of
# dictionaries (`dictionary_pagesize_limit`) says nothing to such a column: it keeps its dictionary, whatever its size.
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

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import disable_progress_bars, load_dataset

disable_progress_bars()
print("datasets", version("datasets"), "pyarrow", version("pyarrow"))
dice = random.Random(1)
words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 9))) for _ in range(3000)]
passages = [" ".join(dice.choices(words, k=300)) for _ in range(3000)]
prompts = pa.array([f"{passages[at % 3000]}\n\n{' '.join(dice.choices(words, k=8))}?" for at in range(15_000)])
order = list(range(len(prompts)))
dice.shuffle(order)
prompts = prompts.take(pa.array(order))
met = prompts.dictionary_encode()
values = met.dictionary.take(pc.sort_indices(met.dictionary))
given_sorted = pa.DictionaryArray.from_arrays(pc.index_in(prompts, value_set=values), values)


def written(name: str, column: pa.Array, **options: object) -> int:
    """Bytes of a file with that column."""
    pq.write_table(pa.table({"prompt": column}), f"{name}.parquet", compression="zstd", **options)
    assert pq.read_metadata(f"{name}.parquet").num_row_groups == 1
    return Path(f"{name}.parquet").stat().st_size


sizes = {
    "strings": written("strings", prompts),
    "dictionary as values were met": written("met", met),
    "dictionary sorted": written("sorted", given_sorted),
    "the same, limit on dictionaries 1 KiB": written("limited", given_sorted, dictionary_pagesize_limit=1024),
}
for name, size in sizes.items():
    print(f"{name}: {size / 1e6:.1f} MB")
read = [load_dataset("parquet", data_files=f"{name}.parquet", split="train")["prompt"][:] for name in ("strings", "sorted")]
assert read[0] == read[1] == prompts.to_pylist()
strings, as_met, in_order, limited = sizes.values()
assert as_met > 0.9 * strings and in_order < 0.3 * strings, "the behaviour changed"
assert limited == in_order, "the limit means something now"
print("as described: the same rows, a quarter of the room")
PY
