"""A file of replies that holds none ends with a message, and what is good before it is taken in."""

from __future__ import annotations

import json
from pathlib import Path

from workbench import Labgen

from labgen.bulk.reply_files import MOST_IN_A_ROW


def test_a_file_of_garbage_is_not_read_to_its_end(labgen: Labgen, taxonomy: Path) -> None:
    """A line of the format begins the count anew."""
    line = json.dumps({"custom_id": "00" * 32, "response": None}) + "\n"
    garbage = "?\n" * (MOST_IN_A_ROW - 1)
    (labgen.folder / "replies.jsonl").write_text(garbage + line + garbage + "?\n" * 5_000)
    done = labgen("bulk", "read", "replies.jsonl", "--json")
    assert done.status == 1, done.json
    assert done.json["total"]["lines"] == 2 * MOST_IN_A_ROW
    assert done.json["total"]["outcomes"] == {"not of the format": 2 * MOST_IN_A_ROW - 1, "of no call known here": 1}
    told = labgen("bulk", "read", "replies.jsonl")
    assert "the rest was not read; 10,000 lines in a row are not of the format" in told.out + told.err
