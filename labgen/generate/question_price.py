"""The price of one thing that is asked, and what notes the prompts that it is reckoned from."""

from __future__ import annotations

from collections.abc import Mapping

from labgen.filters.base import Cost, Filter
from labgen.lazy.dataclasses import dataclass
from labgen.records import Call, Reply
from labgen.teacher.ledger_only import NotPaid
from labgen.text.token_count import TokenCounter

UNSTATED = Cost()
"""What a judge is taken to cost that says nothing of it."""


@dataclass(frozen=True, slots=True)
class QuestionPrice:
    """One thing that a flow asks once its candidates are drawn: a judge's question, or for a response.

    Attributes:
        step: the calls' name in the ledger; judge: the one that has decided then, None for a response, and where it
            asks more before it decides.
        calls: for each candidate that gets there, or for a slot where `shared`.
        prompt_tokens, reply_tokens: of one call.
        of_failed: whether it is asked of those that the judges before it turned down, not of those that passed.
    """

    step: str
    judge: Filter | None
    calls: float
    prompt_tokens: float
    reply_tokens: float
    shared: bool = False
    of_failed: bool = False


MOST_RECORDED = 2000
"""Calls of one step or judge in one slot (count); what asks for more never ends."""


class Recorder:
    """Answers as steps say that a teacher typically does, and notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.replies: Mapping[str, str] = {}

    def kept(self, call: Call) -> Reply | None:
        """Nothing is kept."""
        return None

    async def ask(self, call: Call) -> Reply:
        """The typical reply. Raises: NotPaid: there is none for such a call."""
        self.calls.append(call)
        if call.step not in self.replies or len(self.calls) > MOST_RECORDED:
            raise NotPaid(call)
        return Reply(self.replies[call.step])


def prompt_size(call: Call, count_tokens: TokenCounter) -> int:
    """Tokens of a call's prompt, without what a chat template adds."""
    return sum(count_tokens(message.content) for message in call.messages)
