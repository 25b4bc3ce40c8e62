#!/usr/bin/env bash
# rouge-score 0.1.2: in scripts other than Latin, identical texts score 0, and different German words count as the same.
#
# Behaviour: the default tokenizer lowercases and then keeps a to z and 0 to 9 only; every other letter parts words and is
# dropped. Two identical Greek sentences have no tokens, so their ROUGE-L is 0.0, and no near-duplicate filter built on
# it ends one; "Maße" and "Mahe" are told apart, "Maße" and "Ma e" are not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rouge-score==0.1.2
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

from rouge_score import rouge_scorer

print("rouge-score", version("rouge-score"))
scorer = rouge_scorer.RougeScorer(["rougeL"])
greek = "Πόσες μέλισσες ζουν σε μια κυψέλη;"
pairs = {
    "the same Greek sentence": (greek, greek),
    "the same English sentence": ("How many bees live in a hive?", "How many bees live in a hive?"),
    "German, with and without its letter": ("Welche Maße hat die Tür?", "Welche Ma e hat die T r?"),
}
scores = {name: round(scorer.score(*pair)["rougeL"].fmeasure, 4) for name, pair in pairs.items()}
for name, score in scores.items():
    print(f"{name}: ROUGE-L {score}")
assert list(scores.values()) == [0.0, 1.0, 1.0], "the behaviour changed"
print("as described: letters outside a to z are dropped before anything is compared")
PY
