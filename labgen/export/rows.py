"""What a row is: the one Arrow schema of every config, and how a candidate becomes a row of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from labgen import __version__
from labgen.lazy.dataclasses import dataclass
from labgen.records import Answerer, Candidate, Verdict
from labgen.records.candidate import VERDICTS_KNOWN
from labgen.taxonomy.marks import LeafMarks

if TYPE_CHECKING:
    import pyarrow as pa

CLOSED_BOOK, OPEN_BOOK, DISTRACTORS = "closed_book", "open_book", "distractors"
"""Forms in which a row on a document is trained on: the question alone, below its passage, among other passages."""


@dataclass(frozen=True, slots=True)
class Licence:
    """One work that a leaf builds on, as its `attribution.txt` states it; `licence` is empty where it does not say."""

    title: str
    link: str
    licence: str
    creators: str = ""


@dataclass(frozen=True, slots=True)
class LeafInfo:
    """What the dataset says of a leaf, beside its rows.

    Attributes:
        path, branch: as in `records.Leaf`; flow: name of the flow that draws on it.
        fingerprint: covers exactly what changes the leaf's rows.
        prompt_version: hash of the prompt files that its flow uses.
        wanted: accepted rows asked for.
        created_by: the contributor's name as written in the leaf, empty where there is none.
        licences: works named in `attribution.txt`; empty where there is no such file.
        title: the leaf's task description or domain, for people.
        own_context: whether its candidates bring contexts of their own, which are then part of what is asked.
        marks: what reviewers say of its rows.
    """

    path: str
    branch: str
    flow: str
    fingerprint: str
    prompt_version: str
    wanted: int
    created_by: str = ""
    licences: tuple[Licence, ...] = ()
    title: str = ""
    own_context: bool = False
    marks: LeafMarks = field(default_factory=LeafMarks)


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What holds for a whole build.

    Attributes:
        teacher: the model's name as it is configured, which every row carries.
        rehearsal: whether the rehearsal teacher wrote or judged it; what the configuration says, until replies do.
        settings: what changes rows, as plain data. No address, path, concurrency, budget or clock time may stand here.
        taxonomy_commit: full hash of the taxonomy's commit; None outside git. It stands in the card only.
        complete: False where the run ended before every leaf was done (budget, failures, interrupt).
        unselected: leaves of the taxonomy that a narrower selection (`--leaf`, `--base`) left out.
        excluded: leaf to reason, for those of the selection that could not be used.
        answered_by: the models whose replies the build was made of, in order of their names.
    """

    teacher: str
    rehearsal: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    taxonomy_commit: str | None = None
    labgen: str = __version__
    complete: bool = True
    unselected: tuple[str, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    answered_by: tuple[Answerer, ...] = ()

    def served_models(self, asked: str) -> tuple[str, ...]:
        """The names that the replies of a model bear, which is asked by another name."""
        return tuple(name for name in served_models(self.answered_by, asked) if name != asked)

    def listed_instead(self, asked: str) -> str:
        """The models that the servers of a model list, which does not stand in their lists; empty for none."""
        return "; ".join(sorted({each.listed for each in self.answered_by if each.asked == asked and each.listed}))

    @property
    def written_by_rehearsal(self) -> bool:
        """Whether the teacher, not only a judge, was the rehearsal teacher."""
        said = [each.rehearsal for each in self.answered_by if each.asked == self.teacher]
        return any(said) if said else self.rehearsal


def row_schema(*, rejected: bool = False, documents: bool = False) -> pa.Schema:
    """The Arrow schema of a config; `rejected` adds why a candidate is none of the dataset's at the end,
    `documents` what a document is trained on as.

    `source.start`/`end` and evidence offsets count characters (Unicode code points) of the document and of
    `context`, which ends with the document's own `[start:end]`; `seed_examples` are 0-based indices into the leaf's own
    list.
    """
    import pyarrow as pa

    evidence = pa.struct([("text", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
    verdict = pa.struct(
        [
            ("filter", pa.string()),
            ("version", pa.string()),
            ("value", pa.float64()),
            ("reason", pa.string()),
            ("evidence", pa.list_(evidence)),
        ]
    )
    source = [("repo", pa.string()), ("commit", pa.string()), ("file", pa.string())]
    columns = [
        ("id", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("leaf", pa.string()),
        ("branch", pa.string()),
        ("context", pa.string()),
        ("source", pa.struct([*source, ("start", pa.int64()), ("end", pa.int64())])),
        ("kind", pa.string()),
        ("form", pa.string()),
        ("reasoning", pa.string()),
        ("seed_examples", pa.list_(pa.int32())),
        ("verdicts", pa.list_(verdict)),
        ("teacher", pa.string()),
        ("served_model", pa.string()),
        ("prompt_version", pa.string()),
        ("leaf_fingerprint", pa.string()),
        ("rehearsal", pa.bool_()),
        ("edited_by", pa.string()),
    ]
    if rejected:
        columns += [(name, pa.string()) for name in ("state", "reason", "raw", "rejected_by")]
    if documents:
        columns += [("text", pa.string()), ("unmask", pa.bool_())]
    return pa.schema(columns)


def lineage_schema() -> pa.Schema:
    """The Arrow schema of `lineage/`: which draw and which calls (ledger keys, in order) an id comes from; of an
    edited row also its texts as they were drawn.
    """
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("slot", pa.int32()),
            ("position", pa.int32()),
            ("calls", pa.list_(pa.binary(32))),
            ("drawn", pa.struct([("instruction", pa.string()), ("response", pa.string())])),
        ]
    )


def user_turn(candidate: Candidate, *, own_context: bool) -> str:
    """What a model in training is asked.

    Args:
        own_context: whether the candidate brought its context, which then comes first, with a blank line after it. A
            passage of a document is not shown (closed book: the model is to learn it); it stands in `context`.
    """
    if candidate.context and own_context:
        return f"{candidate.context}\n\n{candidate.instruction}"
    return candidate.instruction


def row_of(candidate: Candidate, leaf: LeafInfo, about: BuildInfo) -> dict[str, Any]:
    """An accepted candidate as a row of `row_schema()`."""
    messages = (
        [{"role": "user", "content": storable(user_turn(candidate, own_context=leaf.own_context))}]
        if candidate.instruction
        else []
    )
    if candidate.response:
        messages.append({"role": "assistant", "content": storable(candidate.response)})
    if candidate.follow_up:
        messages.append({"role": "user", "content": storable(candidate.follow_up.question)})
        messages.append({"role": "assistant", "content": storable(candidate.follow_up.answer)})
    source = candidate.source
    return {
        "id": candidate.id,
        "messages": messages,
        "leaf": candidate.leaf,
        "branch": leaf.branch,
        "context": None if candidate.context is None else storable(candidate.context),
        "source": None
        if source is None
        else {
            "repo": storable(source.repo),
            "commit": storable(source.commit),
            "file": storable(source.file),
            "start": source.start,
            "end": source.end,
        },
        "kind": storable(candidate.kind),
        "form": CLOSED_BOOK if candidate.source is not None and not candidate.is_document else "",
        "reasoning": storable(candidate.reasoning),
        "seed_examples": list(candidate.seed_examples),
        "verdicts": [_verdict(verdict) for verdict in candidate.verdicts],
        "teacher": about.teacher,
        "served_model": storable(", ".join(served_models(candidate.answered_by, about.teacher))),
        "prompt_version": leaf.prompt_version,
        "leaf_fingerprint": leaf.fingerprint,
        "rehearsal": is_rehearsal(candidate, about),
        "edited_by": storable(candidate.edit.by) if candidate.edit else None,
    }


def served_models(answered_by: Iterable[Answerer], asked: str) -> list[str]:
    """The names that the replies to what a model was asked bear, sorted."""
    return sorted({each.model for each in answered_by if each.asked == asked and each.model})


def is_rehearsal(candidate: Candidate, about: BuildInfo) -> bool:
    """Whether any reply that a candidate was made of or judged by was the rehearsal teacher's."""
    said = [each.rehearsal for each in candidate.answered_by]
    return any(said) if said else about.rehearsal


def document_row_of(candidate: Candidate, leaf: LeafInfo, about: BuildInfo) -> dict[str, Any]:
    """An accepted document as a row of `row_schema(documents=True)`: the same columns, and the text as one.

    As turns it is a text that is asked for by its title; `unmask` says that all of it is to be learned from.
    """
    row = row_of(candidate, leaf, about)
    return row | {"text": document_text(row["messages"]), "unmask": True}


def document_text(messages: Iterable[Mapping[str, str]]) -> str:
    """A document's turns as one text: title, blank line, text."""
    return "\n\n".join(turn["content"] for turn in messages if turn["role"] != "system")


def rejected_row_of(candidate: Candidate, leaf: LeafInfo, about: BuildInfo) -> dict[str, Any]:
    """Any candidate as a row of `row_schema(rejected=True)`: the same columns and why it is not in the dataset."""
    return row_of(candidate, leaf, about) | {
        "state": candidate.state.value if candidate.state else "",
        "reason": storable(candidate.reason),
        "raw": storable(candidate.raw),
        "rejected_by": storable(candidate.rejected_by),
    }


def lineage_of(candidate: Candidate, id: str) -> dict[str, Any]:
    """A candidate's row of `lineage_schema()`, for the row of that id."""
    edit = candidate.edit
    drawn = edit and {"instruction": storable(edit.instruction), "response": storable(edit.response)}
    return {
        "id": id,
        "slot": candidate.slot,
        "position": candidate.position,
        "calls": list(candidate.calls),
        "drawn": drawn,
    }


def storable(text: str) -> str:
    """`text` as Arrow can hold it: a lone surrogate, which JSON lets a teacher send, becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _verdict(verdict: Verdict) -> dict[str, Any]:
    known = _verdicts.get(id(verdict))
    if known and known[0] is verdict:
        return known[1]
    if len(_verdicts) >= VERDICTS_KNOWN:
        _verdicts.clear()
    _verdicts[id(verdict)] = verdict, (plain := _plain_verdict(verdict))
    return plain


_verdicts: dict[int, tuple[Verdict, dict[str, Any]]] = {}
"""Those that were written last, and as what: candidates that come from one block share many."""


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "filter": storable(verdict.filter),
        "version": storable(verdict.version),
        "value": float(verdict.value),
        "reason": storable(verdict.reason),
        "evidence": [
            {"text": storable(piece.text), "start": piece.start, "end": piece.end} for piece in verdict.evidence
        ],
    }
