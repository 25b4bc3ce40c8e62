"""A teacher that says what it is told to: for exact replies in tests and for trying out prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from labgen.records import Call, Reply

Script = Callable[[Call], Reply | str | Exception]


class ScriptedBackend:
    """Answers calls from a function, or from a list in order; keeps what it was asked in `calls`.

    A string becomes a reply with that text; an exception is raised. Raises: LookupError: the list is used up.

    """

    def __init__(self, replies: Script | Iterable[Reply | str | Exception]) -> None:
        self.calls: list[Call] = []
        self.closed = False
        if callable(replies):
            self._answer: Script = replies
        else:
            queue = iter(replies)

            def next_reply(call: Call) -> Reply | str | Exception:
                try:
                    return next(queue)
                except StopIteration:
                    raise LookupError(f"the script has no reply left for step `{call.step}`") from None

            self._answer = next_reply

    async def ask(self, call: Call) -> Reply:
        """The scripted reply."""
        self.calls.append(call)
        answer = self._answer(call)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Reply(answer, "stop", len(call.canonical) // 4, len(answer) // 4)
        return answer

    async def close(self) -> None:
        """Note that the connections were given up."""
        self.closed = True
