"""Whatever a package's code raises or hands over, wherever labgen calls it: told in one line, never a traceback.

What can be found out when it is loaded ends the command with status 2 before anything is asked. What is met on the way
ends a candidate as `failed`, or is a reply that can't be used. All faults of one kind are met in one build.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from brought import Install, config_in, rehearse, rows_of
from workbench import Labgen, freeform, write_leaf

from labgen.errors import ConfigError, LabgenError, TeacherError
from labgen.export.funnel import Funnel
from labgen.filters.available import filters_for
from labgen.flows.bound import BoundFlow
from labgen.flows.known import known_flows
from labgen.formats.training.rows import row_format
from labgen.records import Call, Message
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.backends import make_backend
from labgen.verbs.doctor_packages import examine_packages
from labgen.verbs.session import Session

FILTERS, FLOWS, FORMATS, BACKENDS = "labgen.filters", "labgen.flows", "labgen.formats", "labgen.backends"

RAISES = '''
"""Code that raises all that there is."""

import asyncio
from dataclasses import replace

from labgen.errors import ConfigError, TeacherDown
from labgen.records import Call, Candidate, Evidence, Message, Reply, State, Verdict
from labgen.teacher.asker import CandidateEnds


class Own(BaseException):
    pass


class Wordless(Exception):
    def __str__(self):
        raise SystemExit(0)


class Text(str):
    def __str__(self):
        raise Own


class Untrue:
    def __bool__(self):
        raise Own("neither true nor false")


class AnyThing:
    """Equal to all."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def raising(error):
    def fail(*given, **named):
        raise error

    return fail


async def asked(slot):
    await slot.asker.ask_once(Call("any", (Message("user", "?"),), 8, 0.0, 0, step="mine"), str)


async def cancelled():
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


RAISES = {
    "ZeroDivisionError: on purpose": raising(ZeroDivisionError("on purpose")),
    "SystemExit: 0": raising(SystemExit(0)),
    "SystemExit: None": raising(SystemExit(None)),
    "Own: mine": raising(Own("mine")),
    "CancelledError: no more": raising(asyncio.CancelledError("no more")),
    "GeneratorExit: ": raising(GeneratorExit()),
    "Wordless: (no words)": raising(Wordless()),
    "ConfigError: as it likes": raising(ConfigError("as it likes")),
    "TeacherDown: as it likes": raising(TeacherDown("as it likes")),
    "RuntimeError: in two lines": raising(RuntimeError("in\\ntwo lines")),
    "RecursionError: ": raising(RecursionError()),
}
'''

FILTER = (
    RAISES
    + """
GIVES = {
    "it gave a str, which is no verdict": ["fine"],
    "its verdict's value is no finite number": [Verdict("mine", "1", 10**400)],
    "its verdict's value is no finite number ": [Verdict("mine", "1", float("nan"))],
    "its verdict's value is no finite number  ": [Verdict("mine", "1", None)],
    "its verdict's reason is no text": [Verdict("mine", "1", 1.0, 5)],
    "its verdict's filter is no text": [Verdict([], "1", 1.0)],
    "the start of its verdict's evidence is no whole number": [Verdict("m", "1", 1.0, "", (Evidence("x", 2**63),))],
    "its verdict's evidence is no tuple of Evidence": [Verdict("mine", "1", 1.0, "", 5)],
    "TypeError: 'NoneType' object is not iterable": None,
    "TypeError: 'int' object is not iterable": 5,
}
ENDS = {
    "it may not end a candidate as `lost`": CandidateEnds("lost", "so"),
    "it may not end a candidate as `accepted`": CandidateEnds(State.ACCEPTED, "so"),
    "the reason that it gave is no text": CandidateEnds(State.FAILED, 5),
    "the text that it gave is no text": CandidateEnds(State.FAILED, "so", 5),
    "a call that it named is no key of a call": CandidateEnds(State.FAILED, "so", "", (b"nonsense",)),
    "TypeError: 'NoneType' object is not iterable ": CandidateEnds(State.FAILED, "so", "", None),
}
DECIDES = {
    "it decided on something else": "low_quality",
    "it may not end a candidate as `surplus`": (State.SURPLUS, ""),
    "it may not end a candidate as `[]`": ([], ""),
    "the reason that it gave is no text ": (State.UNSAFE, None),
}
CHANGES = {f"FrozenInstanceError: cannot assign to field '{name}'": name for name in ("plan", "asker", "seen")}
FAULTS = [*RAISES, *GIVES, *ENDS, *DECIDES, *CHANGES, *(f"{words} " for words in RAISES), "CancelledError: "]
FAULTS.append("it asks a model, and says that its kind is rule, not judge")


class Faulty:
    version, kind, stage, flows = "1", "rule", "instruction", ("freeform",)
    looked = 0

    def __call__(self, candidate, slot):
        self.fault = FAULTS[self.looked % len(FAULTS)]
        Faulty.looked += 1
        if self.fault in RAISES:
            RAISES[self.fault]()
        if self.fault in ENDS:
            raise ENDS[self.fault]
        if self.fault in CHANGES:
            setattr(slot, CHANGES[self.fault], None)
        if self.fault == "CancelledError: ":
            return cancelled()
        if self.fault.startswith("it asks"):
            return asked(slot)
        return GIVES.get(self.fault, [Verdict("mine", "1", 1.0)])

    def decide(self, verdict, slot):
        if self.fault in DECIDES:
            return DECIDES[self.fault]
        RAISES[self.fault[:-1]]()
"""
)

STEPS = (
    RAISES
    + """
from labgen.flows.freeform import FREEFORM
from labgen.flows.steps import Judges, OneByOne, WholeSlot

DRAW, *REST = FREEFORM.steps
CHANGES = {
    "it gave a NoneType, which is no candidate": lambda each: None,
    "it gave a candidate of another leaf or slot": lambda each: replace(each, slot=-1),
    "its candidate's instruction is no text": lambda each: replace(each, instruction=5),
    "its candidate's context is no text": lambda each: replace(each, context=b""),
    "its candidate's source is not that of the slot's passage": lambda each: replace(each, source=AnyThing()),
    "its candidate's position is no whole number": lambda each: replace(each, position=2**40),
    "one of its candidate's seed_examples is no whole number": lambda each: replace(each, seed_examples=(99,)),
    "one of its candidate's calls is no key of a call": lambda each: replace(each, calls=(b"nonsense",)),
    "TypeError: 'int' object is not iterable": lambda each: replace(each, verdicts=5),
    "its verdict's value is no finite number": lambda each: replace(each, verdicts=(Verdict("m", "1", 10**400),)),
    "Own: neither true nor false": lambda each: replace(each, truncated=Untrue()),
    "it may not end a candidate as `accepted`": lambda each: replace(each, state=State.ACCEPTED),
    "it may not end a candidate as `lost`": lambda each: replace(each, state="lost"),
    "it may not end a candidate as `surplus`": raising(CandidateEnds(State.SURPLUS, "so")),
    "it may not end a candidate as `mislaid`": raising(CandidateEnds("mislaid", "so")),
}
SLOT = {f"FrozenInstanceError: cannot assign to field '{name}'": name for name in ("plan", "asker", "duplicates")}
FAULTS = [*RAISES, *CHANGES, *SLOT, "CancelledError: ", "it asks a model, and says `asks = False`"]
looked = 0


async def meet(candidate, slot):
    global looked
    fault = FAULTS[looked % len(FAULTS)]
    looked += 1
    if fault in SLOT:
        setattr(slot, SLOT[fault], None)
    if fault == "CancelledError: ":
        await cancelled()
    if fault.startswith("it asks"):
        await asked(slot)
    return (CHANGES.get(fault) or RAISES[fault])(candidate)


class Each(OneByOne):
    async def __call__(self, candidate, slot):
        return await meet(candidate, slot)


class All(WholeSlot):
    async def __call__(self, candidates, slot):
        first, *others = candidates
        return [await meet(first, slot), *others]


EACH = replace(FREEFORM, name="mine", steps=(DRAW, Each(), *REST))
ALL = replace(FREEFORM, name="mine", steps=(DRAW, All(), *REST))


def binding(gives):
    class Binds(OneByOne):
        def bind(self, flow, filters):
            return gives() if callable(gives) else gives

        async def __call__(self, candidate, slot):
            return candidate

    return replace(FREEFORM, name="mine", steps=(DRAW, Binds(), *REST))


def asking(typical=None, **changes):
    class Asks(WholeSlot):
        asks = True

        def typical_replies(self, slot):
            return typical() if callable(typical) else typical

        async def __call__(self, candidates, slot):
            return changes["gives"]

    return replace(FREEFORM, name="mine", steps=(DRAW, Asks(), *REST))
"""
)


@pytest.fixture
def leaf(tmp_path: Path) -> None:
    """The one leaf of a small taxonomy."""
    write_leaf(tmp_path / "taxonomy", "foundational_skills/requests", **freeform())


def reasons(folder: Path, begin: str) -> set[str]:
    """The reasons of what failed, without what they begin with."""
    rejected = rows_of(folder / "dataset", "rejected")
    return {row["reason"].removeprefix(begin) for row in rejected if row["state"] == "failed"}


def check_all_met(folder: Path, begin: str, *, slots: int) -> None:
    """A build of so many slots meets every fault, says each, accepts nothing, and comes to its end."""
    settings: dict[str, Any] = {"calibration": {"enabled": False}, "samples": 1, "filters": {"disable": ["duplicates"]}}
    build, asked = rehearse(folder, dry_run=False, stop={"min_calls": slots}, **settings)
    faults = {each.rstrip() for each in importlib.import_module("faulty").FAULTS}
    found = reasons(folder, begin)
    assert build.complete and asked
    unmet = {fault for fault in faults if not any(words.startswith(fault) for words in found)}
    assert not unmet, (unmet, found)
    funnel: Funnel = build.funnel
    assert funnel.total().accepted == 0


def test_all_that_a_filter_may_do_wrong_is_a_failed_candidate(install: Install, leaf: None, tmp_path: Path) -> None:
    """In its call and in its decision; nothing passes, and the run comes to its end."""
    install("faulty", FILTER, {FILTERS: {"mine": "faulty:Faulty"}})
    check_all_met(tmp_path, "filter_mine: ", slots=20)


@pytest.mark.parametrize(("flow", "step", "slots"), [("EACH", "Each", 20), ("ALL", "All", 40)])
def test_all_that_a_step_may_do_wrong_is_a_failed_candidate(
    install: Install, leaf: None, tmp_path: Path, flow: str, step: str, slots: int
) -> None:
    """Whether it takes candidates one by one or a slot's together."""
    install("faulty", STEPS, {FLOWS: {"mine": f"faulty:{flow}"}})
    check_all_met(tmp_path, f"flow_mine: {step}: ", slots=slots)


LOADED = (
    RAISES
    + """
from labgen.filters.base import Cost
from labgen.flows.freeform import FREEFORM
from labgen.formats.prompts import Prompt


class Filter:
    version, kind, stage, flows = "1", "judge", "pair", ("freeform",)

    def __call__(self, candidate, slot):
        return []

    def decide(self, verdict, slot):
        return None


def stating(**attributes):
    return type("Mine", (Filter,), attributes)


def made():
    raise Own("while it is made")


class Strange:
    def __getattr__(self, name):
        raise Own(name)


five = 5
"""
)


@pytest.mark.parametrize(
    ("group", "made", "words"),
    [
        (FILTERS, "five", "can't be loaded (TypeError: 'int' object is not callable)"),
        (FILTERS, "stating(version=property(raising(Own('on purpose'))))", "is no filter: Own: on purpose"),
        (FILTERS, "stating(version=None)", "is no filter: its `version` is neither text nor a number"),
        (FILTERS, "stating(version=Text('1'))", "is no filter: Own: "),
        (FILTERS, "stating(kind=['judge'])", "is no filter: its `kind` is none of rule, index, judge"),
        (FILTERS, "stating(kind=AnyThing())", "is no filter: its `kind` is none of rule, index, judge"),
        (FILTERS, "stating(flows=5)", "is no filter: its `flows` are not names of flows"),
        (FILTERS, "stating(flows=Untrue())", "is no filter: its `flows` are not names of flows"),
        (FILTERS, "stating(catches=([],))", "is no filter: it `catches` []"),
        (FILTERS, "stating(catches=Untrue())", "is no filter: its `catches` are no tuple"),
        (FILTERS, "stating(cost=Untrue())", "is no filter: its `cost` is no labgen.filters.base.Cost"),
        (FILTERS, "stating(cost=Cost(calls='many'))", "can't be loaded (TypeError: `calls` of a Cost is a number"),
        (FILTERS, "stating(cost=Cost(reply_tokens=float('nan')))", "can't be loaded (ValueError: `reply_tokens` of a"),
        (FILTERS, "stating(cost=Cost(calls=-1))", "can't be loaded (ValueError: `calls` of a Cost is a number from 0"),
        (
            FILTERS,
            "stating(cost=Cost(per_response_token=10**400))",
            "can't be loaded (ValueError: `per_response_token`",
        ),
        (FILTERS, "stating(cost=Cost(shared=2))", "can't be loaded (TypeError: `shared` of a Cost is True or False"),
        (FILTERS, "stating(prompts=(Prompt(5),))", "can't be loaded (TypeError: `name` of a Prompt is text"),
        (FILTERS, "stating(decide=5)", "is no filter: it, or its `decide`, can't be called"),
        (FILTERS, "made", "can't be loaded (Own: while it is made)"),
        (FILTERS, "Strange()", "can't be loaded (Own: stage)"),
        (FLOWS, "five", "is a int, no labgen.plan.flow.Flow. Mend the package."),
        (FLOWS, "Strange()", "is a Strange, no labgen.plan.flow.Flow"),
        (FLOWS, "replace(FREEFORM, name=5)", "calls itself `5`. Give both the same name."),
        (FLOWS, "replace(FREEFORM, name='mine', like=[])", "its `like` is no text"),
        (FLOWS, "replace(FREEFORM, name='mine', summary=5)", "its `summary` is no text"),
        (FLOWS, "replace(FREEFORM, name='mine', steps=(5,))", "its step int has no `whole_slot`"),
        (FLOWS, "replace(FREEFORM, name='mine', steps=(Strange(),))", "Own: whole_slot"),
        (FLOWS, "replace(FREEFORM, name='mine', suits=lambda leaf: Untrue())", "(Own: neither true nor false)"),
        (FLOWS, "replace(FREEFORM, name='mine', suits=raising(SystemExit(0)))", "(SystemExit: 0)"),
    ],
)
def test_what_can_be_found_out_beforehand_is_refused(
    install: Install, leaf: None, tmp_path: Path, group: str, made: str, words: str
) -> None:
    """With the package, in one line, as what every verb begins with; `labgen doctor` finds the same."""
    install("faulty", f"{LOADED}\nMADE = {made}\n", {group: {"mine": "faulty:MADE"}})
    with pytest.raises(ConfigError) as told:
        Session.prepare(config_in(tmp_path))
    what = "filter" if group == FILTERS else "flow"
    assert str(told.value).startswith(f"{what} `mine` of faulty 0.1") and words in str(told.value), told.value
    assert "\n" not in str(told.value)
    (found,) = examine_packages(config_in(tmp_path))
    assert (found.status, found.name, found.words) == ("fail", "flows and filters", str(told.value))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("binding('text')", "the `bind` of its step Binds gave something else: its step str has no `whole_slot`"),
        ("binding(lambda: replace(DRAW))", "the `bind` of its step Binds gave a Draw"),
        (
            "binding(lambda: Judges('pair', (5,)))",
            "the `bind` of its step Binds gave it filters that are not the run's",
        ),
        ("binding(raising(SystemExit(0)))", "SystemExit: 0"),
    ],
)
def test_a_step_that_is_bound_to_something_else_is_refused(
    install: Install, tmp_path: Path, made: str, words: str
) -> None:
    """Where a run gives the flow its filters, which is before anything is asked; doctor finds the same."""
    install("faulty", f"{STEPS}\nMADE = {made}\n", {FLOWS: {"mine": "faulty:MADE"}})
    (found,) = examine_packages(config_in(tmp_path))
    with pytest.raises(ConfigError) as told:
        BoundFlow.of(known_flows()[0], filters_for(config_in(tmp_path), None))
    assert str(told.value) == found.words and found.status == "fail"
    assert "flow `mine` of faulty 0.1 can't be given the filters (" in found.words and words in found.words


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("asking(5)", "TypeError: 'int' object is not iterable"),
        ("asking({'respond': 5})", "its typical reply to `respond` is no text"),
        ("asking({5: 'text'})", "a prompt's name is no text"),
        ("asking(raising(SystemExit(0)))", "SystemExit: 0"),
        ("asking({}, gives=None)", "TypeError: 'NoneType' object is not iterable"),
        ("asking({}, gives=[5])", "it gave a int, which is no candidate"),
        ("asking({}, gives=[])", "it was given 4 candidates, and gave 0 or others"),
    ],
)
def test_a_step_whose_price_cannot_be_reckoned_is_said(
    install: Install, leaf: None, labgen: Labgen, made: str, words: str
) -> None:
    """By the plan, which is what it stands in the way of."""
    install("faulty", f"{STEPS}\nMADE = {made}\n", {FLOWS: {"mine": "faulty:MADE"}})
    run = labgen("plan")
    assert run.status == 2 and f"what its step Asks costs can't be reckoned ({words})" in run.err, run.err


FORMAT = (
    RAISES
    + """
import pyarrow as pa

from labgen.formats.training.base import ExportFormat, RowShape

GIVES = {
    "it gave 'answer', and its columns are text": {"answer": "x"},
    "column `text` (string) can't hold 5": {"text": 5},
    "TypeError: 'NoneType' object is not iterable": None,
    "TypeError: 'int' object is not iterable": 5,
}
del RAISES["ConfigError: as it likes"], RAISES["TeacherDown: as it likes"]  # what a row is refused with
fault = ""


def convert(conversation):
    return GIVES[fault] if fault in GIVES else RAISES[fault]()


MINE = ExportFormat("mine", "Mine.", plain=RowShape({"text": pa.string()}, convert))
"""
)
ROW = {"id": "f00", "messages": [{"role": "user", "content": "x"}], "leaf": "a", "rehearsal": True}


def test_all_that_a_format_may_do_wrong_is_said_with_row_and_package(install: Install) -> None:
    """In one line; the program does not end by it."""
    install("faulty", FORMAT, {FORMATS: {"mine": "faulty:MINE"}})
    format, module = row_format("mine"), importlib.import_module("faulty")
    for fault in [*module.RAISES, *module.GIVES]:
        module.fault = fault
        with pytest.raises(LabgenError) as told:
            format.convert(ROW)
        words = str(told.value)
        assert words.startswith(f"row f00: format `mine` of faulty 0.1: {fault}".rstrip()), words
        assert "\n" not in words and told.value.exit_status == 2


BACKEND = (
    RAISES
    + """
from labgen.errors import RateLimited
from labgen.records import Served


class HalfMade(RateLimited):
    def __init__(self):
        pass


RAISES["HalfMade: "] = raising(HalfMade())
NOT_AWAITED = "TypeError: "
GIVES = {
    "it gave a str": "text",
    "its reply's prompt_tokens is no whole number": Reply("text", prompt_tokens=2**63),
    "its reply's completion_tokens is no whole number": Reply("text", completion_tokens=-1),
    "its reply's prompt_tokens is no whole number from": Reply("text", prompt_tokens=1.5),
    "its reply's text is no text": Reply(b"text"),
    "its reply's served is no labgen.records.Served": Reply("text", served=5),
    "its reply's served address is no text": Reply("text", served=Served(5)),
    "it gave a reply with a `failure`": Reply("", failure="refused"),
    "Own: neither true nor false": Reply("", failure=Untrue()),
    NOT_AWAITED: None,
}
fault = ""


class BackEnd:
    def __init__(self, spec):
        pass

    def ask(self, call):
        return Reply("text") if fault == NOT_AWAITED else self.answer()

    async def answer(self):
        if fault == "CancelledError: ":
            await cancelled()
        return GIVES[fault] if fault in GIVES else RAISES[fault]()

    async def close(self):
        raise Own("not closed")


class Strange(BackEnd):
    def __getattribute__(self, name):
        raise Own(name)
"""
)


def backend_of(folder: Path) -> Any:
    """The back end of kind `mine`, as a run makes it."""
    (spec,) = endpoint_specs(config_in(folder, teacher={"model": "mine", "backend": {"kind": "mine"}}))
    return make_backend(spec)


def test_all_that_a_back_end_may_do_wrong_is_a_call_that_was_not_answered(install: Install, tmp_path: Path) -> None:
    """With the package, in one line, as an error after which the call is asked again or the run ends; never a reply."""
    install("faulty", BACKEND, {BACKENDS: {"mine": "faulty:BackEnd"}})
    backend, module = backend_of(tmp_path), importlib.import_module("faulty")
    call = Call("mine", (Message("user", "x"),), 9, 0.0, 0)
    for fault in [*module.RAISES, *module.GIVES, "CancelledError: "]:
        module.fault = fault
        with pytest.raises(TeacherError) as told:
            asyncio.run(backend.ask(call))
        assert str(told.value).startswith(f"back end `mine` of faulty 0.1: {fault}".rstrip()), told.value
        assert "\n" not in str(told.value)
    asyncio.run(backend.close())


def test_a_call_that_is_withdrawn_is_withdrawn_from_a_package_too(install: Install, tmp_path: Path) -> None:
    """What ends the run is no fault of what it was waiting for."""
    install("faulty", BACKEND + "\n\nasync def answer(self):\n    await asyncio.sleep(60)\n\nBackEnd.answer = answer\n",
            {BACKENDS: {"mine": "faulty:BackEnd"}})  # fmt: skip

    async def withdraw() -> None:
        task = asyncio.create_task(backend_of(tmp_path).ask(Call("mine", (Message("user", "x"),), 9, 0.0, 0)))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(withdraw())


def use_backend(labgen: Labgen, kind: str) -> None:
    """Write labgen.yaml with such a kind of back end."""
    teacher = {"model": "mine", "backend": {"kind": kind}, "first_backoff_sec": 0.02, "outage_sec": 0.2}
    (labgen.folder / "labgen.yaml").write_text(yaml.safe_dump({"teacher": teacher}), encoding="utf-8")


def test_a_back_end_without_attributes_is_refused(install: Install, leaf: None, labgen: Labgen) -> None:
    """By the build with status 2, and by doctor."""
    install("faulty", BACKEND, {BACKENDS: {"mine": "faulty:Strange"}})
    use_backend(labgen, "mine")
    for verb, status in (("generate", 2), ("doctor", 1)):
        run = labgen(verb)
        assert run.status == status and "back end `mine` of faulty 0.1 can't be made (Own: " in run.out + run.err


@pytest.mark.parametrize(("group", "name"), [(FILTERS, "privacy"), (FLOWS, "freeform"), (BACKENDS, "http")])
def test_a_name_of_labgens_own_is_refused(install: Install, leaf: None, labgen: Labgen, group: str, name: str) -> None:
    """By every verb that would use what has it, and by doctor, which used to say that all is well."""
    install("faulty", LOADED, {group: {name: "faulty:Filter"}})
    for verb in ("plan", "generate", "doctor"):
        run = labgen(verb)
        assert run.status == (1 if verb == "doctor" else 2)
        assert f"`{name}` of faulty 0.1: " in run.out + run.err and " of that name. " in run.out + run.err


def test_doctor_says_what_packages_add(install: Install, leaf: None, labgen: Labgen) -> None:
    """By name and package; a format that can't be loaded is told, and keeps nobody from building."""
    install("complete")
    install("faulty", "raise ZeroDivisionError", {FORMATS: {"mine": "faulty:MINE"}})
    run = labgen("doctor")
    assert run.status == 0, run.out
    assert "ok    flows and filters: filter `complete` of complete 0.1." in run.out
    assert "warn  export format mine: format `mine` of faulty 0.1 can't be loaded (ZeroDivisionError: )" in run.out


PASSING_OVER = """
from labgen.records import Verdict


class Mine:
    version, kind, stage, flows = "1", "judge", "instruction", ("freeform",)

    async def __call__(self, candidate, slot):
        try:
            await slot.asker.judge_with("judge_pair", str, schema={})
        except Exception:
            pass
        return [Verdict("mine", "1", 1.0)]

    def decide(self, verdict, slot):
        return None
"""


def test_what_is_labgens_own_ends_the_run_also_where_it_is_passed_over(
    install: Install, leaf: None, tmp_path: Path
) -> None:
    """A prompt that can't be filled in passes no candidate; it is told with what asked with it."""
    install("faulty", PASSING_OVER, {FILTERS: {"mine": "faulty:Mine"}})
    words = "^filter `mine` of faulty 0.1: prompt `judge_pair.md` cannot be filled in"
    with pytest.raises(ConfigError, match=words):
        rehearse(tmp_path, samples=1, calibration={"enabled": False})


def test_a_task_of_a_package_that_ends_the_program_is_told(install: Install, leaf: None, labgen: Labgen) -> None:
    """Where nothing of labgen's stands around its code; with status 2, and nothing that was paid for is lost."""
    text = PASSING_OVER.replace("try:", "import asyncio\n        await asyncio.gather(self.end())\n        try:")
    install(
        "faulty", f"{text}\n    async def end(self):\n        raise SystemExit(0)\n", {FILTERS: {"mine": "faulty:Mine"}}
    )
    (labgen.folder / "labgen.yaml").write_text("{calibration: {enabled: false}, samples: 1}", encoding="utf-8")
    run = labgen("generate")
    assert run.status == 2 and "labgen: code of an installed package ended the program (SystemExit: 0)" in run.err
    assert "Traceback" not in run.err


CRASHING = """
class Rule:
    version, kind, stage, flows = "1", "rule", "instruction", ("freeform",)

    def __call__(self, candidate, slot):
        if self.kind == "rule" and candidate.instruction in [each.instruction for each in slot.examples]:
            return []
        raise ValueError("boom")

    def decide(self, verdict, slot):
        return None


class Judge(Rule):
    kind = "judge"
"""


def test_what_failed_by_a_fault_of_a_package_is_told_so_at_the_end(
    install: Install, leaf: None, labgen: Labgen
) -> None:
    """And not as a want of replies, which another run would mend."""
    install("faulty", CRASHING, {FILTERS: {"mine": "faulty:Rule"}})
    run = labgen("generate", "--samples", "1")
    assert run.status == 1
    assert "such as filter_mine: ValueError: boom. Mend the package, switch the filter off" in run.out
    assert "want of a reply" not in run.out


ALWAYS = "\n\nclass Always(Rule):\n    def __call__(self, candidate, slot):\n        raise ValueError('boom')\n"
try:
    1 % 0  # noqa: B018
except ZeroDivisionError as error:
    BY_ZERO = str(error)
LOST = f"{STEPS}\nMADE = replace(FREEFORM, name='mine', steps=(DRAW, All(), *REST))\nFAULTS.clear()\n"


@pytest.mark.parametrize(
    ("text", "group", "made", "words"),
    [
        (CRASHING, FILTERS, "Judge", "what the judge `mine` costs can't be reckoned (filter_mine: ValueError: boom). "
         "Mend its package, or set `filters: disable: [mine]`."),
        (CRASHING + ALWAYS, FILTERS, "Always", "filter `mine` of faulty 0.1 fails at seed examples (filter_mine: "
         "ValueError: boom). Mend its package, or set `filters: disable: [mine]`."),
        (LOST, FLOWS, "MADE", "flow `mine` of faulty 0.1: what its step All makes of seed examples can't be used ("
         f"ZeroDivisionError: {BY_ZERO}). Mend the package, or remove it."),
    ],
)  # fmt: skip
def test_what_fails_at_all_seed_examples_is_refused(
    install: Install, leaf: None, labgen: Labgen, text: str, group: str, made: str, words: str
) -> None:
    """By every verb, in the same words, before anything is asked: each draw would be paid for nothing."""
    install("faulty", text, {group: {"mine": f"faulty:{made}"}})
    for verb in ("plan", "generate", "calibrate", "preview"):
        run = labgen(verb, *(["foundational_skills/requests"] if verb == "preview" else []))
        assert (run.status, run.out, run.err) == (2, "", f"labgen: {words}\n"), verb
    failed = [each["words"] for each in labgen("doctor", "--json").json["findings"] if each["status"] == "fail"]
    assert failed == [words] and not (labgen.folder / ".labgen").exists()


WAITS = """
import asyncio

class Rule:
    version, kind, stage, flows = "1", "rule", "instruction", ("freeform",)

    async def __call__(self, candidate, slot):
        await asyncio.sleep(3600)
"""


def test_what_does_not_come_to_its_end_with_seed_examples_is_refused(
    install: Install, leaf: None, labgen: Labgen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor too comes to its end."""
    monkeypatch.setattr("labgen.generate.dry_run.LONGEST_SEC", 0.2)
    install(
        "faulty",
        WAITS + "\n    def decide(self, verdict, slot):\n        return None\n",
        {FILTERS: {"mine": "faulty:Rule"}},
    )
    run = labgen("generate")
    assert run.status == 2 and "the flow `freeform` does not come to its end" in run.err, run.err
    assert labgen("doctor").status == 1
