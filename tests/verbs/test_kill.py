"""`kill -9` at any moment loses at most the calls in flight."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest
from workbench import Labgen, Teacher, digest, longest_conversation

from labgen.teacher.http_process import WORTH_A_PROCESS


@pytest.mark.parametrize(("concurrency", "turns"), [(8, 1), (8, 2), (WORTH_A_PROCESS, 1)])
def test_killed_again_and_again_the_build_ends_with_the_same_bytes(
    taxonomy: Path, labgen: Labgen, teacher: Teacher, concurrency: int, turns: int
) -> None:
    """Kills before the last reply; then one run to the end, beside an undisturbed one; rows of one turn and of two."""
    (labgen.folder / "labgen.yaml").write_text(json.dumps({"leaves": [{"match": "**", "turns": turns}]}))
    arguments = (
        "generate", "--samples", "8", "--base-url", teacher.base_url, "--model", "labgen-rehearsal",
        "--concurrency", str(concurrency),
    )  # fmt: skip
    dice, kills, asked = random.Random(4), 0, 0
    for _ in range(4):
        process = labgen.start(*arguments)
        while process.poll() is None and teacher.stats()["requests"] <= asked:
            time.sleep(0.02)
        time.sleep(dice.uniform(0.0, 0.15))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate(timeout=20)
        asked = teacher.stats()["requests"]
    assert kills >= 2
    last = labgen(*arguments)
    assert last.status == 0, last.err
    assert teacher.stats()["answered_twice"] <= kills * concurrency
    undisturbed = labgen("generate", "--samples", "8", "--output", "undisturbed", "--work", "elsewhere")
    assert undisturbed.status == 0
    assert digest(labgen.folder / "dataset") == digest(labgen.folder / "undisturbed")
    assert longest_conversation(labgen.folder / "dataset") == 2 * turns
