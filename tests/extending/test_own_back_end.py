"""The back end of docs/extending.md, and others that go wrong: what they can't do to a run."""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path

import pytest
import yaml
from brought import Install, config_in
from workbench import Labgen, digest

from labgen import build_dataset
from labgen.generate.resume import replies_kept
from labgen.records import REHEARSAL_MODEL

BACKENDS = "labgen.backends"
NO_TESTS = {"calibration": {"enabled": False}}

MODEL = '''
"""A model of the same process: the rehearsal teacher's, as a function of what the page's back end is given."""

from labgen.records import Message
from labgen.teacher.rehearsal.model import reply


def answer(turns, max_tokens, temperature, seed):
    messages = [Message(turn["role"], turn["content"]) for turn in turns]
    found = reply(messages, seed=seed, temperature=temperature, max_tokens=max_tokens)
    return found.text, found.finish_reason


def dead(turns, max_tokens, temperature, seed):
    raise OSError("no such weights")
'''

FAULTY = '''
"""Back ends that do what they may not."""

from labgen.errors import TeacherMisconfigured
from labgen.records import Reply


class BackEnd:
    def __init__(self, does):
        self.does = does

    async def ask(self, call):
        found = self.does()
        if isinstance(found, BaseException):
            raise found
        return found

    async def close(self):
        raise RuntimeError("not closed")


def made(does):
    return lambda spec: BackEnd(does)


crashes = made(lambda: ZeroDivisionError("on purpose"))
string = made(lambda: "text")
misconfigured = made(lambda: TeacherMisconfigured("no such model here"))
surrogate = made(lambda: Reply("half a \\ud800 pair"))


def refuses(spec):
    raise KeyError("function")


def no_back_end(spec):
    return object()


def leaves(spec):
    raise SystemExit(1)
'''


def of_kind(kind: str, **settings: object) -> dict[str, object]:
    """Settings of a teacher of such a kind of back end, which is given up on at once."""
    backend = {"kind": kind, **settings}
    return {"model": REHEARSAL_MODEL, "backend": backend, "first_backoff_sec": 0.02, "outage_sec": 0.2}


def has_line(text: str, *words: str) -> bool:
    """Whether one line of a text has all these words."""
    return any(all(each in line for each in words) for line in text.splitlines())


@pytest.fixture
def in_process(install: Install, taxonomy: Path) -> None:
    """The package of the page, and a model for it."""
    install("in_process")
    install("my_model", MODEL, {})


def use(labgen: Labgen, teacher: dict[str, object], **settings: object) -> None:
    """Write labgen.yaml."""
    text = yaml.safe_dump({"teacher": teacher, "samples": 3, **NO_TESTS, **settings})
    (labgen.folder / "labgen.yaml").write_text(text, encoding="utf-8")


def test_the_back_end_of_the_page_answers_a_build(in_process: None, labgen: Labgen) -> None:
    """With what `kind:` names; every row has its model's name, and a second build asks it nothing."""
    use(labgen, of_kind("in_process", function="my_model:answer"))
    run = labgen("generate", "--json")
    assert run.status == 0, run.err
    assert run.json["calls"]["answered"] > 10 and run.json["funnel"]["total"]["states"]["accepted"] == 9
    use(labgen, of_kind("in_process", function="my_model:dead"))
    assert labgen("generate", "--json").json["calls"]["answered"] == 0


def test_a_back_end_that_is_handed_over_makes_the_same_rows(in_process: None, labgen: Labgen, tmp_path: Path) -> None:
    """From Python, without an entry point: for all models together, or for each by its name."""
    use(labgen, of_kind("in_process", function="my_model:answer"))
    assert labgen("generate").status == 0
    named = digest(labgen.folder / "dataset/data")
    kind, model = importlib.import_module("in_process").InProcess, importlib.import_module("my_model")
    for backend in (kind(model.answer), {REHEARSAL_MODEL: kind(model.answer)}):
        folder = tmp_path / f"as_{type(backend).__name__}"
        places = {"taxonomy": tmp_path / "taxonomy", "output": folder / "dataset", "work": folder / "work"}
        assert build_dataset(config_in(folder, samples=3, **NO_TESTS, **places), backend=backend).complete
        assert digest(folder / "dataset/data") == named


def test_doctor_asks_it(in_process: None, labgen: Labgen) -> None:
    """Once; one that does not answer stands in the way of a build, and is said with its package."""
    use(labgen, of_kind("in_process", function="my_model:answer"))
    run = labgen("doctor", "--json")
    (found,) = [each for each in run.json["findings"] if each["subject"] == f"in_process:{REHEARSAL_MODEL}"]
    assert run.status == 0 and found["status"] == "ok", run.out
    for function, words in (("my_model:dead", "OSError: no such weights"), ("no_model:answer", "ModuleNotFoundError")):
        use(labgen, of_kind("in_process", function=function))
        run = labgen("doctor")
        assert run.status == 1 and has_line(run.out, "FAIL  reply: back end `in_process` of in_process 0.1", words)
        assert "Traceback" not in run.out + run.err


@pytest.mark.parametrize("verb", ["generate", "plan", "doctor"])
def test_an_unknown_kind_names_the_nearest(in_process: None, labgen: Labgen, verb: str) -> None:
    """Before anything is asked."""
    use(labgen, of_kind("in_proces"))
    run = labgen(verb)
    assert run.status == (1 if verb == "doctor" else 2)
    assert "there is no kind `in_proces`. Did you mean `in_process`?" in run.out + run.err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crashes", "ZeroDivisionError: on purpose"),
        ("string", "it gave a str, which is no labgen.records.Reply"),
    ],
)
def test_whatever_a_back_end_does_is_said_with_its_package(
    install: Install, taxonomy: Path, labgen: Labgen, fault: str, words: str
) -> None:
    """The run stops where nothing at all is answered; nothing that was no answer is kept, and there is no traceback.

    Other faults: `test_faults_of_packages`.
    """
    install("faulty", FAULTY, {BACKENDS: {"mine": f"faulty:{fault}"}})
    use(labgen, of_kind("mine"))
    run = labgen("generate", "--samples", "1", "--json")
    assert run.status == 1 and f"back end `mine` of faulty 0.1: {words}" in run.err, run.err
    assert "Traceback" not in run.err
    assert not replies_kept(config_in(labgen.folder, work=labgen.folder / ".labgen"))
    run = labgen("doctor")
    assert run.status == 1 and f"back end `mine` of faulty 0.1: {words}" in run.out


def test_what_it_raises_of_labgens_errors_is_heeded(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """`TeacherMisconfigured` ends the run at once, as the user's to mend."""
    install("faulty", FAULTY, {BACKENDS: {"mine": "faulty:misconfigured"}})
    use(labgen, of_kind("mine"))
    run = labgen("generate")
    assert run.status == 2 and "back end `mine` of faulty 0.1: TeacherMisconfigured: no such model here" in run.err


def test_a_reply_that_nothing_can_hold_is_kept_without_that(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """Half a surrogate pair, as from an HTTP endpoint."""
    install("faulty", FAULTY, {BACKENDS: {"mine": "faulty:surrogate"}})
    use(labgen, of_kind("mine"))
    run = labgen("generate", "--samples", "1", "--leaf", "foundational_skills/**")
    assert run.status == 1 and run.err == ""
    assert labgen("ledger", "export", "kept.jsonl").status == 0
    with gzip.open(labgen.folder / "kept.jsonl", "rt", encoding="utf-8") as kept:
        lines = [json.loads(line) for line in kept]
    assert "half a ? pair" in {line["reply"] for line in lines[1:]}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refuses", "can't be made (KeyError: 'function')"),
        ("missing", "can't be made (AttributeError: "),
        ("no_back_end", "has no `ask`: it is no labgen.teacher.backends.Backend. Mend the package."),
        ("leaves", "can't be made (SystemExit: 1)"),
    ],
)
def test_what_is_no_back_end_is_refused_with_its_package(
    install: Install, taxonomy: Path, labgen: Labgen, fault: str, words: str
) -> None:
    """With status 2, and what to look at."""
    install("faulty", FAULTY, {BACKENDS: {"mine": f"faulty:{fault}"}})
    use(labgen, of_kind("mine"))
    run = labgen("generate")
    assert run.status == 2 and run.err.splitlines()[-1].startswith(f"labgen: back end `mine` of faulty 0.1 {words}")


def test_two_packages_cannot_bring_one_kind(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """Which of them is meant could only be guessed."""
    for module in ("faulty", "second"):
        install(module, FAULTY, {BACKENDS: {"mine": f"{module}:crashes"}})
    use(labgen, of_kind("mine"))
    run = labgen("generate")
    assert run.status == 2 and "back end `mine` of faulty 0.1 and of second 0.1: there can be one of a kind" in run.err
