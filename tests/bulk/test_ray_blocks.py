"""Pieces of batch files as blocks, and blocks as files."""

import json

from hypothesis import given
from hypothesis import strategies as st

from labgen.bulk.ray_blocks import pieces, read_piece, write_block
from labgen.bulk.ray_http import error_line, reply_line

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(texts=st.lists(TEXTS, max_size=12), lines=st.integers(1, 5), ended=st.booleans())
def test_pieces_hold_each_line_once_and_in_order(tmp_path_factory, texts, lines, ended):
    """Also with U+2028, U+0085 and the like in a line, which are no ends of one."""
    written = [json.dumps(text, ensure_ascii=False) for text in texts]
    path = tmp_path_factory.mktemp("round") / "a.jsonl"
    path.write_bytes(("\n".join(written) + ("\n" if ended else "")).encode())
    found = [[row["request"] for row in read_piece(piece.as_row())] for piece in pieces(path, lines)]
    assert [line for piece in found for line in piece] == written
    assert all(0 < len(piece) <= lines for piece in found if texts)


def test_a_block_that_is_written_again_replaces_its_file(tmp_path):
    """The name follows from whom the lines answer, so the later replies stand, each once."""
    for said in ("first", "second"):
        block = {"line": [reply_line("a", 200, "", {"said": said}), error_line(None, "invalid_line", "no")]}
        told = write_block(block, folder=str(tmp_path / "replies"))
    (path,) = (tmp_path / "replies").iterdir()
    assert told["name"] == [path.name] and told["lines"] == [2]
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["response"]["body"] == {"said": "second"} and second["custom_id"] is None


def test_an_empty_block_makes_no_file(tmp_path):
    """Nor a row."""
    assert write_block({"line": []}, folder=str(tmp_path)) == {"name": [], "lines": [], "node": []}
    assert not list(tmp_path.iterdir())
