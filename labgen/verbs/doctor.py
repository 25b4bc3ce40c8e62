"""What `labgen doctor` looks at: endpoints, this machine, the configuration. Every finding says what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from labgen.config import Config
from labgen.errors import LabgenError
from labgen.ledger.replies import LEDGER_NAME, Ledger
from labgen.ledger.verify import file_bytes
from labgen.teacher.connect import Place, places
from labgen.teacher.probe import Finding, probe_endpoint
from labgen.teacher.quirks import Quirks

NOTHING = "Nothing to do."
SCARCE_BYTES = 1_000_000_000
"""Free space below which a large build may not end: some 10 kB a row, ledger and dataset together."""
TOO_FEW_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """All findings. `well` is whether none of them stands in the way of a build."""

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether nothing failed."""
        return all(finding.status != "fail" for finding in self.findings)


def examine(config: Config) -> Report:
    """Look at everything that a build depends on. Asks every endpoint about a dozen short calls; writes no reply.

    What is found out of an endpoint's workarounds replaces what the ledger remembers of it, where there is a ledger.
    """
    return Report((*examine_machine(config), *examine_configuration(config), *examine_endpoints(config)))


def examine_machine(config: Config) -> Iterator[Finding]:
    """git, work folder, free disk, ledger, token for the Hub."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("machine", "python", "ok", version, NOTHING)
    git = shutil.which("git")
    yield (
        Finding("machine", "git", "ok", git, NOTHING)
        if git
        else Finding(
            "machine", "git", "warn", "not found", "Install git: knowledge leaves' documents are fetched with it."
        )
    )
    work = config.work_folder
    yield _folder(work)
    yield _disk(work)
    yield _ledger(work)
    yield _hub_token()


def examine_configuration(config: Config) -> Iterator[Finding]:
    """Taxonomy, tokenizer, output folder."""
    from labgen.export.folder import MANIFEST
    from labgen.text.token_count import load_token_counter

    where = "configuration"
    leaves = sum(1 for _ in config.taxonomy.rglob("qna.yaml")) if config.taxonomy.is_dir() else 0
    yield (
        Finding(where, "taxonomy", "ok", f"{config.taxonomy}: {leaves} leaves", "`labgen check` says how they are.")
        if leaves
        else Finding(where, "taxonomy", "fail", f"{config.taxonomy}: no qna.yaml below it", "Give --taxonomy.")
    )
    try:
        load_token_counter(config.tokenizer)
        yield Finding(where, "tokenizer", "ok", config.tokenizer, NOTHING)
    except LabgenError as error:
        yield Finding(where, "tokenizer", "fail", str(error), "Correct `tokenizer:` in labgen.yaml.")
    output = config.output
    foreign = output.exists() and not (output / MANIFEST).is_file() and (not output.is_dir() or any(output.iterdir()))
    yield (
        Finding(where, "output", "fail", f"{output}: holds what labgen did not write", "Choose another with --output.")
        if foreign
        else Finding(where, "output", "ok", str(output), NOTHING)
    )


def examine_endpoints(config: Config) -> list[Finding]:
    """Every endpoint of teacher and judge; one finding where none is configured."""
    try:
        known = places(config)
    except LabgenError as error:
        return [Finding("configuration", "endpoints", "fail", str(error), "Correct it in labgen.yaml.")]
    if not known:
        todo = "Give --base-url and --model (or set them in labgen.yaml) for real rows."
        return [Finding("configuration", "endpoints", "ok", "none: the built-in rehearsal teacher answers", todo)]
    return [finding for place in known for finding in _examine_place(config, place)]


def _examine_place(config: Config, place: Place) -> list[Finding]:
    """The findings of one endpoint, what it needs for this configuration's longest call included."""
    generation = config.generation
    needed = config.documents.chunk_tokens + 1500 + max(generation.max_pair_tokens, generation.max_response_tokens)
    findings, lacking = asyncio.run(
        probe_endpoint(
            place.base_url,
            place.key,
            name=place.name,
            key_env=place.key_env,
            model=place.send_model,
            chat_format=place.chat_format,
            timeout_sec=place.timeout_sec,
            needed_tokens=needed,
        )
    )
    work = config.work_folder
    if lacking is not None and (work / LEDGER_NAME).is_file():
        with closing(Ledger(work, ballast_bytes=0)) as ledger:
            quirks = Quirks(place.name, place.send_model, notes=ledger, merges_system=place.merges_system)
            quirks.lacking = set(lacking) | ({"system"} if place.merges_system else set())
            quirks.remember()
    return findings


def _folder(work: Path) -> Finding:
    existing = next(folder for folder in (work.absolute(), *work.absolute().parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Finding("machine", "work folder", "ok", str(work), NOTHING)
    return Finding("machine", "work folder", "fail", f"{work}: can't be written", "Choose another with --work.")


def _disk(work: Path) -> Finding:
    existing = next(folder for folder in (work.absolute(), *work.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    words = f"{free / 1e9:,.1f} GB free at {work}"
    if free < TOO_FEW_BYTES:
        return Finding("machine", "disk", "fail", words, "Make room, or choose another disk with --work.")
    if free < SCARCE_BYTES:
        return Finding("machine", "disk", "warn", words, "Enough for a small build; make room before a large one.")
    return Finding("machine", "disk", "ok", words, NOTHING)


def _ledger(work: Path) -> Finding:
    if not (work / LEDGER_NAME).is_file():
        return Finding("machine", "ledger", "ok", "none yet", "`labgen generate` begins one.")
    try:
        with closing(Ledger(work, read_only=True)) as ledger:
            count = ledger.query("SELECT count(*) FROM replies")[0][0]
    except LabgenError as error:
        return Finding("machine", "ledger", "fail", str(error), "`labgen ledger verify` says what can be saved.")
    words = f"{count:,} paid calls, {file_bytes(work) / 1e6:,.1f} MB"
    return Finding("machine", "ledger", "ok", words, "`labgen ledger` shows them by leaf and step.")


def _hub_token() -> Finding:
    try:
        from huggingface_hub import get_token
    except ImportError:
        words, todo = "huggingface_hub is not installed", "To release on the Hub: pip install 'labgen[hub]'."
        return Finding("machine", "Hub token", "ok", words, todo)
    if get_token():
        return Finding("machine", "Hub token", "ok", "there is one", NOTHING)
    return Finding("machine", "Hub token", "ok", "none", "To release on the Hub, set HF_TOKEN or run `hf auth login`.")
