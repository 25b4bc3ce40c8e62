"""Is every sentence of a document borne out by its passage, word for word?

Source: none; LAB has no documents. Ours takes each sentence for a claim: it stands only where the judge says so, the
words that it names as evidence are found in the passage, as strings, and every figure of the sentence stands in these
words and every name in the passage. So a judge that always says yes lets no altered figure or name through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from labgen.filters.base import SlotContext
from labgen.filters.figures import unsupported_in_sentence, unsupported_in_title
from labgen.filters.groundedness import find_evidence
from labgen.filters.verdict_forms import document_evidence_chars, document_schema
from labgen.formats.reading import read_fields, read_yes_no
from labgen.lazy.dataclasses import dataclass
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.teacher.asker import CandidateEnds
from labgen.text.statements import Statement, statements_of, without_statements

NAME = "sentence_support"
VERSION = "1"
SENTENCES_PER_CALL = 8
"""Sentences that the judge is shown at a time, so that a verdict has room for the evidence of each."""

LEAST_LEFT = 0.5
"""Share of its sentences that a document must have left when those without support are taken out."""

_FIELDS = {"safe": "yes_no", "hazard": "text?", "sentences": "list"}


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """What the judge said: for every text shown its quotations, None where it is not supported; and the hazard."""

    quotes: tuple[tuple[str, ...] | None, ...]
    hazard: str
    calls: tuple[bytes, ...]


async def check_sentences(candidate: Candidate, slot: SlotContext) -> Candidate:
    """A document with its verdicts, without the sentences that its passage does not bear out, or as it ends by them.

    A title without support gives way to the outline that the leaf states; where sentences end a document, so does it.

    Raises: CandidateEnds: no verdict, none that can be read, or one that ends before its sentences do.
    """
    passage, text = candidate.context or "", candidate.response
    statements = statements_of(text)
    if not statements:
        raise CandidateEnds(State.MALFORMED, "document_without_sentences", candidate.raw)
    said = [text[each.start : each.end] for each in statements]
    verdicts = await _ask([candidate.instruction, *said], passage, slot)
    if verdicts.hazard:
        safety = Verdict("safety", VERSION, 0.0, verdicts.hazard)
        unsafe = replace(candidate, state=State.UNSAFE, reason=f"document: {verdicts.hazard}")
        return replace(unsafe, verdicts=(*candidate.verdicts, safety), rejected_by=safety.filter)
    title, *evidence = (
        _evidence(quotes, sentence, passage, slot, title=place == 0)
        for place, (sentence, quotes) in enumerate(zip([candidate.instruction, *said], verdicts.quotes, strict=True))
    )
    left_out = _left_out(statements, evidence)
    return _settled(candidate, slot, statements, evidence, left_out, title_stands=bool(title))


def _settled(
    candidate: Candidate,
    slot: SlotContext,
    statements: Sequence[Statement],
    evidence: Sequence[Sequence[Evidence]],
    left_out: set[int],
    *,
    title_stands: bool,
) -> Candidate:
    text = candidate.response
    kept = [piece for place, pieces in enumerate(evidence) if place not in left_out for piece in pieces]
    lacking = [Evidence(text[statements[place].start : statements[place].end][:500]) for place in sorted(left_out)]
    if not title_stands:
        lacking.insert(0, Evidence(candidate.instruction[:500]))
    share = 1.0 - len(left_out) / len(statements)
    reason = "sentence_without_evidence" if left_out else "" if title_stands else "title_without_evidence"
    support = Verdict(NAME, VERSION, share, reason, (*kept, *lacking))
    candidate = replace(candidate, verdicts=(*candidate.verdicts, Verdict("safety", VERSION, 1.0), support))
    rejects = slot.knowledge.unsupported_sentences == "reject"
    if (rejects and reason) or share < LEAST_LEFT:
        return replace(candidate, state=State.UNGROUNDED, reason=reason, rejected_by=NAME)
    return replace(
        candidate,
        instruction=candidate.instruction if title_stands else _plain_title(slot),
        response=without_statements(text, statements, left_out),
    )


def _plain_title(slot: SlotContext) -> str:
    """What a document is called whose own title says what the passage does not."""
    leaf = slot.plan.leaf
    return " ".join((leaf.document_outline or leaf.domain).split())


def _left_out(statements: Sequence[Statement], evidence: Sequence[Sequence[Evidence]]) -> set[int]:
    """Places of the sentences without evidence, and of those that refer to one before them which is left out."""
    left_out: set[int] = set()
    for place, statement in enumerate(statements):
        if not evidence[place] or (statement.refers and place - 1 in left_out):
            left_out.add(place)
    return left_out


def _evidence(
    quotes: Sequence[str] | None, sentence: str, passage: str, slot: SlotContext, *, title: bool
) -> tuple[Evidence, ...]:
    """Where the words stand that bear a sentence out; none where it does not stand."""
    spans = [find_evidence(quote, passage) for quote in quotes or ()]
    found = [Evidence(passage[span[0] : span[1]], *span) for span in spans if span]
    if not found or len(found) < len(spans):
        return ()
    leaf = slot.plan.leaf
    if title:
        lacking = unsupported_in_title(sentence, passage, f"{leaf.domain}\n{leaf.document_outline}")
    else:
        cited = "\n".join(piece.text for piece in found)
        lacking = unsupported_in_sentence(sentence, passage, cited, [chunk.text for chunk in slot.plan.chunks])
    return () if lacking else tuple(found)


async def _ask(texts: Sequence[str], passage: str, slot: SlotContext) -> _Verdicts:
    """The judge's verdicts on title and sentences, a handful at a time."""
    quotes: list[tuple[str, ...] | None] = []
    hazards: list[str] = []
    calls: tuple[bytes, ...] = ()
    max_tokens = slot.asker.generation.max_verdict_tokens
    for begin in range(0, len(texts), SENTENCES_PER_CALL):
        shown = texts[begin : begin + SENTENCES_PER_CALL]
        reading = await slot.asker.judge_with(
            "judge_document",
            lambda text: read_fields(text, _FIELDS),
            schema=document_schema(len(shown), max_tokens),
            context=passage,
            sentences=shown,
        )
        value: dict[str, Any] = reading.value
        calls += reading.calls
        found = _by_number(value["sentences"], len(shown), document_evidence_chars(len(shown), max_tokens))
        if reading.truncated and len(found) < len(shown) and not reading.text.rstrip("` \n").endswith("}"):
            raise CandidateEnds(State.UNPARSED, "sentences_cut_off_judge_document", reading.text, calls)
        quotes += [found.get(number) for number in range(1, len(shown) + 1)]
        if not value["safe"]:
            hazards.append(str(value.get("hazard") or "unnamed hazard"))
    return _Verdicts(tuple(quotes), ", ".join(dict.fromkeys(hazards)), calls)


def _by_number(entries: Sequence[Any], count: int, most_chars: int) -> dict[int, tuple[str, ...] | None]:
    """Number of a sentence to its quotations, None where it is not supported; the first verdict on each counts."""
    found: dict[int, tuple[str, ...] | None] = {}
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping):
            continue
        number = str(entry.get("id", place)).strip()
        said = entry.get("evidence")
        listed = said if isinstance(said, list) else [said]
        # The schema's bound ends a quotation in the middle of a word.
        texts = [str(text or "").strip() for text in listed]
        cut = [text.rpartition(" ")[0] or text if len(text) >= most_chars else text for text in texts]
        quotes = tuple(text for text in cut if text)
        if number.isascii() and number.isdigit() and 1 <= int(number) <= count:
            supported = bool(quotes) and read_yes_no(entry.get("supported")) is True
            found.setdefault(int(number), quotes if supported else None)
    return found
