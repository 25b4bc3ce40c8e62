"""Candidates of a leaf as a block of bytes: how they wait for their turn, travel between processes, and are kept.

What came before in the leaf lies with them, since its texts are theirs; the keys of their calls lie beside, since
these can't be made any smaller, and whoever knows them already need not keep them.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Sequence
from dataclasses import astuple
from functools import lru_cache
from typing import Any, NamedTuple

from labgen.filters.duplicates_in_leaf import Seen
from labgen.records import Answerer, Candidate, Evidence, HumanEdit, Pair, Rival, Source, State, Verdict
from labgen.records.candidate import VERDICTS_KNOWN

LEVEL = 5
"""Of zlib's levels: a tenth smaller than with the fastest, for less than a hundredth of what it costs to make them."""


class Block(NamedTuple):
    """Candidates of one leaf, packed.

    Attributes:
        calls: keys of all calls that they name, each once; packed: all else, with places in `calls` for keys.
    """

    calls: tuple[bytes, ...]
    packed: bytes


def pack(candidates: Sequence[Candidate], seen: Sequence[Seen] = ()) -> Block:
    """Candidates of one leaf as a block. `seen`: what later ones of the leaf must not resemble, of their slots."""
    places: dict[bytes, int] = {}
    # `marshal` writes a text once that stands in both.
    plain = [_fields(candidate, places) for candidate in candidates], [tuple(each) for each in seen]
    return Block(tuple(places), zlib.compress(marshal.dumps(plain), LEVEL))


def unpack(leaf: str, block: Block) -> list[Candidate]:
    """The candidates of a block."""
    return [_candidate(leaf, fields, block.calls) for fields in _plain(block)[0]]


def unpack_seen(block: Block) -> list[Seen]:
    """What later candidates must not resemble, of the slots of a block."""
    return [Seen(*fields) for fields in _plain(block)[1]]


def _plain(block: Block) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    found: tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
    found = marshal.loads(zlib.decompress(block.packed))  # noqa: S302 (a block that labgen has written here)
    return found


def _fields(candidate: Candidate, places: dict[bytes, int]) -> tuple[Any, ...]:
    """A candidate's fields but its leaf, as plain data; `places` of the keys of calls are filled further."""
    source = candidate.source
    return (
        candidate.slot,
        candidate.position,
        candidate.instruction,
        candidate.response,
        candidate.context,
        None if source is None else (source.repo, source.commit, source.file, source.start, source.end),
        candidate.kind,
        candidate.reasoning,
        candidate.seed_examples,
        _verdict_fields(candidate.verdicts),
        None if candidate.state is None else candidate.state.value,
        candidate.reason,
        candidate.raw,
        tuple([places.setdefault(key, len(places)) for key in candidate.calls]),
        tuple([(each.asked, each.model, each.listed, each.rehearsal) for each in candidate.answered_by]),
        tuple([_rival_fields(rival) for rival in candidate.rivals]),
        candidate.follow_up and (candidate.follow_up.question, candidate.follow_up.answer),
        candidate.rejected_by,
        None if candidate.edit is None else astuple(candidate.edit),
        candidate.language,
    )


def _verdict_fields(verdicts: Sequence[Verdict]) -> tuple[Any, ...]:
    return tuple(
        [
            (
                verdict.filter,
                verdict.version,
                verdict.value,
                verdict.reason,
                tuple([(piece.text, piece.start, piece.end) for piece in verdict.evidence]),
            )
            for verdict in verdicts
        ]
    )


def _verdicts(fields: Sequence[tuple[Any, ...]]) -> tuple[Verdict, ...]:
    return tuple([_verdict("" if each[2] else str(each[2]), *each) for each in fields])


@lru_cache(maxsize=VERDICTS_KNOWN, typed=True)
def _verdict(
    zero: str, name: str, version: str, value: float, why: str, evidence: tuple[tuple[Any, ...], ...]
) -> Verdict:
    """A verdict of these fields. `zero`: a value of 0 as it is written, by which 0.0 and -0.0 are told apart."""
    return Verdict(name, version, value, why, tuple([Evidence(*piece) for piece in evidence]))


def _rival_fields(rival: Rival) -> tuple[Any, ...]:
    state = None if rival.state is None else rival.state.value
    verdicts = _verdict_fields(rival.verdicts)
    return (rival.response, rival.kind, state, rival.reason, verdicts, rival.better, rival.margin, rival.why, rival.by)


def _rival(fields: tuple[Any, ...]) -> Rival:
    response, kind, state, reason, verdicts, *rest = fields
    return Rival(response, kind, None if state is None else State(state), reason, _verdicts(verdicts), *rest)


def _candidate(leaf: str, fields: tuple[Any, ...], keys: Sequence[bytes]) -> Candidate:
    slot, position, instruction, response, context, source, kind, reasoning, seeds, *rest = fields
    verdicts, state, reason, raw, calls, by, rivals, follow_up, rejected_by, edit, language = rest
    return Candidate(
        leaf=leaf,
        slot=slot,
        position=position,
        instruction=instruction,
        response=response,
        context=context,
        source=None if source is None else Source(*source),
        kind=kind,
        reasoning=reasoning,
        seed_examples=seeds,
        verdicts=_verdicts(verdicts),
        state=None if state is None else State(state),
        reason=reason,
        raw=raw,
        calls=tuple([keys[place] for place in calls]),
        answered_by=tuple([Answerer(*each) for each in by]),
        rivals=tuple([_rival(each) for each in rivals]),
        follow_up=follow_up and Pair(*follow_up),
        rejected_by=rejected_by,
        edit=None if edit is None else HumanEdit(*edit),
        language=language,
    )
