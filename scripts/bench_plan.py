#!/usr/bin/env python3
"""What a plan says that a build will take, beside what the build then spends: calls and tokens, side by side.

    .venv/bin/python scripts/bench_plan.py [TAXONOMY] [--samples N]

Each case is planned with an empty ledger and then built with the rehearsal teacher. The guard, and the judge of another
package, are small ones of this script: a guard that finds one pair in fifty unsafe, and a judge that asks the teacher
with a step of its own, and has to catch defects in the leaves' tests.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal
from unittest import mock

from labgen.config.drawing import KINDS
from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.filters import installed
from labgen.filters.base import Cost, Ending, SlotContext
from labgen.filters.calibration_items import ANSWER_EXCHANGED
from labgen.flows.known import known_flows
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.formats.prompts import PromptSet
from labgen.records import REHEARSAL_MODEL, Call, Candidate, Message, Reply, State, Verdict
from labgen.teacher.rehearsal.model import reply
from labgen.teacher.scripted import ScriptedBackend
from labgen.verbs.built import Build
from labgen.verbs.generate import build_dataset
from labgen.verbs.plan import estimate_build
from labgen.verbs.session import Session

ROOT = Path(__file__).resolve().parent.parent
GUARD = {"kind": "llama_guard_3", "model": "guard", "base_url": "http://127.0.0.1:9/v1"}
CASES: tuple[tuple[str, dict[str, object], bool], ...] = (
    ("as shipped", {}, False),
    ("with a guard", {"guard": GUARD}, False),
    ("with another package's judge", {}, True),
    ("with both", {"guard": GUARD}, True),
    ("with documents", {"knowledge": {"kinds": dict.fromkeys(KINDS, 1)}}, False),
)
JUDGE_TOKENS = 8


class TidyJudge:
    """Does the answer belong to the question? Asks in a prompt of its own, one call for each pair."""

    version = "1"
    kind: Literal["judge"] = "judge"
    stage: Literal["pair"] = "pair"
    flows = ("knowledge", "grounded", "freeform")
    catches = (ANSWER_EXCHANGED,)
    cost = Cost(reply_tokens=1)

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """One verdict, 1 for yes."""
        words = f"Does the answer belong to the question?\n{candidate.instruction}\n---\n{candidate.response}"
        turns = (Message("system", "Say yes or no."), Message("user", words))
        call = Call(slot.asker.judge, turns, JUDGE_TOKENS, 0.0, 0, step="tidy", leaf=candidate.leaf)
        reading = await slot.asker.ask_once(call, lambda text: text.strip() or None)
        return [Verdict("tidy", self.version, float(reading.value.startswith("yes")))]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """A no ends it."""
        return None if verdict.value else (State.LOW_QUALITY, "tidy: the answer belongs elsewhere")


@dataclass(frozen=True)
class Amounts:
    """What a case takes. Counts."""

    calls: float
    prompt_tokens: float
    completion_tokens: float

    @property
    def tokens(self) -> float:
        """Of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens


class Answers:
    """The rehearsal teacher, a guard and the answers to `TidyJudge`; counts what it is asked."""

    def __init__(self, tasks: dict[str, str]) -> None:
        self.asked: Counter[str] = Counter()
        self._tasks = tasks

    def __call__(self, call: Call) -> Reply:
        """The reply, with tokens as the rehearsal teacher counts them."""
        self.asked[call.step] += 1
        if call.step not in ("guard", "tidy"):
            found = reply(
                call.messages,
                seed=call.seed,
                temperature=call.temperature,
                max_tokens=call.max_tokens,
                schema=call.schema,
                tasks=self._tasks,
            )
            return Reply(found.text, found.finish_reason, found.prompt_tokens, found.completion_tokens)
        luck = hashlib.sha256(call.key).digest()[0] / 256
        text = {"guard": "unsafe\nS1" if luck < 1 / 50 else "safe", "tidy": "yes" if luck > 1 / 30 else "no"}[call.step]
        prompt = sum(-(-len(message.content.encode()) // 4) for message in call.messages)
        return Reply(text, "stop", prompt, -(-len(text) // 4))


def measure(
    taxonomy: Path, samples: int, settings: Mapping[str, object], patterns: Sequence[str] = ()
) -> tuple[Amounts, Amounts]:
    """What the plan says, and what the build spends; on the leaves that a pattern matches, where there is any."""
    with tempfile.TemporaryDirectory() as scratch:
        config = read_section(
            Config,
            {
                "taxonomy": taxonomy,
                "output": Path(scratch) / "dataset",
                "work": Path(scratch) / "work",
                "samples": samples,
                "teacher": {"model": REHEARSAL_MODEL},
                **settings,
            },
        )
        session = Session.prepare(config, patterns)
        estimate = estimate_build(session)
        traffic = build(config, patterns).traffic
        planned = Amounts(estimate.total("calls"), estimate.total("prompt_tokens"), estimate.total("completion_tokens"))
        return planned, Amounts(traffic.answered, traffic.prompt_tokens, traffic.completion_tokens)


def build(config: Config, patterns: Sequence[str] = ()) -> Build:
    """Build with `Answers` in the place of teacher, judge and guard."""
    filters = Session.prepare(config, patterns).filters
    answers = Answers(rehearsed_tasks(PromptSet(), prompts_of(known_flows(), filters)))
    by_model = {REHEARSAL_MODEL: ScriptedBackend(answers), "guard": ScriptedBackend(answers)}
    return build_dataset(config, leaf_patterns=patterns, backend=by_model)


def with_judge(on: bool) -> mock._patch:  # type: ignore[type-arg]  # unittest's own, without a public name
    """Lets labgen find `TidyJudge` as if a package had brought it."""
    entries = [EntryPoint("tidy", "bench_plan:TidyJudge", installed.FILTERS_GROUP)] if on else []
    return mock.patch.object(installed, "entries_of", lambda group: entries)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("taxonomy", nargs="?", type=Path, default=ROOT / "taxonomy")
    parser.add_argument("--samples", type=int, default=30, help="rows for each leaf")
    arguments = parser.parse_args()
    sys.modules.setdefault("bench_plan", sys.modules[__name__])  # where the entry point looks for it
    print(f"{'':30}{'calls':>22}{'prompt tokens':>30}{'reply tokens':>28}")
    print(f"{'':30}{'plan':>8}{'build':>8}{'':>6}{'plan':>12}{'build':>12}{'':>6}{'plan':>11}{'build':>11}{'':>6}")
    for name, settings, judge in CASES:
        with with_judge(judge):
            planned, spent = measure(arguments.taxonomy, arguments.samples, settings)
        cells = [
            f"{round(ours):>{width},}{round(theirs):>{width},}{ours / theirs - 1:>+6.0%}"
            for ours, theirs, width in (
                (planned.calls, spent.calls, 8),
                (planned.prompt_tokens, spent.prompt_tokens, 12),
                (planned.completion_tokens, spent.completion_tokens, 11),
            )
        ]
        print(f"{name:30}{''.join(cells)}")


if __name__ == "__main__":
    main()
