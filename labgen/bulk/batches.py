"""The files of a round, answered by endpoints' batch APIs: handed over, watched and read, whatever happens meanwhile.

Before anything is handed over the ledger notes it, so that a run which is killed at any moment finds again what it has
begun: a batch that was made is watched on, a file of which none was made is forgotten, and its calls are asked anew.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from labgen.bulk.batch_api import BatchApi, QuotaReached, RemoteBatch
from labgen.bulk.doors import CUSTOM_ID, Door
from labgen.bulk.reply_files import LinesTold, ReplyReader
from labgen.bulk.request_files import RequestFile, file_errors, halves
from labgen.errors import (
    RETRYABLE,
    CallRejected,
    LabgenError,
    TeacherDown,
    TeacherError,
    TeacherMisconfigured,
    UsageError,
)
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.parked import BatchNote, ParkedCalls

T = TypeVar("T")

FIRST_POLL_SEC = 1.0
LONGEST_POLL_SEC = 60.0
"""A look at a batch follows the last one after a second, then ever later, up to this."""
REHEARSAL_POLL_SEC = 0.02
"""The built-in rehearsal teacher answers a round in a moment, which nobody need wait a second to be told."""
OUTAGE_SEC = 3600.0
"""An endpoint that can't be reached for so long, while batches are watched, ends the run; what it has is kept."""
HELD_SEC = 60.0
"""Time between two tries to hand over a single call that a quota does not take."""
QUOTA_TRIES = 60
"""So many times in a row that is tried."""


@dataclass
class BatchRuns:
    """Batches at the endpoints of a run.

    Args:
        folder: where files lie that are handed over or fetched.
        poll_sec: time between two looks; None: from `first_poll_sec` on ever longer, up to `LONGEST_POLL_SEC`.
        notice: told what happens.
        sleep: waits so many seconds.
        patient: whether an endpoint that can't be reached is waited for.
    """

    doors: Mapping[str, Door]
    parked: ParkedCalls
    reader: ReplyReader
    folder: Path
    poll_sec: float | None = None
    first_poll_sec: float = FIRST_POLL_SEC
    notice: Callable[[str], None] = lambda words: None
    sleep: Callable[[float], None] = time.sleep
    patient: bool = True
    watch: Callable[[int], None] = lambda done: None
    told: LinesTold = field(default_factory=LinesTold, init=False)
    _files: dict[int, RequestFile] = field(default_factory=dict, init=False)
    _apis: dict[str, BatchApi] = field(default_factory=dict, init=False)

    def answer(self, files: Iterable[RequestFile]) -> LinesTold:
        """Have files answered, and what was begun before, and read what comes of it.

        Raises: TeacherError: an endpoint can't be reached for long, or refuses every batch; LedgerError; OutputError.
            Batches that were begun go on: the next run takes them up.
        """
        self.told = LinesTold()
        files = list(files)
        for file in files:
            self._door(file.model)  # a fault of the configuration is told before anything is handed over
        waiting = deque(files)
        under_way = self.open_batches()
        pause, held_sec, tries = self._first_pause, 0.0, 0
        while waiting or under_way:
            while waiting and not held_sec:
                made = self._submit(waiting[0])
                if isinstance(made, BatchNote):
                    waiting.popleft()
                    under_way.append(made)
                    tries = 0
                else:
                    held_sec = self._hold(made, waiting, alone=not under_way)
            self.sleep(pause)
            held_sec += pause if held_sec else 0.0
            pause = self.poll_sec or min(pause * 1.5, LONGEST_POLL_SEC)
            done = 0
            for batch in list(under_way):
                remote = self._look(batch)
                done += remote.done
                if not remote.ended:
                    continue
                under_way.remove(batch)
                again = self._end(batch, remote)
                if again:
                    waiting.appendleft(again)
                    held_sec = self._hold(_short(remote.problem), waiting, alone=not under_way)
                else:
                    pause, held_sec = self._first_pause, 0.0
            self.watch(self.told.lines + done)
            if not under_way and held_sec > min(HELD_SEC, 10 * self._first_pause):
                # Nothing of ours is there that could end and make room.
                held_sec, tries = 0.0, tries + 1
                if tries > QUOTA_TRIES:
                    raise TeacherDown("not even one call was taken, time and again. Run again later.")
        return self.told

    def _hold(self, why: str, waiting: deque[RequestFile], *, alone: bool) -> float:
        """What to do where no further batch is taken: split the next file, or wait; gives the seconds waited so far."""
        if alone and waiting[0].lines > 1:
            self.notice(f"{why} The file of {waiting[0].lines:,} calls is split.")
            waiting.extendleft(reversed(halves(waiting.popleft())))
            return 0.0
        self.notice(f"{why} {sum(file.lines for file in waiting):,} calls wait.")
        return self._first_pause

    @property
    def _first_pause(self) -> float:
        return self.poll_sec or self.first_poll_sec

    def open_batches(self) -> list[BatchNote]:
        """The batches that were begun and have not ended, as their endpoints know them.

        One that was handed over when labgen was killed is looked for there; where there is none, its calls are free.
        """
        found = []
        for noted in self.parked.batches():
            batch = noted
            if not self._is_named(batch):
                raise UsageError(
                    f"a batch of {batch.lines:,} calls to `{batch.model}` is under way at {batch.address}, and the "
                    "settings name no such endpoint. Set them as they were, or give it up with `labgen bulk cancel "
                    "--forget`."
                )
            if batch.batch_id or (batch := self._found(batch)).batch_id:
                found.append(batch)
            else:
                self._give_up(batch)
        return found

    def _is_named(self, batch: BatchNote) -> bool:
        """Whether the settings still name the endpoint that has a batch."""
        return batch.model in self.doors and self.doors[batch.model].spec.name == batch.address

    def _found(self, batch: BatchNote) -> BatchNote:
        """A batch whose name was not noted, with its name, where it was made all the same."""
        remote = self._patiently(partial(self._api(batch.model).find, batch.file_id)) if batch.file_id else None
        return self._noted(replace(batch, batch_id=remote.id)) if remote else batch

    def _noted(self, batch: BatchNote) -> BatchNote:
        self.parked.note_batch(batch)
        return batch

    def _give_up(self, batch: BatchNote) -> None:
        """A file of which no batch was made: its calls are free."""
        if batch.file_id:
            self._api(batch.model).delete(batch.file_id)
        self.parked.end_batch(batch)

    def look(self, batch: BatchNote) -> RemoteBatch:
        """What its endpoint says of a batch. Raises: TeacherError."""
        try:
            return self._api(batch.model).retrieve(batch.batch_id)
        except TeacherMisconfigured as error:
            raise TeacherMisconfigured(
                f"{_short(error)} If the batch {batch.batch_id} is gone for good, `labgen bulk cancel --forget` gives "
                "it up."
            ) from error

    def cancel(self, batch: BatchNote) -> RemoteBatch:
        """Have a batch stopped; one that has come to its end meanwhile stays as it is. Raises: TeacherError."""
        try:
            return self._api(batch.model).cancel(batch.batch_id)
        except TeacherError:
            remote = self.look(batch)
            if remote.ended or remote.status == "finalizing":
                return remote
            raise

    def forget(self, batch: BatchNote) -> str:
        """Have a batch stopped where that can be done, and free its calls in any case; gives what became of it."""
        if not self._is_named(batch):
            said = f"given up, not stopped: the settings no longer name `{batch.model}` at {batch.address}"
        else:
            try:
                api, made = self._api(batch.model), batch.batch_id
                if not made and batch.file_id and (remote := api.find(batch.file_id)):
                    made = remote.id
                if made:
                    api.cancel(made)
            except LabgenError as error:
                said = f"given up ({error})"
            else:
                said = "cancelled and given up" if made else "given up: no batch was made of it"
        self.parked.end_batch(batch)
        return said

    def fetch(self) -> tuple[LinesTold, list[BatchNote]]:
        """Read what has ended, without waiting; gives what was read, and what has not ended yet."""
        self.told = LinesTold()
        under_way = []
        for batch in self.open_batches():
            remote = self.look(batch)
            if remote.ended:
                self._end(batch, remote)
            else:
                under_way.append(batch)
        return self.told, under_way

    def fetch_what_can_be(self) -> LinesTold:
        """Read what has ended, of the batches whose endpoints still know them; the others are let be."""
        self.told = LinesTold()
        for batch in self.parked.batches():
            if batch.batch_id and self._is_named(batch):
                with suppress(TeacherError):
                    if (remote := self._api(batch.model).retrieve(batch.batch_id)).ended:
                        self._end(batch, remote)
        return self.told

    def submit(self, files: Iterable[RequestFile]) -> list[BatchNote]:
        """Hand files over without waiting. Raises: QuotaReached: too much waits there; TeacherError."""
        made: list[BatchNote] = []
        for file in files:
            batch = self._submit(file)
            file.path.unlink(missing_ok=True)
            if isinstance(batch, str):
                raise QuotaReached(f"{batch} {len(made)} files were handed over; submit the rest later.")
            made.append(batch)
        return made

    def _door(self, model: str) -> Door:
        door = self.doors[model]
        if not door.spec.base_url:
            raise UsageError(
                f"`{model}` has no address whose batch API could be asked. `labgen bulk write DIR` writes the files, "
                "and `labgen bulk read FILE...` brings the replies in."
            )
        return door

    def _api(self, model: str) -> BatchApi:
        if model not in self._apis:
            self._apis[model] = BatchApi(self._door(model))
        return self._apis[model]

    def close(self) -> None:
        """Close the connections."""
        for api in self._apis.values():
            api.close()

    def _submit(self, file: RequestFile) -> BatchNote | str:
        """Hand a file over; gives the batch, or why it is not taken now."""
        door, api = self._door(file.model), self._api(file.model)
        batch = self.parked.begin_batch(door.spec.name, file.model, _keys(file.path), file.size_bytes)
        batch = self._noted(replace(batch, file_id=self._patiently(partial(api.upload, file.path))))
        try:
            remote = self._made(api, batch)
        except QuotaReached as refusal:
            self._give_up(batch)
            return f"{door.spec.name} takes no further batch now ({_short(refusal)})."
        except TeacherError as refusal:
            if not isinstance(refusal, RETRYABLE) or isinstance(refusal, CallRejected):
                self._give_up(batch)
                raise TeacherMisconfigured(
                    f"{door.spec.name} takes no batch of calls to `{door.spec.send_model}` ({_short(refusal)}). None "
                    f"of the {file.lines:,} calls of that file was asked."
                ) from refusal
            raise
        batch = self._noted(replace(batch, batch_id=remote.id))
        self._files[batch.number] = file
        self.notice(f"{remote.id}: {file.lines:,} calls to {file.model} handed over.")
        return batch

    def _made(self, api: BatchApi, batch: BatchNote) -> RemoteBatch:
        """A batch of a file that was handed over: one, however often an answer is lost."""
        try:
            return api.create(batch.file_id)
        except RETRYABLE as problem:
            if isinstance(problem, CallRejected):
                raise
            self.sleep(self._first_pause)

            def found_or_made() -> RemoteBatch:
                return api.find(batch.file_id) or api.create(batch.file_id)

            return self._patiently(found_or_made)

    def _look(self, batch: BatchNote) -> RemoteBatch:
        remote = self._patiently(lambda: self.look(batch))
        if not remote.ended and remote.total:
            self.notice(
                f"{batch.batch_id}: {remote.status.replace('_', ' ')}, {remote.done:,} of {remote.total:,} calls."
            )
        return remote

    def _end(self, batch: BatchNote, remote: RemoteBatch) -> RequestFile | None:
        """Read what a batch has come to; gives its file where that is to be handed over once more."""
        api = self._api(batch.model)
        told = LinesTold()
        for file_id in (remote.output_id, remote.error_id):
            if file_id:
                path = self.folder / f"replies-{batch.number}.jsonl"
                self._patiently(partial(api.download, file_id, path))
                told.add_all(self.reader.read(path, f"{batch.batch_id} {file_id}"))
                with file_errors(path):
                    path.unlink(missing_ok=True)
        self.told.add_all(told)
        self.parked.end_batch(batch)
        api.delete(batch.file_id)
        file = self._files.pop(batch.number, None)
        if remote.for_quota:
            if not file:
                self.notice(f"{batch.batch_id}: not begun ({_short(remote.problem)}). The next round has its calls.")
            return file
        if file:
            file.path.unlink(missing_ok=True)
        if remote.status == "failed" and not told.lines:
            raise TeacherMisconfigured(
                f"{batch.address}: the batch {batch.batch_id} failed ({_short(remote.problem) or 'no reason given'}). "
                "None of its calls was asked."
            )
        self.notice(f"{batch.batch_id}: {remote.status}, {told.lines:,} lines of {batch.lines:,} calls.")
        return None

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do something again and again while the endpoint can't be reached, or is too busy.

        Raises: TeacherDown: for too long; TeacherError: it says no.
        """
        waited_sec, pause = 0.0, self._first_pause
        while True:
            try:
                return work()
            except RETRYABLE as problem:
                if isinstance(problem, CallRejected) or not self.patient:
                    raise
                if waited_sec == 0.0:
                    self.notice(f"{_short(problem)}; it is tried again.")
                if waited_sec > OUTAGE_SEC:
                    raise TeacherDown(
                        f"no answer for {waited_sec / 60:.0f} min, stopped. Last problem: {problem}. Batches that "
                        "were handed over go on; run again when the endpoint answers."
                    ) from problem
                wait_sec = max(problem.retry_after_sec or 0.0, pause)
            self.sleep(wait_sec)
            waited_sec += wait_sec
            pause = min(pause * 2.0, LONGEST_POLL_SEC)


def _keys(path: Path) -> list[bytes]:
    """The keys of the calls in a file that labgen wrote."""
    with file_errors(path), path.open("rb") as lines:
        return [bytes.fromhex(line[CUSTOM_ID].decode("ascii")) for line in lines]


def _short(words: object) -> str:
    return str(words)[:300]
