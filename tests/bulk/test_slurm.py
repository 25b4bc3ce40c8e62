"""The Slurm script, with stand-ins for `sbatch` and for the runner: what is called whole is whole, and asked once."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bulk_slurm"

SBATCH = """\
import os, subprocess, sys
first, last = (int(part) for part in sys.argv[1].removeprefix("--array=").split("-"))
statuses = []
for task in range(first, last + 1):
    slurm = {"SLURM_JOB_ID": str(100 + task), "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_MIN": str(first)}
    slurm["SLURM_ARRAY_TASK_COUNT"] = str(last - first + 1)
    statuses.append(subprocess.run(["bash", *sys.argv[2:]], env={**os.environ, **slurm}).returncode)
sys.exit(max(statuses))
"""
"""Runs the tasks of an array one after another, as `sbatch` would on as many nodes."""

RUNNER = """\
import json, os, sys, time
from pathlib import Path
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
asked, fault = Path(given["-i"]), Path(given["-i"]).with_suffix(".fault")
with Path(os.environ["CALLS"]).open("a") as calls:
    calls.write(f"{asked.stem} {given['--model']}\\n")
kind = fault.read_text() if fault.exists() else ""
lines = asked.read_text().splitlines()
with Path(given["-o"]).open("w") as file:
    for number, line in enumerate(lines):
        reply = json.dumps({"custom_id": json.loads(line)["custom_id"], "response": {"status_code": 200, "body": {}}})
        if kind and number == len(lines) // 2:
            file.write(reply[:20])
            file.flush()
            if kind == "dies":
                os._exit(9)
            if kind == "ends early":
                sys.exit(0)
            time.sleep(600)
        file.write(reply + "\\n")
"""
"""Answers a batch file as `vllm run-batch` does, or not, as the file beside it says."""


@pytest.fixture
def round_folder(tmp_path):
    """Five files of four requests each, in a folder whose name has a space."""
    folder = tmp_path / "a round"
    folder.mkdir()
    for number in range(5):
        lines = [json.dumps({"custom_id": f"{number}-{line}", "body": {}}) for line in range(4)]
        (folder / f"part-{number}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def environment(tmp_path):
    """PATH with the stand-in for `sbatch`, and RUNNER."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sbatch").write_text(f"#!{sys.executable}\n{SBATCH}")
    (tools / "runner").write_text(f"#!{sys.executable}\n{RUNNER}")
    for file in tools.iterdir():
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "RUNNER": "runner", "CALLS": str(tmp_path / "calls")}


def submit(folder, environment, array="0-1"):
    """As the script's head says. Returns: the worst status of a task, and what the tasks said."""
    command = ["sbatch", f"--array={array}", str(SCRIPT), str(folder), "--model", "m"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def calls(environment):
    """Files that the runner was started for, in order."""
    return [line.split()[0] for line in Path(environment["CALLS"]).read_text().splitlines()]


def whole(folder):
    """Name of each file of replies to whom it answers."""
    found = {}
    for path in sorted((folder / "replies").glob("*.jsonl")):
        found[path.stem] = [json.loads(line)["custom_id"] for line in path.read_text().splitlines()]
    return found


ALL = {f"part-{number}": [f"{number}-{line}" for line in range(4)] for number in range(5)}


@pytest.mark.parametrize("array", ["0-0", "0-1", "3-5", "0-8"])
def test_any_number_of_tasks_answers_every_file_once(round_folder, environment, array):
    """Fewer tasks than files, more of them, and an array that does not begin at 0."""
    status, _ = submit(round_folder, environment, array)
    assert status == 0
    assert whole(round_folder) == ALL
    assert sorted(calls(environment)) == sorted(ALL)
    assert not list((round_folder / "replies").glob("*.half"))


@pytest.mark.parametrize("fault", ["dies", "ends early"])
def test_a_half_written_file_never_looks_whole_and_the_others_are_answered(round_folder, environment, fault):
    """Whatever the runner's status says of it; and a second submission asks for that file alone."""
    (round_folder / "part-2.fault").write_text(fault)
    status, words = submit(round_folder, environment)
    assert status == 1
    assert "part-2: status" in words and "2 of 4 lines" in words
    assert whole(round_folder) == {name: lines for name, lines in ALL.items() if name != "part-2"}

    (round_folder / "part-2.fault").unlink()
    Path(environment["CALLS"]).unlink()
    assert submit(round_folder, environment)[0] == 0
    assert whole(round_folder) == ALL
    assert calls(environment) == ["part-2"]


def test_a_task_that_is_killed_leaves_nothing_that_looks_whole(round_folder, environment):
    """As Slurm does at the end of the time that a job has."""
    (round_folder / "part-0.fault").write_text("hangs")
    command = ["bash", str(SCRIPT), str(round_folder), "--model", "m"]
    task = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    while not any(file.stat().st_size for file in (round_folder / "replies").glob("*.half")):
        assert task.poll() is None
        time.sleep(0.02)
    os.killpg(task.pid, signal.SIGKILL)
    task.wait()
    assert whole(round_folder) == {}

    (round_folder / "part-0.fault").unlink()
    assert submit(round_folder, environment)[0] == 0
    assert whole(round_folder) == ALL


def test_a_folder_without_files_is_told(tmp_path, environment):
    """With the command that writes them."""
    status, words = submit(tmp_path, environment, "0-0")
    assert status == 2
    assert "labgen bulk write" in words
