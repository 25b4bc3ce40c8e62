"""Where retired candidates wait for their leaf's turn, on disk where they are many, so that memory stays flat."""

from __future__ import annotations

import marshal
import tempfile
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from labgen.errors import OutputError
from labgen.records import Answerer, Candidate, Evidence, HumanEdit, Pair, Rival, Source, State, Verdict

BLOCK_CANDIDATES = 128
"""Candidates taken together: enough for a chunk's text to be stored once, few enough to hold nobody up."""

MAX_WAITING = 1024
"""Candidates that may wait in memory over all leaves before all go to the disk: some 5 MB."""


class Spool:
    """A queue of candidates for each leaf; what is many goes through a temporary file.

    The file has no name, so that nothing is left behind however the process ends. Not for use from several threads.
    """

    def __init__(self, folder: Path) -> None:
        """Open a spool in `folder`, which is made where it does not exist.

        Raises: OutputError: the folder can't be written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `close`)
        except OSError as error:
            raise OutputError(
                f"{folder}: no temporary file can be made there ({error.strerror}). Make room, or choose another "
                "folder with --work; every reply is in the ledger."
            ) from error
        self._end = 0
        self._blocks: dict[str, deque[tuple[int, int]]] = {}
        self._waiting: dict[str, deque[Candidate]] = {}
        self._waiting_count = 0

    def append_block(self, leaf: str, block: bytes) -> None:
        """Keep candidates of a leaf that `pack` has packed, after those kept before; all of the leaf's up to now.

        Raises: OutputError: the disk is full.
        """
        self._write(leaf, block)

    def append(self, leaf: str, candidates: Sequence[Candidate]) -> None:
        """Keep candidates of a leaf, after those kept before.

        Raises: OutputError: the disk is full.
        """
        self._waiting.setdefault(leaf, deque()).extend(candidates)
        self._waiting_count += len(candidates)
        if self._waiting_count >= MAX_WAITING:
            for name, waiting in self._waiting.items():
                while block := list(islice(waiting, BLOCK_CANDIDATES)):
                    self._write(name, pack(block))
                    self._drop(waiting, len(block))

    def holds(self, leaf: str) -> bool:
        """Whether there is anything to take of the leaf."""
        return bool(self._blocks.get(leaf) or self._waiting.get(leaf))

    def take(self, leaf: str) -> list[Candidate]:
        """Take out the leaf's next candidates, in the order in which they were appended; none for none at present."""
        if blocks := self._blocks.get(leaf):
            begin, size = blocks.popleft()
            self._file.seek(begin)
            return unpack(leaf, self._file.read(size))
        waiting = self._waiting.get(leaf, deque())
        taken = list(islice(waiting, BLOCK_CANDIDATES))
        self._drop(waiting, len(taken))
        return taken

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()
        self._waiting.clear()
        self._blocks.clear()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drop(self, waiting: deque[Candidate], count: int) -> None:
        for _ in range(count):
            waiting.popleft()
        self._waiting_count -= count

    def _write(self, leaf: str, block: bytes) -> None:
        try:
            self._file.seek(self._end)
            self._file.write(block)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"the work folder's disk can't take more ({error.strerror}). Every reply is in the ledger: "
                "make room, or choose another folder with --work, and run again."
            ) from error
        self._blocks.setdefault(leaf, deque()).append((self._end, len(block)))
        self._end += len(block)


def pack(candidates: Sequence[Candidate]) -> bytes:
    """Candidates of one leaf as a block of bytes."""
    return zlib.compress(marshal.dumps([_fields(candidate) for candidate in candidates]), level=1)


def unpack(leaf: str, block: bytes) -> list[Candidate]:
    """The candidates of a block."""
    data = marshal.loads(zlib.decompress(block))  # noqa: S302 (a block that this build has written)
    return [_candidate(leaf, fields) for fields in data]


def _fields(candidate: Candidate) -> tuple[Any, ...]:
    source = candidate.source
    return (
        candidate.slot,
        candidate.position,
        candidate.instruction,
        candidate.response,
        candidate.context,
        None if source is None else (source.repo, source.commit, source.file, source.start, source.end),
        candidate.kind,
        candidate.reasoning,
        candidate.seed_examples,
        _verdict_fields(candidate.verdicts),
        None if candidate.state is None else candidate.state.value,
        candidate.reason,
        candidate.raw,
        candidate.calls,
        tuple([(each.asked, each.model, each.listed, each.rehearsal) for each in candidate.answered_by]),
        tuple([_rival_fields(rival) for rival in candidate.rivals]),
        candidate.follow_up and (candidate.follow_up.question, candidate.follow_up.answer),
        candidate.rejected_by,
        None if candidate.edit is None else astuple(candidate.edit),
    )


def _verdict_fields(verdicts: Sequence[Verdict]) -> tuple[Any, ...]:
    return tuple(
        [
            (
                verdict.filter,
                verdict.version,
                verdict.value,
                verdict.reason,
                tuple([(piece.text, piece.start, piece.end) for piece in verdict.evidence]),
            )
            for verdict in verdicts
        ]
    )


def _verdicts(fields: Sequence[tuple[Any, ...]]) -> tuple[Verdict, ...]:
    return tuple(
        [
            Verdict(name, version, value, why, tuple([Evidence(*piece) for piece in evidence]))
            for name, version, value, why, evidence in fields
        ]
    )


def _rival_fields(rival: Rival) -> tuple[Any, ...]:
    state = None if rival.state is None else rival.state.value
    verdicts = _verdict_fields(rival.verdicts)
    return (rival.response, rival.kind, state, rival.reason, verdicts, rival.better, rival.margin, rival.why, rival.by)


def _rival(fields: tuple[Any, ...]) -> Rival:
    response, kind, state, reason, verdicts, *rest = fields
    return Rival(response, kind, None if state is None else State(state), reason, _verdicts(verdicts), *rest)


def _candidate(leaf: str, fields: tuple[Any, ...]) -> Candidate:
    slot, position, instruction, response, context, source, kind, reasoning, seeds, *rest = fields
    verdicts, state, reason, raw, calls, by, rivals, follow_up, rejected_by, edit = rest
    return Candidate(
        leaf=leaf,
        slot=slot,
        position=position,
        instruction=instruction,
        response=response,
        context=context,
        source=None if source is None else Source(*source),
        kind=kind,
        reasoning=reasoning,
        seed_examples=seeds,
        verdicts=_verdicts(verdicts),
        state=None if state is None else State(state),
        reason=reason,
        raw=raw,
        calls=calls,
        answered_by=tuple([Answerer(*each) for each in by]),
        rivals=tuple([_rival(each) for each in rivals]),
        follow_up=follow_up and Pair(*follow_up),
        rejected_by=rejected_by,
        edit=None if edit is None else HumanEdit(*edit),
    )
