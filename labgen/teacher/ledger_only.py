"""A client that asks nobody: it answers from the ledger, and notes what the teacher would have to be asked."""

from __future__ import annotations

from labgen.ledger.replies import Ledger
from labgen.records import Call, Reply


class NotPaid(Exception):
    """A call that the ledger does not hold."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.step)
        self.call = call


class LedgerOnly:
    """Answers from the ledger alone.

    Args:
        failing: whether what the ledger lacks counts as failed, so that all that does not depend on it is gone through
            as well. Otherwise the first such call ends what asked for it.

    Attributes:
        paid: calls that it answered, in order, and their replies; missing: those that it could not, by key.
    """

    def __init__(self, ledger: Ledger, *, failing: bool = False) -> None:
        self._ledger = ledger
        self._failing = failing
        self.paid: list[tuple[Call, Reply]] = []
        self.missing: dict[bytes, Call] = {}

    def begin(self) -> None:
        """Forget what was asked so far."""
        self.paid.clear()
        self.missing.clear()

    def kept(self, call: Call) -> Reply | None:
        """The kept reply, None where there is none."""
        reply = self._ledger.get(call.key)
        if reply is not None:
            self.paid.append((call, reply))
        return reply

    async def ask(self, call: Call) -> Reply:
        """A failed reply. Raises: NotPaid: nothing is asked, and what is lacking does not count as failed."""
        self.missing[call.key] = call
        if self._failing:
            return Reply("", "", failure="exhausted", detail="not in the ledger")
        raise NotPaid(call)
