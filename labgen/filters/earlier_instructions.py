"""Near-duplicates in order: the first wins.

Source: LAB and self-instruct (arXiv 2212.10560) drop an instruction whose ROUGE-L with an earlier one is above 0.7.
Ours raises that threshold for a leaf whose own seeds resemble each other more, and for instructions on a context
wants the context to be too close as well: "Summarise this" on a new text is a new pair. The index proposes what is too
close; `rouge_score` itself decides, and the verdict carries its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labgen.filters.kept_comparisons import KeptComparisons
from labgen.filters.near_duplicates import NearDuplicates, leaf_threshold, rouge_l
from labgen.filters.rouge import reference_rouge_l
from labgen.outcomes.thresholds import looked_for_from
from labgen.records import Verdict

NAME = "duplicates"
VERSION = "1"
MARGIN = 0.05
"""So much closer than asked for is looked for (ROUGE-L, 0 to 1), so that a threshold may move with no other outcome."""


class EarlierInstructions:
    """Instructions that came before, in order.

    Args:
        base: least threshold of any instruction that will be looked for, 0 to 1; one that notes what it is compared
            with is looked for from `MARGIN` lower on, so that it may move so far with no other outcome.
        by_context: whether instructions come with contexts that must be too close as well.
        kept: the indexes to use, and what is known of earlier builds; None for new ones.
    """

    def __init__(self, base: float, *, by_context: bool, kept: KeptComparisons | None = None) -> None:
        self._by_context = by_context
        least = looked_for_from(base, MARGIN)
        self._instructions = kept.instructions if kept else NearDuplicates(least)
        self._contexts = kept.contexts if kept else NearDuplicates(least)
        self._reference = kept.reference if kept else reference_rouge_l
        self._names: list[str] = []
        self._texts: list[tuple[str, str]] = []
        self._of_context: dict[str, list[int]] = {}
        self._context_list: list[str] = []
        self._last: tuple[str, int, list[int]] = ("", 0, [])
        self._last_threshold: float | None = None

    def add(self, instruction: str, context: str | None, name: str) -> None:
        """Add without looking: a seed example, or an instruction known to be new."""
        number = len(self._names)
        # Those of one draw have one name, which is kept once.
        self._names.append(self._names[-1] if self._names and self._names[-1] == name else name)
        if not self._by_context:
            self._instructions.add(instruction, number)
            return
        self._texts.append((instruction, context or ""))
        if (context or "") not in self._of_context:
            self._contexts.add(context or "", len(self._context_list))
            self._context_list.append(context or "")
        self._of_context.setdefault(context or "", []).append(number)

    def expect(self, pairs: Iterable[tuple[str, str | None]]) -> None:
        """Look up instructions with their contexts together, which is faster than one by one; `find` decides."""
        if self._by_context:
            self._contexts.expect(context or "" for _, context in pairs)
        else:
            self._instructions.expect(instruction for instruction, _ in pairs)

    def any_near(self, instruction: str, context: str | None) -> bool:
        """Whether there is anything that `find` would have to hold against a threshold."""
        if self._by_context:
            return bool(self._contexts.matches(context or ""))
        return bool(self._instructions.matches(instruction))

    def find(
        self, instruction: str, context: str | None, *, threshold: float, context_threshold: float = 0.0
    ) -> Verdict | None:
        """The verdict on an instruction that is too close to an earlier one, or None for a new one."""
        if not self._by_context:
            match = self._instructions.nearest(instruction)
            if match is None or match.similarity <= threshold:
                return None
            similarity = self._reference(instruction, self._instructions.text(match.key))
            return self._verdict(similarity, match.key) if similarity > threshold else None
        for number in self._near_in_context(context or "", context_threshold):
            earlier, its_context = self._texts[number]
            if rouge_l(instruction, earlier) <= threshold:
                continue
            similarity = self._reference(instruction, earlier)
            if similarity > threshold and self._reference(context or "", its_context) > context_threshold:
                return self._verdict(similarity, number)
        return None

    def _near_in_context(self, context: str, threshold: float) -> list[int]:
        """Numbers of the instructions on a context that is too close, in order."""
        asked = (context, len(self._context_list))
        if self._last[:2] != asked or self._last_threshold is not threshold:
            # Several instructions on one context come in a row.
            near = [match.key for match in self._contexts.matches(context) if match.similarity > threshold]
            self._last, self._last_threshold = (*asked, near), threshold
        return sorted(number for key in self._last[2] for number in self._of_context[self._context_list[key]])

    def _verdict(self, similarity: float, number: int) -> Verdict:
        return Verdict(NAME, VERSION, similarity, f"like {self._names[number]}")


def thresholds_for(
    instructions: Sequence[str], contexts: Sequence[str], *, base: float, cap: float
) -> tuple[float, float]:
    """A leaf's thresholds for instructions and for contexts, each raised by its own seeds' similarity.

    Args:
        instructions, contexts: of the leaf's seed examples; contexts may be empty.
        base, cap: ROUGE-L F-measures, 0 to 1.
    """
    context_threshold = leaf_threshold(contexts, base=base, cap=cap) if contexts else base
    return leaf_threshold(instructions, base=base, cap=cap), context_threshold
