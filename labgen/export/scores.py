"""What students made of held-out questions: outcomes, counts, and what is known of who judged them."""

from __future__ import annotations

from dataclasses import field

from labgen.export.configs import CHOICE, HELD_OUT, SKILLS
from labgen.filters.calibration import Calibration, Counts, JudgeResult, add_up
from labgen.lazy.dataclasses import dataclass

SECOND_TURNS = "skills_turn_2"
"""What the second questions of held-out skills are counted as."""
BOTH_TURNS = "both turns"
ASKED_OF = (*HELD_OUT[: HELD_OUT.index(SKILLS) + 1], SECOND_TURNS, *HELD_OUT[HELD_OUT.index(SKILLS) + 1 :])


@dataclass(frozen=True, slots=True)
class StudentAnswer:
    """What became of one question.

    Attributes:
        right: None where student or judge gave nothing that can be read.
        rated: whether the judge was to rate it; rating: 1 to 10, None where there is none.
    """

    id: str
    set: str
    leaf: str
    right: bool | None
    answer: str
    reason: str = ""
    rated: bool = False
    rating: int | None = None

    @property
    def lost(self) -> bool:
        """Whether a verdict or a rating of it is lacking."""
        return self.right is None or (self.rated and self.rating is None)


@dataclass(frozen=True)
class StudentScores:
    """A student's outcomes, in the order of the questions."""

    student: str
    outcomes: tuple[StudentAnswer, ...]

    @property
    def unanswered(self) -> int:
        """Questions without an outcome (count)."""
        return sum(each.lost for each in self.outcomes)

    def ratings(self, config: str, leaf: str = "") -> dict[str, float]:
        """Ratings of a config's answers by the id of their row, of one leaf or of all.

        Args:
            config: `BOTH_TURNS` for the mean over a row's turns, of rows all turns of which have one.
        """
        some = [each for each in self.outcomes if each.rated and leaf in ("", each.leaf)]
        by_row: dict[str, list[int | None]] = {}
        for each in some:
            if config in (BOTH_TURNS, each.set):
                by_row.setdefault(each.id, []).append(each.rating)
        whole = {id: [one for one in found if one is not None] for id, found in by_row.items() if None not in found}
        return {id: sum(found) / len(found) for id, found in whole.items()}

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
        """The test of the judges that scored a config's answers, over its leaves; None for multiple choice."""
        leaves = {each.leaf for each in self.scores[0].outcomes if each.set == config}
        found = add_up(self.calibrations[leaf] for leaf in sorted(leaves & set(self.calibrations)))
        of_pairs = [result for result in found if result.judge != "instruction_judge"]
        return None if config == CHOICE or not of_pairs else sum(of_pairs[1:], of_pairs[0])

    @property
    def configs(self) -> list[str]:
        """Configs that questions were asked of."""
        asked = {each.set for each in self.scores[0].outcomes}
        return [name for name in ASKED_OF if name in asked]

    @property
    def rated(self) -> list[str]:
        """What ratings are told of: each config whose answers were to be rated, and all turns together."""
        rated = {each.set for each in self.scores[0].outcomes if each.rated}
        return [*(name for name in self.configs if name in rated), *([BOTH_TURNS] if rated else [])]

    @property
    def rehearsal(self) -> bool:
        """Whether the rehearsal teacher was among the judges."""
        return any(each.rehearsal for each in self.calibrations.values())

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

    def rating_gains(self, config: str, leaf: str = "") -> list[float]:
        """By how much the last student's ratings are above the first one's, over the rows that both have one of."""
        first, last = self.scores[0].ratings(config, leaf), self.scores[-1].ratings(config, leaf)
        return [last[id] - first[id] for id in first if id in last]
