"""A taxonomy of any size, and a teacher for it that takes no time: what `bench_lab_size.py` builds with.

The words are drawn as those of a language are (the n-th most frequent one n times less often than the first, of 30,000
in all), so that texts share about as many as real ones do. Some draws bring a text anew that another leaf may have
brought, with a word changed, and some pairs are judged poor: a build has duplicates and rejections to deal with.
The reply to a call follows from its words and seed alone.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

import yaml

from labgen.records import Call, Reply, Served

VOCABULARY = 30_000
SYLLABLES = tuple(first + second for first in "bdfghklmnprstvwz" for second in "aeiou")
ADDRESS, MODEL = "http://127.0.0.1:9/v1", "mock"
ATTRIBUTION = "Title of work: made-up words\nLicense of the work: CC0-1.0\nCreator names: bench\n"
PARAGRAPHS, SENTENCES = 24, 8
POOR = 0.35
"""Share of pairs that the judge finds poor: with it an accepted row takes some 3.3 calls, as LAB's own run's did."""
REPEATS = 0.005
"""Share of instructions that are a known text with a word changed."""
ROWS_PER_KNOWN_TEXT = 24
"""With it, about one row in a thousand is too close to one of another leaf's, whatever the size."""
NO_HAZARD = {"safe": "yes", "hazard": "none"}
CANDIDATE = re.compile(r'<candidate id="\d+">')
SENTENCE = re.compile(r"[^\n]{20,}?[.!?](?=\s|$)")


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Words, the most frequent first, and their frequencies added up."""
    dice, made = random.Random(0), dict[str, None]()
    while len(made) < VOCABULARY:
        # Frequent words are short ones.
        made["".join(dice.choices(SYLLABLES, k=1 + (len(made) > 40) + (len(made) > 2000) + dice.randint(0, 1)))] = None
    return list(made), list(accumulate(1 / place for place in range(1, VOCABULARY + 1)))


def words(dice: random.Random, count: int) -> str:
    """So many words as a language has them."""
    known, frequencies = vocabulary()
    return " ".join(dice.choices(known, cum_weights=frequencies, k=count))


def sentence(dice: random.Random, count: int) -> str:
    """A sentence with a number in it, so that no two are the same."""
    return f"The {words(dice, count)} {dice.randint(1, 9999)}."


def write_taxonomy(root: Path, leaves: int) -> None:
    """Leaves in equal parts of all three flows: half a page of seeds each, knowledge with a document of its own."""
    for number in range(leaves):
        dice = random.Random(number)
        kind = ("foundational_skills", "compositional_skills", "knowledge")[number % 3]
        folder = root / "taxonomy" / kind / f"area_{number // 300:02d}" / f"subject_{number:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        leaf: dict[str, object] = {"version": 3, "created_by": "bench"}
        if kind == "knowledge":
            paragraphs = [" ".join(sentence(dice, 12) for _ in range(SENTENCES)) for _ in range(PARAGRAPHS)]
            (folder / "text.md").write_text("\n\n".join(paragraphs) + "\n")
            leaf |= {"domain": words(dice, 2), "document_outline": words(dice, 6)}
            leaf["seed_examples"] = [
                {
                    "context": paragraphs[place],
                    "questions_and_answers": [
                        {"question": f"What of {words(dice, 5)}?", "answer": words(dice, 9)} for _ in range(3)
                    ],
                }
                for place in range(5)
            ]
            leaf["document"] = {"repo": ".", "commit": "0" * 40, "patterns": ["*.md"]}
        else:
            seeds = [{"question": f"Write of {words(dice, 8)}.", "answer": words(dice, 40)} for _ in range(5)]
            if kind == "compositional_skills":
                seeds = [{"context": words(dice, 60), **seed} for seed in seeds]
            leaf |= {"task_description": words(dice, 12), "seed_examples": seeds}
        (folder / "attribution.txt").write_text(ATTRIBUTION)
        (folder / "qna.yaml").write_text(yaml.safe_dump(leaf, sort_keys=False, width=120))


def write_settings(root: Path, rows_per_leaf: int) -> None:
    """A labgen.yaml. Its teacher is at an address where nobody is: what is not in the ledger fails there."""
    settings = {
        "samples": rows_per_leaf,
        "teacher": {"model": MODEL, "base_url": ADDRESS},
        # This judge never fails a pair for what is wrong with it, which calibration is there to stop.
        "calibration": {"enabled": False},
    }
    (root / "labgen.yaml").write_text(yaml.safe_dump(settings))


@dataclass(frozen=True)
class LabTeacher:
    """Answers at once, and always the same. `rows` is the size of the build."""

    rows: int

    async def ask(self, call: Call) -> Reply:
        """The reply, for what asks as a build does."""
        return self.reply(call)

    async def close(self) -> None:
        """Nothing is held."""

    def reply(self, call: Call) -> Reply:
        """The reply."""
        prompt = call.messages[-1].content
        text = self.text(prompt, random.Random(call.key))
        asked = sum(len(each.content) for each in call.messages)
        return Reply(text, "stop", asked // 4, len(text) // 4 + 1, served=Served(ADDRESS, MODEL))

    def text(self, prompt: str, dice: random.Random) -> str:
        """A text of the form that the prompt asks for."""
        task = prompt[prompt.rfind("## Task: ") + 9 :].split("\n", 1)[0]
        if task.startswith("question-answer"):
            known = SENTENCE.findall(between(prompt, "document"))
            pairs = [
                (self.instruction(dice, "What is said about"), dice.choice(known).strip() if known else "None.")
                for _ in range(4)
            ]
            return "\n".join(
                f"<pair>\n<question>{question}?</question>\n<answer>{answer}</answer>\n</pair>"
                for question, answer in pairs
            )
        if task.startswith("new instructions"):
            asked = [self.instruction(dice, "Write a text about") for _ in range(4)]
            return "\n".join(f"<instruction>\n{each}.\n</instruction>" for each in asked)
        if task.startswith("new context"):
            return "<context>\n" + " ".join(sentence(dice, 10) for _ in range(6)) + "\n</context>"
        if task.startswith("judge instructions"):
            verdict = {"on_task": "yes", "answerable": "yes", **NO_HAZARD, "reason": "fits"}
            count = len(CANDIDATE.findall(prompt))
            return json.dumps({"verdicts": [{"id": number, **verdict} for number in range(1, count + 1)]})
        score = 1 if dice.random() < POOR else 3
        if task.startswith("judge a grounded"):
            answer = between(prompt, "reply")
            claims = [{"claim": answer, "evidence": answer, "supported": "yes"}]
            verdict = {"relevant": "yes", "score": score, **NO_HAZARD, "reason": "stands in the text"}
            return json.dumps({"answerable": "yes", "claims": claims, **verdict})
        if task.startswith("judge a pair"):
            return json.dumps({"reason": "as it should be", "score": score, **NO_HAZARD})
        if document := between(prompt, "document"):
            return document.split(". ", 1)[0].rstrip(".") + "."
        return " ".join(sentence(dice, 9) for _ in range(dice.randint(4, 12)))

    def instruction(self, dice: random.Random, begin: str) -> str:
        """An instruction without its full stop: most often new words."""
        if dice.random() >= REPEATS:
            return f"{begin} {words(dice, 12)}"
        number = dice.randrange(max(1, self.rows // ROWS_PER_KNOWN_TEXT))
        known = words(random.Random(number), 12).split()
        known[dice.randrange(12)] = words(dice, 1)
        return f"{begin} {' '.join(known)}"


def between(prompt: str, tag: str) -> str:
    """The last section of a tag."""
    start = prompt.rfind(f"<{tag}>")
    return prompt[start + len(tag) + 2 : prompt.find(f"</{tag}>", start)].strip() if start >= 0 else ""
