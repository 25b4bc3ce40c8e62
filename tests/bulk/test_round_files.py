"""Rounds through files: written, answered by anybody, and read in any order, any number of times."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from workbench import Labgen, built_once, digest

from labgen.bulk.doors import open_doors
from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.ledger.replies import Ledger
from labgen.records import Call
from labgen.teacher.rehearsal.server import RehearsalServer

WANTED = ("--samples", "6")


@pytest.fixture
def online(taxonomy: Path) -> dict[str, str]:
    """What a build comes to that asks call by call."""
    return digest(built_once(*WANTED) / "dataset")


@pytest.fixture
def answer() -> Iterator[Callable[[Path, Path], None]]:
    """Answers a file as an engine does: each line by the rehearsal teacher, over HTTP."""
    import urllib.request

    with RehearsalServer() as server:

        def answer_file(requests: Path, replies: Path) -> None:
            with replies.open("w") as out:
                for text in requests.read_text().splitlines():
                    line = json.loads(text)
                    asked = urllib.request.Request(
                        server.base_url.removesuffix("/v1") + line["url"],
                        json.dumps(line["body"]).encode(),
                        {"Content-Type": "application/json"},
                    )
                    with urllib.request.urlopen(asked) as got:
                        body = json.load(got)
                    response = {"status_code": 200, "request_id": "r", "body": body}
                    out.write(json.dumps({"custom_id": line["custom_id"], "response": response, "error": None}) + "\n")

        yield answer_file


def write(labgen: Labgen, folder: str, *options: str) -> Any:
    """One `labgen bulk write`."""
    done = labgen("bulk", "write", folder, *WANTED, "--json", *options)
    assert done.status == 0, done.err
    return done.json


def rounds(labgen: Labgen, answer: Callable[[Path, Path], None], *options: str) -> int:
    """Rounds through files until nothing is left to ask; gives how many."""
    for number in range(1, 20):
        written = write(labgen, f"round-{number}", *options)
        if not written["calls"]:
            return number - 1
        for file in written["files"]:
            path = labgen.folder / file["path"]
            answer(path, path.with_suffix(".replies"))
            path.with_suffix(".replies").rename(labgen.folder / f"replies-{number}-{path.name}")
        files = [str(each) for each in labgen.folder.glob(f"replies-{number}-*")]
        assert labgen("bulk", "read", *files, *work_of(options)).status == 0
    raise AssertionError("it does not come to an end")


def work_of(options: tuple[str, ...]) -> tuple[str, ...]:
    """The part of options that says where the ledger is."""
    return options[options.index("--work") :][:2] if "--work" in options else ()


def test_files_there_and_back(labgen: Labgen, online: dict[str, str], answer: Callable[[Path, Path], None]) -> None:
    """Round after round until nothing is left to ask; the dataset is that of a build call by call."""
    (labgen.folder / "labgen.yaml").write_text("bulk: {max_lines: 7}\n")
    assert rounds(labgen, answer) > 3
    done = labgen("generate", *WANTED, "--output", "bulk", "--json")
    assert done.json["calls"]["answered"] == 0
    assert digest(labgen.folder / "bulk") == online
    assert "Nothing is left to ask" in labgen("bulk", "write", "more", *WANTED).out


def test_a_line_is_what_the_endpoint_would_be_sent(labgen: Labgen, taxonomy: Path) -> None:
    """`custom_id` is the ledger's key; the body has all that a call one by one has, but for streaming."""
    written = write(labgen, "round")
    (file,) = written["files"]
    lines = [json.loads(line) for line in (labgen.folder / file["path"]).read_text().splitlines()]
    assert len(lines) == file["calls"] == written["calls"] <= 20
    for line in lines:
        assert set(line) == {"custom_id", "method", "url", "body"}
        assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
        assert len(bytes.fromhex(line["custom_id"])) == 32
        assert {"model", "messages", "max_tokens", "temperature", "seed", "response_format"} <= set(line["body"])
        assert not {"stream", "stream_options"} & set(line["body"])
    with closing(Ledger(labgen.folder / ".labgen")) as ledger:
        rows = ledger.query("SELECT key FROM parked_calls")
    assert {line["custom_id"] for line in lines} == {key.hex() for (key,) in rows}


def test_files_keep_to_limits(labgen: Labgen, taxonomy: Path, answer: Callable[[Path, Path], None]) -> None:
    """Lines and bytes; every call is in one file and no file is empty or half."""
    (labgen.folder / "labgen.yaml").write_text("bulk: {max_lines: 6, max_bytes: 9000}\n")
    written = write(labgen, "round")
    assert len(written["files"]) > 1
    ids = []
    for file in written["files"]:
        content = (labgen.folder / file["path"]).read_bytes()
        assert 0 < len(content) == file["bytes"] <= 9000
        assert 0 < content.count(b"\n") == file["calls"] <= 6
        ids += [json.loads(line)["custom_id"] for line in content.splitlines()]
    assert len(ids) == len(set(ids)) == written["calls"]
    assert not list((labgen.folder / "round").glob("*.part"))


def test_files_of_another_round_are_not_written_over(labgen: Labgen, taxonomy: Path) -> None:
    """They may be under way somewhere."""
    write(labgen, "round")
    done = labgen("bulk", "write", "round", *WANTED)
    assert done.status == 2
    assert "files of an earlier round are there" in done.err


def test_parts_for_several_machines(
    labgen: Labgen, online: dict[str, str], answer: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    """Parts of a round share its calls out; each machine's replies merge to the same bytes, in either order."""
    for number in range(1, 20):
        parts = [write(labgen, f"{number}-{part}", "--shard", f"{part}/2", "--work", f"m{part}") for part in (1, 2)]
        if not any(part["calls"] for part in parts):
            break
        ids = []
        for part, written in enumerate(parts, start=1):
            for file in written["files"]:
                path = labgen.folder / file["path"]
                ids += [json.loads(line)["custom_id"] for line in path.read_text().splitlines()]
                answer(path, labgen.folder / f"{number}-{part}" / "replies.out")
                # Either machine can read it.
                reader = f"m{1 + (part + number) % 2}"
                read = labgen("bulk", "read", f"{number}-{part}/replies.out", "--work", reader, "--json")
                assert read.json["total"]["outcomes"] == {"read": file["calls"]}
        assert len(ids) == len(set(ids))
        for one, other in (("m1", "m2"), ("m2", "m1")):
            assert labgen("ledger", "--work", one, "export", f"{one}.gz").status == 0
            assert labgen("ledger", "--work", other, "import", f"{one}.gz").status == 0
    for machine in ("m1", "m2"):
        done = labgen("generate", *WANTED, "--work", machine, "--output", f"out-{machine}", "--json")
        assert done.json["calls"]["answered"] == 0
        assert digest(labgen.folder / f"out-{machine}") == online


def test_every_line_is_accounted_for(labgen: Labgen, taxonomy: Path, answer: Callable[[Path, Path], None]) -> None:
    """Foreign, doubled, half and faulty lines, in any order; reading once more changes nothing."""
    written = write(labgen, "round")
    (file,) = written["files"]
    path = labgen.folder / file["path"]
    answer(path, labgen.folder / "replies.jsonl")
    lines = (labgen.folder / "replies.jsonl").read_text().splitlines()
    spoilt = json.loads(lines[0])["custom_id"]
    said = {
        "error": {"message": "This model's maximum context length is 10 tokens.", "code": "context_length_exceeded"}
    }
    bad = [
        json.dumps({"custom_id": "ff" * 32, "response": json.loads(lines[0])["response"], "error": None}),
        json.dumps({"custom_id": "mine-7", "response": {"status_code": 200, "body": {}}}),
        json.dumps({"response": {"status_code": 200, "body": {}}}),
        json.dumps({"custom_id": spoilt, "response": None, "error": {"code": "batch_expired", "message": "too late"}}),
        json.dumps({"custom_id": spoilt, "response": {"status_code": 500, "body": {"error": {"message": "busy"}}}}),
        json.dumps({"custom_id": spoilt, "response": {"status_code": 200, "body": {"choices": []}}}),
        json.dumps({"custom_id": spoilt, "response": {"status_code": "200", "body": {}}}),
        json.dumps({"custom_id": json.loads(lines[1])["custom_id"], "response": {"status_code": 400, "body": said}}),
        lines[2][: len(lines[2]) // 2],
        "[]",
        "",
    ]
    mixed = [*bad, *lines[3:], *lines[3:]]
    random.Random(0).shuffle(mixed)
    (labgen.folder / "mixed.jsonl").write_text("\n".join([*mixed, lines[2][:40]]))
    read = labgen("bulk", "read", "mixed.jsonl", "--json")
    assert read.status == 1
    rest = len(lines) - 3
    assert read.json["total"]["outcomes"] == {
        "read": rest,
        "known already": rest,
        "failed for good": 1,
        "to be asked again": 3,
        "expired": 1,
        "of no call known here": 2,
        "not of the format": 4,
    }
    again = labgen("bulk", "read", "mixed.jsonl", "--json")
    assert again.json["total"]["outcomes"].get("read", 0) == 0
    # What was not answered is asked once more, and nothing else of it.
    (next_file,) = write(labgen, "next")["files"]
    ids = {json.loads(line)["custom_id"] for line in (labgen.folder / next_file["path"]).read_text().splitlines()}
    assert {spoilt, json.loads(lines[2])["custom_id"]} <= ids
    assert not {json.loads(line)["custom_id"] for line in [lines[1], *lines[3:]]} & ids


def test_replies_after_the_settings_have_changed(
    labgen: Labgen, taxonomy: Path, answer: Callable[[Path, Path], None]
) -> None:
    """What was asked is known by the ledger, so replies that come late are kept whatever was edited since."""
    (file,) = write(labgen, "round")["files"]
    answer(labgen.folder / file["path"], labgen.folder / "replies.jsonl")
    shutil.rmtree(taxonomy / "knowledge")
    (labgen.folder / "labgen.yaml").write_text("generation: {instructions_per_call: 2}\n")
    read = labgen("bulk", "read", "replies.jsonl", "--json")
    assert read.json["total"]["outcomes"] == {"read": file["calls"]}


def test_a_command_answers_rounds(labgen: Labgen, online: dict[str, str], tmp_path: Path) -> None:
    """A program that reads and writes files, killed in the middle once: what it had written is used."""
    with RehearsalServer() as server:
        runner = tmp_path / "runner.py"
        runner.write_text(
            "import json, sys, os, urllib.request\n"
            "requests, replies, url = sys.argv[1:]\n"
            "first = not os.path.exists('died')\n"
            "with open(replies, 'w') as out:\n"
            "    for number, text in enumerate(open(requests)):\n"
            "        if first and number == 5:\n"
            "            open('died', 'w').close()\n"
            '            out.write(\'{"custom_id": "\')\n'
            "            out.flush()\n"
            "            os.kill(os.getpid(), 9)\n"
            "        line = json.loads(text)\n"
            "        asked = urllib.request.Request(url + line['url'], json.dumps(line['body']).encode(),\n"
            "                                       {'Content-Type': 'application/json'})\n"
            "        body = json.load(urllib.request.urlopen(asked))\n"
            "        reply = {'custom_id': line['custom_id'], 'response': {'status_code': 200, 'body': body}}\n"
            "        out.write(json.dumps(reply) + '\\n')\n"
        )
        address = server.base_url.removesuffix("/v1")
        command = f"{sys.executable} {runner} {{requests}} {{replies}} {address}"
        (tmp_path / "labgen.yaml").write_text("teacher: {model: labgen-rehearsal, backend: {kind: bulk}}\n")
        options = (*WANTED, "--output", "bulk", "--json", "--on", "command", "--command", command)
        done = labgen("bulk", "run", *options)
    assert done.status == 0, done.err
    assert "status -9" in done.err
    assert done.json["bulk"]["rounds"][0]["outcomes"] == {"read": 5, "not of the format": 1}
    assert digest(tmp_path / "bulk") == online


def test_a_command_that_writes_nothing_is_told(labgen: Labgen, taxonomy: Path) -> None:
    """So is why the run ended, which was no budget."""
    (labgen.folder / "labgen.yaml").write_text("teacher: {model: far-away, backend: {kind: bulk}}\n")
    done = labgen("bulk", "run", *WANTED, "--on", "command", "--command", "true {requests} {replies}")
    assert done.status == 1, done.err
    assert "The command ended well, and has not written " in done.err
    assert "3 rounds, one after the other, had no answer that could be read: " in done.out
    assert "budget" not in done.out


def test_a_command_says_where_files_go(labgen: Labgen, taxonomy: Path) -> None:
    """Wrong use is told before anything is written."""
    for options, words in (
        (("--on", "command", "--command", "run {requests}"), "`{replies}` is missing"),
        (("--on", "command"), "--command goes with `--on command`"),
        (("--address", "auto"), "--address with `--on ray`"),
        (("--on", "command", "--command", "no-such-thing {requests} {replies}"), "can't be run"),
    ):
        done = labgen("bulk", "run", *WANTED, *options)
        assert done.status == 2
        assert words in done.err


def test_files_at_an_address(labgen: Labgen, taxonomy: Path, answer: Callable[[Path, Path], None]) -> None:
    """Object stores are written to and read from; what is wrong there is told."""
    store = (labgen.folder / "store").as_uri()
    written = write(labgen, f"{store}/round")
    (path,) = (labgen.folder / "store" / "round").glob("*.jsonl")
    answer(path, labgen.folder / "replies.out")
    (labgen.folder / "replies.out").rename(path)
    read = labgen("bulk", "read", f"{store}/round", "--json")
    assert read.json["total"]["outcomes"] == {"read": written["calls"]}
    assert labgen("bulk", "read", f"{store}/round/{path.name}", "--json").json["total"]["outcomes"] == {
        "known already": written["calls"]
    }
    for place, words in ((f"{store}/round", "files of an earlier round"), ("nonsense://x/y", "nonsense")):
        done = labgen("bulk", "write", place, *WANTED)
        assert done.status == 2
        assert words in done.err
    assert labgen("bulk", "read", f"{store}/nothing").status == 2


def test_a_model_that_is_asked_in_files_alone(labgen: Labgen, taxonomy: Path) -> None:
    """`generate` says what to do where replies are lacking."""
    (labgen.folder / "labgen.yaml").write_text("teacher: {model: far-away, backend: {kind: bulk}}\n")
    done = labgen("generate", *WANTED)
    assert done.status == 2
    assert "`labgen bulk write DIR` writes what is to be answered" in done.err
    assert write(labgen, "round")["files"][0]["model"] == "far-away"
    assert "answered in files alone" in labgen("doctor").out


def test_wrong_parts_and_files_are_told(labgen: Labgen, taxonomy: Path) -> None:
    """Status 2, and nothing changed."""
    for part in ("0/2", "3/2", "1", "a/b", "1/0"):
        assert labgen("bulk", "write", "round", "--shard", part).status == 2
    assert labgen("bulk", "read", "nowhere.jsonl").status == 2
    (labgen.folder / "note").touch()
    assert "that is a file" in labgen("bulk", "write", "note", *WANTED).err
    (labgen.folder / "empty").mkdir()
    done = labgen("bulk", "read", "empty")
    assert done.status == 2
    assert "no .jsonl file" in done.err


def test_calls_come_back_as_they_went(labgen: Labgen, taxonomy: Path) -> None:
    """The ledger's words for a call make the very call, with the same key."""
    write(labgen, "round")
    with closing(Ledger(labgen.folder / ".labgen")) as ledger:
        import zlib

        rows = ledger.query("SELECT key, call FROM parked_calls")
    assert rows
    for key, call in rows:
        text = zlib.decompress(call).decode()
        made = Call.of_canonical(text)
        anew = Call(**{name: value for name, value in vars(made).items() if name not in ("canonical", "key")})
        assert anew.canonical == text
        assert anew.key == key


def test_lines_of_a_model_that_settings_no_longer_name_are_told_as_such(labgen: Labgen, taxonomy: Path) -> None:
    """They are known here; what is missing is the model's name."""
    written = labgen("bulk", "write", "round", *WANTED, "--base-url", "http://127.0.0.1:9/v1", "--model", "first")
    assert written.status == 0
    done = labgen("bulk", "read", "round/first-0001.jsonl")
    assert done.status == 1
    assert "`first` was asked, which the settings don't name now" in done.out


@pytest.mark.parametrize(
    ("asked", "name", "own"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "GPT-4o-2024-08-06", True),
        ("gpt-4", "gpt-4-0613", True),
        ("owner/model", "model", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("model", "model-7b", False),
    ],
)
def test_a_version_of_a_model_bears_its_name(asked: str, name: str, own: bool) -> None:
    """A smaller model whose name begins alike is another one."""
    config = read_section(Config, {"teacher": {"model": asked, "base_url": "http://127.0.0.1:9/v1"}})
    assert open_doors(config, None)[asked].is_own_name(name) is own


def test_replies_that_other_settings_could_read_are_kept(
    labgen: Labgen, online: dict[str, str], answer: Callable[[Path, Path], None]
) -> None:
    """A run whose settings name another model reads nothing of an engine's left-over replies, and loses none."""
    written = write(labgen, "round")
    path = labgen.folder / written["files"][0]["path"]
    left = labgen.folder / ".labgen" / "bulk" / "replies"
    left.mkdir(parents=True)
    answer(path, left / "batch-1.jsonl")
    (labgen.folder / "labgen.yaml").write_text("teacher: {model: far-away, backend: {kind: bulk}}\n")
    command = f"{sys.executable} -c pass {{requests}} {{replies}}"
    other = labgen("bulk", "run", *WANTED, "--on", "command", "--command", command)
    assert other.status == 1
    (kept,) = (labgen.folder / ".labgen" / "bulk-unread").iterdir()
    assert f"labgen bulk read {kept.relative_to(labgen.folder)}" in other.err
    (labgen.folder / "labgen.yaml").unlink()
    read = labgen("bulk", "read", str(kept), "--json")
    assert read.json["total"]["outcomes"] == {"read": written["calls"]}
