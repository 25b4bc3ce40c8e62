"""A file of replies that holds none ends with a message, and what is good before it is taken in."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from workbench import Labgen

from labgen.bulk.reply_files import MOST_IN_A_ROW
from labgen.ledger.replies import Ledger


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


def test_well_formed_lines_that_are_no_replies_to_these_calls_are_told_and_cost_nothing(
    labgen: Labgen, taxonomy: Path
) -> None:
    """Requests, somebody else's calls, counts and ends that no reply has; the true replies still come."""
    assert labgen("bulk", "write", "asked", "--samples", "1").status == 0
    files = sorted((labgen.folder / "asked").glob("*.jsonl"))
    requests = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    waiting = len(requests)
    assert waiting > 3
    told = labgen("bulk", "read", "asked", "--json")
    assert told.status == 1 and told.json["total"]["outcomes"] == {"to be asked again": waiting}

    def reply(key: str, model: str, **changes: Any) -> dict[str, Any]:
        choice = {"index": 0, "finish_reason": "banana", "message": {"role": "assistant", "content": "Yes."}}
        body = {"model": model, "choices": [choice], "usage": {"completion_tokens": 10**30}} | changes
        return {"custom_id": key, "response": {"status_code": 200, "body": body}, "error": None}

    model = requests[0]["body"]["model"]
    strangers = [reply(f"{number:064x}", model) for number in range(3_000)]
    write_lines(labgen.folder / "strangers.jsonl", strangers)
    told = labgen("bulk", "read", "strangers.jsonl", "--json")
    assert told.status == 1 and told.json["total"]["outcomes"] == {"of no call known here": 3_000}
    assert len(json.dumps(told.json)) < 3_000
    write_lines(labgen.folder / "true.jsonl", [reply(each["custom_id"], model) for each in requests])
    told = labgen("bulk", "read", "true.jsonl", "--json")
    assert told.json["total"]["outcomes"] == {"read": waiting}
    with closing(Ledger(labgen.folder / ".labgen", read_only=True)) as ledger:
        assert ledger.query("SELECT count(*), sum(completion_tokens) FROM replies") == [(waiting, 0)]


def write_lines(file: Path, lines: list[dict[str, Any]]) -> None:
    """A file of JSON lines."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
