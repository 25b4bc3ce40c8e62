"""Pictures, keys, encoded blocks and minified lines are left out of passages, told, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chunk import SECTIONS, chunks_of, document

from labgen.documents.not_prose import find_not_prose
from labgen.documents.remarks import remarks

CHANCE = random.Random(1)
DATA = CHANCE.randbytes(3000)
BASE64 = base64.b64encode(DATA).decode()
WRAPPED = base64.encodebytes(DATA).decode()
PICTURE = f"![a cheese](data:image/png;base64,{BASE64})"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{WRAPPED}-----END RSA PRIVATE KEY-----"
DUMP = "\n".join(
    f"{n * 16:08x}: " + " ".join(DATA[n * 16 + k : n * 16 + k + 2].hex() for k in range(0, 16, 2)) + "  ......"
    for n in range(20)
)
MINIFIED = json.dumps({f"op_{n}": {"count": n, "sum": [n, n + 1]} for n in range(80)}, separators=(",", ":"))
SCRIPT = "function f(a,b){var c=a+b;return c>0?g(c):h[c]};" * 40
BLOCKS = [PICTURE, KEY, BASE64, WRAPPED.strip(), DATA.hex(), DUMP, MINIFIED, SCRIPT]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
@pytest.mark.parametrize("fence", ["", "```\n"])
def test_what_is_not_prose_is_left_out(block, fence):
    """Of no passage a part, and what stands around it is: its headings too, after a fence that was closed."""
    text = f"# Cheese\n\nCheddar is ripe.\n\n{fence}{block}\n{fence}\nBrie is soft.\n\n{SECTIONS}"
    chunks = chunks_of(document(text))
    assert all(text[chunk.source.start : chunk.source.end] == chunk.text for chunk in chunks)
    said = "\n".join(chunk.text for chunk in chunks)
    assert "Cheddar is ripe." in said and "Brie is soft." in said
    assert not any(block[place : place + 60] in said for place in range(30, len(block) - 60, 7))
    assert sum(chunk.text.startswith("## Section") for chunk in chunks) == 12
    assert "left out of `a.md`: " in " ".join(remarks([document(text)], chunks, min_chunk_tokens=0))


@pytest.mark.parametrize(
    "text",
    [
        SECTIONS,
        "| " + " | ".join(f"cell {n}" for n in range(400)) + " |",
        "日本語の文章は空白を使わない。" * 200,
        "ไทย" * 900,
        "The commit is " + hashlib.sha512(b"x").hexdigest() + ", signed.",
        "x" * 5000,
        "https://example.org/" + "a-long-path/of-many-words/" * 20,
        "\n".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(3)),
        "-----BEGIN of the story-----\nOnce.\n-----END-----",
        "-----BEGIN CERTIFICATE-----\nThen a sentence follows, and no end.",
        "a picture ![x](data:image/png;base64...) as the converter leaves it",
        "GATTACA" * 100,
    ],
)
def test_prose_and_what_is_like_it_stays(text):
    """Tables, languages without spaces, single hashes, addresses, and armour that is none."""
    assert find_not_prose(text) == ()


@settings(deadline=None)
@given(st.lists(st.sampled_from([*BLOCKS, "word ", "\n", "\n\n# Head\n\n", "- item\n", "```\n", "é"]), max_size=12))
def test_passages_are_spans_of_the_document_whatever_is_left_out(parts):
    """In order, without overlap, and what lies between them is white space or was left out."""
    text = "".join(parts)
    left = [place for span in find_not_prose(text) for place in range(span.start, span.end)]
    blank = set(left) | {place for place, char in enumerate(text) if char.isspace()}
    end = 0
    for chunk in chunks_of(document(text)):
        start = chunk.source.start
        assert text[start : chunk.source.end] == chunk.text
        assert blank.issuperset(range(end, start))
        assert not set(left) & set(range(start, chunk.source.end))
        end = chunk.source.end
    assert blank.issuperset(range(end, len(text)))


def test_files_without_text_are_named():
    """Scans beside a text: by name, and those with too little for a passage."""
    files = [document(SECTIONS), document("\x0c\x0c", name="scan.pdf"), document("Hi.", name="short.md")]
    scans, short = remarks(files, chunks_of(*files, least=24), min_chunk_tokens=24)
    assert scans.startswith("no text is in `scan.pdf` (a scan")
    assert short == "no passage of 24 tokens (documents.min_chunk_tokens) is in `short.md`."
    assert remarks(files[:1], chunks_of(files[0]), min_chunk_tokens=24) == []


def test_many_files_without_text_are_told_in_one_sentence():
    """Ten by name, the others by number."""
    files = [document("", name=f"{number}.pdf") for number in range(30)]
    (told,) = remarks(files, [], min_chunk_tokens=24)
    assert "`9.pdf` and 20 more files" in told and "`10.pdf`" not in told
