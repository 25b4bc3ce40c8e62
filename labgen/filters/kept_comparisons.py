"""What the look across leaves has compared, kept in the work folder, so that it compares only what has changed.

Kept are, of the texts of the last build: that a text was looked up when which others were there, and which of these
were too close. That two texts are close, and how close, follows from the two alone; so of a text that was looked up
then, only those need be compared with it now that were not there. Texts are told by hashes of 128 bits; none is kept.

The file is a cache, for one version of what compares, sealed on this machine (see `labgen.outcomes.seal`). A damaged
one, one of another version or machine, or one of a higher threshold is not believed, and its loss costs time alone. It
holds no more than the last build, some 25 bytes a text.
"""

from __future__ import annotations

import io
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from labgen.filters import near_duplicates, rouge, token_combinations
from labgen.filters.near_duplicates import Match, NearDuplicates
from labgen.filters.rouge import reference_rouge_l
from labgen.lazy import re
from labgen.outcomes.hashing import installed
from labgen.outcomes.seal import own_key
from labgen.outcomes.store import FOLDER
from labgen.text import rouge_words, unspaced
from labgen.text.rouge_words import tokenize, untokenize

PREFIX = "across-"
FORM = b"labgen comparisons across leaves, 1"
HASH_BYTES = 16
SUM_BYTES = 32
PARTS = ("hashes", "first", "latest", "added", "close", "scores")
_COMPARING = re.compile(r"(rapidfuzz|rouge[-_]score|numpy)-", re.IGNORECASE)
"""What compares beside labgen, as it is installed."""
MOST_LOOKED_UP = 4096
"""Texts of which it is kept in mind what was found when they were looked up."""
LEAST_SHARE = 0.5
"""Of the kept texts, what a build must have looked up to take their place: one of a few leaves leaves them alone."""


class KeptComparisons:
    """The comparisons of one build, with those of the last one.

    Attributes:
        instructions, contexts: the two indexes of the look across leaves.
    """

    def __init__(self, threshold: float, work_folder: Path | None = None) -> None:
        """Read what is kept in a work folder, where there is one; nothing is kept without.

        Args:
            threshold: ROUGE-L F-measure above which texts are looked for, 0 to 1.
        """
        self._path = work_folder / FOLDER / f"{PREFIX}leaves" if work_folder and own_key() else None
        kept = _read(self._path, threshold) if self._path else {}
        self._threshold = threshold
        self.instructions = ComparedTexts(threshold, _Known.of(kept, "instructions"))
        self.contexts = ComparedTexts(threshold, _Known.of(kept, "contexts"))
        pairs = kept["scored"].tobytes() if kept else b""
        keys = (pairs[at : at + HASH_BYTES] for at in range(0, len(pairs), HASH_BYTES))
        self._scores = dict(zip(keys, kept["scores"].tolist() if kept else (), strict=True))
        self._used: dict[bytes, float] = {}

    def reference(self, a: str, b: str) -> float:
        """`reference_rouge_l`, asked once for two texts."""
        pair = _hash("\0".join(sorted((_hash(a).hex(), _hash(b).hex()))))
        if pair not in self._used:
            known = self._scores.get(pair)
            self._used[pair] = reference_rouge_l(a, b) if known is None else known
        return self._used[pair]

    def save(self) -> None:
        """Keep what was compared, in place of what was kept before; where that fails, nothing is kept or lost."""
        tables = {"instructions": self.instructions, "contexts": self.contexts}
        new, old = (sum(counts) for counts in zip(*(each.counts for each in tables.values()), strict=True))
        if self._path is None or not any(each.new for each in tables.values()) or new < LEAST_SHARE * old:
            return
        import numpy

        arrays: dict[str, Any] = {"threshold": numpy.array(self._threshold)}
        for name, table in tables.items():
            arrays |= {f"{name}_{part}": values for part, values in table.to_arrays().items()}
        arrays["scored"] = numpy.frombuffer(b"".join(self._used), numpy.uint8)
        arrays["scores"] = numpy.array(list(self._used.values()), numpy.float64)
        written = self._path.with_name(f"{self._path.name}.new")  # one run at a time has the work folder
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            numpy.savez(buffer, **arrays)
            with written.open("wb") as file:
                file.write(_sum(buffer.getbuffer()))
                file.write(buffer.getbuffer())
            written.replace(self._path)
        except OSError:
            with suppress(OSError):
                written.unlink()


class _Known:
    """What was compared in the last build: texts by their hashes, each with a number.

    Attributes:
        first, latest: how many texts were there when a text was looked up, before it was added where it was, and
            when it was looked up last.
        added: whether it was.
        close: text to those that were found close to it or that it was found close to, with their similarity.
    """

    def __init__(self, hashes: bytes, first: Any, latest: Any, added: Any, close: Any, scores: Any) -> None:
        import numpy

        # In this machine's own order of bytes: a search in any other turns all of them first, each time.
        self._hashes = numpy.frombuffer(hashes, ">u8").astype(numpy.uint64).reshape(-1, 2)
        self._order = numpy.argsort(self._hashes[:, 0], kind="stable")
        self._halves = self._hashes[self._order, 0]
        self.first, self.latest, self.added = first, latest, added
        self.close: dict[int, dict[int, float]] = {}
        for (text, other), score in zip(close.tolist(), scores.tolist(), strict=True):
            self.close.setdefault(text, {})[other] = score
            self.close.setdefault(other, {})[text] = score

    @classmethod
    def of(cls, kept: dict[str, Any], name: str) -> _Known | None:
        """The part of a file's arrays; None of an empty one."""
        if not kept:
            return None
        hashes, *rest = (kept[f"{name}_{part}"] for part in PARTS)
        return cls(hashes.tobytes(), *rest)

    def __len__(self) -> int:
        return len(self._hashes)

    def numbers(self, hashes: Sequence[bytes]) -> list[int | None]:
        """The numbers of texts; None for one that was not there."""
        import numpy

        asked = numpy.frombuffer(b"".join(hashes), ">u8").astype(numpy.uint64).reshape(-1, 2)
        places = self._halves.searchsorted(asked[:, 0]).tolist()
        return [self._number(int(half), int(other), at) for (half, other), at in zip(asked, places, strict=True)]

    def _number(self, half: int, other_half: int, at: int) -> int | None:
        """That of the text with these halves of a hash, whose first half would stand at a place or after it."""
        while at < len(self) and int(self._halves[at]) == half:
            if int(self._hashes[self._order[at], 1]) == other_half:
                return int(self._order[at])
            at += 1
        return None


class ComparedTexts:
    """An index as `NearDuplicates` is one, that asks what is known before it compares.

    Of equal texts the one with the smallest key counts; keys are given in ascending order.
    """

    def __init__(self, threshold: float, known: _Known | None = None) -> None:
        self._threshold, self._known = threshold, known
        self._places = array("q")  # by key: number in `_fresh`, or, of those that were there, ~ that in `_rest`
        self._fresh = NearDuplicates(threshold)  # those that were not there in the last build
        self._rest = NearDuplicates(threshold)  # those that were, as far as one had to be compared with them
        self._waiting: list[tuple[str, int]] = []  # those that were, and come into `_rest` when one has to
        self._keys: dict[int, int] = {}  # by known number
        self._rounds: set[int] = set()  # of the known ones, `_Known.first`
        self._last_round = -1
        self._numbers: dict[bytes, int] = {}
        self._first, self._latest, self._added = array("q"), array("q"), bytearray()
        self._close: dict[tuple[int, int], float] = {}
        self._number_of_key = array("q")
        self._found: dict[str, list[Match]] = {}
        self._looked_up: dict[str, tuple[bytes, int | None]] = {}  # hashes and known numbers of those to be added
        self.new = False
        """Whether anything had to be compared."""

    def __len__(self) -> int:
        """How many texts are in the index."""
        return len(self._places)

    @property
    def counts(self) -> tuple[int, int]:
        """Texts that were looked up, now and in the last build."""
        return len(self._latest), len(self._known or ())

    def add(self, text: str, key: int) -> None:
        """Index a text under a key: that of how many there are."""
        if key != len(self):
            raise ValueError(f"the next key is {len(self)}, not {key}")
        self._found = {}
        hashed, known = self._looked_up[text] if text in self._looked_up else self._known_of([text])[0]
        number = self._numbers.get(hashed, -1)
        self._number_of_key.append(number)
        if number >= 0:
            self._added[number] = True
        if self._known is None or known is None or not self._known.added[known]:
            self._places.append(len(self._fresh))
            self._fresh.add(text, key)
        elif known in self._keys:
            self._places.append(self._places[self._keys[known]])
        else:
            self._keys[known] = key
            self._places.append(~(len(self._rest) + len(self._waiting)))
            self._waiting.append((text, key))
            self._last_round = max(self._last_round, round_ := int(self._known.first[known]))
            self._rounds.add(round_)

    def text(self, key: int) -> str:
        """The text under a key, as `NearDuplicates.text`."""
        place = self._places[key]
        if place >= 0:
            return self._fresh.text(place)
        if ~place < len(self._rest):
            return self._rest.text(~place)
        return untokenize(tokenize(self._waiting[~place - len(self._rest)][0]))

    def nearest(self, text: str) -> Match | None:
        """As `NearDuplicates.nearest`."""
        return min(self.matches(text), key=lambda match: (-match.similarity, match.key), default=None)

    def matches(self, text: str) -> list[Match]:
        """As `NearDuplicates.matches`."""
        if text not in self._found:
            self._look_up([text])
        return self._found[text]

    def expect(self, texts: Iterable[str]) -> None:
        """As `NearDuplicates.expect`."""
        self._look_up([text for text in dict.fromkeys(texts) if text not in self._found])

    def to_arrays(self) -> dict[str, Any]:
        """What is to be kept of this build."""
        import numpy

        return {
            "hashes": numpy.frombuffer(b"".join(self._numbers), numpy.uint8),
            "first": numpy.array(self._first, numpy.int64),
            "latest": numpy.array(self._latest, numpy.int64),
            "added": numpy.frombuffer(bytes(self._added), bool),
            "close": numpy.array(list(self._close), numpy.int64).reshape(-1, 2),
            "scores": numpy.array(list(self._close.values()), numpy.float64),
        }

    def _look_up(self, texts: Sequence[str]) -> None:
        found_of = self._known_of(texts)
        if len(self._looked_up) > MOST_LOOKED_UP:
            self._looked_up.clear()
        self._looked_up.update(zip(texts, found_of, strict=True))
        hashes = [hashed for hashed, _ in found_of]
        known = [None if number is None else self._compared(number) for _, number in found_of]
        unknown = [text for text, number in zip(texts, known, strict=True) if number is None]
        if unknown:
            self.new = True
            for text, key in self._waiting:
                self._rest.add(text, key)
            self._waiting.clear()
            self._rest.expect(unknown)
        if len(self._fresh):
            self._fresh.expect(texts)
        for text, hashed, number in zip(texts, hashes, known, strict=True):
            found = self._rest.matches(text) if number is None else self._kept(number)
            if len(self._fresh):
                found = [*found, *self._fresh.matches(text)]
            self._found[text] = sorted(found, key=lambda match: match.key)
            self._note(hashed, self._found[text])

    def _known_of(self, texts: Sequence[str]) -> list[tuple[bytes, int | None]]:
        """Hashes of texts, each with its known number; None for one that was not there."""
        hashes = [_hash(text) for text in texts]
        if self._known is None:
            return [(hashed, None) for hashed in hashes]
        return list(zip(hashes, self._known.numbers(hashes), strict=True))

    def _compared(self, number: int) -> int | None:
        """A known number, if its text has been compared with all known texts that are in the index by now.

        It was compared with those that were added before it was looked up last; and, where it was added itself, with
        all that were looked up afterwards, which is all but those that were looked up together with it.
        """
        known = self._known
        if known is None:
            return None
        first, latest = int(known.first[number]), int(known.latest[number])
        by_others = known.added[number] and (first < latest or first not in self._rounds)
        return number if by_others or latest > self._last_round else None

    def _kept(self, number: int) -> list[Match]:
        """The indexed ones of those that are known to be close to a known text."""
        close = self._known.close.get(number, {}) if self._known else {}
        return [
            Match(self._keys[other], score)
            for other, score in close.items()
            if other in self._keys and score > self._threshold
        ]

    def _note(self, hashed: bytes, found: Sequence[Match]) -> None:
        """Keep that a text was compared with all that are in the index."""
        number = self._numbers.setdefault(hashed, len(self._numbers))
        if number == len(self._latest):
            self._first.append(0)
            self._latest.append(0)
            self._added.append(False)
        if not self._added[number]:
            self._first[number] = len(self)
        self._latest[number] = len(self)
        for match in found:
            other = self._number_of_key[match.key]
            if other >= 0:
                self._close[number, other] = match.similarity


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


def _read(path: Path, threshold: float) -> dict[str, Any]:
    """A file's arrays, by name; none where it is not to be believed."""
    if not path.is_file():  # a pipe of that name would be waited for
        return {}
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    import numpy

    try:
        if _sum(memoryview(content)[SUM_BYTES:]) != content[:SUM_BYTES]:
            return {}
        with numpy.load(io.BytesIO(content[SUM_BYTES:]), allow_pickle=False) as arrays:
            kept = dict(arrays)
    except (OSError, ValueError):  # numpy's own words for a broken archive
        return {}
    return kept if float(kept["threshold"]) <= threshold else {}


def _sum(content: memoryview) -> bytes:
    """What stands before a file's content: it is whole, of this version, and of this machine."""
    key = blake2b(_compares() + (own_key() or b""), digest_size=SUM_BYTES).digest()
    return blake2b(content, key=key, digest_size=SUM_BYTES).digest()


@cache
def _compares() -> bytes:
    """A hash of all that decides how close two texts are."""
    said = blake2b(FORM, digest_size=SUM_BYTES)
    for module in (near_duplicates, token_combinations, rouge, rouge_words, unspaced, sys.modules[__name__]):
        said.update(Path(str(module.__file__)).read_bytes())
    for name in filter(_COMPARING.match, installed()):
        said.update(name.encode())
    said.update(f"{sys.version_info} {unicodedata.unidata_version}".encode())
    return said.digest()
