"""What was built once is not built again, and a build with kept outcomes is the same build, byte for byte."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import load_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbench import TIDES, Labgen, digest, freeform, grounded, knowledge, write_leaf

from labgen.generate import resume
from labgen.generate.judges_test import JudgesTest
from labgen.generate.leaf_run import LeafRun
from labgen.ledger.packed_replies import pack_reply, reply_of
from labgen.outcomes import hashing
from labgen.outcomes.store import FILE_NAME, FOLDER, OutcomeStore
from labgen.plan.leaf_plan import LeafPlan
from labgen.taxonomy import load
from labgen.taxonomy.source import LeafSource

THRESHOLDS: dict[str, list[Any]] = {
    "duplicate_rouge_l": [0.3, 0.5, 0.9],
    "duplicate_rouge_l_cap": [0.75, 1.0],
    "min_pair_score": [1, 3],
    "min_supported_share": [0.0, 0.5, 0.9],
    "max_unsupported_figures": [1, 3],
    "max_secrets": [1],
    "min_instruction_chars": [1, 30, 60],
    "max_instruction_chars": [40, 80, 200],
    "min_response_chars": [5, 40],
    "max_response_chars": [40, 100, 1000],
}
SETTINGS: dict[str, list[Any]] = {
    "seed": [1],
    "samples": [2, 6],
    "filters": [{"disable": ["unsupported_figures"]}, {"disable": ["duplicates"]}, {"order": ["privacy"]}],
    "calibration": [{"enabled": False}, {"floor": 0.9}, {"true_pairs": 1}],
    "knowledge": [{"kinds": {"fact": 1.0}}, {"kinds": {"fact": 1.0, "summary": 1.0}}],
    "preferences": [{}, {"repair": True}, {"responses": 2}, {"feedback": False}],
    "stop": [{"hopeless_after": 2}, {"min_calls": 5, "max_calls_per_row": 0.5}],
    "generation": [{"instructions_per_call": 2}, {"temperature": 0.1}, {"seeds_per_prompt": 1}],
    "leaves": [
        [{"match": "foundational_skills/**", "persona": "precise"}],
        [{"match": "compositional_skills/**", "samples": 2}],
        [{"match": "foundational_skills/**", "turns": 2}],
    ],
    "documents": [{"chunk_tokens": 64}],
    "teacher": [{"extra_body": {"top_k": 5}}, {"concurrency": 3}],
    "price": [{"prompt_per_million": 1.0, "completion_per_million": 2.0}],
    "mix": [{"open_book": 1.0}],
}


def write_taxonomy(root: Path) -> None:
    leaf = write_leaf(root, "knowledge/science/tides", **knowledge())
    (leaf.parent / "tides.md").write_text(TIDES)
    write_leaf(root, "foundational_skills/requests", **freeform())
    write_leaf(root, "compositional_skills/notes/tasks", **grounded())


class Project:
    """A taxonomy with its settings, built with kept outcomes and without."""

    def __init__(self, folder: Path) -> None:
        self.labgen = Labgen(folder)
        self.settings: dict[str, Any] = {"samples": 4}
        write_taxonomy(folder / "taxonomy")

    def build(self, *, output: str = "dataset", **changes: Any) -> dict[str, str]:
        data = {**self.settings, "output": output, **changes}
        (self.labgen.folder / "labgen.yaml").write_text(yaml.safe_dump(data))
        run = self.labgen("generate", "--replace")
        assert run.status in (0, 1), run.err
        shutil.rmtree(self.labgen.folder / f"{output}.old", ignore_errors=True)
        return digest(self.labgen.folder / output)

    def assert_same(self) -> None:
        """Builds without outcomes, and with: as they are made, each leaf's found, and the whole build found."""
        plain = self.build(output="plain", outcomes={"max_bytes": 0})
        assert self.build() == plain
        shutil.rmtree(self.labgen.folder / "dataset")
        assert self.build() == plain
        assert self.build() == plain

    @property
    def outcomes(self) -> Path:
        return self.labgen.folder / ".labgen" / FOLDER / FILE_NAME

    def edit_reply(self, dice: random.Random) -> None:
        """Let the ledger hold another reply to one of its calls."""
        with closing(sqlite3.connect(self.labgen.folder / ".labgen" / "ledger.sqlite")) as database, database:
            keys = [row[0] for row in database.execute("SELECT key FROM replies ORDER BY key")]
            key = dice.choice(keys)
            columns = "reply, failure, prompt_tokens, completion_tokens"
            reply = reply_of(database.execute(f"SELECT {columns} FROM replies WHERE key = ?", (key,)).fetchone())
            other = dice.choice([reply.text[: len(reply.text) // 2], reply.text.replace("e", "a"), "Nothing to say."])
            changed = type(reply)(other, served=reply.served)
            database.execute("UPDATE replies SET reply = ? WHERE key = ?", (pack_reply(changed), key))

    def edit_leaf(self, dice: random.Random) -> None:
        path = dice.choice(sorted((self.labgen.folder / "taxonomy").rglob("qna.yaml")))
        leaf = yaml.safe_load(path.read_text())
        seed = dice.choice(leaf["seed_examples"])
        pair = dice.choice(seed["questions_and_answers"]) if "questions_and_answers" in seed else seed
        pair["question"] += dice.choice([" Please.", " Say why.", " Be brief."])
        path.write_text(yaml.safe_dump(leaf, sort_keys=False))

    def edit_document(self, dice: random.Random) -> None:
        path = self.labgen.folder / "taxonomy/knowledge/science/tides/tides.md"
        path.write_text(path.read_text() + f"\n\nThe pier of Sway was rebuilt in {dice.randint(1900, 1999)} of oak.\n")

    def move_threshold(self, dice: random.Random) -> None:
        name = dice.choice(sorted(THRESHOLDS))
        self.settings.setdefault("thresholds", {})[name] = dice.choice(THRESHOLDS[name])

    def change_setting(self, dice: random.Random) -> None:
        name = dice.choice(sorted(SETTINGS))
        self.settings[name] = dice.choice(SETTINGS[name])
        if any("responses" in entry for entry in self.settings.get("leaves", [])):
            self.settings.setdefault("preferences", {})


EDITS: list[Callable[[Project, random.Random], None]] = [
    Project.edit_reply,
    Project.edit_leaf,
    Project.edit_document,
    Project.move_threshold,
    Project.move_threshold,
    Project.change_setting,
    Project.change_setting,
]


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(range(len(EDITS))), st.integers(0, 1000)), min_size=1, max_size=2))
def test_kept_outcomes_change_no_byte_whatever_was_edited(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]
) -> None:
    """Leaves, documents, settings, thresholds and replies, one after the other, on one work folder."""
    project = Project(tmp_path_factory.mktemp("edits"))
    project.build()
    for kind, chance in edits:
        EDITS[kind](project, random.Random(chance))
        project.assert_same()


@pytest.mark.parametrize("name", sorted(THRESHOLDS))
def test_a_threshold_that_moves_over_a_measure_is_obeyed(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    project.build()
    for value in THRESHOLDS[name]:
        project.settings["thresholds"] = {name: value}
        project.assert_same()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Leaves of which slots were gone through, once for each slot."""
    found: list[str] = []
    issue = LeafRun.issue

    def noted(self: LeafRun, on_done: Callable[[], None]) -> Any:
        found.append(self.plan.leaf.path)
        return issue(self, on_done)

    monkeypatch.setattr(LeafRun, "issue", noted)
    return found


def test_an_unchanged_leaf_costs_a_look_up(tmp_path: Path, drawn: list[str]) -> None:
    """Already after the build that asked for it: of all leaves, of the edited one, and of none at another price."""
    project = Project(tmp_path)
    project.build()
    drawn.clear()
    project.build()
    assert not drawn
    project.settings["price"] = {"prompt_per_million": 1.0, "completion_per_million": 2.0}
    project.settings["mix"] = {"open_book": 1.0}
    project.build()
    assert not drawn
    file = tmp_path / "taxonomy/foundational_skills/requests/qna.yaml"
    file.write_text(file.read_text().replace("everyday requests", "requests of every day"))
    project.build()
    assert set(drawn) == {"foundational_skills/requests"}


def test_a_threshold_that_moves_costs_the_slots_that_it_decides(tmp_path: Path, drawn: list[str]) -> None:
    """The longest answer is too long from now on: its slot is gone through again, and what the leaf draws instead."""
    project = Project(tmp_path)
    project.settings["samples"] = 16
    project.build()
    rows = load_dataset(str(tmp_path / "dataset"), "foundational_skills", split="train")
    longest = max(len(row["messages"][1]["content"]) for row in rows)
    project.settings["thresholds"] = {"max_response_chars": longest - 1}
    drawn.clear()
    plain = project.build(output="plain", outcomes={"max_bytes": 0})
    all_slots = Counter(drawn)["foundational_skills/requests"]
    drawn.clear()
    assert project.build() == plain
    assert 0 < Counter(drawn)["foundational_skills/requests"] <= all_slots / 2


def test_a_leaf_whose_judges_a_threshold_makes_unfit_is_drawn_from_again_when_they_are_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken over from a leaf that was not drawn from; counts of paid calls are the same, too."""
    monkeypatch.setattr(JudgesTest, "stops", lambda self, calibration: bool(calibration.problem))
    project = Project(tmp_path)
    project.settings["calibration"] = {"floor": 0.8}
    fit: set[tuple[str, bool]] = set()
    for score in (3, 2, 3, 1):
        project.settings["thresholds"] = {"min_pair_score": score}
        project.assert_same()
        leaves = json.loads((tmp_path / "dataset/funnel.json").read_text())["leaves"]
        fit.update((path, "judge not fit" in (tally["stopped"] or "")) for path, tally in leaves.items())
    assert len({path for path, _ in fit}) < len(fit)


def test_a_leaf_that_was_taken_further_goes_on_from_what_is_kept_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows were too close to an earlier leaf's, twice: it is found as far as it went, or as far as any of that is
    kept.
    """
    further: list[str] = []
    replay = resume.replay_further

    async def noted(plan: LeafPlan, *others: Any) -> resume.Replayed:
        further.append(plan.leaf.path)
        return await replay(plan, *others)

    project = Project(tmp_path)
    shutil.rmtree(tmp_path / "taxonomy")
    for name in ("requests", "requests_too"):
        write_leaf(tmp_path / "taxonomy", f"foundational_skills/{name}", **freeform())
    project.settings = {"samples": 16, "calibration": {"enabled": False}}
    project.settings["thresholds"] = {"duplicate_rouge_l": 0.4, "duplicate_rouge_l_cap": 0.4}
    built = project.build(outcomes={"max_bytes": 0})
    assert project.build() == built
    monkeypatch.setattr(resume, "replay_further", noted)
    for times in range(3):
        shutil.rmtree(tmp_path / "dataset")
        # What was read of each leaf comes first, then what it came to, then of each time one.
        with closing(sqlite3.connect(project.outcomes)) as database, database:
            database.execute("DELETE FROM outcomes WHERE number > ?", (6 - times,))
        further.clear()
        assert project.build() == built and len(further) == times


def test_a_leaf_that_was_taken_further_is_taken_through_each_time_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing is kept, by a build and by a plan."""
    steps: list[tuple[str, int]] = []
    replay = resume.replay_further

    async def noted(plan: LeafPlan, run: Any, client: Any, past: Any, *others: Any) -> resume.Replayed:
        steps.append((plan.leaf.path, past.progress.slots))
        return await replay(plan, run, client, past, *others)

    project = Project(tmp_path)
    shutil.rmtree(tmp_path / "taxonomy")
    for name in ("requests", "requests_too", "third"):
        write_leaf(tmp_path / "taxonomy", f"foundational_skills/{name}", **freeform())
    project.settings = {"samples": 16, "calibration": {"enabled": False}, "outcomes": {"max_bytes": 0}}
    project.settings["thresholds"] = {"duplicate_rouge_l": 0.4, "duplicate_rouge_l_cap": 0.4}
    project.build()
    monkeypatch.setattr(resume, "replay_further", noted)
    for go in (project.build, lambda: project.labgen("plan")):
        steps.clear()
        go()
        assert len(steps) > 2 and len(set(steps)) == len(steps)


def test_a_threshold_that_decides_nothing_otherwise_costs_no_leaf(tmp_path: Path, drawn: list[str]) -> None:
    project = Project(tmp_path)
    project.build()
    drawn.clear()
    project.settings["thresholds"] = {"max_response_chars": 15_000, "max_unsupported_figures": 0}
    project.build()
    assert not drawn


def test_what_is_kept_may_be_removed_damaged_or_cut_at_any_time(tmp_path: Path) -> None:
    """Then it is made anew; nothing is said of it, and nothing fails."""
    project = Project(tmp_path)
    built = project.build()
    sound = project.outcomes.read_bytes()
    dice = random.Random(1)
    for _ in range(6):
        damaged = bytearray(sound)
        for _ in range(40):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        project.outcomes.write_bytes(bytes(damaged[: dice.choice([len(damaged), len(damaged) // 2])]))
        assert project.build() == built
    project.outcomes.write_bytes(b"not a database at all")
    assert project.build() == built
    project.outcomes.unlink()
    project.outcomes.mkdir()
    assert project.build() == built


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_what_is_kept_is_not_waited_for(tmp_path: Path) -> None:
    project = Project(tmp_path)
    built = project.build()
    kept = sorted(file for file in project.outcomes.parent.iterdir() if file.is_file())
    assert {"across-leaves", "leaves.sqlite", "phases"} <= {file.name for file in kept}
    for file in kept:
        file.unlink()
        os.mkfifo(file)
        shutil.rmtree(tmp_path / "dataset")
        assert project.build() == built


@pytest.mark.parametrize("value", ["text", 7, 0.5])
def test_what_is_derived_from_a_plain_type_has_a_hash(value: Any) -> None:
    """As packages may hand it over; so have texts that are no Unicode, and numbers of any size."""
    derived = type("Derived", (type(value),), {})(value)
    assert hashing.plain_hash(hashing.as_plain(derived)) == hashing.plain_hash(derived)
    others = [hashing.plain_hash(each) for each in ("\ud800", 2**70, -(2**70), ["\ud800"], value)]
    assert len(set(others)) == len(others)


def test_what_another_machine_made_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: list[str]
) -> None:
    """A stranger's work folder may say anything of what its leaves came to: only what was sealed here counts."""
    project = Project(tmp_path / "a")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    built = project.build()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    drawn.clear()
    assert project.build() == built
    assert len(set(drawn)) == 3


@pytest.mark.parametrize("kept_pages", [1, 3])
def test_a_damaged_file_is_made_anew(tmp_path: Path, kept_pages: int, drawn: list[str]) -> None:
    """Also where its first pages are sound, so that the damage is met late: the build after next finds all again."""
    project = Project(tmp_path)
    built = project.build()
    sound = project.outcomes.read_bytes()
    project.outcomes.write_bytes(sound[: 4096 * kept_pages] + b"\xff" * (len(sound) - 4096 * kept_pages))
    for _ in range(2):
        assert project.build() == built
    drawn.clear()
    assert project.build() == built and not drawn


def test_another_programs_file_behind_a_link_is_left_alone(tmp_path: Path, drawn: list[str]) -> None:
    project = Project(tmp_path)
    built = project.build()
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as database, database:
        database.executescript("CREATE TABLE precious (a); PRAGMA user_version = 1;")
    before = other.read_bytes()
    project.outcomes.unlink()
    project.outcomes.symlink_to(other)
    assert project.build() == built and other.read_bytes() == before
    drawn.clear()
    assert project.build() == built and not drawn


WRITER = """
import sys
from pathlib import Path
from labgen.outcomes.store import OutcomeStore
number = 0
while True:
    with OutcomeStore(Path(sys.argv[1]), max_bytes=3_000_000) as store:
        for number in range(number, number + 20):
            store.keep(b"%032d" % number, b"%d " % number * 20_000)
            print(number, flush=True)
    number += 1
"""


def test_a_kill_while_outcomes_are_written_leaves_whole_ones(tmp_path: Path) -> None:
    """What is found is what was kept, whenever the writer dies; the next one goes on."""
    last = -1
    for lines in (1, 7, 20, 33):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        last = [int(process.stdout.readline()) for _ in range(lines)][-1]
        process.kill()
        process.communicate()
        with OutcomeStore(tmp_path, max_bytes=3_000_000) as store:
            found = {number: list(store.find(b"%032d" % number)) for number in range(last + 30)}
        assert all(content == b"%d " % number * 20_000 for number, each in found.items() for _, content in each)
        assert found[last]


def test_an_outcome_that_was_put_under_another_hash_is_not_believed(tmp_path: Path, drawn: list[str]) -> None:
    project = Project(tmp_path)
    built = project.build()
    with closing(sqlite3.connect(project.outcomes)) as database, database:
        keys = [row[0] for row in database.execute("SELECT key FROM outcomes ORDER BY number")]
        for number, key in enumerate(keys[1:] + keys[:1], 1):
            database.execute("UPDATE outcomes SET key = ? WHERE number = ?", (key, number))
    drawn.clear()
    assert project.build() == built
    assert len(set(drawn)) == 3


def test_where_no_key_can_be_kept_builds_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    project = Project(tmp_path / "a")
    assert project.build() == project.build()
    assert not project.outcomes.exists()


def test_a_changed_file_of_labgen_or_another_library_makes_every_leaf_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, site = tmp_path / "labgen", tmp_path / "site"
    (package / "filters").mkdir(parents=True)
    site.mkdir()
    (package / "__init__.py").write_text("")
    (package / "filters" / "rules.py").write_text("LEAST = 1\n")
    monkeypatch.setattr(hashing.labgen, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr(hashing.sys, "path", [str(site)])
    found = [hashing.code_version.__wrapped__()]
    (package / "filters" / "rules.py").write_text("LEAST = 2\n")
    found.append(hashing.code_version.__wrapped__())
    (site / "rouge_score-0.1.2.dist-info").mkdir()
    found.append(hashing.code_version.__wrapped__())
    assert len(set(found)) == 3


def test_what_is_kept_stays_below_its_limit(tmp_path: Path) -> None:
    """What was of use longest ago goes first; what is of use just now is there in the next run."""
    project = Project(tmp_path)
    project.build()
    whole = size_kept(project.outcomes)
    limit = whole * 2
    for seed in range(1, 5):
        project.settings["seed"] = seed
        project.build(outcomes={"max_bytes": limit})
        assert size_kept(project.outcomes) <= limit


def test_the_passages_of_a_commit_are_cut_once(tmp_path: Path) -> None:
    """A commit's files never change, so a rebuild needs neither git nor the clone."""
    project = Project(tmp_path)
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "tides.md").write_text(TIDES)
    commit = commit_all(origin)
    document = {"repo": origin.as_uri(), "commit": commit, "patterns": ["*.md"]}
    write_leaf(tmp_path / "taxonomy", "knowledge/science/tides", **knowledge(document=document))
    project.settings["documents"] = {"allow_local_repos": True}
    built = project.build()
    shutil.rmtree(origin)
    shutil.rmtree(tmp_path / ".labgen" / "documents")
    assert project.build() == built
    (tmp_path / "labgen.yaml").write_text(yaml.safe_dump({"samples": 4}))
    assert "knowledge/science/tides/qna.yaml" in project.labgen("plan").err  # a local address is not allowed any more


def commit_all(folder: Path) -> str:
    """Make a repository of a folder, with one commit, and give its hash."""
    ada = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*ada, "commit", "-qm", "Tides"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def size_kept(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database, database:
        size = database.execute("SELECT total(size) FROM outcomes").fetchone()[0]
    return int(size)


def test_a_reply_that_is_forgotten_is_asked_again(tmp_path: Path) -> None:
    """What rests on it does not hold any more."""
    project = Project(tmp_path)
    built = project.build()
    with closing(sqlite3.connect(tmp_path / ".labgen" / "ledger.sqlite")) as database, database:
        database.execute("DELETE FROM replies WHERE key = (SELECT max(key) FROM replies)")
    run = project.labgen("generate", "--json")
    assert json.loads(run.out)["calls"]["sent"] == 1
    assert digest(tmp_path / "dataset") == built


def test_a_plan_reckons_the_same_with_and_without(tmp_path: Path, drawn: list[str]) -> None:
    """For leaves that are done, and for those that are not; from what is kept it draws on none that is."""
    project = Project(tmp_path)
    project.build()
    for samples in (4, 5):
        project.settings["samples"] = samples
        (tmp_path / "labgen.yaml").write_text(yaml.safe_dump({**project.settings, "outcomes": {"max_bytes": 0}}))
        plain = project.labgen("plan", "--json").json
        (tmp_path / "labgen.yaml").write_text(yaml.safe_dump(project.settings))
        drawn.clear()
        assert project.labgen("plan", "--json").json == plain
        assert bool(drawn) == (samples > 4)


def test_what_a_plan_makes_of_the_ledger_is_kept_too(tmp_path: Path, drawn: list[str]) -> None:
    """Where it is there no more: the next plan, and the build, look it up. A new taxonomy's plan leaves nothing."""
    project = Project(tmp_path)
    (tmp_path / "labgen.yaml").write_text(yaml.safe_dump(project.settings))
    assert project.labgen("plan").status == 0 and not project.outcomes.parent.parent.exists()
    built = project.build()
    plain = project.labgen("plan", "--json").json
    shutil.rmtree(project.outcomes.parent)
    drawn.clear()
    assert project.labgen("plan", "--json").json == plain
    once = [path for path, _ in groupby(drawn)]
    assert once and len(once) == len(set(once))
    drawn.clear()
    assert project.labgen("plan", "--json").json == plain
    assert project.build() == built
    assert not drawn


def test_a_folder_that_can_not_be_looked_into_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's, say: nothing that goes wrong with it is an error."""

    def refused(self: Path, **named: Any) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    for read_only in (True, False):
        with OutcomeStore(tmp_path / "work", max_bytes=1000, read_only=read_only) as store:
            assert not list(store.find(b"key"))


def test_the_ledger_tells_what_is_kept(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.build()
    size = sum(file.stat().st_size for file in project.outcomes.parent.iterdir())
    assert f"outcomes: {size / 1e6:.1f} MB beside it" in project.labgen("ledger").out
    assert project.labgen("ledger", "--json").json["outcomes_bytes"] == size


def test_an_unchanged_file_of_a_leaf_is_not_read_apart_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first build on: one that was edited is, and one that can't be used, which is told each time."""
    parsed: list[str] = []
    parse = load.parse_source

    def noted(source: LeafSource) -> LeafSource:
        parsed.append(source.path)
        return parse(source)

    project = Project(tmp_path)
    broken = tmp_path / "taxonomy/foundational_skills/broken/qna.yaml"
    broken.parent.mkdir()
    broken.write_text("version: 3\nseed_examples: [\n")
    project.build()
    monkeypatch.setattr(load, "parse_source", noted)
    edited = tmp_path / "taxonomy/foundational_skills/requests/qna.yaml"
    edited.write_text(edited.read_text() + "# One word more.\n")
    plain = project.build(output="plain", outcomes={"max_bytes": 0})
    assert len(parsed) == 4
    for expected in ({"foundational_skills/broken", "foundational_skills/requests"}, {"foundational_skills/broken"}):
        parsed.clear()
        assert project.build() == plain
        assert set(parsed) == expected
