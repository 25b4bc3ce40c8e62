"""A taxonomy of leaves that were copied from one another is compared in work that grows with their number."""

from __future__ import annotations

from pathlib import Path

from faulty_server import BUNDLED

from labgen.filters.near_duplicates import NearDuplicates, rouge_l
from labgen.taxonomy.similar import Measures, check_similar
from labgen.taxonomy.source import find_leaf_files, read_source

MODEL = (BUNDLED / "compositional_skills/extraction/action_items/qna.yaml").read_text(encoding="utf-8")


def comparisons(root: Path, count: int) -> tuple[int, int]:
    """Texts that are compared in full in a taxonomy of so many copies, each with a word of its own, and warnings."""
    for number in range(count):
        folder = root / "compositional_skills" / f"copy_{number}"
        folder.mkdir(parents=True)
        (folder / "qna.yaml").write_text(MODEL.replace("context: |", f"context: |\n      Number {number}.", 1))
    made = 0

    def measured(one: str, other: str) -> float:
        nonlocal made
        made += 1
        return rouge_l(one, other)

    sources = [read_source(root, file) for file in find_leaf_files(root)]
    check_similar(sources, (), Measures(NearDuplicates, measured, measured))
    return made, sum(len(source.violations) for source in sources)


def test_comparisons_grow_with_the_number_of_copies(tmp_path: Path) -> None:
    """Not with its square; and every copy is still warned of."""
    few, warned_few = comparisons(tmp_path / "few", 60)
    many, warned_many = comparisons(tmp_path / "many", 240)
    assert many < 6 * few
    assert warned_few >= 60 and warned_many >= 240
