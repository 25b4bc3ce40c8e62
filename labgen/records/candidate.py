"""What becomes of a draw: candidates, what filters say of them, and how they end."""

from __future__ import annotations

import enum
import hashlib
from json.encoder import encode_basestring_ascii as quoted

from labgen.lazy.dataclasses import dataclass
from labgen.records.leaf import Pair
from labgen.records.passage import Source
from labgen.records.reply import Answerer
from labgen.records.slot import DOCUMENT_KINDS


class State(enum.StrEnum):
    """The one state in which a candidate ends. Per leaf and in all, the states add up to the candidates."""

    ACCEPTED = "accepted"
    UNPARSED = "unparsed"
    MALFORMED = "malformed"
    DUPLICATE = "duplicate"
    CONTAMINATED = "contaminated"
    IRRELEVANT = "irrelevant"
    UNGROUNDED = "ungrounded"
    UNSAFE = "unsafe"
    LOW_QUALITY = "low_quality"
    MARKED_BAD = "marked_bad"
    SURPLUS = "surplus"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words that support a verdict. `start`/`end` are character offsets where the words were found, -1 where not."""

    text: str
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one filter says of a candidate: a measurement, which a threshold then decides on.

    Attributes:
        filter: the filter's name; version: bumped whenever its meaning changes.
        value: the measurement (yes is 1.0, no is 0.0; similarities 0 to 1; pair scores 1 to 3).
        reason: short code or words that a person can look up.
        evidence: spans that show it.
    """

    filter: str
    version: str
    value: float
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()


VERDICTS_KNOWN = 1024
"""Verdicts that are kept in mind where candidates are read or written: most have the same ones as others."""

REPAIR, SAMPLE = "repair", "responses"
"""Kinds of pair: a response that failed and what it was repaired to, or two responses that a judge compared."""


@dataclass(frozen=True, slots=True)
class Rival:
    """Another response to a candidate's instruction, and how the two compare.

    Attributes:
        kind: `REPAIR` or `SAMPLE`.
        state, reason: how it ended where a filter turned it down; `state` is None where it passed.
        verdicts: those on the response alone.
        better: whether a judge prefers it to the candidate's own response.
        margin: by how much one of the two is better, 0 to 1; 0 where nobody could say.
        why: what decided it, in the judge's words or a filter's.
        by: logical name of the model that gave it; empty for the teacher.
    """

    response: str
    kind: str
    state: State | None = None
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()
    better: bool = False
    margin: float = 0.0
    why: str = ""
    by: str = ""


SECOND_TURN = "second_turn"
"""Filter of the verdict that says whether a row has its second turn (1) or why it lacks it (0); `SECOND_TURN/NAME` is
what the filter NAME says of that turn."""


@dataclass(frozen=True, slots=True)
class HumanEdit:
    """What a candidate was before a person wrote it anew: its id and its texts as drawn. `by`: that person's name."""

    by: str
    id: str
    instruction: str
    response: str


ID_CHARS = 16
"""Hexadecimal digits of a row's id: 64 bits, so that among ten million rows a collision has odds of 1 in 370,000."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instruction/response pair on its way, or all that became of one, with its lineage.

    Attributes:
        leaf, slot, position: which draw it comes from and its place in that draw's reply.
        instruction, response: empty as long as (or because) they were never had.
        context: grounded skills: the new context; knowledge: the chunk's passage; else None.
        source: where the context is from (knowledge).
        seed_examples: indices of the seed examples that the prompt showed.
        verdicts: in the order in which they were given.
        state, reason: how it ended; `state` is None while it is on its way.
        raw: the teacher's text that it was read from.
        truncated: whether the token limit cut that text off.
        calls: keys of the calls in its history, in order (those it shares with its slot included).
        answered_by: the models whose replies it and its slot were made of and judged by, in order of their names.
        kind: what kind of question or document was asked for (knowledge); else empty. A document has its title as
            `instruction` and its text as `response`.
        reasoning: what the response was arrived at by, where the leaf asks for that; no part of the response.
        rivals: other responses to the instruction, where preferences are asked for.
        follow_up: the question that was asked next, and its answer, where the leaf asks for two turns and these are
            part of the row. What is said of them stands in `verdicts` (see `SECOND_TURN`).
        rejected_by: name of the verdict that ended it; empty where none did.
        edit: what it was as drawn, where a person has written it anew; None for all others.
        language: what its texts seem to be in, as `labgen.text.language` tells it; None as long as nobody has looked.
    """

    leaf: str
    slot: int
    position: int
    instruction: str = ""
    response: str = ""
    context: str | None = None
    source: Source | None = None
    seed_examples: tuple[int, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    state: State | None = None
    reason: str = ""
    raw: str = ""
    calls: tuple[bytes, ...] = ()
    truncated: bool = False
    answered_by: tuple[Answerer, ...] = ()
    kind: str = ""
    reasoning: str = ""
    rivals: tuple[Rival, ...] = ()
    follow_up: Pair | None = None
    rejected_by: str = ""
    edit: HumanEdit | None = None
    language: str | None = None

    @property
    def id(self) -> str:
        """The id of its row: `ID_CHARS` hexadecimal digits that hash leaf, slot, position and text as drawn.

        A second turn is no part of it: with and without one, it is the same row.
        """
        return self.edit.id if self.edit else self._hash(quoted(self.leaf), str(self.slot), str(self.position))

    @property
    def text_id(self) -> str:
        """The same of leaf and present text alone, by which a text is known again in another draw."""
        return self._hash(quoted(self.leaf))

    def _hash(self, *place: str) -> str:
        texts = [self.instruction, self.response, self.context, *([self.reasoning] if self.reasoning else [])]
        # What json.dumps([*place, *texts], separators=(",", ":")) writes, in less time.
        parts = [*place, *["null" if text is None else quoted(text) for text in texts]]
        return hashlib.sha256(f"[{','.join(parts)}]".encode()).hexdigest()[:ID_CHARS]

    @property
    def is_document(self) -> bool:
        """Whether it is a text of its own on its passage, not a question with an answer."""
        return self.kind in DOCUMENT_KINDS

    @property
    def repaired(self) -> bool:
        """Whether its response is the second one, after the first had failed."""
        return any(rival.kind == REPAIR for rival in self.rivals)

    @property
    def second_turn(self) -> str | None:
        """Why it has no second turn, empty where it has one; None where none was asked for."""
        said = [verdict.reason for verdict in self.verdicts if verdict.filter == SECOND_TURN]
        return said[-1] if said else None

    @property
    def compared(self) -> str:
        """What near-duplicates are told by: the instruction, of a document the text."""
        return self.response if self.is_document else self.instruction
