"""A push that is cut at any of its requests: told, nothing half on the Hub, and the next one ends it."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from local_hub import TOKEN, Fault, LocalHub, Repo
from small_dataset import LEAVES

from labgen.cli import main

NAME = "ada/rocks"
MakeDataset = Callable[..., Path]
LASTING = 10_000
"""So many requests are more than any push makes."""

# huggingface_hub's own way to hand a file to its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw:DeprecationWarning")


class Pushes:
    """Releases of a folder by command line on one Hub, each begun from the same state of the Hub."""

    def __init__(self, hub: LocalHub, capture: pytest.CaptureFixture[str]) -> None:
        self.hub, self._capture = hub, capture

    def push(self, folder: Path, *options: str) -> tuple[int, str]:
        """Exit status, and all that was said."""
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["push", NAME, "--dataset", str(folder), *options])
        said = "".join(self._capture.readouterr())
        assert TOKEN not in said
        return int(ended.value.code or 0), said

    def back_to(self, state: tuple[dict[str, Repo], dict[str, bytes]]) -> None:
        """A Hub with these repositories and large files, and no faults."""
        self.hub.faults.clear()
        self.hub.repos, self.hub.objects = copy.deepcopy(state)
        self.hub.asked.clear()
        self.hub.stored.clear()

    def main(self) -> dict[str, bytes]:
        """What whoever downloads the dataset gets; nothing where there is none."""
        repo = self.hub.repos.get(NAME)
        return {path: blob.data for path, blob in repo.head.files.items()} if repo else {}


@pytest.fixture
def pushes(hub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pushes:
    """Nothing is waited for between tries."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    return Pushes(hub, capsys)


CASES = [
    pytest.param("cut", LASTING, True, id="connections are cut from a request on"),
    pytest.param("half", LASTING, True, id="replies end half-way from a request on"),
    pytest.param(500, LASTING, False, id="the Hub fails from a request on, first release"),
    pytest.param("lost", LASTING, False, id="replies are lost from a request on, first release"),
    pytest.param("lost", 1, True, id="one reply is lost"),
]


@pytest.mark.parametrize(("what", "times", "again"), CASES)
def test_a_push_cut_at_any_request_is_told_and_the_next_one_ends_it(
    pushes: Pushes, make_dataset: MakeDataset, what: int | str, times: int, again: bool
) -> None:
    """Meanwhile the Hub shows what it had, or the whole release; no file that has arrived is sent again."""
    hub = pushes.hub
    if again:
        assert pushes.push(make_dataset(name="earlier"))[0] == 0
    start, before = copy.deepcopy((hub.repos, hub.objects)), pushes.main()
    folder = make_dataset(more={LEAVES[0]: 6}, answers={LEAVES[2]: "Now it is otherwise."})
    assert pushes.push(folder)[0] == 0
    whole, tags, commits = pushes.main(), set(hub.repos[NAME].tags), len(hub.repos[NAME].commits)
    fresh = {path: data for path, data in whole.items() if path == ".gitattributes"}
    for number in itertools.count():
        pushes.back_to(start)
        fault = Fault("", "", what, times=times, after=number)
        hub.faults.append(fault)
        status, said = pushes.push(folder)
        if fault.times == times:
            assert status == 0 and number > 8
            break
        where = f"request {number}, {hub.asked[number]}: {said}"
        repo = hub.repos.get(NAME)
        assert pushes.main() in (before, fresh, whole), where
        assert not repo or set(repo.tags.values()) <= {commit.oid for commit in repo.commits}, where
        assert status == 1 or times == 1, where
        assert status == 0 or re.search("run the same command again", said, re.IGNORECASE), where
        arrived = set(hub.stored)
        pushes.back_to((hub.repos, hub.objects))
        status, said = pushes.push(folder)
        assert status == 0, where + said
        repo = hub.repos[NAME]
        assert pushes.main() == whole and set(repo.tags) == tags and len(repo.commits) == commits, where
        assert repo.tags[max(tags)] == repo.head.oid, where
        assert not arrived & set(hub.stored), where


def test_a_pull_request_whose_opening_was_cut_is_found_and_not_opened_twice(
    pushes: Pushes, make_dataset: MakeDataset
) -> None:
    """At whichever request it was cut; another dataset opens another one."""
    hub = pushes.hub
    assert pushes.push(make_dataset(name="earlier"))[0] == 0
    start = copy.deepcopy((hub.repos, hub.objects))
    folder, other = make_dataset(rows=5), make_dataset(name="other", rows=6)
    for number in itertools.count():
        pushes.back_to(start)
        fault = Fault("", "", "lost", times=LASTING, after=number)
        hub.faults.append(fault)
        status, said = pushes.push(folder, "--pr")
        if fault.times == LASTING:
            break
        assert status == 1 and "un the same command again" in said, said
        arrived = len(hub.repos[NAME].pulls)
        hub.faults.clear()
        status, said = pushes.push(folder, "--pr")
        assert status == 0 and f"{hub.url}/datasets/{NAME}/discussions/1" in said, said
        assert ("open already" in said) == bool(arrived) and len(hub.repos[NAME].pulls) == 1
        assert len(hub.repos[NAME].commits) == 2
    assert number > 8
    hub.faults.clear()
    assert pushes.push(other, "--pr")[0] == 0 and len(hub.repos[NAME].pulls) == 2
