#!/usr/bin/env bash
# datasets 5.2.0: a Parquet file whose first row group is empty can't be loaded, though the file is valid.
#
# Behaviour: the "parquet" builder takes its batch size from the number of rows of the first row group. Where that is 0,
# as writers leave it that were closed after a flush without rows, pyarrow's "batch size must be greater than 0" ends the
# loading. pyarrow itself reads the same file, all rows of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==25.0.0
cd "$folder"
HF_HOME="$folder/hf" venv/bin/python - <<'PY'
from importlib.metadata import version

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import load_dataset

print("datasets", version("datasets"), "pyarrow", version("pyarrow"))
schema = pa.schema({"question": pa.string()})
with pq.ParquetWriter("rows.parquet", schema) as writer:
    writer.write_table(schema.empty_table())
    writer.write_table(pa.table({"question": ["Who?", "When?"]}, schema=schema))
read = pq.read_table("rows.parquet").num_rows
groups = [pq.read_metadata("rows.parquet").row_group(number).num_rows for number in range(2)]
print(f"row groups of {groups} rows; pyarrow reads {read} rows")
try:
    words = f"{len(load_dataset('parquet', data_files='rows.parquet', split='train'))} rows"
except Exception as error:
    words = f"{error} {error.__cause__}"
print("load_dataset:", " ".join(words.split())[:200])
assert (groups, read) == ([0, 2], 2), "the file is another one"
assert "greater than 0" in words.lower(), "the behaviour changed"
print("as described: valid for pyarrow, an error for load_dataset")
PY
