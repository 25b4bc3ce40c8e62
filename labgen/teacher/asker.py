"""Asking on behalf of one slot: prompts are filled in, calls are made, replies are read, once more if need be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, Generic, TypeVar

from labgen.config.drawing import GenerationConfig
from labgen.errors import LabgenError
from labgen.formats.prompts import PromptSet
from labgen.formats.reasoning import split_reasoning
from labgen.lazy.dataclasses import dataclass
from labgen.packages import PackageFault
from labgen.records import Answerer, Call, Message, Reply, Schema, Slot, State
from labgen.records.changed import changed
from labgen.teacher.causes import FINAL, how_unread
from labgen.teacher.client import Asking
from labgen.teacher.ledger_only import NotPaid
from labgen.teacher.parameters import CallParameters

T = TypeVar("T")


class CandidateEnds(Exception):
    """A candidate (or a whole slot) can't go on: how it ends, why, and the text that shows it."""

    def __init__(self, state: State, reason: str, raw: str = "", calls: tuple[bytes, ...] = ()) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason
        self.raw = raw
        self.calls = calls


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A reply and what was read from it. `calls` are the keys of the calls it took, `truncated` by the token limit.

    `reasoning` is what the model thought aloud before it, where it did.
    """

    value: T
    text: str
    truncated: bool
    calls: tuple[bytes, ...]
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """What a slot asks with.

    Attributes:
        client: where calls go.
        teacher, judge: logical model names; most often the same.
        priority: order among waiting calls, smallest first; draw_priority: that of draws.
        parameters: logical model name to what every call to it carries.
        spent: keys of all calls made for the slot, in order; how many they are is the same in every run.
        answered_by: who gave the replies to them.
        stopped_by: what labgen itself raised where something could not be asked: by that it is told from what the code
            that asks may raise.
        refused: why nothing may be asked with it, in words; empty where it may.
        history: keys of those calls of `spent` that were made for the candidate at hand, in order.
    """

    client: Asking
    prompts: PromptSet
    generation: GenerationConfig
    teacher: str
    judge: str
    slot: Slot
    priority: tuple[int, ...]
    spent: list[bytes]
    draw_priority: tuple[int, ...] = ()
    parameters: Mapping[str, CallParameters] = field(default_factory=dict)
    answered_by: set[Answerer] = field(default_factory=set)
    stopped_by: list[Exception] = field(default_factory=list)
    refused: str = ""
    history: list[bytes] = field(default_factory=list)

    def stopped(self, error: BaseException) -> bool:
        """Whether that is an error of labgen's own, which ends more than what asked."""
        return any(error is each for each in self.stopped_by)

    def refusing(self, why: str) -> Asker:
        """The same for code that said that it asks nobody, and was priced so. What it asks is a PackageFault."""
        return replace(self, refused=why)

    def for_draws(self) -> Asker:
        """The same for what much else waits for."""
        return changed(self, priority=self.draw_priority) if self.draw_priority else self

    async def ask(
        self,
        step: str,
        read: Callable[[str], T | None],
        *,
        max_tokens: int,
        temperature: float,
        schema: Schema | None = None,
        sample: int = 0,
        **values: Any,
    ) -> Reading[T]:
        """Ask the teacher for text of a step and read it.

        Args:
            read: makes something of the reply's text, or None where it can't be read; it is then asked for once more.
                It never sees the placeholders of the prompt's form, which say nothing.
            schema: what an endpoint that enforces one holds the reply to; `read` must know that form too. It is part
                of the call's key, also for an endpoint that lacks schemas, so that nothing is paid for twice when a
                replica, or a later version of the server, has them.
            sample: number of a further reply to the same question, which has a sampling seed of its own.
        Raises: CandidateEnds: `failed` (no reply) or `unparsed` (unreadable twice).
        """
        call = Call(
            model=self.teacher,
            messages=self._render(step, **values),
            max_tokens=max_tokens,
            temperature=temperature,
            seed=(self.slot.sampling_seed + sample) % 2**31,
            schema=schema,
            leaf=self.slot.leaf,
            step=step,
            priority=self.priority,
            **self.parameters.get(self.teacher, {}),
        )
        echo = self.prompts.echo(step)
        return await self._read(call, lambda text: read(echo.sub("", text)) if echo else read(text))

    async def judge_with(
        self, step: str, read: Callable[[str], T | None], *, schema: Mapping[str, Any], **values: Any
    ) -> Reading[T]:
        """Ask the judge for a verdict: no sampling, so that the same pair always gets the same call.

        A reply that holds placeholders of the prompt's form is an echo of it, and no verdict.

        Raises: CandidateEnds: as `ask`.
        """
        call = Call(
            model=self.judge,
            messages=self._render(step, **values),
            max_tokens=self.generation.max_verdict_tokens,
            temperature=0.0,
            seed=0,
            schema=schema if isinstance(schema, Schema) else Schema(schema),
            leaf=self.slot.leaf,
            step=step,
            priority=self.priority,
            **self.parameters.get(self.judge, {}),
        )
        echo = self.prompts.echo(step)
        return await self._read(call, lambda text: None if echo and echo.search(text) else read(text))

    async def ask_once(self, call: Call, read: Callable[[str], T | None]) -> Reading[T]:
        """Ask a model that knows no other form than its own, so that there is no use in asking it to restate.

        Raises: CandidateEnds: `failed` (no reply) or `unparsed` (unreadable).
        """
        parameters = self.parameters.get(call.model, {})
        call = replace(call, leaf=self.slot.leaf, priority=self.priority, **parameters)
        reply = await self._reply(call, (call.key,))
        value = read(reply.text)
        if value is None:
            raise CandidateEnds(State.UNPARSED, f"{how_unread(reply)}_{call.step}", reply.text, (call.key,))
        return Reading(value, reply.text, not reply.whole, (call.key,))

    def _render(self, step: str, **values: Any) -> tuple[Message, ...]:
        try:
            return self.prompts.render(step, **values)
        except LabgenError as error:
            self.stopped_by.append(error)
            raise

    async def _read(self, call: Call, read: Callable[[str], T | None]) -> Reading[T]:
        reply = await self._reply(call, (call.key,))
        value = read(reply.text)
        if value is not None:
            return Reading(value, reply.text, not reply.whole, (call.key,), reply.reasoning)
        echo = self.prompts.echo(call.step)
        if echo and echo.search(reply.text):
            problem = "it repeats the form instead of filling it in"
        else:
            problem = "its form was not followed" if reply.whole else "it broke off at the length limit"
        again = replace(
            call,
            messages=(
                *call.messages,
                Message("assistant", reply.text),
                *self.prompts.restate(call.step, problem),
            ),
            temperature=0.0,
        )
        keys = (call.key, again.key)
        second = await self._reply(again, keys)
        value = read(second.text)
        if value is None:
            reason = f"{how_unread(reply)}_{call.step}"
            raise CandidateEnds(State.UNPARSED, reason, f"{reply.text}\n\n{second.text}", keys)
        return Reading(value, second.text, not second.whole, keys, second.reasoning)

    async def _reply(self, call: Call, keys: tuple[bytes, ...]) -> Reply:
        if self.refused:
            raise PackageFault(self.refused)
        self.spent.append(call.key)
        self.history.append(call.key)
        try:
            reply = self.client.kept(call)
            if reply is None:
                reply = await self.client.ask(call)
        except (LabgenError, NotPaid) as error:
            self.stopped_by.append(error)
            raise
        if reply.failure:
            # What is final is told with the endpoint's own words and numbers; what is not may be others next time.
            words = f": {reply.detail}" if reply.failure in FINAL and reply.detail else ""
            raise CandidateEnds(State.FAILED, f"{reply.failure}_{call.step}{words}", reply.detail, keys)
        self.answered_by.add(Answerer.of(call.model, reply.served))
        answer, reasoning = split_reasoning(reply.text)
        # Replies of earlier versions of labgen may still have their reasoning in front of the answer.
        return changed(reply, text=answer, reasoning=reasoning) if reasoning else reply
