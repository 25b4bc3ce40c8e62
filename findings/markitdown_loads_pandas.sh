#!/usr/bin/env bash
# markitdown 0.1.9 beside pandas 3.1.1 and pyarrow 25.0.0: every conversion loads both, also of a page of HTML.
#
# Behaviour: markitdown's import looks for pandas for the sake of spreadsheets, whatever is converted, and pandas loads
# pyarrow. `datasets` brings the two, so where it is installed as well, a process that converts one page takes two
# thirds longer and some 200 MB more of address space than with pandas out of its reach; the text is the same.
# Seen: with pandas 0.7 s and 446 MiB, without 0.4 s and 227 MiB.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "markitdown[docx]==0.1.9" \
  pandas==3.1.1 pyarrow==25.0.0
cd "$folder"
cat > convert.py <<'PY'
import io
import resource
import sys
import time

if sys.argv[1] == "without":
    sys.modules["pandas"] = None  # as if it were not installed
begun = time.process_time()
from markitdown import StreamInfo
from markitdown.converters import HtmlConverter

page = io.BytesIO(b"<h1>Cheese</h1><p>Cheddar is made in Somerset.</p>")
text = HtmlConverter().convert(page, StreamInfo(extension=".html", charset="utf-8")).markdown
with open("/proc/self/status") as status:
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmPeak"))
loaded = "pandas.core" in sys.modules
print(f"{sys.argv[1]}: pandas loaded {loaded}, {time.process_time() - begun:.2f} s, {peak_kib // 1024} MiB", file=sys.stderr)
print(loaded, peak_kib, text)
PY
for how in with without; do venv/bin/python convert.py $how > $how.txt; done
venv/bin/python - <<'PY'
from importlib.metadata import version

print("markitdown", version("markitdown"), "pandas", version("pandas"))
(loaded, peak, text), (not_loaded, less, same) = (open(f"{how}.txt").read().split(" ", 2) for how in ("with", "without"))
assert (loaded, not_loaded) == ("True", "False"), (loaded, not_loaded)
assert text == same and "Cheddar" in text
assert int(peak) - int(less) > 100 * 1024, (peak, less)
print("as described: pandas is loaded for a page of HTML, and nothing of the text depends on it")
PY
