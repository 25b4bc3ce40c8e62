"""What was read of a taxonomy, kept: its leaves, by their files' content, and the passages of its documents.

A commit's files never change, so neither do their passages. Documents beside their leaf are read every time, as are
those of a commit that is shortened to fewer digits than git itself shortens it to; their passages are kept under the
hash of what was read.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from labgen.config.whole import Config
from labgen.lazy import re
from labgen.outcomes.hashing import code_version, plain_hash
from labgen.outcomes.store import OutcomeStore
from labgen.records import Chunk, Document, DocumentSource, Leaf
from labgen.text.token_count import ESTIMATE

Passages = tuple[tuple[Chunk, ...], list[str]]
"""Passages in order, and what is to be told of the documents, in words."""

_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class KeptReadings:
    """Those of a work folder. The file is opened when it is first needed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._found: OutcomeStore | None = None
        self._made: list[tuple[list[Any], Any]] = []

    def leaf(self, file: Path, content: bytes, read: Callable[[], Leaf | None]) -> Leaf | None:
        """The leaf of a file: kept, else read; only one that can be used is kept.

        Args:
            content: of the file; read: reads it.
        """
        if not self._config.outcomes.max_bytes:
            return read()
        what = ["leaf", str(self._config.taxonomy), str(file), blake2b(content).hexdigest()]
        found: Leaf | None = self._kept(what, read)
        return found

    def passages(
        self,
        source: DocumentSource,
        read: Callable[[], Sequence[Document]],
        cut: Callable[[Sequence[Document]], Passages],
    ) -> Passages:
        """The passages of documents: kept, else made.

        Args:
            read: reads the documents, each with the hash of its commit or content; cut: makes passages of them.
        Raises: whatever these raise.
        """
        if not self._config.outcomes.max_bytes:
            return cut(read())
        if not source.beside_leaf and _COMMIT.fullmatch(source.commit):
            what = [source.repo, source.commit, list(source.patterns)]
            found: Passages = self._kept(["passages", self._settings, *what], lambda: cut(read()))
            return found
        documents = read()
        of_documents = [[each.repo, each.commit, each.file] for each in documents]
        found = self._kept(["passages", self._settings, *of_documents], lambda: cut(documents))
        return found

    def _kept(self, what: list[Any], make: Callable[[], Any]) -> Any:
        """What is kept under plain data, else made and, unless it is None, kept."""
        if self._found is None:
            self._found = self._open(read_only=True)
        if self._found.holds_any:
            for _, content in self._found.find(_key(what)):
                return pickle.loads(zlib.decompress(content))  # noqa: S301 (sealed here: see labgen.outcomes.seal)
        made = make()
        if made is not None:
            self._made.append((what, made))
        return made

    def close(self) -> None:
        """Keep what was made, where there is a work folder: whoever only looks at a new taxonomy leaves none behind.

        Where there is none, it may be closed again once there is one.
        """
        if self._found:
            self._found.close()
            self._found = None
        if self._made and self._config.work_folder.exists():
            with self._open() as store:
                for what, made in self._made:
                    store.keep(_key(what), zlib.compress(pickle.dumps(made, protocol=5)))
            self._made.clear()

    def _open(self, *, read_only: bool = False) -> OutcomeStore:
        most = self._config.outcomes.max_bytes
        return OutcomeStore(self._config.work_folder, max_bytes=most, read_only=read_only)

    @cached_property
    def _settings(self) -> list[Any]:
        """All that passages depend on beside the documents."""
        tokenizer = self._config.tokenizer
        counted = "" if tokenizer == ESTIMATE else blake2b(Path(tokenizer).read_bytes()).hexdigest()
        return [self._config.documents.plain(), tokenizer, counted]


def _key(what: list[Any]) -> bytes:
    return plain_hash([code_version(), *what])
