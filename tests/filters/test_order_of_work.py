"""Filters can be seen, switched off, moved and added; what others' filters do wrong harms one candidate only."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from planted_teacher import Planted, run_slots

from labgen.cli import app
from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.filters.available import FilterSet, filters_for
from labgen.filters.installed import Installed
from labgen.flows.known import known_flows
from labgen.flows.order_of_work import Row, order_of_work
from labgen.records import State

PACKAGE = '''
"""Filters for answers in a house style."""

from labgen.records import Evidence, State, Verdict
from labgen.teacher.asker import CandidateEnds


class Shouting:
    """Answers that shout."""

    version = "2"
    kind = "rule"
    stage = "pair"
    flows = ("knowledge", "freeform")

    async def __call__(self, candidate, slot):
        share = sum(map(str.isupper, candidate.response)) / max(1, len(candidate.response))
        return [Verdict("shouting", self.version, share)]

    def decide(self, verdict, slot):
        return (State.LOW_QUALITY, "shouts") if verdict.value > 0.5 else None


class Crashing(Shouting):
    def __call__(self, candidate, slot):
        raise ZeroDivisionError("on purpose")


class Babbling(Shouting):
    def __call__(self, candidate, slot):
        return ["fine"]


class Misplacing(Shouting):
    async def __call__(self, candidate, slot):
        return [Verdict("shouting", self.version, 0.0, "", (Evidence("words", None, None),))]


class Accepting(Shouting):
    def decide(self, verdict, slot):
        return State.ACCEPTED, "I like it"


class Ending(Shouting):
    def __call__(self, candidate, slot):
        raise CandidateEnds(*self.how)


class EndingLost(Ending):
    how = ("lost", "as it likes")


class EndingAccepted(Ending):
    how = (State.ACCEPTED, "as it likes")


class EndingWithCalls(Ending):
    how = (State.LOW_QUALITY, "as it likes", "", "call")


class Deciding(Shouting):
    def decide(self, verdict, slot):
        return 1 / 0
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Makes an installed package of filters, as an installer would leave it."""

    def make(**entries: str) -> None:
        site = tmp_path / "site"
        info = site / "house_style-1.3.dist-info"
        info.mkdir(parents=True)
        (site / "house_style.py").write_text(PACKAGE, encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-style\nVersion: 1.3\n", encoding="utf-8")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("[labgen.filters]\n" + "\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, "house_style", raising=False)

    return make


def names(**settings: object) -> list[str]:
    """Names of the filters of a run, in order."""
    return [each.name for each in filters_of(**settings).filters]


def filters_of(**settings: object) -> FilterSet:
    """The filters of a run."""
    return filters_for(read_section(Config, {"filters": settings}), None)


def table(**settings: object) -> list[Row]:
    """The order of work."""
    return order_of_work(known_flows(), filters_of(**settings), per_call=4)


def test_filters_can_be_switched_off_and_moved() -> None:
    """What `order` names looks first; the others keep their order."""
    shipped = names()
    assert "pair_judge" not in names(disable=["pair_judge"])
    moved = names(order=["response_rules", "unsupported_figures"])
    assert moved[:2] == ["response_rules", "unsupported_figures"]
    assert sorted(moved) == sorted(shipped)
    assert [name for name in moved if name not in moved[:2]] == [name for name in shipped if name not in moved[:2]]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"disable": ["pair_juge"]}, "filters.disable: there is no filter `pair_juge`. Did you mean `pair_judge`"),
        ({"order": ["zzz"]}, "filters.order: there is no filter `zzz`. Known: "),
        ({"order": ["duplicates"]}, "`duplicates` can't be moved"),
    ],
)
def test_a_wrong_name_says_what_is_known(settings: dict[str, list[str]], words: str) -> None:
    """With the nearest name, or all of them."""
    with pytest.raises(ConfigError, match=words):
        names(**settings)


def test_the_table_shows_kind_cost_and_place(tmp_path: Path) -> None:
    """`labgen plan --filters`, for people and as JSON."""
    shown = CliRunner().invoke(app, ["plan", "--filters", "--work", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    lines = {line.split()[0]: line.split() for line in shown.output.splitlines() if line}
    assert lines["groundedness_judge"][1:4] == ["judge", "pair", "1"]
    data = json.loads(CliRunner().invoke(app, ["plan", "--filters", "--json", "--work", str(tmp_path)]).output)
    places = {row["name"]: row["places"] for row in data if row["stage"] == "instruction"}
    assert places["duplicates"]["freeform"] < places["instruction_judge"]["freeform"]
    assert "knowledge" not in places["instruction_judge"]


def test_duplicates_can_be_switched_off(tmp_path: Path) -> None:
    """They are then kept, and are not in the table."""
    config = read_section(Config, {"filters": {"disable": ["duplicates"]}, "calibration": {"enabled": False}})
    planted = Planted("knowledge", {"near_duplicate": 0.5}, slots=4)
    candidates, _ = run_slots(planted, config, tmp_path, None)
    assert all(candidate.state is not State.DUPLICATE for candidate in candidates)
    assert "duplicates" not in {row.name for row in table(disable=["duplicates"])}


def test_an_installed_package_adds_a_filter(package: object, tmp_path: Path) -> None:
    """It looks, its verdicts stand in the rows, the table names its package; it can be moved and switched off."""
    package(shouting="house_style:Shouting")
    (row,) = [row for row in table() if row.name == "shouting"]
    assert row.origin == "house-style 1.3"
    assert row.version == "2"
    candidates, _ = run_slots(Planted("knowledge", {}, slots=2), Config(), tmp_path, None, wanted=4)
    assert any(verdict.filter == "shouting" for verdict in candidates[0].verdicts)
    assert names(order=["shouting"])[0] == "shouting"
    assert "shouting" not in names(disable=["shouting"])


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ("Crashing", "filter_mine: ZeroDivisionError: on purpose"),
        ("Babbling", "filter_mine: it gave a str, which is no verdict"),
        ("Misplacing", "filter_mine: the start of its verdict's evidence is no whole number"),
        ("Accepting", "filter_mine: it may not end a candidate as `accepted`"),
        ("EndingLost", "filter_mine: it may not end a candidate as `lost`"),
        ("EndingAccepted", "filter_mine: it may not end a candidate as `accepted`"),
        ("EndingWithCalls", "filter_mine: a call that it named is no key of a call"),
        ("Deciding", "filter_mine: ZeroDivisionError"),
    ],
)
def test_a_filter_that_crashes_is_a_failed_record(look: str, words: str, package: object, tmp_path: Path) -> None:
    """Never a pass, never a lost run; the record names the filter."""
    package(mine=f"house_style:{look}")
    planted = Planted("knowledge", {}, slots=2)
    candidates, _ = run_slots(planted, Config(), tmp_path, None)
    assert len(candidates) == 8
    assert all(candidate.state is State.FAILED and candidate.reason.startswith(words) for candidate in candidates)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"mine": "house_style:Missing"}, "filter `mine` of house-style 1.3 can't be loaded"),
        ({"mine": "house_style:State"}, "can't be loaded"),
        ({"mine": "json:dumps"}, "can't be loaded"),
        ({"pair_judge": "house_style:Shouting"}, "there is another filter of that name"),
    ],
)
def test_what_is_no_filter_is_said_at_once(entry: dict[str, str], words: str, package: object) -> None:
    """With the package, and how to go on without it."""
    package(**entry)
    with pytest.raises(ConfigError, match=words):
        filters_for(Config(), None)


def test_a_disabled_filter_is_not_imported(package: object) -> None:
    """So that a broken package can be got round."""
    package(mine="house_style:Missing")
    assert not any(isinstance(each, Installed) for each in filters_of(disable=["mine"]).filters)


def test_a_package_installed_by_pip_is_found(tmp_path: Path) -> None:
    """The worked example of the README, as a wheel that pip installs."""
    wheel = tmp_path / "house_style-1.3-py3-none-any.whl"
    info = "house_style-1.3.dist-info"
    files = {
        "house_style.py": PACKAGE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: house-style\nVersion: 1.3\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[labgen.filters]\nshouting = house_style:Shouting\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run([*command, "--target", str(site), str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "labgen", "plan", "--filters", "--work", str(tmp_path)],
        env={"PYTHONPATH": str(site), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert "shouting" in shown.stdout, shown.stderr
    assert "house-style 1.3" in shown.stdout
