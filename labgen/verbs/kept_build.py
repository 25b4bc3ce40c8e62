"""A whole build found again: where nothing that it rests on has changed, the dataset that stands there is its dataset.

What is kept beside the leaves' outcomes is a hash of all that went into a build that asked nothing, of the ledger's
file, and of the dataset's manifest, which has the hash of every file. All of that is looked at again before the build
is believed; then its dataset need not be written anew, byte for byte the same.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from labgen.errors import LabgenError
from labgen.export.files import hash_file
from labgen.export.folder import MANIFEST, claim_output, read_manifest
from labgen.export.funnel import Funnel
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.filters.calibration import Calibration
from labgen.generate.dry_run import NobodyAsked
from labgen.generate.engine import Progress
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.outcome_inputs import leaf_inputs, run_inputs
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.run_lock import run_lock
from labgen.outcomes.hashing import as_plain, plain_hash
from labgen.outcomes.store import OutcomeStore
from labgen.records import Answerer
from labgen.teacher.budget import Budget
from labgen.teacher.traffic import Origin, Traffic
from labgen.text.token_count import ESTIMATE
from labgen.verbs.built import Build
from labgen.verbs.session import Session

if TYPE_CHECKING:
    from labgen.export.collect import Collector
    from labgen.export.dataset import DatasetWriter

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a build came to. It is kept of one that asked nothing.

    Attributes:
        funnel, calibrations, agreement, progress, rehearsal, answered_by: as those of `labgen.verbs.built.Build`.
        leaves: leaf to how far it was in the end.
        kept_from: where the replies come from that were taken from the ledger.
    """

    funnel: Funnel
    calibrations: dict[str, Calibration]
    agreement: dict[str, Any] | None
    progress: Progress
    leaves: dict[str, LeafProgress]
    kept_from: Counter[Origin]
    rehearsal: bool
    answered_by: tuple[Answerer, ...]

    @classmethod
    def of(
        cls, collector: Collector, writer: DatasetWriter, about: BuildInfo, progress: Progress, traffic: Traffic
    ) -> Self:
        """That of a build which has brought in all that there is. `about`: as its replies say."""
        return cls(
            collector.funnel,
            collector.calibrations,
            writer.agreement,
            progress,
            collector.progress,
            traffic.kept_from,
            about.rehearsal,
            about.answered_by,
        )

    def build(self, session: Session, traffic: Traffic, budget: Budget) -> Build:
        """It as a build that is complete, at its place."""
        return Build(
            session.config.output,
            self.funnel,
            session.sources.left_out,
            session.sources.messages,
            complete=True,
            rehearsal=self.rehearsal,
            answered_by=self.answered_by,
            progress=self.progress,
            traffic=traffic,
            budget=budget,
            calibrations=self.calibrations,
            agreement=self.agreement,
        )


class KeptBuild:
    """The build of a session, as it is kept in the work folder.

    Args:
        about: what it says of itself, before anything has answered; leaves: what its dataset says of each.
    """

    def __init__(self, session: Session, about: BuildInfo, leaves: Sequence[LeafInfo]) -> None:
        self._session, self._about, self._leaves = session, about, leaves
        self._key_found: bytes | None = None

    @property
    def possible(self) -> bool:
        """Whether all that the build rests on can be told: not what other datasets, tokenizers, packages, or replies to
        what is held out bring.
        """
        config, replay = self._session.config, self._session.replay
        elsewhere = config.mix.extras or config.mix.tokenizer != ESTIMATE or config.held_out.wanted
        return bool(config.outcomes.max_bytes and replay.possible and not replay.watch and not elsewhere)

    def find(self) -> Found | None:
        """What the build comes to, where its dataset stands at its place already; None where it has to be made.

        Raises: LabgenError: another run has the work folder or the dataset's.
        """
        if not self.possible:
            return None
        config, replay = self._session.config, self._session.replay
        with run_lock(config.work_folder), claim_output(config.output):
            with replay.store(read_only=True) as store:
                number, found = self._kept_in(store)
            if found:
                with replay.store() as store:
                    store.note_use([number])
        return found

    def look(self) -> Found | None:
        """What `find` would find, as far as can be told without keeping other runs away meanwhile."""
        if not self.possible:
            return None
        with self._session.replay.store(read_only=True) as store:
            return self._kept_in(store)[1]

    def _kept_in(self, store: OutcomeStore) -> tuple[int, Found | None]:
        """What is kept of the build that stands at its place, and its number; 0 and None for nothing."""
        config = self._session.config
        for number, content in store.find(self._key):
            ledger, manifest, found = pickle.loads(content)  # noqa: S301 (sealed here: see labgen.outcomes.seal)
            if manifest == _manifest_hash(config.output) and ledger == _ledger_hash(config.work_folder):
                return (number, found) if _is_whole(config.output) else (0, None)
        return 0, None

    def keep(self, found: Found) -> None:
        """Keep what it came to. To be called once the dataset stands at its place, and with the ledger at rest."""
        config = self._session.config
        if self.possible and (manifest := _manifest_hash(config.output)):
            content = pickle.dumps((_ledger_hash(config.work_folder), manifest, found), protocol=5)
            with self._session.replay.store() as store:
                store.keep(self._key, content)

    @property
    def _key(self) -> bytes:
        """Hash of all that the build depends on but replies: every setting and leaf, and what is said of both."""
        if self._key_found is None:
            session = self._session
            run = run_inputs(session.replay.context(NobodyAsked()))
            plain = [
                "build",
                run.hex(),
                [leaf_inputs(plan, run).hex() for plan in session.sources.plans],
                [as_plain(leaf) for leaf in self._leaves],
                as_plain(self._about),
                session.config.plain(),
            ]
            self._key_found = plain_hash(plain)
        return self._key_found


def _ledger_hash(work_folder: Path) -> bytes:
    """Hash of the ledger's file, and of what its journal has beside it."""
    digest = hashlib.blake2b(digest_size=32)
    for name in (LEDGER_NAME, f"{LEDGER_NAME}-wal"):
        digest.update(b"\0")
        try:
            with (work_folder / name).open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
        except FileNotFoundError:
            continue
    return digest.digest()


def _manifest_hash(dataset: Path) -> bytes:
    """Hash of a dataset's manifest; empty where there is none."""
    try:
        return hashlib.sha256((dataset / MANIFEST).read_bytes()).digest()
    except OSError:
        return b""


def _is_whole(dataset: Path) -> bool:
    """Whether a dataset's files are what its manifest says, and nothing is left beside it of a run that was killed."""
    folder = dataset.resolve()
    if any((folder.parent / f".{folder.name}.{word}").exists() for word in ("new", "old")):
        return False
    try:
        files = read_manifest(folder)["files"]
        if any((folder / name).resolve() != folder / name for name in (MANIFEST, *files)):
            return False  # a link leads elsewhere
        return all(hash_file(folder / name) == (file["sha256"], file["bytes"]) for name, file in files.items())
    except (LabgenError, OSError, LookupError, TypeError, AttributeError):
        return False
