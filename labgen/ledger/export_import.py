"""Moving paid calls between machines, or sharing them in a team: one gzip file of JSON lines.

The first line says what the file is; every other one is a paid call: `key`, `model`, `leaf`, `step`, `call` (canonical
JSON, whose hash is the key), `reply`, `finish_reason`, `failure`, `detail`, `prompt_tokens`, `completion_tokens`, and
where they are known `reasoning`, `address`, `served_model`, `fingerprint`, `listed`. The same ledger gives the same
bytes, and files can be imported in any order, any number of times.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.packed_replies import pack_reply, unpack_reply
from labgen.ledger.parked import forget_parked
from labgen.ledger.replies import Ledger, ReplyRow
from labgen.records import MOST_TOKENS, Reply, Served
from labgen.text.bounded_json import read_bounded
from labgen.text.target_file import why_not_replaced

FORMAT = "labgen-ledger"
FORMAT_VERSION = 1
BATCH_ROWS = 500
GZIP_BEGINS = b"\x1f\x8b"
LONGEST_LINE = 16 * 2**20
"""No call and reply are longer (bytes, unpacked)."""
MOST_LEFT_OUT = 10_000
"""After so many lines that are no paid calls, and fewer that are, a file is not read further (count)."""
MOST_TOLD = 20
"""Lines left out that are told one by one (count)."""
COMPRESSION = 3
"""Level 6 takes half as long again, for a tenth fewer bytes."""
NUMBERS = ("prompt_tokens", "completion_tokens")
TEXTS = ("model", "leaf", "step", "call", "reply", "finish_reason", "failure", "detail")
KNOWN = ("reasoning", "address", "served_model", "fingerprint", "listed")
"""What may be known of a reply beside the rest."""
FAILURES = ("", "too_long", "refused")


@dataclass
class Imported:
    """What came of an import: calls that were new, calls that were known, and lines that were left out (count).

    `differing` counts known calls whose reply differs in the file: the reply that was here first stays, since rows may
    have been made from it. `words` counts known calls whose words were lost here, and are back. `others` counts
    replies that bear another model's name than the one that was asked, by both (asked, then borne). `left_out` says why
    of the first lines, `cut` why the rest was not read, if it was not.
    """

    new: int = 0
    known: int = 0
    differing: int = 0
    words: int = 0
    others: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines_left_out: int = 0
    left_out: list[str] = field(default_factory=list)
    cut: str = ""

    def leave_out(self, number: int, why: str) -> None:
        """Count a line that is no paid call."""
        self.lines_left_out += 1
        if self.lines_left_out <= MOST_TOLD:
            self.left_out.append(f"line {number}: {why}")

    @property
    def whole(self) -> bool:
        """Whether all of the file was read and taken in."""
        return not self.lines_left_out and not self.cut


def export_ledger(folder: Path, target: Path, *, wanted: Callable[[str], bool] = lambda leaf: True) -> int:
    """Write the paid calls to a file; returns how many.

    Args:
        wanted: says of a leaf's path whether its calls are written.
    Raises: LedgerError: the ledger can't be read; UsageError: the file can't be written (nothing is left of it).
    """
    if problem := why_not_replaced(target, GZIP_BEGINS):
        raise UsageError(f"{target}: {problem}. Choose another file for the export.")
    partial = target.with_name(f".{target.name}.part")
    count = 0
    with closing(Ledger(folder, read_only=True)) as ledger:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with (
                partial.open("wb") as raw,
                gzip.GzipFile("", "wb", fileobj=raw, mtime=0, compresslevel=COMPRESSION) as file,
            ):
                file.write(_line({"format": FORMAT, "version": FORMAT_VERSION}))
                for entry in ledger.entries(_keys(ledger, wanted)):
                    reply = entry.reply
                    fields = {
                        "key": entry.key.hex(),
                        "model": entry.model,
                        "leaf": entry.leaf,
                        "step": entry.step,
                        "call": entry.call,
                        "reply": reply.text,
                        "finish_reason": reply.finish_reason,
                        "failure": reply.failure,
                        "detail": reply.detail,
                        "prompt_tokens": reply.prompt_tokens,
                        "completion_tokens": reply.completion_tokens,
                        **{name: value for name, value in _known(reply).items() if value},
                    }
                    file.write(_line(fields))
                    count += 1
            partial.replace(target)
        except OSError as error:
            raise UsageError(f"{target}: can't be written ({error.strerror}). Choose another file.") from error
        finally:
            partial.unlink(missing_ok=True)
    return count


def _known(reply: Reply) -> dict[str, str]:
    served = reply.served
    known = (reply.reasoning, served.address, served.model, served.fingerprint, served.listed)
    return dict(zip(KNOWN, known, strict=True))


def _keys(ledger: Ledger, wanted: Callable[[str], bool]) -> Iterator[bytes]:
    """All keys in order, read in parts, so that memory does not grow with the ledger."""
    last = b""
    while rows := ledger.query("SELECT key, leaf FROM replies WHERE key > ? ORDER BY key LIMIT ?", (last, BATCH_ROWS)):
        yield from (key for key, leaf in rows if wanted(leaf))
        last = rows[-1][0]


def import_ledger(folder: Path, source: Path) -> Imported:
    """Add the paid calls of a file to the ledger. A line that is damaged, or whose key is not its call's, is left out.

    Raises: UsageError: not such a file, or one of a newer labgen; LedgerError: the ledger can't be written.
    """
    result = Imported()
    with closing(Ledger(folder)) as ledger:
        batch: list[ReplyRow] = []
        for row in _rows(source, result):
            batch.append(row)
            if len(batch) >= BATCH_ROWS:
                _add(ledger, batch, result)
                batch.clear()
        _add(ledger, batch, result)
    return result


def _add(ledger: Ledger, batch: list[ReplyRow], result: Imported) -> None:
    """Bring in some calls. Of two replies to one call, here or in the file, the first one stays."""
    first: dict[bytes, ReplyRow] = {}
    lost: list[ReplyRow] = []
    for row in batch:
        if (before := first.setdefault(row.key, row)) is not row:
            result.differing += _differ(before.reply, row.reply)
            continue
        for reply, call in ledger.query("SELECT reply, call FROM replies WHERE key = ?", (row.key,)):
            result.differing += _differ(reply, row.reply)
            if not _has_words(ledger, call):
                lost.append(row)
    new = ledger.insert(first.values(), forget_parked(first))
    result.new += new
    result.known += len(batch) - new
    if lost:
        with ledger.transaction() as database:
            for row in lost:
                packed = ledger.calls.pack(row.leaf, row.step, row.call)
                database.execute("UPDATE replies SET call = ? WHERE key = ?", (packed, row.key))
        result.words += len(lost)


def _has_words(ledger: Ledger, packed: bytes) -> bool:
    try:
        return bool(ledger.calls.unpack(packed))
    except (zlib.error, LookupError):
        return False


def _differ(reply: bytes, other: bytes) -> bool:
    """Whether two packed replies say something else, or end otherwise: where they came from is no difference."""
    if reply == other:
        return False
    first, second = (json.loads(unpack_reply(each)) for each in (reply, other))
    return bool(first[:3] != second[:3])


def _rows(source: Path, result: Imported) -> Iterator[ReplyRow]:
    paid = 0
    for number, line in _lines(source, result):
        try:
            data = read_bounded(line)
        except (ValueError, RecursionError):
            data = None
        if number == 1:
            _check_header(source, data)
            continue
        try:
            row = _row(data)
        except _NotPaidError as error:
            result.leave_out(number, str(error))
            if result.lines_left_out >= MOST_LEFT_OUT and result.lines_left_out > paid:
                count = result.lines_left_out
                result.cut = f"everything after line {number}: {count:,} lines are no paid calls, and {paid:,} are"
                return
        else:
            paid += 1
            names = (row.model, data.get("served_model") or row.model)
            if names[0] != names[1] and (names in result.others or len(result.others) < MOST_TOLD):
                result.others[names] += 1
            yield row


def _lines(source: Path, result: Imported) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.open(source, "rb") as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
        if number == 0:
            raise UsageError(
                f"{source}: can't be read as a ledger export ({error}). `labgen ledger export` makes one."
            ) from None
        result.cut = f"everything after line {number}: the file is damaged there ({error})"
    if number == 0:
        raise UsageError(f"{source}: is empty. `labgen ledger export` makes a file to import.")


def _check_header(source: Path, data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UsageError(f"{source}: is no ledger export. `labgen ledger export` makes one.")
    if data.get("version") != FORMAT_VERSION:
        raise UsageError(f"{source}: has form {data.get('version')!r}, this labgen knows {FORMAT_VERSION}. Upgrade it.")


class _NotPaidError(ValueError):
    """A line is no paid call, or not the one that it says; the words say what is wrong."""


def _row(data: Any) -> ReplyRow:
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in TEXTS):
        raise _NotPaidError("not a paid call")
    if not all(type(data.get(name)) is int and 0 <= data[name] <= MOST_TOKENS for name in NUMBERS):
        raise _NotPaidError("its counts of tokens are no reply's")
    if data["failure"] not in FAILURES or (data["failure"] and data["reply"]):
        raise _NotPaidError("no call ends so")
    if not all(isinstance(data.get(name, ""), str) for name in KNOWN):
        raise _NotPaidError("not a paid call")
    try:
        call = data["call"].encode()
        key = hashlib.sha256(call).digest()
        if key.hex() != data.get("key"):
            raise _NotPaidError("its key is not its call's")
        _check_asked(call, data["model"])
        reasoning, *served = (data.get(name, "") for name in KNOWN)
        ended = (data["finish_reason"], 0, 0, data["failure"], data["detail"])
        reply = pack_reply(Reply(data["reply"], *ended, reasoning, Served(*served)))
        labels = (data["model"], data["leaf"], data["step"], data["failure"])
        " ".join(labels).encode()
    except UnicodeEncodeError:
        raise _NotPaidError("it has characters that no text has") from None
    return ReplyRow(key, *labels, data["prompt_tokens"], data["completion_tokens"], call, reply)


def _check_asked(call: bytes, model: str) -> None:
    """Raises: _NotPaidError: what was hashed is no call, or one to another model."""
    try:
        asked = read_bounded(call)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
        raise _NotPaidError("what it says was asked is no call")
    if asked.get("model") != model:
        raise _NotPaidError("its call asks another model than it says")


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
