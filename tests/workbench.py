"""A small taxonomy of every kind of leaf, and labgen run on it as a user runs it."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from forked_commands import ForkedCommand

TIDES = """# Tides

Tides are the rise and fall of the sea. The pull of the Moon is their main cause. A high tide comes about every 12 hours
and 25 minutes in most places.

## Spring and neap tides

Spring tides come near full and new moon, when Sun and Moon pull along one line. Neap tides come near the quarters, when
the two pull at right angles. The difference between high and low water is called the tidal range.

## Harbours

The harbour of Granville has a range of about 13 metres. The Baltic Sea has hardly any tide, since its way in is narrow.
Sailors read tide tables before they leave a harbour. The first written tide table for London is of the 13th century.

## Power

The Rance barrage in Brittany opened in 1966. It makes electricity from the tide with 24 turbines. Salt water wears
metal parts, so they are made of bronze and stainless steel.
"""


def write_leaf(root: Path, path: str, **content: Any) -> Path:
    """Write a leaf's YAML and return its file."""
    file = root / path / "qna.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"version": 3, "created_by": "tester", **content}, sort_keys=False))
    return file


def knowledge(**changes: Any) -> dict[str, Any]:
    """Content of a knowledge leaf on `TIDES`."""
    contexts = [paragraph for paragraph in TIDES.split("\n\n") if not paragraph.startswith("#")][:3]
    pairs = [
        [
            ("What is the main cause of tides?", "The pull of the Moon."),
            ("How often is it high tide?", "Every 12 h 25."),
        ],
        [
            ("When do spring tides come?", "Near full and new moon."),
            ("What is the tidal range?", "High less low water."),
        ],
        [("Which sea has hardly any tide?", "The Baltic Sea."), ("Where is it 13 metres?", "In Granville.")],
    ]
    seeds = [
        {"context": context, "questions_and_answers": [{"question": q, "answer": a} for q, a in some]}
        for context, some in zip(contexts, pairs, strict=True)
    ]
    document = {"repo": ".", "commit": "0" * 40, "patterns": ["*.md"]}
    return {
        "domain": "Oceanography",
        "document_outline": "Tides",
        "seed_examples": seeds,
        "document": document,
        **changes,
    }


def freeform(**changes: Any) -> dict[str, Any]:
    """Content of a skill leaf without contexts."""
    seeds = [
        ("Name three rivers that flow through Germany.", "The Rhine, the Elbe and the Danube flow through Germany."),
        (
            "Write a two-line poem on rain in autumn.",
            "Rain taps the roof all night,\nand autumn turns dark in its light.",
        ),
        ("Explain to a child why bread rises.", "Yeast eats sugar and makes bubbles; the bubbles lift the bread."),
        ("Suggest a title for a talk on beehives.", "A title for a talk on beehives: Life in the Hive."),
        ("List two uses of a wooden spoon.", "A wooden spoon can stir soup and can beat a drum."),
    ]
    return {
        "task_description": "Answer short everyday requests.",
        "seed_examples": [{"question": q, "answer": a} for q, a in seeds],
        **changes,
    }


def grounded(**changes: Any) -> dict[str, Any]:
    """Content of a skill leaf whose every seed has a context."""
    notes = [
        ("Anna will send the invoice to Berger by Monday.", "Who does what?", "Anna will send the invoice."),
        ("Tom books the meeting room for Thursday at nine.", "What is to be done?", "Tom books the meeting room."),
        (
            "The printer is broken. Lea calls the repair shop.",
            "Name the task and its owner.",
            "Lea calls the repair shop.",
        ),
        ("Paul orders forty chairs for the summer party.", "What has Paul to do?", "Paul orders forty chairs."),
        ("Mira checks the fire alarms before the audit.", "Which task is mentioned?", "Mira checks the fire alarms."),
    ]
    return {
        "task_description": "Find the task in a note.",
        "seed_examples": [{"context": c, "question": q, "answer": a} for c, q, a in notes],
        **changes,
    }


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    """Three leaves, one of each flow."""
    return write_taxonomy(tmp_path)


def write_taxonomy(folder: Path) -> Path:
    """Write three leaves, one of each flow, and return their taxonomy."""
    root = folder / "taxonomy"
    leaf = write_leaf(root, "knowledge/science/tides", **knowledge())
    (leaf.parent / "tides.md").write_text(TIDES)
    write_leaf(root, "foundational_skills/requests", **freeform())
    write_leaf(root, "compositional_skills/notes/tasks", **grounded())
    return root


@dataclass
class Run:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)


@dataclass
class Labgen:
    """The command line, run in a folder of its own."""

    folder: Path

    def start(self, *arguments: str, **environment: str) -> ForkedCommand | subprocess.Popen[str]:
        """Start a command in a process of its own and return at once."""
        if sys.platform.startswith("linux"):
            return ForkedCommand(self.folder, arguments, clean_environment() | environment)
        return subprocess.Popen(
            [sys.executable, "-m", "labgen", *arguments],
            cwd=self.folder,
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **environment: str) -> Run:
        """Run a command to its end, in this process: exactly what `python -m labgen` runs, without its start."""
        from labgen.cli import main

        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, clean_environment() | environment, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main(list(arguments))
        return Run(int(end.value.code or 0), out.getvalue(), err.getvalue())


def clean_environment() -> dict[str, str]:
    """The environment without whatever would configure labgen."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LABGEN_", "OPENAI_")) and "PROXY" not in name.upper()
    }


@pytest.fixture
def labgen(tmp_path: Path) -> Labgen:
    """The command line in `tmp_path`, where the taxonomy is."""
    return Labgen(tmp_path)


@cache
def built_once(*arguments: str) -> Path:
    """A folder with the small taxonomy and what `labgen generate ARGUMENTS` leaves there: to be read, or copied."""
    folder = Path(tempfile.mkdtemp(prefix="labgen-built-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_taxonomy(folder)
    run = Labgen(folder)("generate", *arguments)
    assert run.status == 0, run.err
    return folder


@dataclass
class Teacher:
    """A rehearsal teacher in a process of its own."""

    base_url: str

    def stats(self) -> dict[str, int]:
        """How many requests it answered, and how many of them more than once."""
        from urllib.request import urlopen

        with urlopen(f"{self.base_url}/labgen/stats") as response:
            return dict(json.load(response))


@pytest.fixture
def teacher(labgen: Labgen) -> Iterator[Teacher]:
    """`labgen teacher --port 0`, slowed down a little so that there are calls in flight to be lost."""
    process = labgen.start("teacher", "--port", "0", "--delay-sec", "0.02")
    assert process.stdout is not None
    try:
        yield Teacher(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.communicate(timeout=10)


def longest_conversation(dataset: Path) -> int:
    """Turns of the row that has most of them; a question and its answer are two."""
    import pyarrow.parquet as pq

    files = [file for branch in ("knowledge", "*_skills") for file in (dataset / "data").glob(f"{branch}-*.parquet")]
    return max(len(turns) for file in files for turns in pq.read_table(file)["messages"].to_pylist())


def digest(folder: Path) -> dict[str, str]:
    """Hash of every file of a dataset, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
