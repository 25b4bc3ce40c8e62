"""A release is one commit of what changed, says so, can be cut and resumed, and never holds what it must not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from local_hub import READ_TOKEN, TOKEN, Fault, LocalHub
from small_dataset import COMMIT, LEAVES

from labgen.cli import app
from labgen.errors import PublishError, UsageError
from labgen.publish.changelog import LeafRows
from labgen.publish.hub import push_dataset
from labgen.publish.release import read_release

NAME = "ada/rocks"
MakeDataset = Callable[..., Path]

# huggingface_hub's own way to hand a file to its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw:DeprecationWarning")


def parquet_puts(hub: LocalHub) -> int:
    """How many large files have been sent so far."""
    return hub.count("PUT", "^/lfs/")


def parquet_names(hub: LocalHub) -> set[str]:
    """The large files that are there now."""
    return {path for path in hub.repos[NAME].head.files if path.endswith(".parquet")}


def write_otherwise(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """Have Parquet files written in other bytes from now on, as another release of the library does."""
    writer = pyarrow.parquet.ParquetWriter
    monkeypatch.setattr(
        pyarrow.parquet, "ParquetWriter", lambda *words, **known: writer(*words, **{**known, **settings})
    )


def released(folder: Path) -> set[str]:
    """What of a dataset folder is to travel."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith(("lineage/", "data/rejected"))}


def test_the_first_release_is_private_one_commit_and_tagged(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """The commit names the taxonomy's commit; everything but rejections and lineage is there, byte for byte."""
    folder = make_dataset()
    report = push_dataset(folder, NAME)
    repo = hub.repos[NAME]
    assert repo.private and report.private and report.created
    assert len(repo.commits) == 2
    assert repo.tags == {"v1": repo.head.oid} and report.tag == "v1" and report.commit == repo.head.oid
    assert repo.head.title == f"Release v1, taxonomy {COMMIT[:12]}: 12 rows"
    assert COMMIT in repo.head.description and "First release: 12 rows of 3 leaves." in repo.head.description
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in ("README.md", "manifest.json"):
            stays = name.startswith(("lineage/", "data/rejected"))
            assert (name in repo.head.files) != stays, name
            assert stays or repo.head.files[name].data == path.read_bytes()


def test_rejections_never_travel(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """Neither as files nor in the card's configs, the manifest, or any byte that was sent."""
    push_dataset(make_dataset(), NAME)
    files = hub.repos[NAME].head.files
    card = files["README.md"].data.decode()
    assert "config_name: rejected" not in card and "config_name: knowledge" in card
    manifest = json.loads(files["manifest.json"].data)
    assert "rejected" not in manifest["configs"]
    assert set(manifest["files"]) == set(files) - {"manifest.json", ".gitattributes"}
    assert not any(b"REJECTED TEXT" in blob.data for blob in files.values())


def test_what_is_downloaded_is_a_dataset(hub: LocalHub, make_dataset: MakeDataset, tmp_path: Path) -> None:
    """Downloaded with huggingface_hub, the release equals the folder, opens with `datasets` and exports."""
    import datasets
    from huggingface_hub import snapshot_download

    folder = make_dataset()
    push_dataset(folder, NAME)
    down = tmp_path / "down"
    snapshot_download(NAME, repo_type="dataset", local_dir=down, endpoint=hub.url, revision="v1")
    for path in (folder / "data").glob("[!r]*"):
        assert (down / "data" / path.name).read_bytes() == path.read_bytes()
    rows = datasets.load_dataset(str(down), "knowledge", split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 4
    result = CliRunner().invoke(app, ["export", str(down), "--to", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output


def test_only_changed_files_travel(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """One leaf's answers change: its file is sent, the old one is taken away, the others stay as they are."""
    push_dataset(make_dataset(), NAME)
    sent = parquet_puts(hub)
    report = push_dataset(make_dataset(answers={LEAVES[2]: "Now it is otherwise."}), NAME)
    repo = hub.repos[NAME]
    assert parquet_puts(hub) == sent + 1
    names = [path for path, _ in report.uploaded]
    assert [name for name in names if name.endswith(".parquet")] == [
        name for name in repo.head.files if "knowledge" in name
    ]
    assert len(report.deleted) == 1 and "knowledge" in report.deleted[0]
    assert report.tag == "v2" and repo.tags["v2"] == repo.head.oid
    assert sum(name.endswith(".parquet") for name in repo.head.files) == 3
    assert report.changes == (LeafRows(LEAVES[2], changed=4),)


@pytest.mark.parametrize(
    "setting",
    [
        {"compression": "gzip", "compression_level": 6},
        {"version": "1.0", "use_dictionary": False},
    ],
)
def test_rows_that_another_library_writes_otherwise_do_not_travel(
    hub: LocalHub, make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, Any]
) -> None:
    """Other bytes for the same rows stay as they were released, and what is named is what is there."""
    push_dataset(make_dataset(), NAME)
    sent, there = parquet_puts(hub), parquet_names(hub)
    write_otherwise(monkeypatch, **setting)
    other = make_dataset()
    assert not there & {f"data/{path.name}" for path in (other / "data").iterdir()}, "the bytes are others"
    report = push_dataset(other, NAME)
    assert parquet_puts(hub) == sent and parquet_names(hub) == there and report.deleted == ()
    assert {path for path, _ in report.uploaded} <= {"README.md", "manifest.json"} and not report.changes
    # A leaf that changed travels, the others still don't.
    changed = make_dataset(answers={LEAVES[2]: "Now it is otherwise."})
    report = push_dataset(changed, NAME)
    assert parquet_puts(hub) == sent + 1 and len(parquet_names(hub) & there) == 2
    assert report.changes == (LeafRows(LEAVES[2], changed=4),) and len(report.deleted) == 1
    assert push_dataset(changed, NAME).uploaded == ()
    down = Path(huggingface_hub.snapshot_download(NAME, repo_type="dataset", local_dir=tmp_path / "down"))
    assert read_release(down).rows == 12
    assert len(datasets.load_dataset(str(down), "knowledge", split="train", cache_dir=str(tmp_path / "cache"))) == 4


def test_a_released_file_that_somebody_changed_is_sent_anew(
    hub: LocalHub, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of its rows is believed only of the file that it was said of."""
    push_dataset(make_dataset(), NAME)
    head = hub.repos[NAME].head
    name = next(path for path in head.files if "knowledge" in path)
    head.files[name] = replace(
        head.files[name], data=next(file.data for path, file in head.files.items() if "found" in path)
    )
    sent = parquet_puts(hub)
    write_otherwise(monkeypatch, compression="gzip", compression_level=6)
    push_dataset(make_dataset(), NAME)
    assert parquet_puts(hub) == sent + 1 and name not in hub.repos[NAME].head.files


def test_the_changelog_counts_rows_by_leaf(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """Added, dropped and changed rows, in the card and in the commit, newest release first, older ones kept."""
    push_dataset(make_dataset(), NAME)
    changed = make_dataset(more={LEAVES[0]: 6, LEAVES[1]: 1}, answers={LEAVES[2]: "Other."}, commit=None)
    report = push_dataset(changed, NAME, tag="second")
    assert report.changes == (
        LeafRows(LEAVES[0], added=2),
        LeafRows(LEAVES[1], dropped=3),
        LeafRows(LEAVES[2], changed=4),
    )
    push_dataset(make_dataset(more={LEAVES[0]: 7}), NAME)
    head = hub.repos[NAME].head
    card = head.files["README.md"].data.decode()
    titles = [line for line in card.splitlines() if line.startswith("### ")]
    assert titles == [
        f"### Release v2, taxonomy {COMMIT[:12]}",
        "### Release second",
        f"### Release v1, taxonomy {COMMIT[:12]}",
    ]
    assert f"- `{LEAVES[0]}`: 2 added" in card and f"- `{LEAVES[1]}`: 3 dropped" in card
    assert f"- `{LEAVES[0]}`: 1 added" in head.description
    assert card.count("## Changes\n") == 1


def test_pushing_the_same_again_changes_nothing(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """No commit, no tag, no upload."""
    folder = make_dataset()
    push_dataset(folder, NAME)
    commits, sent = len(hub.repos[NAME].commits), parquet_puts(hub)
    report = push_dataset(folder, NAME)
    assert (report.uploaded, report.deleted, report.commit, report.tag) == ((), (), None, "")
    assert (len(hub.repos[NAME].commits), parquet_puts(hub), len(hub.repos[NAME].tags)) == (commits, sent, 1)


def test_a_dry_run_writes_nothing(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """It lists what would travel, on a new repository and on an old one."""
    folder = make_dataset()
    report = push_dataset(folder, NAME, dry_run=True)
    assert report.dry_run and report.created and report.tag == "v1"
    assert {path for path, _ in report.uploaded} == released(folder)
    assert hub.repos == {}
    push_dataset(make_dataset(), NAME)
    before = len(hub.asked)
    report = push_dataset(make_dataset(more={LEAVES[0]: 5}), NAME, dry_run=True)
    assert [path for path, _ in report.uploaded if "compositional" in path] and len(report.deleted) == 1
    assert all(method in ("GET", "HEAD") for method, _ in hub.asked[before:])


def test_a_dry_run_needs_neither_token_nor_hub(
    hub: LocalHub, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a token nothing private is seen; without a Hub every file is listed, with a note."""
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert push_dataset(make_dataset(), NAME, dry_run=True).created
    folder = make_dataset()
    report = push_dataset(folder, NAME, dry_run=True, endpoint="http://127.0.0.1:9")
    assert {path for path, _ in report.uploaded} == released(folder) and "can't be reached" in report.notes[0]
    with pytest.raises(PublishError, match="no token"):
        push_dataset(make_dataset(), NAME)


def test_offline_mode_is_respected(hub: LocalHub, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run still lists everything; a release says what to unset."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert push_dataset(make_dataset(), NAME, dry_run=True).uploaded
    with pytest.raises(PublishError, match="HF_HUB_OFFLINE is set"):
        push_dataset(make_dataset(), NAME)
    assert hub.asked == []


def test_a_pull_request_leaves_main_alone(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """Its address is reported; it is tagged by nobody; a token that may only read suffices."""
    push_dataset(make_dataset(), NAME)
    main = hub.repos[NAME].head.oid
    report = push_dataset(make_dataset(rows=5), NAME, pr=True, token=READ_TOKEN)
    repo = hub.repos[NAME]
    assert report.pull_request.endswith("/discussions/1") and report.tag == ""
    assert repo.head.oid == main and repo.pulls[0].oid == report.commit and repo.tags == {"v1": main}
    with pytest.raises(PublishError, match="nothing to open a pull request on"):
        push_dataset(make_dataset(), "ada/other", pr=True)


def test_public_only_when_asked_for(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """And an existing repository keeps its visibility, with a note."""
    assert not push_dataset(make_dataset(), NAME, public=True).private
    assert not hub.repos[NAME].private
    report = push_dataset(make_dataset(rows=5), NAME)
    assert not hub.repos[NAME].private and not report.private
    assert "stays so" in report.notes[0]


REFUSED = {
    "rehearsal": ({"rehearsal": True}, "rehearsal teacher's"),
    "incomplete": ({"complete": False}, "run `labgen generate` again"),
    "unknown-licence": ({"licence": ""}, LEAVES[0]),
    "secrets": (
        {"answers": {LEAVES[1]: "The key is " + "ghp_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2"}},
        "GitHub token",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_refusal_can_be_allowed_by_name(hub: LocalHub, make_dataset: MakeDataset, name: str) -> None:
    """Refused with reason and name, without a trace on the Hub; released where that name is allowed, and only then."""
    settings, says = REFUSED[name]
    folder = make_dataset(**settings)  # type: ignore[arg-type]
    with pytest.raises(PublishError, match=f"--allow {name}") as caught:
        push_dataset(folder, NAME, allow=frozenset(set(REFUSED) - {name}))
    assert says in str(caught.value)
    assert "aB3dE5gH7" not in str(caught.value)
    assert hub.repos == {}
    report = push_dataset(folder, NAME, allow=frozenset({name}))
    assert report.allowed == (name,) and hub.repos[NAME].tags


def test_all_refusals_are_named_at_once(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """Whoever has to mend three things hears of three."""
    folder = make_dataset(rehearsal=True, complete=False, licence="unknown")
    with pytest.raises(PublishError, match="--allow rehearsal --allow incomplete --allow unknown-licence"):
        push_dataset(folder, NAME)


def test_personal_data_is_counted_in_a_note(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """It is no refusal, but it is said."""
    folder = make_dataset(answers={LEAVES[1]: "Ask jane.doe@corp.net"})
    assert "e-mail address, 4 times" in push_dataset(folder, NAME).notes[0]


def test_a_cut_push_is_resumed(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """Killed in the middle of an upload: run again, it sends what is missing and nothing twice."""
    folder = make_dataset()
    hub.faults.append(Fault("PUT", "^/lfs/", "stall"))
    environment = {**os.environ, "LABGEN_DATASET": str(folder)}
    process = subprocess.Popen([sys.executable, "-m", "labgen", "push", NAME], env=environment)
    assert hub.stalled.wait(60)
    while len(hub.objects) < 2:
        assert process.poll() is None
        hub.stalled.wait(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    hub.release.set()
    stored = set(hub.objects)
    assert len(stored) == 2 and len(hub.repos[NAME].commits) == 1
    sent = parquet_puts(hub)
    report = push_dataset(folder, NAME)
    assert parquet_puts(hub) == sent + 1
    assert report.tag == "v1" and len(hub.repos[NAME].commits) == 2


def test_a_dropped_connection_is_tried_again(
    hub: LocalHub, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cut upload and one 503 do not stop a release."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    hub.faults += [Fault("PUT", "^/lfs/", "cut"), Fault("POST", "/preupload/", 503)]
    assert push_dataset(make_dataset(), NAME).tag == "v1"


def test_a_push_cut_before_its_tag_is_finished_by_the_next(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """The commit stands, the tag failed: running again tags it and commits nothing."""
    folder = make_dataset()
    hub.faults.append(Fault("POST", "/tag/", 500))
    with pytest.raises(PublishError, match="in trouble"):
        push_dataset(folder, NAME)
    repo = hub.repos[NAME]
    assert len(repo.commits) == 2 and repo.tags == {}
    report = push_dataset(folder, NAME)
    assert report.tag == "v1" and report.commit is None
    assert len(repo.commits) == 2 and repo.tags == {"v1": repo.head.oid}


FAULTS = [
    ("POST", "/api/repos/create", 403, "may not write to `ada`"),
    ("POST", "/api/repos/create", 500, "in trouble \\(status 500\\)"),
    ("POST", "/commit/", 401, "does not accept the token"),
    ("POST", "/commit/", 403, "may not write"),
    ("POST", "/commit/", 409, "someone else changed it meanwhile"),
    ("POST", "/commit/", 412, "someone else changed it meanwhile"),
    ("POST", "/commit/", 413, "too large"),
    ("POST", "/commit/", 429, "fewer requests"),
    ("POST", "/commit/", 502, "in trouble"),
    ("POST", "/commit/", "cut", "connection was cut"),
    ("PUT", "^/lfs/", 403, "may not write"),
    ("GET", "/refs", 404, "does not know it"),
]


@pytest.mark.parametrize(("method", "path", "what", "says"), FAULTS)
def test_the_hubs_refusals_are_explained(
    hub: LocalHub, make_dataset: MakeDataset, method: str, path: str, what: int | str, says: str
) -> None:
    """In words that say what to do, with the request's id and never the token; a second try succeeds."""
    folder = make_dataset()
    if path == "/refs":
        hub.create(NAME)
    hub.faults.append(Fault(method, path, what, times=1 if method != "PUT" else 3))
    with pytest.raises(PublishError, match=says) as caught:
        push_dataset(folder, NAME)
    assert TOKEN not in str(caught.value)
    hub.faults.clear()
    assert push_dataset(folder, NAME).tag == "v1"


def test_a_wrong_token_is_said(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """One that the Hub does not know, and one that may only read."""
    with pytest.raises(PublishError, match="does not accept the token") as caught:
        push_dataset(make_dataset(), NAME, token="hf_nobody")
    assert "hf_nobody" not in str(caught.value)
    with pytest.raises(PublishError, match="may not write"):
        push_dataset(make_dataset(), NAME, token=READ_TOKEN)


def test_someone_elses_commit_in_between_is_not_overwritten(
    hub: LocalHub, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push says so; the next one compares anew and keeps the other's file."""
    push_dataset(make_dataset(), NAME)
    repo = hub.repos[NAME]
    from labgen.publish import hub as publishing

    decide = publishing._decide

    def slowly(*arguments: object) -> object:
        step = decide(*arguments)  # type: ignore[arg-type]
        repo.commits.append(type(repo.head)(hub.next_oid(), {**repo.head.files}, "by someone else"))
        return step

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_decide", slowly)
        with pytest.raises(PublishError, match="someone else changed it meanwhile"):
            push_dataset(make_dataset(rows=5), NAME)
    assert repo.head.title == "by someone else"
    push_dataset(make_dataset(rows=5), NAME)
    assert [commit.title[:10] for commit in repo.commits[-2:]] == ["by someone", "Release v2"]


def test_other_peoples_files_stay(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """A licence that someone added stays; a repository of something else is refused; one fresh from the web is not."""
    push_dataset(make_dataset(), NAME)
    head = hub.repos[NAME].head
    head.files["LICENSE"] = type(head.files["README.md"])(b"Apache-2.0", False)
    push_dataset(make_dataset(rows=5), NAME)
    assert hub.repos[NAME].head.files["LICENSE"].data == b"Apache-2.0"
    hub.create("ada/novel", files={"chapter.txt": b"It was a dark night."})
    with pytest.raises(PublishError, match=r"did not release \(chapter.txt\)"):
        push_dataset(make_dataset(), "ada/novel")
    hub.create("ada/foreign", files={"manifest.json": b'{"name": "web app"}'})
    with pytest.raises(PublishError, match="is not labgen's"):
        push_dataset(make_dataset(), "ada/foreign")
    hub.create("ada/fresh", files={"README.md": b"---\nlicense: mit\n---\n"})
    assert push_dataset(make_dataset(), "ada/fresh").tag == "v1"


def test_a_taken_tag_is_refused_before_anything_travels(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """And the same release may be tagged a second time by another name."""
    push_dataset(make_dataset(), NAME, tag="stable")
    sent = parquet_puts(hub)
    with pytest.raises(PublishError, match="`stable` exists already"):
        hub.repos[NAME].commits.append(hub.repos[NAME].commits[0])
        push_dataset(make_dataset(rows=5), NAME, tag="stable")
    hub.repos[NAME].commits.pop()
    assert parquet_puts(hub) == sent
    assert push_dataset(make_dataset(), NAME, tag="gold").tag == "gold"
    assert set(hub.repos[NAME].tags) == {"stable", "gold"}


def test_changed_or_missing_data_is_not_released(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """A card edited by hand is; a data file that is not the built one is not."""
    folder = make_dataset()
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nBy hand.\n")
    push_dataset(folder, NAME)
    assert b"By hand." in hub.repos[NAME].head.files["README.md"].data
    file = next((folder / "data").glob("knowledge*"))
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(UsageError, match="is not the file that was built"):
        push_dataset(folder, NAME)
    file.unlink()
    with pytest.raises(UsageError, match="can't be read"):
        push_dataset(folder, NAME)


def test_wrong_use_is_explained(hub: LocalHub, make_dataset: MakeDataset, tmp_path: Path) -> None:
    """Not a name, not a refusal, not a dataset, not a file inside it."""
    with pytest.raises(UsageError, match="OWNER/NAME"):
        push_dataset(make_dataset(), "rocks")
    with pytest.raises(UsageError, match="no refusal `all`"):
        push_dataset(make_dataset(), NAME, allow=frozenset({"all"}))
    with pytest.raises(UsageError, match=r"manifest\.json is missing"):
        push_dataset(tmp_path, NAME)
    folder = make_dataset()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../../secret"] = {"bytes": 1, "sha256": "0"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="outside the dataset"):
        push_dataset(folder, NAME)


def test_the_command_line_says_what_it_did(hub: LocalHub, make_dataset: MakeDataset) -> None:
    """Dry run, release, nothing new, a refusal's message and status, JSON; the token is in none of it."""
    folder = make_dataset()
    run = CliRunner()
    base = ["push", NAME, "--dataset", str(folder)]
    said = [run.invoke(app, [*base, "--dry-run"]), run.invoke(app, base), run.invoke(app, base)]
    assert [result.exit_code for result in said] == [0, 0, 0]
    assert "Would be released as v1" in said[0].output and "  + data/knowledge-" in said[0].output
    assert f"Released as v1 at {hub.url}/datasets/{NAME} (private, new)." in said[1].output
    assert "has exactly this dataset already" in said[2].output
    result = run.invoke(app, [*base, "--json"])
    assert json.loads(result.stdout)["repo_id"] == NAME
    make_dataset(rehearsal=True)
    refused = run.invoke(app, base)
    assert isinstance(refused.exception, PublishError) and refused.exception.exit_status == 1
    assert all(TOKEN not in result.output for result in (*said, result, refused))
