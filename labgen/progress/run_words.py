"""The state of a run in words: one line of it, and the parts that the display and the line share."""

from __future__ import annotations

from labgen.progress.run_state import LeafState, RunState, Spending
from labgen.teacher.waits import RunWait
from labgen.text.durations import duration
from labgen.text.money import money
from labgen.text.printable import one_line


def state_line(state: RunState) -> str:
    """The whole state on one line, for where there is no terminal."""
    total = state.total
    parts = [f"{total.rows:,}/{total.wanted:,} rows", f"leaves {total.leaves_done:,}/{total.leaves:,}"]
    if state.phase != "asking":
        parts.insert(0, state.phase)
    if left := left_words(state):
        parts.append(left)
    parts += call_words(state)
    if total.yield_share is not None:
        parts.append(f"yield {total.yield_share:.0%}")
    parts += spent_words(state.spending)
    parts += [f"waiting: {wait_words(wait)}" for wait in state.waits[:1]]
    return one_line(" · ".join(parts), None)


def left_words(state: RunState) -> str:
    """The time left; empty where nothing is asked."""
    if state.left_sec is not None:
        return f"about {duration(state.left_sec)} left"
    return f"time left {state.left_unknown}" if state.left_unknown else ""


def call_words(state: RunState) -> list[str]:
    """Calls: answered, in flight, how fast, and those that the ledger had."""
    parts = []
    if state.answered or state.in_flight:
        parts.append(f"{state.answered:,} calls answered, {state.in_flight:,} in flight")
    if (pace := state.calls_per_sec) is not None:
        words = f"{pace:.1f} calls/s" if pace >= 1.0 else f"{60.0 * pace:.1f} calls/min"
        parts.append(f"{words}, {state.tokens_per_sec:,.0f} tokens/s" if state.tokens_per_sec else words)
    return [*parts, f"{state.from_ledger:,} from the ledger"] if state.from_ledger else parts


def spent_words(spending: Spending) -> list[str]:
    """Money, calls and tokens spent, each against its limit; without prices and limits the tokens."""
    parts = []
    if spending.cost is not None:
        limit = f" of {spending.max_cost:,.2f}" if spending.max_cost is not None else ""
        parts.append(f"{money(spending.cost, spending.currency)}{limit} spent")
    if spending.max_calls is not None:
        parts.append(f"{spending.calls:,} of {spending.max_calls:,} calls spent")
    tokens = spending.prompt_tokens + spending.completion_tokens
    if spending.max_tokens is not None:
        parts.append(f"{tokens:,} of {spending.max_tokens:,} tokens spent")
    return parts


def wait_words(wait: RunWait) -> str:
    """One thing that is waited for."""
    return one_line(f"{wait.cause}: {wait.words}", None)


def leaf_words(leaf: LeafState, path_chars: int) -> str:
    """One of the worst leaves."""
    why = leaf.why or f"yield {leaf.yield_share:.0%}, {leaf.calls:,} calls"
    return one_line(f"{short_path(leaf.path, path_chars)}  {leaf.rows:,}/{leaf.wanted:,} rows, {why}", None)


def short_path(path: str, chars: int) -> str:
    """A leaf's path in so many characters: its first and its last parts, as many as fit; printable."""
    path = one_line(path, None)
    if len(path) <= chars:
        return path
    first, *rest = path.split("/")
    while len(rest) > 1:
        rest = rest[1:]
        short = "/".join([first, "…", *rest])
        if len(short) <= chars:
            return short
    return "…" + path[-max(1, chars - 1) :]
