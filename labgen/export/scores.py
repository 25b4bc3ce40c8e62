"""What students made of held-out questions: outcomes, counts, and what is known of who judged them."""

from __future__ import annotations

from dataclasses import dataclass, field

from labgen.export.held_out import CHOICE, HELD_OUT
from labgen.filters.calibration import Calibration, Counts, JudgeResult, add_up


@dataclass(frozen=True, slots=True)
class StudentAnswer:
    """What became of one question. `right` is None where student or judge gave nothing that can be read."""

    id: str
    set: str
    leaf: str
    right: bool | None
    answer: str
    reason: str = ""


@dataclass(frozen=True)
class StudentScores:
    """A student's outcomes, in the order of the questions."""

    student: str
    outcomes: tuple[StudentAnswer, ...]

    @property
    def unanswered(self) -> int:
        """Questions without an outcome (count)."""
        return sum(each.right is None for each in self.outcomes)

    def counts(self, config: str, leaf: str = "") -> Counts:
        """Right ones among a config's questions, of one leaf or of all."""
        some = [
            each.right
            for each in self.outcomes
            if each.set == config and each.right is not None and leaf in ("", each.leaf)
        ]
        return Counts(len(some), sum(some))


@dataclass(frozen=True)
class Evaluation:
    """What students made of a dataset's held-out questions.

    Attributes:
        scores: one for each student, in the order in which they were given.
        calibrations: leaf to how its judges did in their test.
        left_out: leaf to why its questions were not asked.
    """

    scores: tuple[StudentScores, ...]
    calibrations: dict[str, Calibration]
    left_out: dict[str, str] = field(default_factory=dict)

    def judged_by(self, config: str) -> JudgeResult | None:
        """The test of the judges that marked a config's answers, over its leaves; None for multiple choice."""
        leaves = {each.leaf for each in self.scores[0].outcomes if each.set == config}
        found = add_up(self.calibrations[leaf] for leaf in sorted(leaves & set(self.calibrations)))
        of_pairs = [result for result in found if result.judge != "instruction_judge"]
        return None if config == CHOICE or not of_pairs else sum(of_pairs[1:], of_pairs[0])

    @property
    def configs(self) -> list[str]:
        """Configs that questions were asked of."""
        asked = {each.set for each in self.scores[0].outcomes}
        return [name for name in HELD_OUT if name in asked]

    def leaves(self, config: str) -> list[str]:
        """Leaves that a config has questions of, in path order."""
        return sorted({each.leaf for each in self.scores[0].outcomes if each.set == config})

    def pairs(self, config: str, leaf: str = "") -> tuple[list[bool], list[bool]]:
        """Right or wrong for the first and the last student, over the questions that both have an outcome of."""
        first, last = self.scores[0].outcomes, self.scores[-1].outcomes
        both = [
            (one.right, two.right)
            for one, two in zip(first, last, strict=True)
            if one.set == config and leaf in ("", one.leaf) and one.right is not None and two.right is not None
        ]
        return [one for one, _ in both], [two for _, two in both]
