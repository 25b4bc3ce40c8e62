"""Items of benchmarks inside texts, found by overlap of n-grams.

Source: GPT-3 (arXiv 2005.14165, appendix C) calls a document contaminated when it shares a 13-gram of words with a
benchmark item. Ours counts the share: how many of an item's 13-grams stand in the text, or of the text's in the item,
whichever is more. So that changing every tenth word hides nothing, it does the same with 8-grams, of which a larger
share of the item's must stand in the text. Words are those of `labgen.text.rouge_words`, so that case, punctuation and
spacing don't matter. An item shorter than 13 words matches whole: anywhere in a text if it has 8 words or more, else
only as the whole text.

One file per benchmark, memory-mapped, 12 bytes per n-gram; the texts themselves are not kept.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.config.whole import Config
from labgen.errors import ConfigError, OutputError, UsageError
from labgen.filters.ngrams import hash_ngrams
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.rouge_words import tokenize

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

SUFFIX = ".ngrams"
DEFAULT_SHARE = 0.1
DEFAULT_NEAR_SHARE = 0.2
NEAR_TOKENS = 8
"""Words in the shorter n-grams that find an item whose words were changed here and there."""

_MAGIC = b"LABGEN-NGRAMS-1\n"
_LEAST_CONTAINED = 8  # words; shorter ones ("What is the capital of France?") are in texts by chance
_LEAST_WORDS = 3
_LEAST_DISTINCT = 5  # words in an n-gram; fewer is a table or a chant, not an item
_MOST_ITEMS = 25  # an n-gram in more items than this is the benchmark's own form of words
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A benchmark item that a text holds.

    Attributes:
        item: its name, such as `gsm8k/test/17` (benchmark, part, 0-based row).
        share: overlap, above 0 up to 1.
    """

    item: str
    share: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is known of one indexed benchmark: its name, where it is from, and how many items and n-grams it has."""

    name: str
    source: str
    items: int
    ngrams: int
    ngram_tokens: int


class ContaminationIndex:
    """All indexed benchmarks of a work folder.

    Args:
        files: opened benchmarks, in the order of names.
        share: least overlap of long n-grams that is a hit, 0 to 1.
        near_share: least share of an item's short n-grams that is a hit, 0 to 1.
    """

    def __init__(self, files: Sequence[_File], share: float, near_share: float) -> None:
        self._files = tuple(files)
        self._share = share
        self._near_share = near_share

    @classmethod
    def load(
        cls, folder: Path, *, share: float = DEFAULT_SHARE, near_share: float = DEFAULT_NEAR_SHARE
    ) -> ContaminationIndex | None:
        """Open every benchmark in a folder; None where there is none.

        Raises: ConfigError: a file there is damaged or from another version.
        """
        files = [_File(path) for path in sorted(folder.glob(f"*{SUFFIX}"))] if folder.is_dir() else []
        return cls(files, share, near_share) if files else None

    @property
    def benchmarks(self) -> tuple[Benchmark, ...]:
        """What is indexed, in the order of names."""
        return tuple(file.about for file in self._files)

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits over all that changes a hit: benchmarks and shares."""
        digest = sha256(repr((self._share, self._near_share)).encode())
        for file in self._files:
            digest.update(file.digest)
        return digest.hexdigest()[:12]

    def hit(self, text: str) -> Hit | None:
        """The benchmark item that a text overlaps most, where that is enough to be a hit; ties to the first."""
        grams = _Grams(tokenize(text))
        best: Hit | None = None
        for file in self._files:
            found = file.best(grams, self._share, self._near_share)
            if found and (best is None or found.share > best.share):
                best = found
        return best


def load_index(config: Config) -> ContaminationIndex | None:
    """The benchmarks that rows are checked against; None where none was added. Raises: ConfigError: one is damaged."""
    settings = config.contamination
    return ContaminationIndex.load(index_folder(config), share=settings.share, near_share=settings.near_share)


def index_folder(config: Config) -> Path:
    """Where indexed benchmarks lie."""
    return config.work_folder / "contamination"


class _Grams:
    """The n-grams of one text, each size computed once for all benchmarks."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._hashes: dict[int, NDArray[numpy.uint64]] = {}

    def __len__(self) -> int:
        return len(self._words)

    def of(self, size: int) -> NDArray[numpy.uint64]:
        """Different n-grams of a size, sorted."""
        import numpy

        if size not in self._hashes:
            self._hashes[size] = numpy.unique(hash_ngrams(self._words, size))
        return self._hashes[size]


class _File:
    """One benchmark, mapped: sorted hashes, the item of each; then every item's row and its numbers of n-grams."""

    def __init__(self, path: Path) -> None:
        import numpy

        try:
            with path.open("rb") as stream:
                mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            if mapped[: len(_MAGIC)] != _MAGIC:
                raise ValueError("not an index of this version")
            (length,) = struct.unpack_from("<Q", mapped, len(_MAGIC))
            start = len(_MAGIC) + 8 + length
            header = json.loads(mapped[len(_MAGIC) + 8 : start])
            if header["byteorder"] != sys.byteorder:
                raise ValueError("made on a machine of another byte order")
            grams, items = header["ngrams"], header["items"]
            self._hashes = numpy.frombuffer(mapped, numpy.uint64, grams, start)
            start += 8 * grams
            self._owners = numpy.frombuffer(mapped, numpy.uint32, grams, start)
            tail = numpy.frombuffer(mapped, numpy.uint32, 3 * items, start + 4 * grams)
            self._rows, self._totals, self._near_totals = tail[:items], tail[items : 2 * items], tail[2 * items :]
            self.about = Benchmark(header["name"], header["source"], items, grams, header["ngram_tokens"])
            self._parts: list[tuple[str, int]] = [(part, first) for part, first in header["parts"]]
            self._contained: list[int] = header["contained"]
            self.digest = bytes.fromhex(header["digest"])
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise ConfigError(
                f"{path}: this benchmark index can't be read ({error}). Remove the file and add the benchmark again."
            ) from None

    def best(self, text: _Grams, share: float, near_share: float) -> Hit | None:
        """The item with the largest overlap that is a hit, ties to the first."""
        size = self.about.ngram_tokens
        own = max(1, len(text) - size + 1)
        shares: dict[int, float] = {}
        for item, count in self._overlaps(text, size).items():
            overlap = max(count / int(self._totals[item]), count / own)
            if overlap >= share:
                shares[item] = overlap
        if size > NEAR_TOKENS:
            for item, count in self._overlaps(text, NEAR_TOKENS).items():
                overlap = count / int(self._near_totals[item])
                if overlap >= near_share:
                    shares[item] = max(overlap, shares.get(item, 0.0))
        for length in self._contained:
            shares.update(dict.fromkeys(self._overlaps(text, length), 1.0))
        if _LEAST_WORDS <= len(text) < min(_LEAST_CONTAINED, size):
            shares.update(dict.fromkeys(self._overlaps(text, len(text)), 1.0))
        if not shares:
            return None
        item = min(shares, key=lambda item: (-shares[item], item))
        return Hit(self._name(item), min(1.0, shares[item]))

    def _overlaps(self, text: _Grams, size: int) -> dict[int, int]:
        """Item to how many different n-grams of the text it has."""
        import numpy

        grams = text.of(size)
        first = numpy.searchsorted(self._hashes, grams, "left")
        # Nearly every text stops here: no n-gram of it is in the index.
        present = self._hashes[numpy.minimum(first, len(self._hashes) - 1)] == grams
        if not present.any():
            return {}
        last = numpy.searchsorted(self._hashes, grams[present], "right")
        spans = zip(first[present].tolist(), last.tolist(), strict=True)
        return Counter(item for start, end in spans for item in self._owners[start:end].tolist())

    def _name(self, item: int) -> str:
        part = [name for name, first in self._parts if first <= item][-1]
        return "/".join(piece for piece in (self.about.name, part, str(self._rows[item])) if piece)


def add_benchmark(
    folder: Path, name: str, parts: Iterable[tuple[str, Iterable[str]]], *, source: str, ngram_tokens: int = 13
) -> Benchmark:
    """Index a benchmark, replacing one of the same name; an interrupted one leaves nothing behind.

    Args:
        folder: of the indexes; made where it is missing.
        name: letters, digits, `.`, `_`, `-`.
        parts: (name of the part, such as `test`; its items' texts in order).
        source: where the items are from, for people.
        ngram_tokens: words in an n-gram, 5 or more.
    Raises: UsageError: a name that can't be used, or no item has words. OutputError: the folder can't be written.
    """
    import numpy

    check_name(name)
    if ngram_tokens < _LEAST_DISTINCT:
        raise UsageError(
            f"n-grams of {ngram_tokens} tokens say nothing; choose {_LEAST_DISTINCT} or more (13 is usual)."
        )
    grams: list[NDArray[numpy.uint64]] = []
    items: list[tuple[int, int, int]] = []  # row, long n-grams, short n-grams
    short: set[int] = set()
    starts: list[tuple[str, int]] = []
    for part, texts in parts:
        starts.append((part, len(items)))
        for row, text in enumerate(texts):
            words = tokenize(text)
            if _LEAST_WORDS <= len(words) < ngram_tokens:
                short.add(len(words))
            long, near = _item_grams(words, ngram_tokens)
            if len(long):
                items.append((row, len(long), max(1, len(near))))
                grams.append(numpy.concatenate((long, near)))
    if not items:
        raise UsageError(f"{source}: no item there has three words or more. Check which fields are read (--field).")
    hashes, owners = _without_boilerplate(grams)
    header = {
        "name": name, "source": source, "items": len(items), "ngrams": len(hashes), "ngram_tokens": ngram_tokens,
        "parts": starts, "contained": sorted(length for length in short if length >= _LEAST_CONTAINED),
        "byteorder": sys.byteorder, "digest": sha256(hashes.tobytes() + owners.tobytes()).hexdigest(),
    }  # fmt: skip
    _write(folder / f"{name}{SUFFIX}", header, (hashes, owners, numpy.array(items, dtype=numpy.uint32).T))
    return Benchmark(name, source, len(items), len(hashes), ngram_tokens)


def list_benchmarks(folder: Path) -> tuple[Benchmark, ...]:
    """What is indexed in a folder, in the order of names. Raises: ConfigError: a file there is damaged."""
    index = ContaminationIndex.load(folder)
    return index.benchmarks if index else ()


def remove_benchmark(folder: Path, name: str) -> None:
    """Forget a benchmark. Raises: UsageError: there is none of that name."""
    check_name(name)
    try:
        (folder / f"{name}{SUFFIX}").unlink()
    except FileNotFoundError:
        known = ", ".join(path.name.removesuffix(SUFFIX) for path in sorted(folder.glob(f"*{SUFFIX}"))) or "none"
        raise UsageError(f"no benchmark `{name}` is indexed in {folder}. Indexed: {known}.") from None


def check_name(name: str) -> None:
    """Raises: UsageError: `name` can't name a benchmark (it becomes a file's name)."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{name}` can't name a benchmark: use letters, digits, `.`, `_` and `-`, such as `gsm8k`.")


def _item_grams(words: Sequence[str], size: int) -> tuple[NDArray[numpy.uint64], NDArray[numpy.uint64]]:
    """Different long and short n-grams of an item; of an item too short for a long one, all of it."""
    if len(words) < size:
        return hash_ngrams(words, max(_LEAST_WORDS, len(words))), hash_ngrams((), 1)
    return _telling(words, size), _telling(words, NEAR_TOKENS) if size > NEAR_TOKENS else hash_ngrams((), 1)


def _telling(words: Sequence[str], size: int) -> NDArray[numpy.uint64]:
    import numpy

    telling = [len(set(words[start : start + size])) >= _LEAST_DISTINCT for start in range(len(words) - size + 1)]
    return numpy.unique(hash_ngrams(words, size)[numpy.array(telling, dtype=bool)])


def _without_boilerplate(
    grams: Sequence[NDArray[numpy.uint64]],
) -> tuple[NDArray[numpy.uint64], NDArray[numpy.uint32]]:
    """All items' n-grams in order, and whose each is, without those that too many items share."""
    import numpy

    hashes = numpy.concatenate(grams)
    owners = numpy.repeat(numpy.arange(len(grams), dtype=numpy.uint32), [len(each) for each in grams])
    order = numpy.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    _, places, counts = numpy.unique(hashes, return_inverse=True, return_counts=True)
    kept = counts[places] <= _MOST_ITEMS
    return hashes[kept], owners[kept]


def _write(path: Path, header: dict[str, object], arrays: Iterable[NDArray[numpy.unsignedinteger]]) -> None:
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-(len(_MAGIC) + 8 + len(text)) % 8)  # the hashes after it are read in place, aligned
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(_MAGIC + struct.pack("<Q", len(text)) + text)
            for values in arrays:
                stream.write(values.tobytes())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{path}: the index can't be written ({error.strerror}).") from None
