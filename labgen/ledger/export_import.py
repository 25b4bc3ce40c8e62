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
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.ledger.packed_replies import pack_reply, unpack_reply
from labgen.ledger.parked import forget_parked
from labgen.ledger.replies import Ledger, ReplyRow
from labgen.records import Reply, Served
from labgen.text.bounded_json import read_bounded

FORMAT = "labgen-ledger"
FORMAT_VERSION = 1
BATCH_ROWS = 500
LONGEST_LINE = 16 * 2**20
"""No call and reply are longer (bytes, unpacked)."""
MOST_IN_A_ROW = 10_000
"""After so many lines that are no paid calls, one after the other, a file is not read further (count)."""
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
    have been made from it. `left_out` says why of the first lines, `cut` why the rest was not read, if it was not.
    """

    new: int = 0
    known: int = 0
    differing: int = 0
    lines_left_out: int = 0
    left_out: list[str] = field(default_factory=list)
    cut: str = ""

    def leave_out(self, number: int) -> None:
        """Count a line that is no paid call."""
        self.lines_left_out += 1
        if self.lines_left_out <= MOST_TOLD:
            self.left_out.append(f"line {number}: not a paid call, or not what its key says")

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
                batch = []
        _add(ledger, batch, result)
    return result


def _add(ledger: Ledger, batch: list[ReplyRow], result: Imported) -> None:
    unique = list({row.key: row for row in batch}.values())
    for row in unique:
        kept = ledger.query("SELECT reply FROM replies WHERE key = ?", (row.key,))
        result.differing += bool(kept) and _said(kept[0][0]) != _said(row.reply)
    new = ledger.insert(unique, forget_parked(row.key for row in unique))
    result.new += new
    result.known += len(batch) - new


def _said(reply: bytes) -> list[Any]:
    """A packed reply's text, end and detail: where it came from is no difference."""
    parts: list[Any] = json.loads(unpack_reply(reply))
    return parts[:3]


def _rows(source: Path, result: Imported) -> Iterator[ReplyRow]:
    in_a_row = 0
    for number, line in _lines(source, result):
        try:
            data = read_bounded(line)
        except (ValueError, RecursionError):
            data = None
        if number == 1:
            _check_header(source, data)
            continue
        row = _row(data)
        if row is None:
            result.leave_out(number)
            in_a_row += 1
            if in_a_row == MOST_IN_A_ROW:
                result.cut = f"everything after line {number}: {in_a_row:,} lines in a row are no paid calls"
                return
        else:
            in_a_row = 0
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


def _row(data: Any) -> ReplyRow | None:
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in TEXTS):
        return None
    if not all(isinstance(data.get(name), int) and 0 <= data[name] < 2**62 for name in NUMBERS):
        return None
    if data["failure"] not in FAILURES or not all(isinstance(data.get(name, ""), str) for name in KNOWN):
        return None
    try:
        call = data["call"].encode()
        key = hashlib.sha256(call).digest()
        if key.hex() != data.get("key"):
            return None
        reasoning, *served = (data.get(name, "") for name in KNOWN)
        ended = (data["finish_reason"], 0, 0, data["failure"], data["detail"])
        reply = pack_reply(Reply(data["reply"], *ended, reasoning, Served(*served)))
        labels = (data["model"], data["leaf"], data["step"], data["failure"])
        " ".join(labels).encode()
    except UnicodeEncodeError:
        return None
    return ReplyRow(key, *labels, data["prompt_tokens"], data["completion_tokens"], call, reply)


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
