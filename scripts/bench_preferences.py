"""What repairs and comparisons bring and cost: `python scripts/bench_preferences.py [--taxonomy FOLDER] [--rows N]`.

Builds the taxonomy's skills with a teacher of known skill and a judge that is always right: a stated share of first
responses is wrong, and a stated share of second ones is right. Printed are, for several such teachers, the share of
failed responses that a repair saved, pairs, calls for each pair beyond those of the rows, and calls for each row with
repairs and without; then the same for two and three responses, of which half are better than the first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.records import REHEARSAL_MODEL, Call, Reply
from labgen.teacher.rehearsal.model import reply
from labgen.teacher.scripted import ScriptedBackend
from labgen.text.columns import align_columns
from labgen.verbs.built import Build
from labgen.verbs.generate import build_dataset
from labgen.verbs.session import Session

SKILLS = ((0.1, 0.5), (0.3, 0.5), (0.3, 0.8), (0.5, 0.5), (0.5, 0.8))
"""Shares of first responses that are wrong, and of second ones that are right."""
WRONG, RIGHT = "wrongly put", "rightly put"


def chance(*parts: str) -> float:
    """A number from 0 to 1 that hangs on some texts alone."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:4]) / 2**32


def between(call: Call, tag: str) -> str:
    """What stands last in a call's prompt between a tag and its end; empty for nothing."""
    asked = "\n".join(message.content for message in call.messages if message.role == "user")
    return (re.findall(rf"<{tag}[^>]*>\n(.*?)\n</{tag}>", asked, re.DOTALL) or [""])[-1]


class Teacher:
    """The rehearsal teacher with responses and verdicts of known quality; counts its calls by step."""

    def __init__(self, config: Config, fails: float, mends: float) -> None:
        session = Session.prepare(config)
        self.calls: Counter[str] = Counter()
        self._fails, self._mends = fails, mends
        self._tasks = rehearsed_tasks(session.prompts, prompts_of(session.flows, session.filters))

    def __call__(self, call: Call) -> Reply:
        """The reply to a call."""
        self.calls[call.step] += 1
        if (text := self._scripted(call)) is not None:
            return Reply(text, prompt_tokens=len(call.canonical) // 4, completion_tokens=len(text) // 4)
        asked = {"seed": call.seed, "temperature": call.temperature, "max_tokens": call.max_tokens}
        found = reply(call.messages, **asked, schema=call.schema, tasks=self._tasks)
        return Reply(found.text, found.finish_reason, found.prompt_tokens, found.completion_tokens)

    def _scripted(self, call: Call) -> str | None:
        asked = between(call, "query")
        if call.step == "respond":
            return self._response(asked, chance("first", asked) >= self._fails, call)
        if call.step == "repair":
            return self._response(asked, chance("second", asked) < self._mends, call)
        if call.step == "compare":
            found = re.findall(r"<candidate[^>]*>\n(.*?)\n</candidate>", call.messages[-1].content, re.DOTALL)
            marks = [int((re.findall(r"Grade (\d+)", each) or ["0"])[-1]) for each in found]
            better = 0 if marks[0] == marks[1] else 1 + marks.index(max(marks))
            return json.dumps({"better": better, "strength": 2, "reason": "it is better put"})
        if call.step in ("judge_pair", "judge_grounded"):
            return self._verdict(call)
        return None

    def _response(self, asked: str, good: bool, call: Call) -> str:
        grade = int(10 * chance("grade", asked, str(call.temperature), call.messages[0].content))
        return f"About {asked[:40].lower()}: this is {RIGHT if good else WRONG} by {call.step}. Grade {grade}."

    def _verdict(self, call: Call) -> str | None:
        said = between(call, "reply")
        if WRONG not in said and RIGHT not in said:
            return None  # the judges' own test
        fields: dict[str, Any] = {"score": 1 if WRONG in said else 3, "safe": "yes", "reason": "as it is put"}
        evidence = between(call, "document").split(". ")[0]
        claim = {"claim": "it", "evidence": evidence, "supported": "yes"}
        return json.dumps(fields | {"answerable": "yes", "relevant": "yes", "claims": [claim]})


def build(
    arguments: argparse.Namespace, fails: float, mends: float, preferences: Any
) -> tuple[Build, Counter[str], int]:
    """A build with such a teacher. Returns: it, its calls by step, and the pairs that it wrote (count)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = read_section(
            Config,
            {
                "taxonomy": arguments.taxonomy,
                "output": folder / "dataset",
                "work": folder / "work",
                "samples": arguments.rows,
                "teacher": {"model": REHEARSAL_MODEL},
                "calibration": {"enabled": False},
                "preferences": preferences,
                "leaves": [{"match": "knowledge/**", "samples": 0}],
            },
        )
        teacher = Teacher(config, fails, mends)
        done = build_dataset(config, backend=ScriptedBackend(teacher))
        manifest = json.loads((folder / "dataset/manifest.json").read_text(encoding="utf-8"))
        return done, teacher.calls, manifest["configs"].get("preferences", {"rows": 0})["rows"]


def repairs(arguments: argparse.Namespace) -> list[list[str]]:
    """A line for each teacher."""
    lines = [["wrong first", "right second", "saved", "pairs", "rows", "calls a pair", "calls a row", "without"]]
    for fails, mends in SKILLS:
        plain, plain_calls, _ = build(arguments, fails, mends, None)
        done, calls, pairs = build(arguments, fails, mends, {"repair": True})
        total = done.funnel.total().to_json()
        failed = total["states"].get("low_quality", 0) + total["states"].get("ungrounded", 0)
        saved = (calls["repair"] - failed) / calls["repair"]
        lines.append(
            [f"{fails:.0%}", f"{mends:.0%}", f"{saved:.0%}", f"{pairs:,}", f"{done.funnel.total().accepted:,}",
             f"{2 * calls['repair'] / pairs:.2f}", _per_row(done, calls), _per_row(plain, plain_calls)]
        )  # fmt: skip
    return lines


def comparisons(arguments: argparse.Namespace) -> list[list[str]]:
    """A line for each number of responses."""
    lines = [["responses", "pairs", "rows", "calls a pair", "calls a row"]]
    _, plain, _ = build(arguments, 0.1, 0.5, None)
    for responses in (2, 3):
        done, calls, pairs = build(arguments, 0.1, 0.5, {"responses": responses})
        extra = f"{(calls.total() - plain.total()) / pairs:.2f}"
        lines.append([str(responses), f"{pairs:,}", f"{done.funnel.total().accepted:,}", extra, _per_row(done, calls)])
    return lines


def _per_row(done: Build, calls: Counter[str]) -> str:
    return f"{calls.total() / done.funnel.total().accepted:.2f}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--taxonomy", type=Path, default=Path(__file__).resolve().parent.parent / "taxonomy")
    parser.add_argument("--rows", type=int, default=30, help="rows of each leaf (default: 30)")
    arguments = parser.parse_args()
    for lines in (repairs(arguments), comparisons(arguments)):
        print("\n".join(align_columns(lines)), end="\n\n")


if __name__ == "__main__":
    main()
