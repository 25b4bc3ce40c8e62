"""The card's section on preferences: what there is, and what was held back."""

from __future__ import annotations

from labgen.export.card_facts import CardFacts
from labgen.formats.training.base import CHECKABLE, FEEDBACK, PREFERENCES
from labgen.records import REPAIR, SAMPLE

ABOUT_PREFERENCES = {
    PREFERENCES: "two responses to one instruction, the better one and the worse one (DPO, reward models)",
    FEEDBACK: "single responses, good and bad (KTO)",
    CHECKABLE: "instructions whose answer a rule can check, with the name of the checker (GRPO)",
}


def preferences(facts: CardFacts) -> str:
    """Pairs by kind, rows saved, and how the configs are read; '' where no preferences were asked for."""
    found = facts.preferences
    if found is None:
        return ""
    pairs, feedback = found["pairs"], found["feedback"]
    saved = found["rows_saved_by_a_repair"]
    checkers = ", ".join(f"{count:,} by `{name}`" for name, count in found["checkable"].items()) or "none"
    return (
        "## Preferences\n\n"
        f"{pairs.get(REPAIR, 0):,} pairs are of a response that failed and what the teacher made of it when it was "
        f"told what was wrong ({saved:,} rows were saved so), and {pairs.get(SAMPLE, 0):,} of "
        "several responses to one instruction. Of two responses that both passed, the judge was asked in both orders, "
        "and a pair is kept where both name the same one. `margin` goes from 0 to 1: the mean of what the judge said "
        "in both orders in thirds (slightly, clearly, by far); where one response failed, half the difference of their "
        "scores, at least 0.5. `prompt` has the passage before the question, since by that an answer is right or "
        f"wrong. {found['pairs_held_back']:,} pairs were held back, since their worse response is not known to harm "
        "nobody: no judge said that it is safe, or a secret, personal data or a benchmark item was found in it.\n\n"
        f"`feedback` has {feedback['good']:,} good and {feedback['bad']:,} bad responses. Rows whose answer a rule can "
        f"check: {checkers}; `labgen.export.rewards.final_answer_reward` checks them."
    )


def configs_asked_for(facts: CardFacts) -> tuple[str, ...]:
    """The configs of preferences that the settings ask for."""
    if facts.preferences is None:
        return ()
    settings = facts.about.settings.get("preferences", {})
    return (PREFERENCES, *(name for name in (FEEDBACK, CHECKABLE) if settings.get(name, True)))


def columns_of_preferences(facts: CardFacts) -> str:
    """What their rows hold; '' where there are none."""
    if not facts.preferences:
        return ""
    return (
        " Those of preferences have `id`, `row` (the id of the row that they belong to), `prompt` (turns), `leaf`, "
        "`branch`, `teacher`, `leaf_fingerprint` and `rehearsal`; `preferences` has `chosen` and `rejected` (turns), "
        "`margin`, `reason`, `kind` (`repair` or `responses`), `score_chosen`, `score_rejected` (the judge's, 1 to 3), "
        "`rejected_state` (empty where both passed), `chosen_by` and `rejected_by` (models); `feedback` has "
        "`completion`, `label`, `reason`, `score` and `written_by`; "
        "`checkable` has `answer` and `checker`."
    )
