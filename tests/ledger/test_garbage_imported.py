"""A file of garbage, however long, ends with a message; what is kept of it does not grow with it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from contextlib import closing, suppress
from pathlib import Path

import pytest
from faulty_server import make_call, run
from growth import grows

from labgen.ledger.export_import import FORMAT, FORMAT_VERSION, MOST_LEFT_OUT, MOST_TOLD, export_ledger, import_ledger
from labgen.ledger.replies import Ledger, reply_row
from labgen.records import Reply
from labgen.text.bounded_json import MOST_PARTS, most_in_memory, read_bounded

HEADER = json.dumps({"format": FORMAT, "version": FORMAT_VERSION}).encode() + b"\n"


def file_of(path: Path, content: bytes) -> Path:
    """An export that holds some bytes after its first line."""
    path.write_bytes(gzip.compress(HEADER + content, compresslevel=1))
    return path


def test_garbage_is_not_read_to_its_end_and_is_told_in_few_words(tmp_path: Path) -> None:
    """The lines up to where reading stopped are counted, the first of them named."""
    source = file_of(tmp_path / "garbage.gz", b"?\n" * 10 * MOST_LEFT_OUT)
    done = import_ledger(tmp_path / "work", source)
    assert done.lines_left_out == MOST_LEFT_OUT and len(done.left_out) == MOST_TOLD
    told = run("ledger", "import", source, "--work", tmp_path / "work")
    assert told.return_value == 1
    assert "10,000 lines are no paid calls, and 0 are" in told.stderr and "9,980 more lines" in told.stderr


def test_a_paid_call_now_and_then_does_not_have_garbage_read_on(tmp_path: Path) -> None:
    """What is paid for up to there is taken in; among as many paid calls, garbage of any length costs none of them."""
    with closing(Ledger(tmp_path / "other", ballast_bytes=0)) as ledger:
        ledger.insert(reply_row(make_call(str(number)), Reply("said")) for number in range(300))
    export_ledger(tmp_path / "other", tmp_path / "paid.gz")
    paid = gzip.decompress((tmp_path / "paid.gz").read_bytes()).splitlines(keepends=True)[1:]
    done = import_ledger(tmp_path / "rare", file_of(tmp_path / "rare.gz", (b"?\n" * 500 + paid[0]) * 100))
    assert (done.new, done.lines_left_out) == (
        1,
        MOST_LEFT_OUT,
    ) and "10,000 lines are no paid calls, and 19 are" in done.cut
    often = paid * 41 + [b"?\n"] * MOST_LEFT_OUT + paid
    done = import_ledger(tmp_path / "often", file_of(tmp_path / "often.gz", b"".join(often)))
    assert done.new == 300 and not done.cut and done.lines_left_out == MOST_LEFT_OUT


@pytest.mark.parametrize("content", [b"\0" * 200_000_000, b"[" * 100_000_000, b"[]," * 50_000_000])
def test_a_file_that_unpacks_to_far_more_than_it_is_stays_small_in_memory(content: bytes, tmp_path: Path) -> None:
    """A line is read up to a length that no call has."""
    source = file_of(tmp_path / "bomb.gz", content)
    size = len(content)
    del content
    tracemalloc.start()
    done = import_ledger(tmp_path / "work", source)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not done.whole and done.lines_left_out
    assert most < 4 * 16 * 2**20 < size


def test_json_that_would_be_many_times_its_length_in_memory_is_not_read() -> None:
    """Commas in a text are no parts of it, however many it has."""
    text = json.dumps({"reply": "1, 2, [3], {4}, " * MOST_PARTS}).encode()
    assert read_bounded(text)["reply"].startswith("1, 2")
    for many in (b"[" + b"[]," * MOST_PARTS + b"1]", b"[" + b"1," * (MOST_PARTS + 1) + b"1]"):
        with pytest.raises(ValueError, match="more than 20,000 objects"):
            read_bounded(many)
    assert most_in_memory(b"[[],[],[]]") > 6 * 60


def test_the_look_at_json_grows_with_its_length() -> None:
    """Quotation marks, backslashes and brackets in any order."""

    def look(content: bytes) -> None:
        with suppress(ValueError, RecursionError):
            read_bounded(content)

    for unit in (b'"', b"\\", b'"\\', b",", b'",', b'{"a":[', b'"\\",'):
        assert not grows(look, lambda size, unit=unit: unit * size, (1_000, 10_000, 100_000))  # type: ignore[misc]
