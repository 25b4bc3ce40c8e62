"""What code of other packages hands over about candidates, made plain data: verdicts, endings, candidates themselves.

The one place where it is looked at. What passes here can be kept, written and read again; of all else it is said what
is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from labgen.errors import ConfigError, LabgenError
from labgen.filters.base import Ending, SlotContext
from labgen.packages import PackageFault, plain_count, plain_key, plain_number, plain_text
from labgen.plan.passages import passage_of
from labgen.records import Candidate, Evidence, Source, State, Verdict
from labgen.teacher.asker import CandidateEnds

FINAL_STATES = (State.ACCEPTED, State.SURPLUS, State.MARKED_BAD)
"""States that are not a filter's or a step's to give."""


def plain_verdict(verdict: Any) -> Verdict:
    """A verdict with Python's own numbers and texts. Raises: PackageFault: it is none."""
    if not isinstance(verdict, Verdict):
        raise PackageFault(f"it gave a {type(verdict).__name__}, which is no verdict")
    words = [plain_text(getattr(verdict, name), f"its verdict's {name}") for name in ("filter", "version", "reason")]
    value = plain_number(verdict.value, "its verdict's value")
    if not isinstance(verdict.evidence, tuple) or not all(isinstance(each, Evidence) for each in verdict.evidence):
        raise PackageFault("its verdict's evidence is no tuple of Evidence")
    evidence = [
        Evidence(
            plain_text(piece.text, "its verdict's evidence"),
            plain_count(piece.start, "the start of its verdict's evidence", least=-1),
            plain_count(piece.end, "the end of its verdict's evidence", least=-1),
        )
        for piece in verdict.evidence
    ]
    return Verdict(words[0], words[1], value, words[2], tuple(evidence))


def plain_decision(given: Any) -> Ending | None:
    """What a filter decides of a verdict. Raises: PackageFault: it may not end a candidate so."""
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise PackageFault("it decided on something else than a state and a reason")
    return _state(given[0]), plain_text(given[1], "the reason that it gave")


def plain_ending(end: CandidateEnds) -> CandidateEnds:
    """How another package ends a candidate, as plain data. Raises: PackageFault: it may not end one so."""
    calls = tuple(plain_key(key, "a call that it named") for key in end.calls)
    reason, raw = plain_text(end.reason, "the reason that it gave"), plain_text(end.raw, "the text that it gave")
    return CandidateEnds(_state(end.state), reason, raw, calls)


def plain_candidate(given: Any, slot: SlotContext) -> Candidate:
    """A candidate as plain data. Raises: PackageFault: it is none, or something in it is not what it should be."""
    if not isinstance(given, Candidate):
        raise PackageFault(f"it gave a {type(given).__name__}, which is no candidate")
    which = slot.asker.slot
    if (given.leaf, given.slot) != (which.leaf, which.index):
        raise PackageFault("it gave a candidate of another leaf or slot")
    texts: dict[str, Any] = {
        name: plain_text(getattr(given, name), f"its candidate's {name}")
        for name in ("instruction", "response", "reasoning", "reason", "raw", "rejected_by")
    }
    seeds = range(len(slot.plan.leaf.seed_examples))
    return Candidate(
        leaf=which.leaf,
        slot=which.index,
        position=plain_count(given.position, "its candidate's position", most=2**31 - 1),
        context=None if given.context is None else plain_text(given.context, "its candidate's context"),
        source=_source(given.source, slot),
        kind=plain_text(given.kind, "its candidate's kind"),
        seed_examples=tuple(
            plain_count(index, "one of its candidate's seed_examples", most=seeds[-1]) for index in given.seed_examples
        ),
        verdicts=tuple(map(plain_verdict, given.verdicts)),
        state=None if given.state is None else _state(given.state),
        calls=tuple(plain_key(key, "one of its candidate's calls") for key in given.calls),
        truncated=bool(given.truncated),
        **texts,
    )


def _source(given: Any, slot: SlotContext) -> Source | None:
    if given is None:
        return None
    own = passage_of(slot.plan, slot.asker.slot)
    if type(given) is not Source or own is None or given != own[1]:
        raise PackageFault("its candidate's source is not that of the slot's passage")
    return own[1]


def _state(given: Any) -> State:
    try:
        state = State(given)
    except (ValueError, TypeError):
        raise PackageFault(f"it may not end a candidate as `{given!s:.40}`: that is no state") from None
    if state in FINAL_STATES:
        allowed = ", ".join(each.value for each in State if each not in FINAL_STATES)
        raise PackageFault(f"it may not end a candidate as `{state.value}`, only as {allowed}")
    return state


@contextmanager
def labgens_own_pass(title: str, slot: SlotContext) -> Iterator[None]:
    """Around a package's code that may ask: what ends more than the candidate comes out of it, whatever it does.

    Args:
        title: what messages call the flow or filter that the code is of.
    Raises: LabgenError: as labgen raised it where something could not be asked, also where the code passed over that;
        a prompt that can't be filled in is told with the title.
    """
    try:
        yield
    except ConfigError as error:
        raise _titled(title, error, slot) from error
    except PackageFault:
        _stop(title, slot)
        raise
    _stop(title, slot)


def _stop(title: str, slot: SlotContext) -> None:
    for error in slot.asker.stopped_by:
        if isinstance(error, ConfigError):
            raise _titled(title, error, slot) from error
        if isinstance(error, LabgenError):
            raise error


def _titled(title: str, error: ConfigError, slot: SlotContext) -> ConfigError:
    titled = ConfigError(f"{title}: {error}")
    slot.asker.stopped_by.append(titled)
    return titled
