"""Replies from files: in any order, any number of times, from any engine that writes OpenAI's batch format.

Every line is accounted for in one of the ways of `LineOutcome`. A line is read whole or not at all, and the ledger has
its reply before anything is said of it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Any

from labgen.bulk.doors import Door
from labgen.bulk.remote_files import SUFFIXES, fetched, is_address
from labgen.bulk.request_files import file_errors
from labgen.errors import PERMANENT, CallRejected, ContextTooLong, TeacherError, TeacherMisconfigured, UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.parked import Parked, ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.records import Call, Reply
from labgen.teacher.http import Lacking
from labgen.text.bounded_json import most_in_memory, read_bounded

LINES_AT_ONCE = 500
LONGEST_LINE_BYTES = 16 * 2**20
BYTES_AT_ONCE = 16 * 2**20
"""So much of a file is in memory at most before it is brought in, beside one line more (bytes)."""
MOST_IN_A_ROW = 10_000
"""After so many lines that are not of the format, one after the other, a file is not read further (count)."""
MANY_EXAMPLES = 3
"""Examples of each kind of line that is not read, with file and number."""


class LineOutcome(StrEnum):
    """What became of a line."""

    READ = "read"
    KNOWN = "known already"
    FAILED = "failed for good"
    REJECTED = "turned down"
    ERROR = "to be asked again"
    EXPIRED = "expired"
    OTHER_MODEL = "of another model"
    UNKNOWN = "of no call known here"
    BROKEN = "not of the format"


@dataclass
class LinesTold:
    """What became of the lines of files.

    Attributes:
        counts: lines by outcome; examples: for some of each that was not read, where it stands and why.
        prompt_tokens, completion_tokens: of the replies that were read.
        lacks: of lines that were turned down, what the endpoint says it does not take, by model.
        names: of lines of other models, the names that these bear, by model.
        unnamed: lines of calls that are known, to models that the settings don't name (count).
        cut: files that were not read to their end: where that was, and why.
    """

    counts: Counter[LineOutcome] = field(default_factory=Counter)
    examples: dict[LineOutcome, list[str]] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lacks: dict[str, Counter[str]] = field(default_factory=dict)
    names: dict[str, Counter[str]] = field(default_factory=dict)
    unnamed: int = 0
    cut: list[str] = field(default_factory=list)

    def add(self, outcome: LineOutcome, where: str, why: str = "") -> None:
        """Count a line."""
        self.counts[outcome] += 1
        told = self.examples.setdefault(outcome, [])
        if why and len(told) < MANY_EXAMPLES:
            told.append(f"{where}: {why}")

    def add_all(self, other: LinesTold) -> None:
        """Count what was told of other files."""
        self.counts += other.counts
        for outcome, told in other.examples.items():
            examples = self.examples.setdefault(outcome, [])
            examples += told[: MANY_EXAMPLES - len(examples)]
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.unnamed += other.unnamed
        self.cut += other.cut
        for mine, theirs in ((self.lacks, other.lacks), (self.names, other.names)):
            for model, counted in theirs.items():
                mine.setdefault(model, Counter()).update(counted)

    @property
    def worth_keeping(self) -> bool:
        """Whether some lines could be read with other settings."""
        return bool(self.unnamed or self.counts[LineOutcome.OTHER_MODEL])

    @property
    def lines(self) -> int:
        """How many lines there were."""
        return self.counts.total()


@dataclass(frozen=True, slots=True)
class _Line:
    where: str
    key: bytes
    data: Mapping[str, Any]
    size_bytes: int  # in memory, at most


def reply_files(places: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Files as they are named, and those of the folders among these, each with its name: to be read one by one.

    Raises: UsageError: there is none at a place.
    """
    for place in places:
        if is_address(place):
            with fetched(place) as files:
                yield from files
            continue
        path = Path(place)
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
            if not inside:
                raise UsageError(f"{path}: there is no .jsonl file in it.")
            yield from ((str(each), each) for each in inside)
        elif path.is_file():
            yield str(path), path
        else:
            raise UsageError(f"{path}: there is no such file.")


class ReplyReader:
    """Reads files of replies into a ledger.

    Args:
        doors: by the model's logical name.
        accepted: names that replies may bear beside those of the asked models.
        unread: folder for copies of files with lines that could be read with other settings, whatever becomes of the
            files themselves; None to make none.
        notice: told of what was found out about an endpoint.
    """

    def __init__(
        self,
        ledger: Ledger,
        doors: Mapping[str, Door],
        *,
        accepted: Sequence[str] = (),
        unread: Path | None = None,
        notice: Callable[[str], None] = lambda words: None,
    ) -> None:
        self._ledger, self._doors = ledger, doors
        self._parked = ParkedCalls(ledger)
        self._accepted = set(accepted)
        self._unread = unread
        self._names = {model: door.known_names() for model, door in doors.items()}
        self._notice = notice

    def read(self, path: Path, name: str = "") -> LinesTold:
        """Read a file; `name`: what it is called in what is told.

        Raises: LedgerError: the disk is full (what was read is kept); OutputError: the file can't be read.
        """
        told = LinesTold()
        lines: list[_Line] = []
        size_bytes = 0
        for line in self._lines(path, name or path.name, told):
            lines.append(line)
            size_bytes += line.size_bytes
            if len(lines) >= LINES_AT_ONCE or size_bytes >= BYTES_AT_ONCE:
                self._take(lines, told)
                lines.clear()
                size_bytes = 0
        self._take(lines, told)
        self._learn(told)
        if self._unread and told.worth_keeping:
            self._keep(path, self._unread)
        return told

    def _keep(self, path: Path, folder: Path) -> None:
        """Keep a file whose lines are paid for, and can't be read as the settings are."""
        with file_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            number = 1
            while (kept := folder / f"{path.stem}-{number}.jsonl").exists():
                number += 1
            shutil.copyfile(path, kept)
        self._notice(
            f"Some replies can't be read with these settings; they are kept: `labgen bulk read {kept}` reads them."
        )

    def _lines(self, path: Path, name: str, told: LinesTold) -> Iterator[_Line]:
        broken = 0
        for where, raw in _raw_lines(path, name):
            if broken >= MOST_IN_A_ROW:
                told.cut.append(f"{where}: the rest was not read; {broken:,} lines in a row are not of the format")
                return
            broken += 1
            if len(raw) > LONGEST_LINE_BYTES:
                told.add(LineOutcome.BROKEN, where, f"longer than {LONGEST_LINE_BYTES // 2**20} MB")
                continue
            try:
                data = read_bounded(raw)
                key = data["custom_id"]
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                whole = raw.endswith(b"\n")
                told.add(LineOutcome.BROKEN, where, f"{_short(error)}{'' if whole else '; the file ends within it'}")
                continue
            broken = 0
            try:
                yield _Line(where, bytes.fromhex(key), data, most_in_memory(raw))
            except (ValueError, TypeError):
                told.add(LineOutcome.UNKNOWN, where, f"custom_id {self._safe(str(key)[:80])!r} is none of labgen's")

    def _safe(self, words: str) -> str:
        """Words of a file without any key."""
        for door in self._doors.values():
            words = door.backend.safe(words)
        return words

    def _take(self, lines: Sequence[_Line], told: LinesTold) -> None:
        """Bring in some lines: their replies are in the ledger when this returns."""
        waiting = self._parked.find([line.key for line in lines])
        self._learn_names(lines, waiting)
        replies: dict[bytes, tuple[Call, Reply]] = {}
        rejected: dict[bytes, tuple[Call, int]] = {}
        found: list[tuple[LineOutcome, str, str]] = []
        for line in lines:
            parked = waiting.get(line.key)
            if line.key in replies or (parked is None and self._ledger.contains(line.key)):
                found.append((LineOutcome.KNOWN, line.where, ""))
                continue
            if parked is None:
                found.append((LineOutcome.UNKNOWN, line.where, f"custom_id {line.key.hex()[:16]}..."))
                continue
            if parked.call.model not in self._doors:
                why = f"`{parked.call.model}` was asked, which the settings don't name now (--model, or labgen.yaml)"
                found.append((LineOutcome.UNKNOWN, line.where, why))
                told.unnamed += 1
                continue
            outcome, why, came = self._read_line(line, parked, told)
            if isinstance(came, Reply):
                replies[line.key] = parked.call, came
                rejected.pop(line.key, None)
                told.prompt_tokens += came.prompt_tokens
                told.completion_tokens += came.completion_tokens
            elif came:
                rejected[line.key] = parked.call, came
            found.append((outcome, line.where, why))
        self._parked.answered(replies.values(), rejected.values())
        for outcome, where, why in found:
            told.add(outcome, where, why)

    def _read_line(self, line: _Line, parked: Parked, told: LinesTold) -> tuple[LineOutcome, str, Reply | int]:
        """What became of a line, why, and its reply, or the status with which it was turned down (0 for neither)."""
        door, call = self._doors[parked.call.model], parked.call
        response, error = line.data.get("response"), line.data.get("error")
        if not isinstance(response, Mapping):
            words = _words(error) or "neither a response nor an error"
            return (LineOutcome.EXPIRED if "expired" in words else LineOutcome.ERROR), door.backend.safe(words), 0
        status, body = response.get("status_code", 200), response.get("body")
        if isinstance(status, str | float) and str(status).removesuffix(".0").isdecimal() and len(str(status)) <= 5:
            status = int(float(status))
        if not isinstance(status, int) or isinstance(status, bool):
            return LineOutcome.BROKEN, "its status_code is no number", 0
        if status >= 400 and not body:
            body = error  # vLLM's batch runner says there what was wrong
        if status < 400 and (name := self._other_name(door, body)):
            told.names.setdefault(call.model, Counter())[name] += 1
            return LineOutcome.OTHER_MODEL, f"`{name[:80]}`, and `{door.spec.send_model}` was asked", 0
        try:
            return LineOutcome.READ, "", door.backend.reply_in_file(call, status, body)
        except PERMANENT as refusal:
            failure = "too_long" if isinstance(refusal, ContextTooLong) else "refused"
            return LineOutcome.FAILED, str(refusal), Reply("", "", failure=failure, detail=str(refusal)[:500])
        except Lacking as lack:
            told.lacks.setdefault(call.model, Counter())[lack.name] += 1
            return self._rejected(door, parked, CallRejected(str(lack.refusal), status=status))
        except CallRejected as refusal:
            return self._rejected(door, parked, refusal)
        except TeacherMisconfigured as refusal:
            return LineOutcome.REJECTED, str(refusal), 0
        except TeacherError as problem:
            return LineOutcome.ERROR, str(problem), 0

    def _rejected(self, door: Door, parked: Parked, refusal: CallRejected) -> tuple[LineOutcome, str, Reply | int]:
        """Turned down by an endpoint that does answer: said twice of the same call it is final, as it is online."""
        if parked.rejected == refusal.status and door.answered_before:
            return LineOutcome.FAILED, str(refusal), Reply("", "", failure="refused", detail=str(refusal)[:500])
        return LineOutcome.REJECTED, str(refusal), refusal.status

    def _learn_names(self, lines: Sequence[_Line], waiting: Mapping[bytes, Parked]) -> None:
        """Of a model that has not answered yet: the name that its replies bear, where all of the first ones bear one.

        Behind an alias or a deployment's name that is the model's own.
        """
        found: dict[str, set[str]] = {}
        for line in lines:
            parked = waiting.get(line.key)
            if parked and not self._names.get(parked.call.model) and (name := _name_of(_body(line))):
                found.setdefault(parked.call.model, set()).add(name)
        for model, names in found.items():
            door = self._doors.get(model)
            if not door:
                continue
            own = {name for name in names if door.is_own_name(name)} or (names if len(names) == 1 else set())
            for name in own:
                self._names[model].add(name)
                door.learn_name(name)

    def _other_name(self, door: Door, body: Any) -> str:
        """The name of another model that an answer bears; empty where it is the asked one's, or one that is known."""
        name = _name_of(body)
        return "" if door.is_own_name(name) or name in self._accepted or name in self._names[door.model] else name

    def _learn(self, told: LinesTold) -> None:
        """Leave out from now on what every line was turned down for, by an endpoint that has never answered."""
        for model, lacks in told.lacks.items():
            door = self._doors[model]
            (name, count), *others = lacks.most_common()
            if not door.answered_before and not others and count == told.counts[LineOutcome.REJECTED]:
                door.backend.believe(name)


def _raw_lines(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Where each line stands, and its bytes; of one that is too long the first ones."""
    with file_errors(path), path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            rest = raw
            while len(rest) > LONGEST_LINE_BYTES and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST_LINE_BYTES + 1)
            if raw.strip():
                yield f"{name}:{number}", raw


def _body(line: _Line) -> Any:
    response = line.data.get("response")
    return response.get("body") if isinstance(response, Mapping) else None


def _name_of(body: Any) -> str:
    name = body.get("model") if isinstance(body, Mapping) else None
    return name if isinstance(name, str) else ""


def _words(error: Any) -> str:
    if isinstance(error, Mapping):
        return " ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    return str(error) if error else ""


def _short(error: Exception) -> str:
    return f"no `{error.args[0]}`" if isinstance(error, KeyError) else str(error)[:120]
