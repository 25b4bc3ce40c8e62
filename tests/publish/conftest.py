"""A dataset to release, and a Hub to release it on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_hub import hub
from small_dataset import write_small_dataset

__all__ = ["hub"]


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Write the small dataset, or write it again with other settings; `name` is its folder."""

    def make(*, name: str = "dataset", **settings: Any) -> Path:
        return write_small_dataset(tmp_path / name, **settings)

    return make
