"""The nouns that travel between labgen's stages.

Everything here is immutable and knows nothing of files, networks or configuration. The stages are, in order,
taxonomy, documents, plan, teacher, generate, filters, export, publish; each reads the nouns of the one before it.
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from labgen.lazy.dataclasses import dataclass

BRANCHES = ("knowledge", "foundational_skills", "compositional_skills")

DOCUMENT_KINDS = ("summary", "extract", "key_facts", "notes", "rewrite")
"""Kinds of what is drawn from a passage that are texts of their own, not questions on it."""

REHEARSAL_MODEL = "labgen-rehearsal"
"""Name of the rehearsal teacher's one model. Its replies bear it, whatever the model is called when it is asked, and so
their rows are rehearsal rows."""


class Grounding(enum.StrEnum):
    """What a candidate's answer has to be borne out by: a passage of its leaf's documents, a context that was drawn
    with it, or no text at all.
    """

    PASSAGE = "passage"
    CONTEXT = "context"
    NONE = "none"


class Severity(enum.StrEnum):
    """How bad a violation is: an `error` must be mended (most keep the leaf out of a build), others stop nothing."""

    ERROR = "error"
    WARNING = "warning"
    STYLE = "style"


@dataclass(frozen=True, slots=True)
class Violation:
    """One problem in one file of the taxonomy.

    Attributes:
        code: stable rule code, such as `LG101`.
        severity: what follows from it.
        file: path as a person would type it, relative to the taxonomy root, with forward slashes.
        line, column: 1-based position of the value that is wrong.
        message: what is wrong and what to do, in plain words, without a final full stop's worth of jargon.
        end_column: 1-based column just past the value on the same line, 0 where unknown.
    """

    code: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer, as a contributor wrote them (outer white space removed)."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class SeedExample:
    """One entry of a leaf's `seed_examples`.

    A skill's entry has exactly one pair; a knowledge entry has a context and one or more pairs on it.
    """

    index: int
    context: str | None
    pairs: tuple[Pair, ...]


BESIDE_LEAF = (".", "./")
"""How a leaf says that its documents lie in its own folder."""


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a knowledge leaf's documents are, as written in the leaf.

    Attributes:
        repo: a git address, or `.` for files beside the leaf.
        commit: full or abbreviated hash as written; ignored for `repo: .`, and may then be empty.
        patterns: file patterns inside the repository (or the leaf's folder).
        line: 1-based line of `document` in the leaf's file, for messages.
    """

    repo: str
    commit: str
    patterns: tuple[str, ...]
    line: int = 1

    @property
    def beside_leaf(self) -> bool:
        """Whether the documents lie in the leaf's own folder."""
        return self.repo.strip() in BESIDE_LEAF


@dataclass(frozen=True, slots=True)
class Leaf:
    """One `qna.yaml`: the smallest thing a person curates and the unit that labgen samples from.

    Attributes:
        path: folder of the leaf below the taxonomy root, with forward slashes, starting with the branch.
        branch: one of `BRANCHES`.
        file: where the YAML was read from.
        version: schema version the file declares (1 where it declares none).
        task_description: what a skill leaf asks for; empty for knowledge.
        domain, document_outline: what a knowledge leaf is about; empty for skills.
        seed_examples: one or more, in the file's order.
        document: knowledge only.
        created_by: contributor's name as written; it does not change rows.
        reasoning: what is kept beside a skill's answers of how they came about: `plan`, which the teacher is asked for;
            `own`, what a reasoning teacher thought aloud anyway; empty for nothing.
        turns: questions of a conversation, each with its answer (1 or 2); as the settings say.
    """

    path: str
    branch: str
    file: Path
    version: int
    task_description: str
    domain: str
    document_outline: str
    seed_examples: tuple[SeedExample, ...]
    document: DocumentSource | None
    created_by: str
    reasoning: str = ""
    turns: int = 1

    @property
    def grounded(self) -> bool:
        """Whether this is a skill whose every seed example has a context.

        Of a skill leaf where only some have one, each context counts as part of its instruction.
        """
        return self.branch != "knowledge" and all(seed.context for seed in self.seed_examples)

    def __repr__(self) -> str:
        return f"Leaf({self.path!r}, {len(self.seed_examples)} seed examples)"

    def _repr_html_(self) -> str:
        from labgen.html_table import html_table

        about = self.task_description or f"{self.domain}. {self.document_outline}"
        pairs = [(seed.context, pair.question, pair.answer) for seed in self.seed_examples for pair in seed.pairs]
        return html_table(f"{self.path}: {about}", ("context", "question", "answer"), pairs)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All usable leaves below a root, in path order, and what kept the others out.

    `violations` holds errors only (the full set of rules is `labgen check`); `excluded` names the leaves they cost.
    """

    root: Path
    leaves: tuple[Leaf, ...]
    violations: tuple[Violation, ...]
    excluded: tuple[str, ...] = ()

    def __repr__(self) -> str:
        left_out = f", {len(self.excluded)} left out" if self.excluded else ""
        return f"Taxonomy({str(self.root)!r}, {len(self.leaves)} leaves{left_out})"

    def _repr_html_(self) -> str:
        from labgen.html_table import html_table

        rows: list[tuple[object, ...]] = [
            (leaf.path, leaf.branch, len(leaf.seed_examples), leaf.created_by) for leaf in self.leaves
        ]
        rows += [(path, "left out", None, "") for path in self.excluded]
        return html_table(repr(self), ("leaf", "branch", "seed examples", "created by"), rows)


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one file that a knowledge leaf points at.

    Attributes:
        repo: address as written in the leaf.
        commit: *resolved* full commit hash; for files beside the leaf, `sha256:` and a hash of the content.
        file: path inside the repository or the leaf's folder, with forward slashes.
        text: decoded content; chunk offsets count its characters.
        markdown: whether headings and paragraphs should be read as Markdown.
    """

    repo: str
    commit: str
    file: str
    text: str
    markdown: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A citation: characters `start` (inclusive) to `end` (exclusive) of a document at a commit."""

    repo: str
    commit: str
    file: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document, small enough for a prompt.

    Attributes:
        text: exactly the document's `[start:end]`.
        lead: what the span starts in the middle of, as it is shown before it: headings, the header row of a table,
            items that it is nested in. Ends with the white space between; empty for nothing.
    """

    index: int
    text: str
    source: Source
    lead: str = ""

    @property
    def passage(self) -> str:
        """What a prompt shows, and what pairs are drawn from and judged by: the text below its lead."""
        return self.lead + self.text


@dataclass(frozen=True, slots=True)
class Slot:
    """The i-th draw from a leaf, fixed before any call is made.

    Attributes:
        leaf: the leaf's path.
        index: 0-based number of the draw.
        seed_examples: indices into the leaf's seed examples that the prompt shows, in that order.
        chunk: index into the leaf's chunks (knowledge), else None.
        sampling_seed: given to the teacher, 0 to 2**31 - 1.
        kind: what is drawn from the passage, a kind of question or of document (one of `config.KINDS`); empty for
            skills.
        beside: index of the chunk that is shown with the first one, where the kind of question needs two.
        attributes: what the draw is asked to vary, by name, and how.
    """

    leaf: str
    index: int
    seed_examples: tuple[int, ...]
    chunk: int | None
    sampling_seed: int
    kind: str = ""
    beside: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with the teacher. `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


_quoted = json.encoder.encode_basestring
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


class Schema(dict[str, Any]):
    """A JSON Schema that thousands of calls share: written out once, so not to be changed once it is made."""

    @cached_property
    def canonical(self) -> str:
        """It as canonical JSON."""
        return _canonical(self)


@dataclass(frozen=True)
class Call:
    """What is asked of the teacher, before any prompt format or workaround for an endpoint.

    `key` hashes exactly `model`, `messages`, the sampling parameters, `schema`, `extra_body` and `reasoning`. `leaf`
    and `step` are labels for statistics, and `priority` (smaller first) orders waiting calls; none of the three is part
    of the key.

    Attributes:
        extra_body: further parameters as the configuration gives them; None for none.
        reasoning: `off` where the model is asked for none; empty to leave it to the model.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    seed: int
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    schema: Schema | None = None
    extra_body: Schema | None = None
    reasoning: str = ""
    leaf: str = field(default="", compare=False)
    step: str = field(default="", compare=False)
    priority: tuple[int, ...] = field(default=(), compare=False)

    @cached_property
    def key(self) -> bytes:
        """The ledger's key: 32 bytes, the same on every machine and for every endpoint."""
        return hashlib.sha256(self.canonical.encode()).digest()

    @cached_property
    def canonical(self) -> str:
        """The call as canonical JSON: what `key` hashes and what the ledger keeps for people to read."""
        # What json.dumps(..., ensure_ascii=False, separators=(",", ":"), sort_keys=True) writes, at half the price.
        messages = ",".join(f"[{_quoted(message.role)},{_quoted(message.content)}]" for message in self.messages)
        schema = f'"schema":{self.schema.canonical},' if self.schema is not None else ""
        stop = f'"stop":{_canonical(list(self.stop))},' if self.stop else ""
        extra = f'"extra_body":{self.extra_body.canonical},' if self.extra_body is not None else ""
        reasoning = f'"reasoning":{_quoted(self.reasoning)},' if self.reasoning else ""
        return (
            f'{{{extra}"max_tokens":{self.max_tokens},"messages":[{messages}],"model":{_quoted(self.model)},{reasoning}{schema}'
            f'"seed":{self.seed},{stop}"temperature":{self.temperature!r},"top_p":{self.top_p!r}}}'
        )

    @classmethod
    def of_canonical(cls, text: str, *, leaf: str = "", step: str = "") -> Call:
        """The call that `canonical` was written of. Raises: ValueError, KeyError, TypeError: it is none's."""
        data = json.loads(text)
        made = cls(
            model=data["model"],
            messages=tuple(Message(role, content) for role, content in data["messages"]),
            max_tokens=data["max_tokens"],
            temperature=data["temperature"],
            seed=data["seed"],
            top_p=data["top_p"],
            stop=tuple(data.get("stop", ())),
            schema=Schema(data["schema"]) if "schema" in data else None,
            extra_body=Schema(data["extra_body"]) if "extra_body" in data else None,
            reasoning=data.get("reasoning", ""),
            leaf=leaf,
            step=step,
        )
        made.__dict__["canonical"] = text  # the same, at no price
        return made


MOST_TOKENS = 10**9
"""No prompt and no reply have more (count): what counts beyond is no count."""

WHOLE = frozenset({"stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "complete", "completed"})
"""Endpoints' words for a reply that ended by itself. Only these are known to be whole."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where a reply comes from, as the endpoint that gave it says; parts that it does not say are empty.

    Attributes:
        address: that was asked, without any key.
        model: the name that the reply itself bears, or that a gateway says of the model behind it; behind an alias
            another one than was asked for.
        fingerprint: of the model's build or of the server's settings (`system_fingerprint`).
        listed: the models that the endpoint lists, in words, where the one that was asked for is not among them.
    """

    address: str = ""
    model: str = ""
    fingerprint: str = ""
    listed: str = ""

    @property
    def rehearsal(self) -> bool:
        """Whether it was the rehearsal teacher, whatever it was called when it was asked."""
        return REHEARSAL_MODEL in (self.model, self.fingerprint)


@dataclass(frozen=True, slots=True, order=True)
class Answerer:
    """A model that something was asked of: its name here, and what its replies say of themselves.

    Attributes:
        asked: the logical name, as the configuration has it.
        model, listed: as in `Served`; empty where the replies do not say.
        rehearsal: whether it was the rehearsal teacher, whatever it is called.
    """

    asked: str
    model: str = ""
    listed: str = ""
    rehearsal: bool = False

    @classmethod
    def of(cls, asked: str, served: Served) -> Answerer:
        """That of a reply. One that says nothing of itself is taken for what it was asked as."""
        rehearsal = served.rehearsal or (not served.model and asked == REHEARSAL_MODEL)
        return cls(asked, served.model, served.listed, rehearsal)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a call.

    Attributes:
        text: the answer; end-of-sequence tokens and reasoning are removed. Empty when `failure` is set.
        finish_reason: the endpoint's own word (`stop`, `length`, ...), or `loop` where labgen cut a reply that only
            repeated itself.
        prompt_tokens, completion_tokens: as the endpoint counted them; 0 where it did not.
        failure: empty, or why there is no text: `too_long` and `refused` are permanent and kept in the ledger like a
            reply; `exhausted` means that the attempts ran out, is never kept, and is asked again by the next run.
        detail: for failures, the endpoint's words, shortened.
        reasoning: what the model thought aloud before its answer, where it did; part of a row only where its
            leaf asks for it.
        served: where the reply comes from.
        waited_sec: so long the call waited in line at whoever sends it before it was sent (seconds); never kept.
        kept: whether whoever sent the call has kept the reply in the ledger already.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failure: str = ""
    detail: str = ""
    reasoning: str = ""
    served: Served = Served()
    waited_sec: float = field(default=0.0, compare=False)
    kept: bool = field(default=False, compare=False)

    @property
    def whole(self) -> bool:
        """Whether it is known to have ended by itself, not at a limit or for some other reason."""
        return self.finish_reason.lower() in WHOLE


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

_compact = json.JSONEncoder(separators=(",", ":")).encode


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
        return self.edit.id if self.edit else self._hash(self.leaf, self.slot, self.position)

    @property
    def text_id(self) -> str:
        """The same of leaf and present text alone, by which a text is known again in another draw."""
        return self._hash(self.leaf)

    def _hash(self, *place: str | int) -> str:
        reasoning = [self.reasoning] if self.reasoning else []
        parts = [*place, self.instruction, self.response, self.context, *reasoning]
        return hashlib.sha256(_compact(parts).encode()).hexdigest()[:ID_CHARS]

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
