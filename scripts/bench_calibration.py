"""Does the judges' test tell a good judge from one that always says yes, always no, or anything at random?

    python scripts/bench_calibration.py [TAXONOMY ...]

For every leaf of the taxonomies (the bundled one by default) the test is run with four scripted judges. Prints how many
leaves each of them is stopped in, and the calls that a leaf's test takes. Knowledge leaves need no documents here. The
good judge knows the leaf's own pairs; a judge at random decides each verdict with a coin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

from planted_teacher import MODEL, chance

from labgen.config.whole import Config
from labgen.filters.available import FilterSet, standard_filters
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet, as_data
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.ledger.replies import Ledger
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan, plan_leaves
from labgen.records import Call
from labgen.taxonomy.load import load_taxonomy
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience
from labgen.teacher.scripted import ScriptedBackend

JUDGES = ("good", "erring 10%", "always yes", "always no", "random")


class Judge:
    """A scripted judge of one leaf."""

    def __init__(self, plan: LeafPlan, manner: str, salt: int) -> None:
        self.manner = manner
        self.salt = salt
        examples = example_pairs(plan.leaf, plan.flow)
        self.pairs = {(_flat(each.context or ""), _flat(each.instruction), _flat(each.response)) for each in examples}
        self.questions = {_flat(each.instruction) for each in examples}

    def answer(self, call: Call) -> str:
        """The reply to a judge's call."""
        prompt = call.messages[-1].content
        if call.step == "judge_instructions":
            found = re.findall(r'<candidate id="(\d+)">\n(.*?)\n</candidate>', prompt, re.DOTALL)
            verdicts = [
                {"id": int(number), "on_task": self._says(_flat(text) in self.questions, number, text)}
                for number, text in found
            ]
            return json.dumps({"verdicts": [{**each, "answerable": "yes", "safe": "yes"} for each in verdicts]})
        document, query, reply = (_inside(prompt, tag) for tag in ("document", "query", "reply"))
        sound = (_flat(document), _flat(query), _flat(reply)) in self.pairs
        good = self._says(sound, document, query, reply)
        verdict: dict[str, object] = {"score": 3 if good == "yes" else 1, "safe": "yes"}
        if call.step == "judge_grounded":
            evidence = document.split("\n")[0]
            claim = {"claim": reply[:50], "evidence": evidence, "supported": "yes"}
            verdict |= {"answerable": "yes", "relevant": good, "claims": [claim]}
        return json.dumps(verdict)

    def _says(self, sound: bool, *key: object) -> str:
        place = chance(self.salt, *key)
        said = {
            "good": sound,
            "erring 10%": sound != (place < 0.1),
            "always yes": True,
            "always no": False,
            "random": place < 0.5,
        }[self.manner]
        return "yes" if said else "no"


def _inside(prompt: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", prompt, re.DOTALL)
    return found[-1] if found else ""


def _flat(text: str) -> str:
    return " ".join(as_data(text).split())


async def run_test(plan: LeafPlan, manner: str, config: Config, folder: Path, *, salt: int = 0) -> tuple[str, int]:
    """Why the leaf would stop ('' where it would not), and the calls of the test."""
    judge = Judge(plan, manner, salt)
    ledger = Ledger(folder)
    endpoint = Endpoint("judge", ScriptedBackend(judge.answer), Pressure(8, now=time.monotonic))
    client = TeacherClient({MODEL: Replicas([endpoint])}, ledger, Patience(1))
    try:
        context = RunContext(client, PromptSet(), config, MODEL, MODEL, FilterSet(standard_filters()))
        found = await JudgesTest(plan, context).take()
    finally:
        await client.close()
        ledger.close()
    return found.problem, len(found.calls)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("taxonomies", nargs="*", type=Path, default=[Path(__file__).parent.parent / "taxonomy"])
    parser.add_argument("--repeats", type=int, default=5, help="times that chance is tried, for judges that have any")
    options = parser.parse_args()
    config = Config()
    for root in options.taxonomies:
        plans = plan_leaves(load_taxonomy(root).leaves, {}, config, PromptSet(), SHIPPED_FLOWS)
        print(f"\n{root}: {len(plans)} leaves")
        print(f"{'judge':14}{'leaves stopped':>20}{'calls per leaf':>18}{'at most':>9}")
        for manner in JUDGES:
            repeats = options.repeats if manner in ("erring 10%", "random") else 1
            calls, stopped = Counter[int](), 0
            for salt in range(repeats):
                for plan in plans:
                    with tempfile.TemporaryDirectory() as folder:
                        problem, count = asyncio.run(run_test(plan, manner, config, Path(folder), salt=salt))
                    stopped += bool(problem)
                    calls[count] += 1
            total = repeats * len(plans)
            print(
                f"{manner:14}{f'{stopped} of {total} ({stopped / total:.0%})':>20}"
                f"{sum(count * number for count, number in calls.items()) / total:>18.1f}{max(calls):>9}"
            )


if __name__ == "__main__":
    main()
