"""The nouns that travel between labgen's stages.

Everything here is immutable and knows nothing of files, networks or configuration. The stages are, in order,
taxonomy, documents, plan, teacher, generate, filters, export, publish; each reads the nouns of the one before it.
"""

from labgen.records.call import Call, Message, Schema
from labgen.records.candidate import (
    ID_CHARS,
    REPAIR,
    SAMPLE,
    SECOND_TURN,
    Candidate,
    Evidence,
    HumanEdit,
    Rival,
    State,
    Verdict,
)
from labgen.records.leaf import (
    BESIDE_LEAF,
    BRANCHES,
    DocumentSource,
    Leaf,
    Pair,
    SeedExample,
    Severity,
    Taxonomy,
    Violation,
)
from labgen.records.passage import Chunk, Document, Source
from labgen.records.reply import MOST_TOKENS, REHEARSAL_MODEL, WHOLE, Answerer, Reply, Served
from labgen.records.slot import DOCUMENT_KINDS, Grounding, Slot

__all__ = [
    "BESIDE_LEAF",
    "BRANCHES",
    "DOCUMENT_KINDS",
    "ID_CHARS",
    "MOST_TOKENS",
    "REHEARSAL_MODEL",
    "REPAIR",
    "SAMPLE",
    "SECOND_TURN",
    "WHOLE",
    "Answerer",
    "Call",
    "Candidate",
    "Chunk",
    "Document",
    "DocumentSource",
    "Evidence",
    "Grounding",
    "HumanEdit",
    "Leaf",
    "Message",
    "Pair",
    "Reply",
    "Rival",
    "Schema",
    "SeedExample",
    "Served",
    "Severity",
    "Slot",
    "Source",
    "State",
    "Taxonomy",
    "Verdict",
    "Violation",
]
