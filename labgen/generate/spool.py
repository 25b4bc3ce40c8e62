"""Where retired candidates wait for their leaf's turn, on disk where they are many, so that memory stays flat."""

from __future__ import annotations

import marshal
import tempfile
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

from labgen.errors import OutputError
from labgen.generate.blocks import Block, pack, unpack
from labgen.records import Candidate

BLOCK_CANDIDATES = 128
"""Candidates taken together: enough for a chunk's text to be stored once, few enough to hold nobody up."""

MAX_WAITING = 1024
"""Candidates that may wait in memory over all leaves before all go to the disk: some 5 MB."""

MOST_HELD_BYTES = 2**22
"""Size of the packed candidates that wait in memory; the others do on the disk."""


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
        self._blocks: dict[str, deque[tuple[int, int] | Block]] = {}
        self._held_bytes = 0
        self._waiting: dict[str, deque[Candidate]] = {}
        self._waiting_count = 0

    def append_block(self, leaf: str, block: Block) -> None:
        """Keep candidates of a leaf that are packed, after those kept before; all of the leaf's up to now.

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
            block = blocks.popleft()
            if isinstance(block, Block):
                self._held_bytes -= _size(block)
                return unpack(leaf, block)
            begin, size = block
            self._file.seek(begin)
            return unpack(leaf, Block(*marshal.loads(self._file.read(size))))  # noqa: S302 (written by `_write`)
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

    def _write(self, leaf: str, block: Block) -> None:
        waiting, size = self._blocks.setdefault(leaf, deque()), _size(block)
        if self._held_bytes + size <= MOST_HELD_BYTES:
            self._held_bytes += size
            waiting.append(block)
            return
        written = marshal.dumps(tuple(block))
        try:
            self._file.seek(self._end)
            self._file.write(written)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"the work folder's disk can't take more ({error.strerror}). Every reply is in the ledger: "
                "make room, or choose another folder with --work, and run again."
            ) from error
        waiting.append((self._end, len(written)))
        self._end += len(written)


def _size(block: Block) -> int:
    """Of what is held (bytes)."""
    return len(block.packed) + sum(map(len, block.calls))
