"""What a run waits for, and why, in words that fit a line of a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labgen.lazy.dataclasses import dataclass
from labgen.teacher.trouble import ANSWERED, LATELY_SEC
from labgen.text.durations import duration
from labgen.text.printable import one_line, without_credentials

if TYPE_CHECKING:
    from labgen.teacher.client import TeacherClient
    from labgen.teacher.endpoints import Endpoint, Replicas

SLOW_SEC = 10.0
"""Calls in flight of which none is answered for so long are worth a word."""
QUIET_SEC = 5.0
FAILED_IN_A_ROW = 3
"""So many calls that fail, and none that is answered for so long, are an outage."""
SLOWER = 3.0
"""So are replies that take so many times as long as at their best."""
DETAIL_CHARS = 300

ERRORS = {
    "TeacherTimeout": "no reply in time",
    "NoConnection": "can't connect",
    "TeacherStarting": "it loads its model",
    "TeacherUnavailable": "server errors",
    "BadReply": "replies that can't be read",
    "CallRejected": "calls rejected",
}
"""The kinds of error that are tried again, those of load aside, in words."""


@dataclass(frozen=True, slots=True)
class RunWait:
    """One thing that a run waits for.

    Attributes:
        cause: `outage`, `loading`, `load` (calls refused as too many), `rate limit` (as configured), `errors`, `slow`
            or `budget`.
        words: what there is to know, in at most some 65 characters.
        endpoint: whose; empty where it is nobody's.
        detail: the endpoint's own last words: text from outside, printable and without credentials.
        answering: whether calls are answered all the same.
    """

    cause: str
    words: str
    endpoint: str = ""
    detail: str = ""
    answering: bool = True


def waits_of(client: TeacherClient, now_sec: float) -> tuple[RunWait, ...]:
    """What holds a run up at present, the worst first; empty where nothing does."""
    found = [wait for replicas in client.groups for wait in _of_replicas(client, replicas, now_sec)]
    if client.budget and (waiting := client.budget.waiting):
        words = f"{waiting:,} calls wait until it is known what those in flight cost"
        found.append(RunWait("budget", words))
    order = ("outage", "loading", "load", "rate limit", "errors", "slow", "budget")
    return tuple(sorted(found, key=lambda wait: order.index(wait.cause)))


def _of_replicas(client: TeacherClient, replicas: Replicas, now_sec: float) -> Iterator[RunWait]:
    troubled = False
    for endpoint in replicas.endpoints:
        wait = None if endpoint.retired else _of_endpoint(client, replicas, endpoint, now_sec)
        if wait:
            troubled = True
            detail = one_line(without_credentials(endpoint.trouble.words), DETAIL_CHARS)
            yield RunWait(*wait, endpoint.name, detail, wait[0] not in ("outage", "loading"))
    in_flight = sum(endpoint.pressure.sent for endpoint in replicas.endpoints)
    silent_sec = now_sec - max(replicas.silence.asked_sec, replicas.silence.last_answer_sec)
    if not troubled and in_flight and silent_sec > SLOW_SEC:
        name = replicas.endpoints[0].name if len(replicas.endpoints) == 1 else ""
        yield RunWait(
            "slow", f"{_calls(in_flight)} in flight, none answered for {duration(silent_sec)}", name, answering=False
        )


def _of_endpoint(
    client: TeacherClient, replicas: Replicas, endpoint: Endpoint, now_sec: float
) -> tuple[str, str] | None:
    """The cause and the words."""
    trouble, pressure = endpoint.trouble, endpoint.pressure
    lately = trouble.lately(now_sec)
    failed = lately.total() - lately[ANSWERED]
    if trouble.last == "TeacherStarting":
        return "loading", "the server loads its model; it is asked again and again"
    if pressure.down:
        return "outage", _outage(client, replicas, trouble.last, now_sec)
    if (refused := lately["RateLimited"]) and trouble.last not in ERRORS:
        pause = f", none for {duration(pressure.wait_sec)}" if pressure.wait_sec >= 1.0 else ""
        words = f"{refused} of {lately.total()} calls refused (429, 503) in {LATELY_SEC:.0f} s; "
        return "load", f"{words}{pressure.places} at once now{pause}"
    if pressure.wait_sec > 1.0 and not failed and not pressure.in_flight:
        return "rate limit", f"its limit for a minute is reached; the next call in {duration(pressure.wait_sec)}"
    if trouble.failed_in_a_row >= FAILED_IN_A_ROW and _silent_sec(replicas, now_sec) > QUIET_SEC:
        return "outage", f"no answer for {duration(_silent_sec(replicas, now_sec))} ({_why(trouble.last)}); tried again"
    if failed := failed - refused:
        worst = next(kind for kind, _ in lately.most_common() if kind not in (ANSWERED, "RateLimited"))
        words = f"{failed} of {lately.total()} calls failed in {LATELY_SEC:.0f} s ({_why(worst)})"
        return "errors", f"{words}; tried again"
    if pressure.slower > SLOWER:
        return "slow", f"replies take {pressure.slower:.0f} times as long as at their best"
    return None


def _outage(client: TeacherClient, replicas: Replicas, kind: str, now_sec: float) -> str:
    if not replicas.all_down:
        return f"{_why(kind)}; the other endpoints are asked meanwhile"
    silent, limit = duration(_silent_sec(replicas, now_sec)), duration(client.outage_limit_sec(replicas))
    return f"no answer for {silent} ({_why(kind)}); the run ends at {limit}"


def _silent_sec(replicas: Replicas, now_sec: float) -> float:
    since_sec = replicas.silence.since_sec
    return now_sec - since_sec if since_sec is not None else 0.0


def _why(kind: str) -> str:
    return ERRORS.get(kind, "no answer")


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"
