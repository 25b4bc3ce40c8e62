"""Two datasets side by side: rows by leaf, overlap, lengths, scores, duplicates."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, TypeAlias

from labgen.errors import PublishError, UsageError
from labgen.export.configs import DOCUMENTS
from labgen.export.folder import MANIFEST, read_manifest
from labgen.filters.near_duplicates import NearDuplicates
from labgen.formats.dataset_reader import read_dataset
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES
from labgen.text.columns import align_columns
from labgen.text.printable import one_line
from labgen.text.token_count import estimate_tokens

SHOWN_LEAVES = 40
"""Leaves in the text; the JSON has all."""

COLUMNS = ["id", "leaf", "messages", "verdicts"]

Hashes: TypeAlias = "array[int]"
"""Of 8 bytes each."""


@dataclass(slots=True)
class Side:
    """What one pass over a dataset's branch configs gathers: numbers and 8-byte hashes, 24 bytes a row, no text.

    Attributes:
        pairs, questions: of all rows; of_leaf: leaf to the ids of its rows, of which its path is a part.
        lengths: `question` and `answer` to number of tokens (estimated) to rows.
        scores: filter to sum of its values and number of rows that have one.
    """

    name: str
    teacher: str
    rows: int = 0
    pairs: Hashes = field(default_factory=lambda: array("Q"))
    questions: Hashes = field(default_factory=lambda: array("Q"))
    of_leaf: dict[str, Hashes] = field(default_factory=dict)
    lengths: dict[str, Counter[int]] = field(default_factory=lambda: {"question": Counter(), "answer": Counter()})
    scores: dict[str, list[float]] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Take a row."""
        question = "\n".join(turn["content"] for turn in row["messages"] if turn["role"] == "user")
        answer = "\n".join(turn["content"] for turn in row["messages"] if turn["role"] == "assistant")
        self.rows += 1
        self.questions.append(_hash(question))
        self.pairs.append(_hash(f"{question}\0{answer}"))
        self.of_leaf.setdefault(row["leaf"], array("Q")).append(_hash(row["id"]))
        self.lengths["question"][estimate_tokens(question)] += 1
        self.lengths["answer"][estimate_tokens(answer)] += 1
        for verdict in row["verdicts"] or ():
            score = self.scores.setdefault(verdict["filter"], [0.0, 0])
            score[0] += verdict["value"]
            score[1] += 1

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "teacher": self.teacher,
            "rows": self.rows,
            "leaves": len(self.of_leaf),
            "tokens": {part: _spread(lengths) for part, lengths in self.lengths.items()},
            "scores": {
                name: {"mean": round(total / count, 4), "rows": int(count)}
                for name, (total, count) in sorted(self.scores.items())
            },
            "duplicates": {"question": _repeated(self.questions), "pair": _repeated(self.pairs)},
        }


def compare_datasets(first: str, second: str, *, near: float | None = None) -> dict[str, Any]:
    """Compare two datasets by the rows of their branch configs (phases only repeat them).

    Questions and pairs are compared without regard to case and white space. Lengths are in tokens as
    `labgen.text.token_count.estimate_tokens` counts, so that datasets of different tokenizers compare.

    Args:
        first, second: a folder, or `OWNER/NAME` of a dataset on the Hub.
        near: also count questions whose ROUGE-L with an earlier one (or with one of the other dataset) is above this;
            0 to 1. Takes minutes beyond some hundred thousand rows. Counted by the arithmetic of `near_duplicates`,
            which is `rouge_score`'s: the package itself, asked about each pair, would take six times as long.
    Returns: plain data: `a`, `b` (see `Side.to_json`), `overlap`, `leaves`, and `near_duplicates` where asked for.
    Raises: UsageError: no such dataset, or not one of labgen's. PublishError: the Hub can't be reached.
    """
    folders = [open_dataset(first), open_dataset(second)]
    a, b = (_gather(name, folder) for name, folder in zip((first, second), folders, strict=True))
    leaves = {
        leaf: {"a": len(own), "b": len(other), "same": _in_both(own, other)}
        for leaf in sorted(a.of_leaf.keys() | b.of_leaf.keys())
        for own, other in [(a.of_leaf.get(leaf, array("Q")), b.of_leaf.get(leaf, array("Q")))]
    }
    report: dict[str, Any] = {
        "a": a.to_json(),
        "b": b.to_json(),
        "overlap": {
            "id": sum(leaf["same"] for leaf in leaves.values()),
            "pair": _in_both(a.pairs, b.pairs),
            "question": _in_both(a.questions, b.questions),
        },
        "leaves": leaves,
    }
    if near is not None:
        report["near_duplicates"] = {"threshold": near, **_near(folders, near)}
    return report


def open_dataset(name: str) -> Path:
    """The folder of a dataset; one on the Hub is downloaded (its data only) to the Hub's own cache first."""
    if Path(name).exists():
        read_manifest(Path(name))
        return Path(name)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UsageError(f"{name}: no such folder, nor the form OWNER/NAME of a dataset on the Hub.")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
    except ImportError:
        raise UsageError(f"{name}: no such folder. To read the Hub, run `pip install 'labgen[hub]'`.") from None
    try:
        folder = Path(snapshot_download(name, repo_type="dataset", allow_patterns=[MANIFEST, "data/*.parquet"]))
    except RepositoryNotFoundError:
        raise UsageError(f"{name}: no such folder, and no such dataset on the Hub that you may read.") from None
    except (HfHubHTTPError, OSError) as error:
        raise PublishError(f"{name}: no such folder, and the Hub can't be read: {str(error)[:300]}") from error
    read_manifest(folder)
    return folder


def _gather(name: str, folder: Path) -> Side:
    side = Side(name, str(read_manifest(folder).get("teacher", "")))
    for row in _rows(folder, COLUMNS):
        side.add(row)
    return side


def _rows(folder: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    configs = read_manifest(folder)["configs"]
    for branch in (*BRANCHES, DOCUMENTS):
        for file in configs.get(branch, {"files": []})["files"]:
            yield from read_dataset(folder / file, columns=columns)


def _near(folders: Iterable[Path], threshold: float) -> dict[str, int]:
    counts, indexes = {}, []
    for side, folder in zip("ab", folders, strict=True):
        index, counts[side] = NearDuplicates(threshold), 0
        for number, row in enumerate(_rows(folder, ["messages"])):
            question = row["messages"][0]["content"]
            counts[side] += index.nearest(question) is not None
            index.add(question, number)
        indexes.append((folder, index))
    (_, first), (folder, _) = indexes
    counts["b_like_a"] = sum(
        first.nearest(row["messages"][0]["content"]) is not None for row in _rows(folder, ["messages"])
    )
    return counts


def _hash(text: str) -> int:
    plain = " ".join(text.casefold().split()).encode()
    return int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "big")


def _repeated(hashes: Hashes) -> int:
    """Rows beyond the first that have the same hash."""
    return len(hashes) - len(set(hashes))


def _in_both(one: Hashes, other: Hashes) -> int:
    """Rows of the one that have a counterpart in the other, each its own."""
    return (Counter(one) & Counter(other)).total()


def _spread(lengths: Counter[int]) -> dict[str, float]:
    total = lengths.total()
    if not total:
        return {"mean": 0.0, "p10": 0, "p50": 0, "p90": 0}
    spread: dict[str, float] = {"mean": round(sum(length * rows for length, rows in lengths.items()) / total, 1)}
    for name, share in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        seen = 0
        for length in sorted(lengths):
            seen += lengths[length]
            if seen >= share * total:
                spread[name] = length
                break
    return spread


def comparison_text(report: dict[str, Any]) -> str:
    """The report as lines for a terminal; leaves that differ most come first."""
    a, b = report["a"], report["b"]
    lines = [
        ["", "A", "B"],
        ["rows", f"{a['rows']:,}", f"{b['rows']:,}"],
        ["leaves", f"{a['leaves']:,}", f"{b['leaves']:,}"],
    ]
    for part in ("question", "answer"):
        for spread in ("mean", "p10", "p50", "p90"):
            lines.append([f"{part} tokens, {spread}", *(f"{side['tokens'][part][spread]:,}" for side in (a, b))])
    for name in sorted(a["scores"].keys() | b["scores"].keys()):
        means = [f"{side['scores'][name]['mean']:.3f}" if name in side["scores"] else "-" for side in (a, b)]
        lines.append([f"mean of {one_line(name)}", *means])
    for kind in ("question", "pair"):
        lines.append([f"rows that repeat a {kind}", *(f"{side['duplicates'][kind]:,}" for side in (a, b))])
    if near := report.get("near_duplicates"):
        lines.append(
            [f"questions above {near['threshold']:g} ROUGE-L of an earlier one", f"{near['a']:,}", f"{near['b']:,}"]
        )
    over = report["overlap"]
    text = [
        f"A: {one_line(a['name'])} ({one_line(a['teacher'])})",
        f"B: {one_line(b['name'])} ({one_line(b['teacher'])})",
        "",
    ]
    text += [*align_columns(lines), ""]
    text.append(f"In both: {over['id']:,} rows, {over['pair']:,} pairs, {over['question']:,} questions.")
    if near:
        text.append(f"Questions of B above {near['threshold']:g} ROUGE-L of one of A: {near['b_like_a']:,}.")
    return "\n".join([*text, "", *_leaf_lines(report["leaves"])])


def _leaf_lines(leaves: dict[str, dict[str, int]]) -> list[str]:
    ordered = sorted(leaves.items(), key=lambda item: (item[1]["same"] - max(item[1]["a"], item[1]["b"]), item[0]))
    cells = [["leaf", "A", "B", "same rows"]]
    cells += [
        [one_line(leaf), *(f"{rows[key]:,}" for key in ("a", "b", "same"))] for leaf, rows in ordered[:SHOWN_LEAVES]
    ]
    more = (
        [f"... and {len(ordered) - SHOWN_LEAVES:,} more leaves (--json has all)"] if len(ordered) > SHOWN_LEAVES else []
    )
    return [*align_columns(cells), *more] if leaves else []
