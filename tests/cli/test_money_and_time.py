"""What a build costs and how long it takes: before, by leaf; and after, in every place that tells of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faulty_server import FaultyServer, make_taxonomy, run

from labgen.config.file import load_config
from labgen.teacher.traffic import Traffic
from labgen.text.durations import duration
from labgen.text.money import money
from labgen.verbs.build_time import Work, build_times, remember_pace

PRICE = "price: {currency: JPY, prompt_per_million: 100.0, completion_per_million: 200.0}\n"


class Memory:
    """Notes, kept in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def note(self, name: str) -> str | None:
        """What was remembered."""
        return self.kept.get(name)

    def set_note(self, name: str, value: str) -> None:
        """Remember."""
        self.kept[name] = value


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy and prices, as the current one."""
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    (tmp_path / "labgen.yaml").write_text(PRICE)
    return tmp_path


def test_plan_names_costs_by_leaf_and_sorts_by_them(here: Path) -> None:
    """They add up to the whole."""
    data = json.loads(run("plan", "--json").stdout)
    costs = {path: leaf["cost"] for path, leaf in data["leaves"].items()}
    assert data["currency"] == "JPY" and sum(costs.values()) == pytest.approx(data["cost"])
    lines = run("plan", "--by-leaf", "--sort", "cost").stdout.splitlines()
    assert "cost (JPY)" in lines[0]
    assert [line.split()[0] for line in lines[1:3]] == sorted(costs, key=lambda path: -costs[path])
    assert f"about {money(data['cost'], 'JPY')}" in run("plan").stdout
    by_name = run("plan", "--by-leaf", "--sort", "leaf").stdout.splitlines()
    assert [line.split()[0] for line in by_name[1:3]] == sorted(costs)


def test_the_ledger_and_the_summary_name_what_was_spent(here: Path) -> None:
    """The same sum, at the same prices."""
    built = run("generate", "--samples", "3")
    shares = json.loads(run("ledger", "--json").stdout)
    cost = sum(share["cost"] for share in shares["shares"])
    assert shares["currency"] == "JPY" and f"Spent: {money(cost, 'JPY')} at" in built.stdout
    table = run("ledger").stdout
    assert "cost (JPY)" in table and f"{cost:,.4f}" in table
    (here / "labgen.yaml").write_text("")
    assert "cost" not in run("ledger").stdout and json.loads(run("ledger", "--json").stdout)["currency"] is None


def test_a_budget_is_told_in_its_currency(here: Path) -> None:
    """What was spent of what, at the end."""
    words = run("generate", "--samples", "3", "--max-cost", "1").stdout
    assert "The budget is reached (JPY " in words and " of 1.00 spent" in words


def test_a_currency_is_three_capital_letters(here: Path) -> None:
    """Anything else is told with its line."""
    (here / "labgen.yaml").write_text(PRICE.replace("JPY", "euro"))
    with pytest.raises(Exception, match=r"labgen\.yaml:1"):
        run("plan")


def test_a_build_shows_how_long_the_next_one_takes(here: Path) -> None:
    """By calls, from all that a run of some length asked; a short one says nothing."""
    memory = Memory()
    config = load_config(None, {"teacher.base_url": "http://one/v1", "teacher.model": "m"})
    remember_pace(memory, config, Traffic(answered=99, first_sent_sec=1.0, last_answer_sec=500.0))
    remember_pace(memory, config, Traffic(answered=500, first_sent_sec=1.0, last_answer_sec=2.0))
    assert not memory.kept
    remember_pace(
        memory, config, Traffic(answered=500, completion_tokens=9000, first_sent_sec=1.0, last_answer_sec=101.0)
    )
    (note,) = memory.kept.values()
    assert json.loads(note)["seconds"] == 100.0
    from labgen.ledger.replies import Ledger

    ledger = Ledger(config.work_folder)
    ledger.set_note(*next(iter(memory.kept.items())))
    ledger.close()
    half, nothing = build_times(config, [Work(250, 1, 1), Work(0, 0, 0)])
    assert half and half.seconds == 50.0 and half.measured_by == "generate" and nothing is None
    words = run("plan", "--base-url", "http://one/v1", "--model", "m").stdout
    assert "90 tokens/s" in words and "as a build was answered on" in words
    data = json.loads(run("plan", "--json", "--base-url", "http://one/v1", "--model", "m").stdout)
    assert sum(leaf["seconds"] for leaf in data["leaves"].values()) == pytest.approx(data["time"]["seconds"])


def test_calls_that_were_lost_count_with_what_they_may_have_cost(here: Path) -> None:
    """A reply that was cut off may have been paid for."""
    from faulty_server import Fault

    with FaultyServer(lambda number, body: Fault(cut=True) if number == 4 else None) as server:
        options = ("--base-url", server.base_url, "--model", "labgen-rehearsal", "--samples", "3", "--json")
        summary = json.loads(run("generate", *options).stdout)
    assert summary["spent"]["calls"] == summary["calls"]["answered"] + 1


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (45, "45 s"), (700, "12 min"), (7200, "2 h"), (4e5, "5 days")]
)
def test_spans_are_told_in_a_unit_that_suits_them(seconds: float, words: str) -> None:
    """Roughly."""
    assert duration(seconds) == words


def test_sums_are_told_with_their_currency() -> None:
    """Small ones with more digits."""
    assert [money(sum_, "EUR") for sum_ in (0.0, 0.00421, 1.0, 1204.5)] == [
        "EUR 0.00",
        "EUR 0.0042",
        "EUR 1.00",
        "EUR 1,204.50",
    ]
