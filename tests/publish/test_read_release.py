"""A dataset on the Hub is read as one on this machine is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from local_hub import LocalHub

from labgen.formats.dataset_reader import read_dataset
from labgen.publish.hub import push_dataset

# huggingface_hub's own way to hand a file to its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw:DeprecationWarning")


def test_a_release_is_streamed_and_what_it_has_not_is_said(
    hub: LocalHub, make_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows; no such configuration, split or dataset: in words, and nothing else is printed."""
    folder = make_dataset()
    push_dataset(folder, "owner/rocks")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    # In a process of its own: the libraries read the Hub's address when they are imported.
    code = (
        "from labgen.errors import UsageError\n"
        "from labgen.formats.dataset_reader import read_dataset\n"
        "def ids(name, **options):\n"
        "    try:\n        print(' '.join(row['id'] for row in read_dataset(name, **options)))\n"
        "    except UsageError as error:\n        print(error)\n"
        "ids('owner/rocks', config='knowledge')\n"
        "ids('owner/rocks', config='knowledge', columns=['id'])\n"
        "ids('owner/rocks')\n"
        "ids('owner/rocks', config='geology')\n"
        "ids('owner/rocks', config='knowledge', split='test')\n"
        "ids('owner/nothing')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[:2] == 2 * [" ".join(row["id"] for row in read_dataset(folder, config="knowledge"))]
    assert said[2].startswith("owner/rocks/train: can't be read as a dataset (Config name is missing.")
    assert "'geology' not found. Available: ['knowledge'," in said[3]
    assert said[4].startswith("owner/rocks/knowledge/test: ") and "Available splits: ['train']" in said[4]
    assert said[5].startswith("owner/nothing/train: no such file or folder, and no such dataset on the Hub")
    assert done.stderr == ""
