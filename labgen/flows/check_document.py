"""The step at which each sentence of a document is held against its passage, and taken out where it does not stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from labgen.filters.base import SlotContext
from labgen.filters.sentence_support import SENTENCES_PER_CALL, check_sentences
from labgen.flows.draw import typical_document
from labgen.flows.steps import OneByOne
from labgen.formats.prompts import Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import Candidate
from labgen.text.statements import statements_of

JUDGE_DOCUMENT = Prompt("judge_document", rehearsed_as="judge a document")


@dataclass(frozen=True)
class CheckDocument(OneByOne):
    """Is every sentence of a document borne out by its passage? What is not is taken out, or ends the document.

    All else goes on as it is. A step and no filter, since it may leave sentences out: what comes after it looks at what
    is left. It can't be switched off: a document that nobody has checked is none.

    Args:
        only: as of `FreeFilters`.
    """

    only: str = ""
    asks: ClassVar[bool] = True

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Its one prompt; none where others have been through it before."""
        return () if self.only else (JUDGE_DOCUMENT,)

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """That all sentences stand, each with itself as evidence."""
        count = min(SENTENCES_PER_CALL, len(statements_of(typical_document(slot))))
        text = typical_document(slot)
        shown = [text[each.start : each.end] for each in statements_of(text)][:count]
        said = [
            {"id": place, "evidence": [sentence], "supported": "yes"} for place, sentence in enumerate(shown, start=1)
        ]
        return {JUDGE_DOCUMENT.name: json.dumps({"safe": "yes", "hazard": "none", "sentences": said})}

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """The document with what is left of it, or as it ends. Raises: CandidateEnds: see `check_sentences`."""
        if not candidate.is_document or self.only not in ("", candidate.kind):
            return candidate
        return await check_sentences(candidate, slot)
