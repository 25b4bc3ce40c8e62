"""The standard library's `re`, whose patterns are compiled when they are first used.

labgen has hundreds of patterns, a command uses a handful, and compiling all would be a third of the time it takes to
start. To be imported as `re`, by modules whose patterns stand outside functions.
"""

from __future__ import annotations

import re
from re import *  # noqa: F403 (it stands in for all of it)
from typing import Any, AnyStr, cast

_compile = re.compile
_METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")


class _Later:
    """A pattern that becomes one at its first use."""

    def __init__(self, *made_of: Any) -> None:
        self._made_of = made_of

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = _compile(*self._made_of)
        # From now on they are found without asking here.
        self.__dict__.update({method: getattr(compiled, method) for method in _METHODS})
        return getattr(compiled, name)

    def __repr__(self) -> str:
        return repr(_compile(*self._made_of))


def compile(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:  # type: ignore[no-redef]
    """As `re.compile`, but what is wrong with the pattern shows at its first use."""
    return cast("re.Pattern[AnyStr]", _Later(pattern, flags))
