"""Counting tokens: the estimate and a model's own tokenizer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import ConfigError
from labgen.text.token_count import estimate_tokens, load_token_counter


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("word" * 10, 10),
        ("Käse" * 10, 10),
        ("сыры" * 10, 20),
        ("日本語" * 10, 30),
        ("ไทย" * 10, 30),
        ("ab日", 2),
    ],
)
def test_the_estimate_goes_by_script(text, tokens):
    """Four Latin characters, two Cyrillic, or one of Chinese, Japanese or Thai make a token."""
    assert load_token_counter("estimate")(text) == tokens


@given(st.text(), st.text())
def test_the_estimate_adds_up(first, second):
    """A text counts as much as its parts, within rounding, and never nothing."""
    whole, parts = estimate_tokens(first + second), estimate_tokens(first) + estimate_tokens(second)
    assert parts - 1 <= whole <= parts
    assert (estimate_tokens(first) > 0) == bool(first)


def test_a_tokenizer_file_counts_with_its_own_vocabulary(tmp_path):
    """No special tokens, no truncation."""
    pytest.importorskip("tokenizers")
    model = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    truncation = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    content = {"version": "1.0", "truncation": truncation, "model": model, "pre_tokenizer": {"type": "Whitespace"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": [], **content}))
    count = load_token_counter(str(tmp_path / "tokenizer.json"))
    assert count("one two three four five") == 5
    assert count("") == 0


def test_a_tokenizer_that_is_not_there_is_a_matter_of_configuration(tmp_path):
    """No such file, and a file that is something else."""
    with pytest.raises(ConfigError, match="no file"):
        load_token_counter(str(tmp_path / "tokenizer.json"))
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"not a tokenizer\.json"):
        load_token_counter(str(tmp_path / "tokenizer.json"))


def test_a_missing_extra_is_named(tmp_path):
    """Where `tokenizers` is not installed, the message says what to install; the estimate needs nothing."""
    (tmp_path / "tokenizer.json").write_text("{}")
    code = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "from labgen.text.token_count import load_token_counter\n"
        "assert load_token_counter('estimate')('word') == 1\n"
        "load_token_counter('tokenizer.json')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert b"ConfigError" in done.stderr
    assert b"labgen[tokenizers]" in done.stderr
