"""What the teacher and the network do wrong: all rows are there in the end, the same as without faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from faulty_teacher import Fault, FaultyTeacher, Request, no_fault, some_answers, some_prompts
from thoroughness import THOROUGH
from workbench import Labgen, Run, digest, freeform, grounded, write_leaf

from labgen.teacher.rehearsal.wire import answer

FAST = {"first_backoff_sec": 0.01, "outage_sec": 2.0, "timeout_sec": 30.0, "concurrency": 16}


@dataclass
class Site:
    """A teacher with faults, and labgen set up to ask it."""

    labgen: Labgen
    teacher: FaultyTeacher

    def configure(self, **teacher: object) -> None:
        """Settings of the teacher beside those that make tests fast."""
        (self.labgen.folder / "labgen.yaml").write_text(yaml.safe_dump({"samples": 6, "teacher": FAST | teacher}))

    def generate(self) -> Run:
        """Run the build."""
        run = self.labgen("generate", "--json", "--base-url", self.teacher.base_url, "--model", "labgen-rehearsal")
        assert "Traceback" not in run.err
        return run

    @property
    def dataset(self) -> dict[str, str]:
        """Hashes of the files of the dataset."""
        return digest(self.labgen.folder / "dataset")


def make_site(folder: Path, teacher: FaultyTeacher) -> Site:
    """Two leaves: one that draws in one step, one in two."""
    write_leaf(folder / "taxonomy", "foundational_skills/requests", **freeform())
    write_leaf(folder / "taxonomy", "compositional_skills/notes/tasks", **grounded())
    site = Site(Labgen(folder), teacher)
    site.configure()
    return site


def rehearse(body: object) -> object:
    """What the teacher answers when nothing goes wrong."""
    return answer(body, chat=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The dataset of a run without faults."""
    with FaultyTeacher(rehearse) as teacher:
        site = make_site(tmp_path_factory.mktemp("undisturbed"), teacher)
        assert site.generate().status == 0
        return site.dataset


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A teacher that is not started yet, and a fresh work folder."""
    return make_site(tmp_path, FaultyTeacher(rehearse))


@pytest.mark.parametrize(
    "kinds",
    [("429", "500"), ("503",), ("dropped",), ("truncated",), ("malformed",), ("no choices",)],
    ids=lambda kinds: " and ".join(kinds),
)
def test_faults_of_some_answers_cost_nothing_but_attempts(
    site: Site, undisturbed: dict[str, str], kinds: tuple[str, ...]
) -> None:
    """Every row is kept, and no good answer is asked for again."""
    with site.teacher as teacher:
        teacher.fault = some_answers(0.1, *kinds)
        run = site.generate()
        assert run.status == 0, run.err
        assert set(teacher.faults) == set(kinds)
        # A call of a slot beyond the last that was needed is not asked again: the run is over. What is sent again at
        # once, where a connection that was kept open turns out to be closed, is no attempt, but counted as well.
        calls = run.json["calls"]
        assert 0 <= teacher.faults.total() - calls["retries"] - calls["resent"] <= calls["ahead"]
        assert kinds == ("dropped",) or not calls["resent"]
        assert teacher.answered_twice == 0
    assert site.dataset == undisturbed


@pytest.mark.parametrize("kind", ["stall", "trickle"])
def test_stalls_end_at_the_time_limit(site: Site, undisturbed: dict[str, str], kind: str) -> None:
    """Whether nothing comes or never an end; and the call is asked again."""
    site.configure(timeout_sec=0.4)
    with site.teacher as teacher:
        teacher.fault = some_answers(0.05 if THOROUGH else 0.01, kind)  # each wait is twice the one before
        run = site.generate()
        assert run.status == 0, run.err
        assert run.json["calls"]["problems"]["TeacherTimeout"] == teacher.faults[kind] > 0
    assert site.dataset == undisturbed


def test_prompts_that_always_fail_cost_their_own_candidates_only_and_heal(
    site: Site, undisturbed: dict[str, str]
) -> None:
    """Status 1; a later run against a mended endpoint gives the rows of a run without faults."""
    site.configure(max_attempts=2)
    with site.teacher as teacher:
        teacher.fault = some_prompts(0.1, "500")
        run = site.generate()
        assert run.status == 1 and run.json["complete"]
        states = run.json["funnel"]["total"]["states"]
        assert states["failed"] > 0 and states["accepted"] == 12
        paid = len(teacher.answered)
        teacher.fault = no_fault
        healed = site.generate()
        assert healed.status == 0, healed.err
        assert 0 < healed.json["calls"]["sent"] <= len(teacher.answered) - paid
        assert teacher.answered_twice == 0
    assert site.dataset == undisturbed


def test_when_attempts_run_out_everywhere_the_next_run_heals_the_build(site: Site, undisturbed: dict[str, str]) -> None:
    """Several kinds of faults at once, and one attempt only."""
    site.configure(max_attempts=1)
    with site.teacher as teacher:
        teacher.fault = some_answers(0.2, "500", "dropped", "truncated", "malformed", "no choices")
        assert site.generate().status == 1
        teacher.fault = no_fault
        run = site.generate()
        assert run.status == 0, run.err
        assert teacher.answered_twice == 0
    assert site.dataset == undisturbed


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Do something while labgen runs."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_teacher_that_restarts_is_waited_for(site: Site, undisturbed: dict[str, str]) -> None:
    """The same address, nobody there for a while."""
    with site.teacher as teacher:

        def restart() -> None:
            while teacher.faults["stall"] < 3:
                time.sleep(0.005)
            teacher.stop()
            teacher.fault = no_fault
            time.sleep(0.6)
            teacher.start()

        # What comes late is on its way when the server goes.
        teacher.fault = lambda request: "stall" if request.number >= 20 else ""
        thread = in_background(restart)
        run = site.generate()
        thread.join()
        assert run.status == 0, run.err
        assert run.json["calls"]["problems"]["NoConnection"] > 0
    assert site.dataset == undisturbed


def test_an_outage_that_is_too_long_stops_the_run_and_loses_nothing(site: Site, undisturbed: dict[str, str]) -> None:
    """Status 1 with the reason; the next run goes on."""
    site.configure(outage_sec=0.5)
    with site.teacher as teacher:
        teacher.fault = lambda request: "500" if request.number >= 20 else ""
        run = site.generate()
        assert run.status == 1 and "no answer for" in run.err and "500" in run.err
        assert not (site.labgen.folder / "dataset").exists()
        teacher.fault = no_fault
        run = site.generate()
        assert run.status == 0, run.err
        assert run.json["calls"]["from_ledger"] >= 20 and teacher.answered_twice == 0
    assert site.dataset == undisturbed


def test_an_outage_of_bad_answers_ends_with_them(site: Site, undisturbed: dict[str, str]) -> None:
    """It is waited out, and no attempt is spent on it."""
    with site.teacher as teacher:
        over_sec = [0.0]

        def outage(request: Request) -> str:
            if request.number == 5:  # while many calls are on their way
                over_sec[0] = time.monotonic() + 0.8
            return "500" if time.monotonic() < over_sec[0] else ""

        teacher.fault = outage
        run = site.generate()
        assert run.status == 0, run.err
        assert teacher.faults["500"] > 0
    assert site.dataset == undisturbed


def test_an_endpoint_that_is_down_from_the_start_is_said_soon(site: Site) -> None:
    """Status 1, the address and what was met."""
    site.configure(outage_sec=0.5)
    with site.teacher:
        pass  # nobody is at its address any more
    run = site.generate()
    assert run.status == 1
    assert site.teacher.base_url in run.err and "no connection" in run.err


@pytest.mark.parametrize(
    ("kind", "said"),
    [("html", "--base-url"), ("401", "key"), ("404", "--model")],
    ids=["a web page", "wrong key", "unknown model"],
)
def test_what_only_the_user_can_mend_stops_at_once_and_says_what(site: Site, kind: str, said: str) -> None:
    """Status 2, without asking again and again."""
    with site.teacher as teacher:
        teacher.fault = lambda request: kind
        run = site.generate()
        assert run.status == 2 and said in run.err
        assert teacher.requests <= 16


@pytest.mark.parametrize("kind", ["401", "404"])
def test_a_key_or_model_that_goes_amiss_half_way_loses_nothing(
    site: Site, undisturbed: dict[str, str], kind: str
) -> None:
    """Status 2; what was on its way is kept; mended, the run goes on."""
    with site.teacher as teacher:
        teacher.fault = lambda request: kind if request.number == 20 else ""
        assert site.generate().status == 2
        teacher.fault = no_fault
        run = site.generate()
        assert run.status == 0, run.err
        assert teacher.answered_twice == 0
    assert site.dataset == undisturbed


def test_a_web_page_now_and_then_is_asked_again(site: Site, undisturbed: dict[str, str]) -> None:
    """From an endpoint that is known to be one: some gateway's page of apologies."""
    with site.teacher as teacher:
        pages: Fault = some_answers(0.1, "html")
        teacher.fault = lambda request: pages(request) if request.number > 16 else ""
        run = site.generate()
        assert run.status == 0, run.err
    assert site.dataset == undisturbed
