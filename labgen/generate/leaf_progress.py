"""How far one leaf is, in slot order, and when it is done: exactly as many rows as wanted, or the stop rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labgen.config.drawing import StopConfig
from labgen.filters.calibration import Calibration
from labgen.lazy.dataclasses import dataclass
from labgen.records import Candidate, State
from labgen.records.changed import changed
from labgen.teacher.causes import cause_of
from labgen.text.language import language_of_pair

JUDGE_NOT_FIT = "judge not fit"
"""How the reason begins why a leaf stopped whose judges failed their test."""
LOW_YIELD = "low yield"
CALLS_SPENT = "limit of calls reached"


def barren(candidates: Sequence[Candidate]) -> str | None:
    """Why a slot's draw brought nothing that could go on; None where it brought something.

    '' stands for a draw that had no reply in any attempt: the next run may have one, so that nothing follows from it.
    """
    if any(candidate.instruction for candidate in candidates):
        return None
    reason = next((candidate.reason for candidate in candidates), "no_candidates")
    return "" if reason.startswith("exhausted") else reason


def why_nothing_drawn(reasons: Sequence[str]) -> str:
    """What to say of draws that brought nothing, for these reasons."""
    cause = cause_of(reasons)
    if cause is None:
        return f"none of its first {len(reasons)} draws could be used ({max(reasons, key=reasons.count)})"
    return f"none of its first {len(reasons)} draws could be used: {cause.count} replies {cause.words}"


@dataclass
class LeafProgress:
    """What the retired slots of a leaf came to. Counts; the same in every run.

    Attributes:
        wanted: accepted rows wanted; slots: retired slots; accepted: rows among their candidates.
        calls: calls spent by them, and on the test of the judges, whoever paid for them.
        drawn: candidates asked for; passed: candidates that passed every filter.
        fruitful: whether any draw brought something; barren: why the draws before that brought nothing.
        calibration: how the leaf's judges did, once its first slot is retired; None where they are not tested.
        stopped: why the leaf ended short of what was wanted, empty where it did not (yet).
        done: whether no further slot will be retired.
    """

    wanted: int
    slots: int = 0
    accepted: int = 0
    calls: int = 0
    drawn: float = 0.0
    passed: float = 0.0
    fruitful: bool = False
    barren: tuple[str, ...] = ()
    calibration: Calibration | None = None
    stopped: str = ""
    done: bool = False

    @property
    def missing(self) -> int:
        """Rows that are still wanted."""
        return self.wanted - self.accepted

    def reopened(self, accepted: int) -> LeafProgress:
        """The same for a leaf that was full by itself, and of which the look across leaves left so many rows."""
        return replace(self, accepted=accepted, done=False)

    def accept(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates of the next slot, those that passed accepted until the leaf is full; the others are `surplus`.

        What is so accepted is held against earlier leaves' rows when the leaf's turn comes, and a surplus one may take
        the place of what is dropped then (see `labgen.export.collect`).
        """
        final = []
        for candidate in candidates:
            if candidate.state is not None:
                final.append(candidate)
                continue
            self.passed += 1
            # Told here, so that it is kept with what the leaf came to, and other processes take part in it.
            language = candidate.language
            if language is None:
                language = language_of_pair(candidate.instruction, candidate.response)
            if self.accepted < self.wanted:
                self.accepted += 1
                final.append(changed(candidate, state=State.ACCEPTED, language=language))
            else:
                final.append(changed(candidate, state=State.SURPLUS, reason="leaf_already_full", language=language))
        return final

    def note_test(self, calibration: Calibration, *, stops: bool) -> None:
        """Take in how the leaf's judges did in their test. `stops`: whether that ends the leaf."""
        self.calibration = calibration
        self.calls += len(calibration.calls)
        if stops:
            self.stopped = f"{JUDGE_NOT_FIT}: {calibration.problem}"
            self.done = True

    def end_slot(self, candidates: Sequence[Candidate], drawn: int, calls: int, stop: StopConfig) -> None:
        """Count a slot that is retired, and decide whether it was the last.

        Args:
            candidates: what it came to.
            drawn: candidates that it was asked for; calls: that it spent.
        """
        self.slots += 1
        self.calls += calls
        if self.done:
            return
        self.drawn += drawn
        # A flow of another package may end slots before it asks anything: that must come to an end, too.
        spent = max(self.calls, self.slots)
        self._note_draw(barren(candidates))
        if not self.missing:
            self.done = True
        elif not self.fruitful and len(self.barren) >= stop.hopeless_after:
            self._stop(why_nothing_drawn(self.barren))
        elif spent >= stop.min_calls and spent > stop.max_calls_per_row * self.accepted:
            words = f"{self.calls} calls" if spent == self.calls else f"{self.slots} slots"
            self._stop(f"{LOW_YIELD}: {words} for {self.accepted} rows")
        elif stop.max_calls_spent is not None and self.calls >= stop.max_calls_spent:
            self._stop(f"{CALLS_SPENT}: {self.calls} calls")

    def _note_draw(self, why_barren: str | None) -> None:
        if why_barren is None:
            self.fruitful, self.barren = True, ()
        elif why_barren and not self.fruitful:
            self.barren += (why_barren,)

    def _stop(self, why: str) -> None:
        self.stopped = why
        self.done = True
