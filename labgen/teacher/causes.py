"""Why nothing came of what was asked, by name, and what to change: from the reasons that replies left behind.

A reason is a kind, the step that asked, and for what the endpoint refused also its words: `cut_off_respond`,
`too_long_judge_pair: the prompt has 1899 tokens, the context 512: ...`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Reply
from labgen.teacher.refusals import remedy_for
from labgen.text.printable import one_line

AT_LIMIT = frozenset({"length", "max_tokens", "model_length", "max_length"})
"""Endpoints' words for a reply that its token limit ended."""

_FORM = (
    "choose a larger model, or an endpoint that enforces JSON schemas (`labgen doctor` tells); for a base model, set "
    "`--api completions`"
)
_WORDS = {
    "only_reasoning": "held reasoning and no answer",
    "cut_off": "ended at the token limit before they could be read",
    "looped": "only repeated themselves",
    "empty": "were empty",
    "unreadable": "did not keep to the form that was asked for",
    "too_long": "were not given, since the prompt does not fit the context",
    "refused": "were refused by the endpoint",
    "exhausted": "did not come in any attempt",
}
"""Kind of reason to what it says of replies."""
UNREAD = ("only_reasoning", "cut_off", "looped", "empty", "unreadable")
"""Kinds of reply that can't be read."""
FINAL = ("too_long", "refused")
"""Kinds of refusal that are kept in the ledger: they will be the same in the next run."""
UNANSWERED = "exhausted"
"""The kind of failure that is not kept: the next run asks again."""

_LIMITS = {
    "knowledge_pairs": "max_pair_tokens",
    "knowledge_document": "max_document_tokens",
    "knowledge_rewrite": "max_document_tokens",
    "freeform_instructions": "max_instruction_tokens",
    "grounded_instructions": "max_instruction_tokens",
    "grounded_context": "max_context_tokens",
    "respond": "max_response_tokens",
    "respond_with_plan": "max_response_tokens",
    "judge_instructions": "max_verdict_tokens",
    "judge_pair": "max_verdict_tokens",
    "judge_grounded": "max_verdict_tokens",
    "judge_document": "max_verdict_tokens",
}
"""Step to the setting under `generation:` that limits its replies."""

_REASON = re.compile(rf"({'|'.join(_WORDS)})_([a-z0-9_]+)(?::\s*(.*))?", re.DOTALL)
_LENGTHS = re.compile(r"the prompt has (\d+) tokens, the context (\d+)")


def how_unread(reply: Reply) -> str:
    """Which of `UNREAD` a reply is that can't be read."""
    if not reply.text.strip() and reply.reasoning:
        return "only_reasoning"
    if reply.finish_reason == "loop":
        return "looped"
    if reply.finish_reason.lower() in AT_LIMIT:
        return "cut_off"
    return "unreadable" if reply.text.strip() else "empty"


@dataclass(frozen=True, slots=True)
class Cause:
    """What most replies came to.

    Attributes:
        kind: of the reasons; count: reasons of this kind.
        words: the sentence's end, such as `were empty`.
        remedy: what to change.
    """

    kind: str
    count: int
    words: str
    remedy: str


def cause_of(reasons: Iterable[str] | Mapping[str, int]) -> Cause | None:
    """What most of these reasons say; None where none of them is of a reply that was of no use.

    Args:
        reasons: one by one, or counted.
    """
    found = [(match, count) for reason, count in Counter(reasons).items() if (match := _REASON.fullmatch(reason))]
    kinds: Counter[str] = Counter()
    for match, count in found:
        kinds[match[1]] += count
    if not kinds:
        return None
    kind, most = min(kinds.items(), key=lambda item: (-item[1], item[0]))
    steps = sorted({match[2] for match, _ in found if match[1] == kind})
    details = [match[3] for match, _ in found if match[1] == kind and match[3]]
    return Cause(kind, most, _WORDS[kind] + _detail(kind, details), _remedy(kind, steps, details))


def _detail(kind: str, details: list[str]) -> str:
    lengths = [(int(match[1]), int(match[2])) for detail in details if (match := _LENGTHS.search(detail))]
    if kind == "too_long" and lengths:
        prompts = sorted({prompt for prompt, _ in lengths})
        span = f"{prompts[0]}" if len(prompts) == 1 else f"{prompts[0]} to {prompts[-1]}"
        return f" ({span} tokens against a context of {max(context for _, context in lengths)})"
    return f" ({one_line(details[0], 160)})" if details else ""


def _remedy(kind: str, steps: list[str], details: list[str]) -> str:
    limit = " and ".join(sorted({f"generation.{_LIMITS.get(step, 'max_*_tokens')}" for step in steps}))
    return {
        "only_reasoning": f"have the model answer without reasoning aloud (`reasoning: off`), or raise {limit}",
        "cut_off": f"raise {limit}",
        "looped": "choose a larger model, or an endpoint that enforces JSON schemas (`labgen doctor` tells)",
        "empty": "see with `labgen doctor` what the endpoint answers; for a base model, set `--api completions`",
        "unreadable": _FORM,
        "too_long": remedy_for(details[0] if details else ""),
        "refused": "`labgen doctor` finds out what the endpoint accepts; its prompts may also be too long for it",
        "exhausted": "run again when the endpoint answers",
    }[kind]
