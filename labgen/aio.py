"""The functions of `labgen.api` under the same names, to be awaited: `await labgen.aio.generate(samples=4)`.

Each runs in a thread of its own, so the event loop that awaits it goes on. Cancelling the task interrupts the verb as
Ctrl-C does: what it has paid for is kept, and it is waited for.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from labgen import api
from labgen.verbs.event_loop import awaited


def _to_be_awaited(verb: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    @wraps(verb)
    async def call(*args: Any, **named: Any) -> Any:
        return await awaited(verb, *args, **named)

    return call


__all__ = sorted(  # noqa: PLE0605 - a list of strings all the same
    name
    for name, verb in vars(api).items()
    if inspect.isfunction(verb) and verb.__module__ == api.__name__ and not name.startswith("_")
)


def __getattr__(name: str) -> Callable[..., Awaitable[Any]]:
    if name not in __all__:
        raise AttributeError(f"module `labgen.aio` has no attribute `{name}`")
    return _to_be_awaited(getattr(api, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
