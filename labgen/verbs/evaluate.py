"""`labgen evaluate`: a student's answers to what a dataset holds out, judged as its rows were.

The student is asked as a user would ask it, one question with greedy sampling; its answers go to the judges that the
leaf's rows had to pass, through the same ledger. Multiple choice needs no judge. A row of two turns is asked as
MT-Bench does: the second question after the student's own first answer, and the judge rates both. What the judges' own
test says of them stands beside the score.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from labgen.config.models import JudgeConfig, ModelConfig, TeacherConfig
from labgen.config.whole import Config
from labgen.errors import ConfigError, UsageError
from labgen.export.choice import LETTERS
from labgen.export.configs import CHOICE, HELD_OUT
from labgen.export.files import read_rows
from labgen.export.folder import read_manifest
from labgen.export.held_out import answer_of, exchanges_of, question_of
from labgen.export.scores import SECOND_TURNS, Evaluation, StudentAnswer, StudentScores
from labgen.filters.base import settle
from labgen.filters.calibration import Calibration
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.filters.rating import LOWEST, rate
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.formats.conversation_text import question_after
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.slot_run import slot_context
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import REHEARSAL_MODEL, Call, Candidate, Message, State
from labgen.teacher.addresses import addresses
from labgen.teacher.asker import CandidateEnds
from labgen.teacher.client import TeacherClient
from labgen.teacher.connect import Backends
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.session import Hooks, Session, check_configuration

STUDENT_KEY = "STUDENT_API_KEY"
"""The environment variable that holds the students' key: the teacher's goes to no other address."""

CHOICE_TOKENS = 16
"""Longest reply to multiple choice: a letter, and room for a word around it."""

_LETTER = re.compile(rf"(?<![A-Za-z])([{LETTERS}])(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Student:
    """A model that is examined: its name at an OpenAI-compatible API."""

    model: str
    base_url: str


@outside_event_loop
def evaluate(
    config: Config,
    dataset: Path,
    students: Sequence[Student],
    *,
    hooks: Hooks | None = None,
    backend: Backends | None = None,
) -> Evaluation:
    """Ask students what a dataset holds out, and have their answers judged.

    Args:
        config: that of the build: its taxonomy, judge, filters and thresholds.
        students: one or more, each with a name of its own: replies are kept by it.
        backend: answers instead of all addresses; one for all models, or one for each by its name.
    Raises: UsageError: the dataset holds nothing out; ConfigError: names or addresses; LabgenError: as `generate`.
    """
    hooks = hooks or Hooks()
    questions = read_questions(dataset)
    names = [student.model for student in students]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"two students are called `{names[0]}`. The ledger keeps replies by name: serve each under a name of "
            "its own."
        )
    scores: list[StudentScores] = []
    calibrations: dict[str, Calibration] = {}
    left_out: dict[str, str] = {}
    with _judge_of(config, hooks, backend) as judge:
        for student in students:
            session = Session.prepare(_examining(config, judge, student), hooks=hooks, backend=backend)
            plans = {plan.leaf.path: plan for plan in session.sources.plans}
            left_out |= {
                question["leaf"]: session.sources.left_out.get(question["leaf"], "not among the taxonomy's leaves")
                for _, question in questions
                if question["leaf"] not in plans
            }
            asked = [(name, row) for name, row in questions if row["leaf"] in plans]
            with session.locked() as ledger:
                outcomes, found = session.ask(ledger, _Examining(asked, plans, session.config))
            scores.append(StudentScores(student.model, outcomes))
            calibrations |= found
    return Evaluation(tuple(scores), calibrations, left_out)


def read_questions(dataset: Path) -> list[tuple[str, dict[str, Any]]]:
    """The held-out rows of a dataset, each with its config. Raises: UsageError: there are none."""
    configs = read_manifest(dataset)["configs"]
    found = [
        (name, row)
        for name in HELD_OUT
        for file in configs.get(name, {"files": ()})["files"]
        for row in read_rows(dataset / file)
    ]
    if not found:
        raise UsageError(f"{dataset}: holds nothing out. Set `held_out` in labgen.yaml, and build again.")
    return found


@contextmanager
def _judge_of(config: Config, hooks: Hooks, backend: Backends | None) -> Iterator[JudgeConfig]:
    """The build's judge as a model with an address of its own; the rehearsal teacher where none is configured."""
    teacher = config.teacher
    at_teacher = {
        **{name: getattr(teacher, name) for name in ModelConfig.__struct_fields__},
        "api_key_env": teacher.api_key_env,
        "concurrency": teacher.concurrency,
    }
    found = addresses(teacher)
    if not teacher.endpoints and found:
        at_teacher["base_url"] = found[0].base_url
    if config.judge and (config.judge.base_url or config.judge.endpoints):
        yield config.judge
    elif backend is not None or found:
        model = config.judge.model if config.judge else teacher.model
        yield JudgeConfig(**{**at_teacher, "model": model})
    else:
        from labgen.teacher.rehearsal.server import RehearsalServer

        parts = check_configuration(config)
        with RehearsalServer(tasks=rehearsed_tasks(parts.prompts, prompts_of(parts.flows, parts.filters))) as server:
            hooks.notice("No endpoint is configured: the built-in rehearsal teacher judges. Its verdicts mean nothing.")
            yield JudgeConfig(model=REHEARSAL_MODEL, base_url=server.base_url)


def _examining(config: Config, judge: JudgeConfig, student: Student) -> Config:
    """The configuration in which a student stands where the teacher stood."""
    if student.model == judge.model:
        raise ConfigError(
            f"the student `{student.model}` is the judge. Give another judge with --judge-model, or serve the student "
            "under another name."
        )
    waits = ("concurrency", "timeout_sec", "max_attempts", "first_backoff_sec", "outage_sec")
    patience = {name: getattr(config.teacher, name) for name in waits}
    teacher = TeacherConfig(model=student.model, base_url=student.base_url, api_key_env=STUDENT_KEY, **patience)
    return config.changed(teacher=teacher, judge=judge, preferences=None)


@dataclass(frozen=True)
class _Examining:
    """The part in which endpoints are asked."""

    questions: Sequence[tuple[str, dict[str, Any]]]
    plans: dict[str, LeafPlan]
    config: Config

    async def __call__(
        self, run: RunContext, client: TeacherClient
    ) -> tuple[tuple[StudentAnswer, ...], dict[str, Calibration]]:
        places = asyncio.Semaphore(self.config.teacher.concurrency)

        async def one(name: str, row: dict[str, Any]) -> list[StudentAnswer]:
            async with places:
                return await self._score(name, row, run)

        judged = dict.fromkeys(row["leaf"] for name, row in self.questions if name != CHOICE)
        tests = [JudgesTest(self.plans[leaf], run).take() for leaf in judged if run.config.calibration.enabled]
        outcomes = await asyncio.gather(*(one(name, row) for name, row in self.questions))
        found = await asyncio.gather(*tests)
        return tuple(chain.from_iterable(outcomes)), dict(zip(judged, found, strict=False))

    async def _score(self, name: str, row: dict[str, Any], run: RunContext) -> list[StudentAnswer]:
        """The outcome of each turn of a row: the student is asked one after the other, with its own answers."""
        turns = exchanges_of(row)
        said: list[Message] = []
        scored: list[StudentAnswer] = []
        for number, turn in enumerate(turns):
            asked = [Message(each["role"], each["content"]) for each in turn["messages"] if _asks(each)]
            outcome = StudentAnswer(row["id"], name if number == 0 else SECOND_TURNS, row["leaf"], None, "")
            if scored and not scored[-1].answer:
                lost = scored[-1].right is None
                reason = "no_first_answer"
                scored.append(replace(outcome, right=None if lost else False, rating=None if lost else LOWEST,
                                      rated=True, reason=reason))  # fmt: skip
                continue
            outcome = await self._answer(outcome, [*said, *asked], run)
            if outcome.answer.strip() and name != CHOICE:
                outcome = await _examined(outcome, turn, said, self.plans[row["leaf"]], run, rated=len(turns) > 1)
            elif outcome.right is None and name == CHOICE and not outcome.reason:
                outcome = replace(outcome, right=read_letter(outcome.answer, row["choices"]) == row["answer"])
            scored.append(outcome)
            said += [*asked, Message("assistant", outcome.answer)]
        return scored

    async def _answer(self, outcome: StudentAnswer, messages: Sequence[Message], run: RunContext) -> StudentAnswer:
        """The outcome with the student's reply to a conversation, or why there is none."""
        call = Call(
            model=run.teacher,
            messages=tuple(messages),
            max_tokens=CHOICE_TOKENS if outcome.set == CHOICE else run.config.generation.max_response_tokens,
            temperature=0.0,
            seed=0,
            leaf=outcome.leaf,
            step="student",
        )
        reply = run.client.kept(call) or await run.client.ask(call)
        if reply.failure:
            return replace(outcome, reason=reply.failure)
        if not reply.text.strip() and outcome.set != CHOICE:
            return replace(outcome, right=False, reason="empty")
        return replace(outcome, answer=reply.text)


def _asks(turn: dict[str, str]) -> bool:
    return turn["role"] != "assistant"


def read_letter(reply: str, choices: Sequence[str]) -> int | None:
    """Which of four answers a reply gives: by its letter, else by the answer in full; None for none or several."""
    letters = set(_LETTER.findall(reply))
    if len(letters) == 1:
        return LETTERS.index(letters.pop())
    first = _LETTER.match(reply.strip())
    if first:
        return LETTERS.index(first[1])
    said = [place for place, choice in enumerate(choices) if choice.casefold() in reply.casefold()]
    return said[0] if len(said) == 1 else None


async def _examined(
    outcome: StudentAnswer,
    turn: Mapping[str, Any],
    said: Sequence[Message],
    plan: LeafPlan,
    run: RunContext,
    *,
    rated: bool,
) -> StudentAnswer:
    """An answer as the leaf's judges of pairs leave it, and with a rating where one is wanted.

    Args:
        turn: question and the teacher's own answer; said: the conversation before it.
    """
    asked = question_of(turn)
    if plan.flow.folds_context:  # its context is part of what is asked
        asked = "\n\n".join(each["content"] for each in turn["messages"] if _asks(each))
    if said:
        asked = question_after(asked, question_of({**turn, "messages": [_as_turn(said[0])]}), said[1].content)
    context = None if plan.flow.folds_context else turn["context"]
    candidate = Candidate(plan.leaf.path, -1, 0, asked, outcome.answer, context)
    judges = [judge for judge in run.bound(plan.flow).judges if judge.stage == "pair"]
    slot = slot_context(plan, run, 0, DuplicatesInLeaf(plan, run.config.thresholds), [])
    slot = replace(slot, shown=(), asker=JudgesTest(plan, run).asker(), siblings=(candidate,))
    settled = await settle(candidate, judges, slot)
    lost = settled.state in (State.FAILED, State.UNPARSED)
    outcome = replace(outcome, right=None if lost else settled.state is None, reason=settled.reason, rated=rated)
    if not rated:
        return outcome
    try:
        found = await rate(asked, outcome.answer, slot, context=context, reference=answer_of(turn), earlier=bool(said))
    except CandidateEnds as end:
        return replace(outcome, reason=outcome.reason or end.reason)
    return replace(outcome, rating=found.value)


def _as_turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}
