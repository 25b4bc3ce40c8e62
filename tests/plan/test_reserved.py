"""Reserved passages and slots: what is held out is drawn from neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.config.dataset import HeldOutConfig
from labgen.config.file import make_config
from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.plan.reserved import reserved_passages
from labgen.records import Chunk, Source


def chunks(texts: list[str]) -> list[Chunk]:
    return [Chunk(place, text, Source(".", "c", "a.md", place, place + 1)) for place, text in enumerate(texts)]


@given(st.lists(st.text(min_size=1), unique=True, max_size=30), st.floats(0, 1), st.integers(0, 3))
def test_some_are_reserved_and_some_are_left(texts: list[str], share: float, seed: int) -> None:
    """One at least of two or more, never all, in order; none where none are asked for."""
    every = chunks(texts)
    reserved = reserved_passages(every, share, leaf="knowledge/a", seed=seed)
    assert list(reserved) == [chunk for chunk in every if chunk in reserved]
    if share == 0 or len(texts) < 2:
        assert not reserved
    else:
        assert 1 <= len(reserved) < len(texts)
        assert len(reserved) <= max(1, share * len(texts) + 0.5)


def test_a_text_keeps_its_place_among_them_when_others_move() -> None:
    """By what they say, not by where they stand."""
    texts = [f"passage {number}" for number in range(20)]
    first = {chunk.text for chunk in reserved_passages(chunks(texts), 0.3, leaf="k", seed=0)}
    turned = {chunk.text for chunk in reserved_passages(chunks(texts[::-1]), 0.3, leaf="k", seed=0)}
    assert first == turned
    longer = {chunk.text for chunk in reserved_passages(chunks([*texts, "a new one"]), 0.3, leaf="k", seed=0)}
    assert len(first - longer) <= 1


def test_reading_without_passages_to_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reading_passages"):
        make_config(None, {"held_out.reading": 3})
    assert not Config().held_out.wanted and HeldOutConfig(skills=1).wanted
