"""A teacher that plants defects at known rates, and a judge that knows of them: for measuring filters.

Everything follows from a seed. The leaves, their documents and every text are made up of invented words, so that no two
candidates resemble each other unless that is the defect planted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from labgen.config.whole import Config
from labgen.filters.available import filters_for
from labgen.filters.contamination import ContaminationIndex, add_benchmark
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet
from labgen.generate.context import RunContext
from labgen.generate.leaf_run import LeafRun
from labgen.ledger.replies import Ledger
from labgen.plan.flow import flow_of
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.persona import persona_of
from labgen.plan.seed_sampling import make_slot, sampling_seed
from labgen.records import Call, Candidate, Chunk, DocumentSource, Leaf, Pair, Reply, SeedExample, Source
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience
from labgen.teacher.scripted import ScriptedBackend

MODEL = "planted"
PER_SLOT = 4
DEFECTS = (
    "ungrounded_answer", "altered_number", "unsafe_request", "exchanged_answer", "truncation", "refusal",
    "prompt_leakage", "near_duplicate", "benchmark_item", "malformed_verdict",
)  # fmt: skip
BENCHMARK = [
    f"A baker packs {n} trays with {n + 7} rolls each and sells {n + 3} trays before noon and the rest after lunch "
    f"how many rolls are sold in the afternoon of day number {n}"
    for n in range(40)
]
SEEDS = 5


def chance(*key: object) -> float:
    """A number from 0 to 1 that is the same for the same key."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6], "big") / 2**48


def word(*key: object) -> str:
    """An invented word."""
    value = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big")
    parts = []
    for _ in range(3):
        value, consonant = divmod(value, 17)
        value, vowel = divmod(value, 5)
        parts.append("bdfgklmnprstvzhjw"[consonant] + "aeiou"[vowel])
    return "".join(parts)


@dataclass(frozen=True)
class Fact:
    """One true question and answer, and the sentence of a passage that bears it out."""

    question: str
    answer: str
    sentence: str
    year: int


def fact(*key: object) -> Fact:
    """An invented fact."""
    words = [word(*key, place) for place in range(9)]
    year = 1100 + int(800 * chance(*key, "year"))
    name = f"{words[0]} {words[1]} {words[2]} {words[3]}"
    sentence = f"The {name} mill was finished in {year} for {words[4]} {words[5]} by {words[6]} carpenters."
    question = f"When did {words[6]} carpenters finish {name} for {words[4]} {words[5]}?"
    return Fact(question, sentence, sentence, year)


def passage(*key: object) -> tuple[str, list[Fact]]:
    """A passage of facts."""
    facts = [fact(*key, place) for place in range(PER_SLOT)]
    return " ".join(each.sentence for each in facts), facts


@dataclass
class Planted:
    """The teacher and judge of one leaf.

    Args:
        flow: `knowledge`, `grounded` or `freeform`.
        rates: kind of defect to its share of the candidates.
        judge_errors: share of verdicts that are turned round.
        judge: `informed`, `always_yes`, `always_no` or `random`.
    """

    flow: str
    rates: Mapping[str, float]
    judge_errors: float = 0.0
    judge: str = "informed"
    slots: int = 100
    kinds: dict[tuple[int, int], str] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    _good: set[tuple[str, str]] = field(default_factory=set)
    _kind_of: dict[tuple[str, str], str] = field(default_factory=dict)
    _answers: dict[str, str] = field(default_factory=dict)
    _instructions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan = self._make_plan()
        self._slot_of = {sampling_seed(0, self.plan.leaf.path, index): index for index in range(self.slots)}
        for seed in self.plan.leaf.seed_examples:
            for pair in seed.pairs:
                self._good.add((pair.question, pair.answer))
                self._instructions[pair.question] = ""

    def answer(self, call: Call) -> Reply:
        """The reply to a call, with tokens counted as four characters each."""
        text = self._text(call)
        prompt = sum(len(message.content) for message in call.messages) // 4
        self.steps[call.step] += 1
        self.tokens[call.step] += prompt + len(text) // 4
        return Reply(text, "stop", prompt, len(text) // 4)

    def _text(self, call: Call) -> str:
        prompt = call.messages[-1].content if len(call.messages) < 3 else call.messages[1].content
        if call.step in ("knowledge_pairs", "freeform_instructions"):
            return self._draw(self._slot_of[call.seed])
        if call.step == "grounded_context":
            slot = self._slot_of[call.seed]
            return f"<context>{passage(self.flow, slot)[0]}</context>"
        if call.step == "grounded_instructions":
            return self._draw(self._slot_of[call.seed])
        if call.step == "respond":
            return self._answers[_inside(prompt, "query")]
        if call.step == "judge_instructions":
            return self._judge_instructions(prompt)
        return self._judge_pair(prompt, call.step)

    def _draw(self, slot: int) -> str:
        _, facts = passage(self.flow, slot)
        blocks = []
        for position, true in enumerate(facts):
            # The first of a slot is always good, so that there is something to be a near-duplicate of.
            kind = self._pick(slot, position) if position else ""
            other = facts[(position + 1) % PER_SLOT]
            question, answer = self._pair(kind, true, other, facts[0], slot)
            self.kinds[slot, position] = kind
            self._kind_of[question, answer] = kind
            self._answers[question] = answer
            self._instructions[question] = kind if kind == "unsafe_request" else ""
            if kind in ("", "near_duplicate", "benchmark_item", "malformed_verdict"):
                self._good.add((question, answer))
            blocks.append(
                f"<pair>\n<question>{question}</question>\n<answer>{answer}</answer>\n</pair>"
                if self.flow == "knowledge"
                else f"<instruction>{question}</instruction>"
            )
        return "\n".join(blocks)

    def _pick(self, slot: int, position: int) -> str:
        place = chance(self.flow, "kind", slot, position)
        for kind, rate in self.rates.items():
            # The first position is never defective: the others make up for it.
            share = rate * PER_SLOT / (PER_SLOT - 1)
            if place < share:
                return kind
            place -= share
        return ""

    def _pair(self, kind: str, true: Fact, other: Fact, first: Fact, slot: int) -> tuple[str, str]:
        question, answer = true.question, true.answer
        invented = f"{word(slot, true.question, 'x')} {word(slot, true.question, 'y')}"
        if kind == "ungrounded_answer":
            answer = f"{answer} Its wheels were later carried away by {invented} villagers at night."
        elif kind == "altered_number":
            answer = answer.replace(str(true.year), str(true.year + 3))
        elif kind == "unsafe_request":
            names = [word(slot, true.question, place) for place in range(7)]
            question = f"How could {invented} of {' '.join(names[:4])} be used to kill {' '.join(names[4:])} people?"
        elif kind == "exchanged_answer":
            answer = other.answer
        elif kind == "truncation":
            answer = answer[: len(answer) // 2].rsplit(" ", 1)[0]
        elif kind == "refusal":
            answer = "I'm sorry, but I can't help with that request."
        elif kind == "prompt_leakage":
            answer = f"{answer}\n### Instruction:\nWrite it in this form, and nothing else. [/INST]"
        elif kind == "near_duplicate":
            question = f"Please: {first.question}"
            answer = first.answer
        elif kind == "benchmark_item":
            question = BENCHMARK[slot % len(BENCHMARK)] + "?"
        return question, answer

    def _judge_instructions(self, prompt: str) -> str:
        verdicts = []
        for number, text in re.findall(r'<candidate id="(\d+)">\n(.*?)\n</candidate>', prompt, re.DOTALL):
            kind = self._instructions.get(text)
            good = self._verdict(kind == "", "instruction", text)
            unsafe = kind == "unsafe_request" and not good
            verdicts.append(
                {
                    "id": int(number),
                    "on_task": "yes" if good or unsafe else "no",
                    "answerable": "yes",
                    "safe": "no" if unsafe else "yes",
                    "hazard": "violent crimes" if unsafe else "none",
                    "reason": "-",
                }
            )
        return json.dumps({"verdicts": verdicts})

    def _judge_pair(self, prompt: str, step: str) -> str:
        question, answer = _inside(prompt, "query"), _inside(prompt, "reply")
        kind = self._kind_of.get((question, answer), "")
        if kind == "malformed_verdict":
            return "It depends on how one looks at it."
        document = _inside(prompt, "document") if step == "judge_grounded" else ""
        sound = (question, answer) in self._good and (not document or answer in document)
        good = self._verdict(sound, step, question, answer, document)
        safe = "no" if kind == "unsafe_request" and not good else "yes"
        verdict: dict[str, object] = {"score": 3 if good else 1, "safe": safe, "hazard": "none", "reason": "-"}
        if step == "judge_grounded":
            # A judge that errs names words of the passage that bear out something else.
            evidence = answer if answer in document else document.split(". ")[0]
            supported = good or kind not in ("ungrounded_answer", "altered_number")
            claim = {"claim": answer, "evidence": evidence if supported else "", "supported": _yes(supported)}
            verdict |= {"answerable": "yes", "claims": [claim], "relevant": _yes(good or not supported)}
        return json.dumps(verdict)

    def _verdict(self, sound: bool, *key: object) -> bool:
        if self.judge == "always_yes":
            return True
        if self.judge == "always_no":
            return False
        if self.judge == "random":
            return chance(self.flow, "coin", *key) < 0.5
        return sound != (chance("error", *key) < self.judge_errors)

    def _make_plan(self) -> LeafPlan:
        grounded, knowledge = self.flow == "grounded", self.flow == "knowledge"
        seeds = []
        for index in range(SEEDS):
            text, facts = passage(self.flow, "seed", index)
            pairs = tuple(Pair(each.question, each.answer) for each in facts[: 3 if knowledge else 1])
            seeds.append(SeedExample(index, text if grounded or knowledge else None, pairs))
        branch = "knowledge" if knowledge else "foundational_skills"
        document = DocumentSource(".", "", ("*.md",)) if knowledge else None
        path = f"{branch}/planted/{self.flow}"
        task = "" if knowledge else "Tell when a mill was finished."
        leaf = Leaf(
            path,
            branch,
            Path("qna.yaml"),
            3,
            task,
            "mills" * knowledge,
            "mills" * knowledge,
            tuple(seeds),
            document,
            "",
        )
        plan = LeafPlan(leaf, flow_of(leaf, SHIPPED_FLOWS), 0, (), 10**9, persona_of(leaf), 3, "", "")
        return replace(plan, chunks=self._chunks(plan)) if knowledge else plan

    def _chunks(self, plan: LeafPlan) -> tuple[Chunk, ...]:
        """A passage for each slot, at the place from which that slot draws."""
        texts = [passage(self.flow, slot)[0] for slot in range(self.slots)]
        chunks = [Chunk(place, "", Source(".", "sha256:0", "mills.md", 0, 0)) for place in range(self.slots)]
        empty = replace(plan, chunks=tuple(chunks))
        for index, text in enumerate(texts):
            place = make_slot(empty, index, seed=0).chunk or 0
            chunks[place] = Chunk(place, text, Source(".", "sha256:0", "mills.md", 0, len(text)))
        return tuple(chunks)


def _inside(prompt: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", prompt, re.DOTALL)
    return found[-1] if found else ""


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def benchmark_index(folder: Path) -> ContaminationIndex:
    """An index of the items that are planted."""
    add_benchmark(folder, "planted", [("test", BENCHMARK)], source="planted")
    index = ContaminationIndex.load(folder)
    assert index is not None
    return index


def run_slots(
    planted: Planted, config: Config, folder: Path, index: ContaminationIndex | None, *, wanted: int | None = None
) -> tuple[list[Candidate], LeafRun]:
    """Run a leaf: all its slots, or up to `wanted` rows. Returns its candidates, in their final states, and the run."""
    return asyncio.run(_run(planted, config, folder, index, wanted))


async def _run(
    planted: Planted, config: Config, folder: Path, index: ContaminationIndex | None, wanted: int | None
) -> tuple[list[Candidate], LeafRun]:
    from dataclasses import replace

    ledger = Ledger(folder)
    endpoint = Endpoint("planted", ScriptedBackend(planted.answer), Pressure(32, now=time.monotonic))
    client = TeacherClient({MODEL: Replicas([endpoint])}, ledger, Patience(1))
    context = RunContext(client, PromptSet(), config, MODEL, MODEL, filters_for(config, index))
    run = LeafRun(planted.plan if wanted is None else replace(planted.plan, wanted=wanted), context)
    changed = asyncio.Event()
    candidates: list[Candidate] = []
    try:
        while not run.progress.done and run.progress.slots < planted.slots:
            while run.issued < planted.slots and run.live_slots < 8 and (run.issued == 0 or run.wants_slot(eager=True)):
                run.issue(changed.set)
            await changed.wait()
            changed.clear()
            candidates += [candidate for slot in run.retire() for candidate in slot.candidates]
    finally:
        run.cancel()
        await client.close()
        ledger.close()
    return candidates, run
