"""Verbs as functions: wherever an event loop runs, awaited, and interrupted."""

import asyncio
import inspect

import pytest

import labgen
from labgen import aio, api
from labgen.cli import VERBS
from labgen.errors import LabgenError, UsageError
from labgen.ledger.replies import Ledger
from labgen.verbs.event_loop import awaited, outside_event_loop, run_to_end

LEAF = "foundational_skills/arithmetic/**"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to build in, with no endpoint configured."""
    monkeypatch.chdir(tmp_path)
    return {"taxonomy": labgen.bundled_taxonomy(), "samples": 3}


def test_every_command_has_a_function_of_its_name():
    """None is left to the command line alone."""
    missing = {name for name in VERBS if not any(verb == name or verb.startswith(f"{name}_") for verb in aio.__all__)}
    assert not missing


def test_awaited_functions_are_those_of_the_api():
    """With the same signatures."""
    for name in aio.__all__:
        assert inspect.signature(getattr(aio, name)) == inspect.signature(getattr(api, name))
        assert inspect.iscoroutinefunction(getattr(aio, name))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = aio.nothing


def test_a_build_runs_where_an_event_loop_does(here):
    """As in a notebook: plan, build, preview, calibrate and doctor."""

    async def cell():
        assert api.plan(leaf=LEAF, **here).total("calls") > 0
        build = labgen.build_dataset(
            labgen.load_config(overrides={"taxonomy": here["taxonomy"], "samples": 3}), leaf_patterns=[LEAF]
        )
        assert build.complete and build.rows == 3
        assert api.preview(LEAF, rows=1, taxonomy=here["taxonomy"]).leaves[0].draws.rows
        assert api.calibrate(leaf=LEAF, **here)
        assert api.doctor(**here).well
        return build

    asyncio.run(cell())


def test_the_callers_loop_goes_on_while_a_verb_is_awaited(here):
    """Something else runs meanwhile, and two builds at once, each with a folder of its own."""

    async def cell():
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.01)

        beating = asyncio.create_task(beat())
        builds = await asyncio.gather(
            *(aio.generate(leaf=LEAF, output=f"out{n}", work=f"work{n}", **here) for n in (1, 2))
        )
        beating.cancel()
        return beats, builds

    beats, builds = asyncio.run(cell())
    assert beats > 5 and all(build.complete for build in builds)


def test_cancelling_an_awaited_build_keeps_what_was_paid_for(here, tmp_path):
    """It ends before the task does, and the next build takes every reply from the ledger."""
    asked = []

    async def cell():
        hooks = labgen.Hooks(watch=asked.append)
        task = asyncio.create_task(aio.generate(hooks=hooks, **here))
        while len(asked) < 30:  # noqa: ASYNC110 - the hook is called in another thread
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len([outcome for outcome in asked if outcome.reply is not None])

    answered = asyncio.run(cell())
    ledger = Ledger(tmp_path / ".labgen", read_only=True)
    try:
        kept = ledger.query("SELECT count(*) FROM replies")[0][0]
    finally:
        ledger.close()
    assert kept >= answered
    again = api.generate(**here)
    assert again.complete and again.traffic.from_ledger >= answered


def test_an_interrupt_reaches_a_verb_in_its_thread():
    """While it asks, its work is cancelled and may clean up; else KeyboardInterrupt is raised in it."""
    ended = []

    def asking():
        async def work():
            try:
                await asyncio.sleep(30)
            finally:
                ended.append("asking")

        run_to_end(work())

    def thinking():
        try:
            while True:
                sum(range(1000))
        except KeyboardInterrupt:
            ended.append("thinking")
            raise

    async def cell():
        for verb in (asking, thinking):
            task = asyncio.create_task(awaited(verb))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cell())
    assert ended == ["asking", "thinking"]


def test_an_error_in_the_thread_is_the_callers():
    """What the verb raises comes out as it is, with or without a loop."""

    @outside_event_loop
    def verb():
        raise UsageError("wrong")

    async def cell():
        verb()

    with pytest.raises(UsageError, match="wrong"):
        verb()
    with pytest.raises(UsageError, match="wrong"):
        asyncio.run(cell())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: api.plan(sampels=3), "no option `sampels`"),
        (lambda: api.plan(samples=-1), "samples"),
        (lambda: api.plan(config="no-such.yaml"), "no-such.yaml"),
        (lambda: api.plan(config=labgen.load_config(), samples=3), "made already"),
        (lambda: api.show("abc", output="nothing"), "nothing"),
        (lambda: api.export("nothing", "there"), "nothing"),
        (lambda: api.compare("a", "b"), "a"),
        (lambda: api.push("owner/name", "nothing"), "nothing"),
        (lambda: api.check("no/such/file.yaml"), "no/such/file.yaml"),
        (lambda: api.evaluate("nothing", base_url="http://127.0.0.1:9/v1", model="m"), "nothing"),
        (lambda: api.ledger_import("nothing.jsonl.gz"), "nothing.jsonl.gz"),
        (lambda: labgen.load_taxonomy("no_such_taxonomy"), "no_such_taxonomy"),
        (lambda: labgen.load_config("no-such.yaml"), "no-such.yaml"),
    ],
)
def test_what_can_be_explained_is_a_labgen_error(call, words, here):
    """For every function, on what users get wrong."""
    with pytest.raises(LabgenError, match=words):
        call()


def test_a_leaf_is_written_and_checked(tmp_path, monkeypatch):
    """From options alone; what stands there of a model is named, and a path that can't be is refused."""
    monkeypatch.chdir(tmp_path)
    api.init(".", git=False, examples=False)
    files = api.new("compositional_skills/cooking/soup", task="Write a recipe for a soup.", created_by="me")
    assert {file.name for file in files} == {"qna.yaml", "attribution.txt"}
    found = api.check()
    assert found.leaves and "LG323" in {violation.code for violation in found.violations}
    with pytest.raises(LabgenError, match="soup"):
        api.new("compositional_skills/cooking/soup")
    with pytest.raises(LabgenError):
        api.new("cooking/soup")


def test_what_a_build_leaves_can_be_looked_at(here, tmp_path):
    """Its page, its marks, and how it ended."""
    api.generate(leaf=LEAF, **here)
    assert api.report(tmp_path / "page.html").read_text().startswith("<!")
    assert not api.review(taxonomy=here["taxonomy"]).marks().marks
    state = api.status()
    assert state is not None and state.total.rows == 3


def test_objects_are_short_to_look_at(here):
    """A repr fits a line, whatever the object holds."""
    taxonomy = labgen.load_taxonomy(here["taxonomy"])
    build = api.generate(leaf=LEAF, **here)
    shown = [taxonomy, *taxonomy.leaves, build, build.funnel, api.plan(**here), api.check(taxonomy=here["taxonomy"])]
    assert all(len(repr(each)) < 160 and "\n" not in repr(each) for each in shown)
    assert all("<table" in each._repr_html_() for each in (taxonomy, build, build.funnel, api.plan(**here)))
