"""Rows beside the dataset's own: pairs of responses, single good and bad ones, answers that a rule can check.

A response that is not good enough for a row may still be read, as the worse one of two: so it has to be known to harm
nobody. It is held back unless a judge (and the guard, where there is one) looked at it and said so, and no secret,
personal data or benchmark item was found in it. The fault must be the response's own, not the instruction's.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.config.drawing import PreferencesConfig
from labgen.export.files import DataFile, ShardedTable
from labgen.export.rows import BuildInfo, LeafInfo, is_rehearsal, storable
from labgen.flows.repair import MENDABLE, QUESTIONS_FAULT
from labgen.flows.rivals import HARMFUL
from labgen.formats.training.base import CHECKABLE, FEEDBACK, PREFERENCE_CONFIGS, PREFERENCES
from labgen.lazy.dataclasses import dataclass
from labgen.records import ID_CHARS, Candidate, Rival, State, Verdict
from labgen.text.final_answer import final_answer
from labgen.text.secrets import find_sensitive

if TYPE_CHECKING:
    import pyarrow as pa

_SENSITIVE = frozenset({"secrets", "personal_data", "contamination"})
_OF_INSTRUCTION = ("instruction_", "off_task", "not_answerable", QUESTIONS_FAULT)


@dataclass(frozen=True, slots=True)
class Judged:
    """A response with what is known of it. `state` is None, or `accepted`, where it passed; `by` is empty where
    it is the teacher's.
    """

    text: str
    verdicts: tuple[Verdict, ...]
    state: State | None
    reason: str
    by: str = ""

    @classmethod
    def own(cls, candidate: Candidate) -> Judged:
        """A candidate's own response."""
        return cls(candidate.response, candidate.verdicts, candidate.state, candidate.reason)

    @classmethod
    def of(cls, rival: Rival) -> Judged:
        """A rival's."""
        return cls(rival.response, rival.verdicts, rival.state, rival.reason, rival.by)

    @property
    def score(self) -> float | None:
        """The judge's score, 1 to 3; None where it gave none."""
        return next((each.value for each in self.verdicts if each.filter == "pair_score"), None)


def known_harmless(judged: Judged, *, guarded: bool) -> bool:
    """Whether a response is known to harm nobody; what nobody looked at is not.

    Args:
        guarded: whether the build has a guard model, which then must have looked, too.
    """
    said = {verdict.filter: verdict.value for verdict in judged.verdicts}
    if said.get("safety") != 1.0 or (guarded and said.get("guard") != 1.0):
        return False
    if judged.state in HARMFUL or _SENSITIVE & set(said):
        return False
    return not find_sensitive(judged.text)


def at_fault(judged: Judged) -> bool:
    """Whether it is the response that was turned down, for what it says."""
    return judged.state in MENDABLE and bool(judged.text) and not judged.reason.startswith(_OF_INSTRUCTION)


class PreferenceTables:
    """The tables of a build's preferences, filled with its candidates in order.

    Args:
        guarded: as `known_harmless`.

    Attributes:
        pairs: kind of pair to how many were written; held_back: pairs that were not, since nobody says that their
            worse response harms nobody.
        saved: accepted rows whose response is a repaired one; good, bad: rows of feedback.
    """

    def __init__(self, root: Path, config: PreferencesConfig, *, guarded: bool) -> None:
        self._config, self._guarded = config, guarded
        self._tables = {name: ShardedTable(root, f"data/{name}", schema_of(name)) for name in PREFERENCE_CONFIGS}
        self.pairs: Counter[str] = Counter()
        self.held_back = self.saved = 0
        self.labels: Counter[bool] = Counter()
        self.checkers: Counter[str] = Counter()

    def add(self, candidate: Candidate, leaf: LeafInfo, about: BuildInfo) -> list[dict[str, Any]]:
        """Take a candidate in its final state. Returns: the rows that are written of it."""
        if candidate.is_document or not candidate.instruction or not candidate.response:
            return []
        made = list(self._rows(candidate, leaf, about))
        for name, row in made:
            self._tables[name].add(row)
        return [row for _, row in made]

    def _rows(self, candidate: Candidate, leaf: LeafInfo, about: BuildInfo) -> Iterator[tuple[str, dict[str, Any]]]:
        row = _Row(candidate, leaf, about)
        accepted = candidate.state is State.ACCEPTED
        if accepted:
            self.saved += candidate.repaired
            for pair in self._pairs(row):
                yield PREFERENCES, pair
        if self._config.feedback:
            for feedback in self._feedback(row):
                yield FEEDBACK, feedback
        if self._config.checkable and accepted and (answer := final_answer(row.asked, candidate.response)):
            self.checkers[answer.checker] += 1
            columns = {"answer": storable(answer.answer), "checker": answer.checker}
            yield CHECKABLE, row.base(row.id) | columns

    def _pairs(self, row: _Row) -> Iterator[dict[str, Any]]:
        own = Judged.own(row.candidate)
        for rival in row.candidate.rivals:
            if not rival.margin and rival.state is None:
                continue  # a tie
            other = Judged.of(rival)
            if rival.state is not None and rival.state not in MENDABLE | HARMFUL:
                continue  # of a response that had no verdict nobody can say that it is worse
            better, worse = (other, own) if rival.better else (own, other)
            if not known_harmless(worse, guarded=self._guarded):
                self.held_back += 1
                continue
            self.pairs[rival.kind] += 1
            yield row.pair(better, worse, rival)

    def _feedback(self, row: _Row) -> Iterator[dict[str, Any]]:
        candidate = row.candidate
        if candidate.state in (State.UNSAFE, State.CONTAMINATED, State.DUPLICATE, State.SURPLUS):
            return  # of these nothing is read, or it stands elsewhere
        for judged in (Judged.own(candidate), *map(Judged.of, candidate.rivals)):
            good = judged.state is State.ACCEPTED or (judged.state is None and candidate.state is State.ACCEPTED)
            if good or (at_fault(judged) and known_harmless(judged, guarded=self._guarded)):
                self.labels[good] += 1
                own = judged.text == candidate.response
                yield row.feedback(judged, good, row.id if own else row.id_with(judged.text))

    def end_leaf(self) -> None:
        """The leaf is complete."""
        for table in self._tables.values():
            table.end_leaf()

    def close(self) -> dict[str, Sequence[DataFile]]:
        """Finish the files. Returns: config to its files; one without rows is left out."""
        for table in self._tables.values():
            table.close()
        return {name: table.files for name, table in self._tables.items() if table.files}

    def abandon(self) -> None:
        """Let go of the files at hand."""
        for table in self._tables.values():
            table.abandon()

    def report(self) -> dict[str, Any]:
        """Counts of rows, as plain data: what the card says."""
        return {
            "pairs": dict(sorted(self.pairs.items())),
            "pairs_held_back": self.held_back,
            "rows_saved_by_a_repair": self.saved,
            "feedback": {"good": self.labels[True], "bad": self.labels[False]},
            "checkable": dict(sorted(self.checkers.items())),
        }


@dataclass(frozen=True, slots=True)
class _Row:
    """A candidate with what its rows have in common."""

    candidate: Candidate
    leaf: LeafInfo
    about: BuildInfo
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.candidate.id)

    @property
    def asked(self) -> str:
        """What is asked, with the text that it is on: by that an answer is right or wrong."""
        candidate = self.candidate
        return f"{candidate.context}\n\n{candidate.instruction}" if candidate.context else candidate.instruction

    def base(self, id: str) -> dict[str, Any]:
        candidate, leaf = self.candidate, self.leaf
        return {
            "id": id,
            "row": self.id,
            "prompt": [{"role": "user", "content": storable(self.asked)}],
            "leaf": candidate.leaf,
            "branch": leaf.branch,
            "teacher": self.about.teacher,
            "leaf_fingerprint": leaf.fingerprint,
            "rehearsal": is_rehearsal(candidate, self.about),
        }

    def id_with(self, *texts: str) -> str:
        """An id for what is made of the row and further texts, of the same form as a row's."""
        return hashlib.sha256(json.dumps([self.id, *texts]).encode()).hexdigest()[:ID_CHARS]

    def pair(self, better: Judged, worse: Judged, rival: Rival) -> dict[str, Any]:
        return self.base(self.id_with(better.text, worse.text)) | {
            "chosen": _answer(better.text),
            "rejected": _answer(worse.text),
            "margin": rival.margin,
            "reason": storable(rival.why or rival.reason),
            "kind": rival.kind,
            "score_chosen": better.score,
            "score_rejected": worse.score,
            "rejected_state": worse.state.value if rival.state and worse.state else "",
            "chosen_by": better.by or self.about.teacher,
            "rejected_by": worse.by or self.about.teacher,
        }

    def feedback(self, judged: Judged, good: bool, id: str) -> dict[str, Any]:
        reason = "" if good else next((v.reason for v in judged.verdicts if v.filter == "pair_score"), "")
        return self.base(id) | {
            "completion": _answer(judged.text),
            "label": good,
            "reason": storable(reason or judged.reason),
            "score": judged.score,
            "written_by": judged.by or self.about.teacher,
        }


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": storable(text)}]


def schema_of(config: str) -> pa.Schema:
    """The Arrow schema of one of `PREFERENCE_CONFIGS`."""
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    own = {
        PREFERENCES: [
            ("chosen", turns),
            ("rejected", turns),
            ("margin", pa.float64()),
            ("reason", pa.string()),
            ("kind", pa.string()),
            ("score_chosen", pa.float64()),
            ("score_rejected", pa.float64()),
            ("rejected_state", pa.string()),
            ("chosen_by", pa.string()),
            ("rejected_by", pa.string()),
        ],
        FEEDBACK: [
            ("completion", turns),
            ("label", pa.bool_()),
            ("reason", pa.string()),
            ("score", pa.float64()),
            ("written_by", pa.string()),
        ],
        CHECKABLE: [("answer", pa.string()), ("checker", pa.string())],
    }[config]
    names = ("leaf", "branch", "teacher", "leaf_fingerprint")
    return pa.schema(
        [
            *(("id", pa.string()), ("row", pa.string()), ("prompt", turns)),
            *own,
            *((name, pa.string()) for name in names),
            ("rehearsal", pa.bool_()),
        ]
    )
