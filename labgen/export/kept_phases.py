"""Training phases of the build before, taken over where they would come out the same.

The phases follow from the branches' finished files and the settings of the mix alone. So what they were made of is kept
in the work folder, as a hash, with what came of it; the files themselves stand in the dataset that is about to be
replaced. Where the hash is the same and the files are what they were, they become files of the new dataset: the same
file under two names for a moment, or a copy where the disk does not do that. Nothing else is kept, sealed on this
machine, and losing it costs time alone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

from labgen.config.dataset import MixConfig
from labgen.export.files import DataFile, hash_file
from labgen.export.mix import Phases, write_phases
from labgen.export.survey import Survey
from labgen.outcomes.hashing import code_version
from labgen.outcomes.seal import own_key, seal, unseal
from labgen.outcomes.store import FOLDER
from labgen.text.token_count import ESTIMATE

NAME = "phases"
SEALED_AS = b"phases"


class KeptPhases:
    """What is kept of a dataset's phases.

    Args:
        work_folder: where it is kept; None for nowhere.
        dataset: the folder that the dataset of before stands in, if any does.
    """

    def __init__(self, work_folder: Path | None, dataset: Path) -> None:
        self._key = (own_key() if work_folder else None) or b""
        self._path = work_folder / FOLDER / NAME if work_folder and self._key else None
        self._dataset = dataset

    def write(self, root: Path, branches: Mapping[str, Sequence[DataFile]], survey: Survey) -> Phases:
        """As `write_phases`, which is asked where the dataset of before has others."""
        mix = survey.mix
        if self._path is None or mix.extras or mix.tokenizer != ESTIMATE:
            # Other datasets and tokenizers may change where they are.
            return write_phases(root, branches, mix, survey)
        made_of = _made_of(branches, mix)
        if kept := self._take_over(self._path, root, made_of):
            return kept
        phases = write_phases(root, branches, mix, survey)
        self._keep(self._path, phases, made_of)
        return phases

    def _take_over(self, path: Path, root: Path, made_of: str) -> Phases | None:
        if not path.is_file():  # a pipe of that name would be waited for
            return None
        try:
            content = unseal(self._key, SEALED_AS, path.read_bytes())
            if content is None:
                return None
            kept = json.loads(content)
            if kept["of"] != made_of:
                return None
            configs = {name: tuple(DataFile(**file) for file in files) for name, files in kept["configs"].items()}
            files = [file for own in configs.values() for file in own]
            if any(hash_file(self._dataset / file.path) != (file.sha256, file.bytes) for file in files):
                return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        for file in files:
            _link(self._dataset / file.path, root / file.path)
        return Phases(configs, kept["report"])

    def _keep(self, path: Path, phases: Phases, made_of: str) -> None:
        configs = {name: [asdict(file) for file in files] for name, files in phases.configs.items()}
        kept = {"of": made_of, "configs": configs, "report": phases.report}
        content = json.dumps(kept).encode()
        written = path.with_name(f"{NAME}.new")  # one run at a time has the work folder
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(seal(self._key, SEALED_AS, content))
            written.replace(path)
        except OSError:
            with suppress(OSError):
                written.unlink()


def _made_of(branches: Mapping[str, Sequence[DataFile]], mix: MixConfig) -> str:
    """A hash of all that decides what the phases are."""
    files = {name: [file.sha256 for file in own] for name, own in branches.items()}
    return _hash(json.dumps([files, mix.plain(), code_version()]).encode())


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=32).hexdigest()
