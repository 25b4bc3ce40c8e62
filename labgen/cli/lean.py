"""What a command's own process can do without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _NoPandas:
    """Answers the import system that there is no pandas."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Let nothing find pandas meanwhile: pyarrow looks for it at its first conversion from Python objects.

    labgen never uses pandas, and its import takes 50 MB and half a second. Only for the process of a command: in a
    user's own process, which may well want pandas, the import system is left as it is.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
