"""What went wrong with an endpoint lately, so that a run can say what it waits for. It steers nothing."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import field

from labgen.lazy.dataclasses import dataclass

LATELY_SEC = 15.0
KEPT = 512
"""Outcomes that are kept at most: enough to tell a share, however fast calls are answered."""
ANSWERED = "ok"


@dataclass(slots=True)
class Trouble:
    """Outcomes of an endpoint's last attempts: when (clock, seconds), and `ok` or the name of a TeacherError.

    Attributes:
        words: the last error's own words, as data from outside; empty once a call was answered.
        resent: requests sent once more at once (count), see `labgen.teacher.traffic.Traffic`.
    """

    words: str = ""
    resent: int = 0
    _seen: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self, now_sec: float, kind: str = ANSWERED, words: str = "") -> None:
        """An attempt came back."""
        self._seen.append((now_sec, kind))
        self.words = words

    def note_resent(self) -> None:
        """A request was sent once more."""
        self.resent += 1

    def lately(self, now_sec: float) -> Counter[str]:
        """Outcomes of the last seconds (`LATELY_SEC`), by kind (counts)."""
        return Counter(kind for at_sec, kind in self._seen if now_sec - at_sec <= LATELY_SEC)

    @property
    def failed_in_a_row(self) -> int:
        """Attempts that failed since the last one that was answered (count)."""
        failed = 0
        for _, kind in reversed(self._seen):
            if kind == ANSWERED:
                break
            failed += 1
        return failed

    @property
    def last(self) -> str:
        """Kind of the last outcome; empty before the first."""
        return self._seen[-1][1] if self._seen else ""
