"""Counting tokens: an estimate that needs nothing, or a model's own tokenizer.

Which of the two counts is the configuration's choice (`tokenizer:`) and never depends on what happens to be installed,
since chunks, and with them rows, depend on the count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from labgen.errors import ConfigError
from labgen.lazy import re

TokenCounter = Callable[[str], int]
"""Text to its number of tokens: deterministic, 0 for empty text, at least 1 for any other."""

ESTIMATE = "estimate"

# Scripts by how many characters share a token in the vocabularies of current models. What is in neither class is
# counted as Latin: four characters a token.
_HALF = re.compile("[\u0370-\u08ff\u10a0-\u10ff\u1e00-\u1fff\u2c80-\u2cff\ua640-\ua69f]+")
_WHOLE = re.compile("[\u0900-\u109f\u1100-\u1dff\u2010-\u2c7f\u2d00-\ua63f\ua6a0-\U0010ffff]+")


def load_token_counter(tokenizer: str) -> TokenCounter:
    """The counter that the configuration names.

    Args:
        tokenizer: `estimate`, or the path of a `tokenizer.json` as models ship it.
    Raises: ConfigError: no such file, not a tokenizer, or the extra that reads it is missing.
    """
    if tokenizer == ESTIMATE:
        return estimate_tokens
    path = Path(tokenizer)
    if not path.is_file():
        raise ConfigError(
            f"tokenizer: there is no file {tokenizer!r}. Write `{ESTIMATE}`, or the path of a model's tokenizer.json."
        )
    return _file_counter(path)


def estimate_tokens(text: str) -> int:
    """About how many tokens a current model makes of `text`, without any tokenizer.

    Latin text counts four characters a token; Cyrillic, Greek, Arabic, Hebrew, Armenian, Georgian and Vietnamese
    letters two; Chinese, Japanese, Korean, Thai, Indic scripts, symbols and emoji one. Good to about a quarter on
    prose; source code and tables come out low. Runs at tens of megabytes a second.
    """
    if text.isascii():
        return -(-len(text) // 4)
    halves = _matched_chars(_HALF, text)
    wholes = _matched_chars(_WHOLE, text)
    return -(-(len(text) - halves - wholes + 2 * halves + 4 * wholes) // 4)


def _matched_chars(pattern: re.Pattern[str], text: str) -> int:
    return len(text) - len(pattern.sub("", text))


@lru_cache(maxsize=2)
def _file_counter(path: Path) -> TokenCounter:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ConfigError(
            f"tokenizer: {str(path)!r} needs the package `tokenizers`. Run `pip install 'labgen[tokenizers]'`, "
            f"or write `tokenizer: {ESTIMATE}`."
        ) from None
    try:
        loaded = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises bare Exception for any file it can't read
        raise ConfigError(f"tokenizer: {str(path)!r} is not a tokenizer.json ({error!s:.200}).") from None
    # A shipped file may cut or pad what it encodes; a count must not.
    loaded.no_truncation()
    loaded.no_padding()

    def count(text: str) -> int:
        return len(loaded.encode(text, add_special_tokens=False).ids) if text else 0

    return count
