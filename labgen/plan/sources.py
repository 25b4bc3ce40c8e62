"""What a build draws on, gathered: usable leaves, their chunks, and what is left out. No teacher is asked here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field

from labgen.config.whole import Config
from labgen.documents.store import DocumentStore
from labgen.errors import TaxonomyError
from labgen.formats.prompts import PromptSet
from labgen.lazy.dataclasses import dataclass
from labgen.outcomes.readings import KeptReadings, Passages
from labgen.plan.flow import Flow
from labgen.plan.leaf_plan import LeafPlan, plan_leaves
from labgen.records import Chunk, Document, DocumentSource, Leaf, Severity, Taxonomy
from labgen.taxonomy.load import load_taxonomy
from labgen.taxonomy.marks import load_marks
from labgen.taxonomy.path_patterns import match_path
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.scan import find_strays
from labgen.text.token_count import load_token_counter

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sources:
    """A taxonomy made ready.

    Attributes:
        plans: one for each leaf that rows are wanted of, in path order.
        left_out: leaf path to why it can't be used (its own fault or its documents').
        unselected: leaves that `leaf_patterns` left aside.
        messages: what to tell the user of leaves left out and of their documents, each with file and line.
        readings: what was read, to be kept once there is a work folder; None where nothing was.
    """

    taxonomy: Taxonomy
    plans: tuple[LeafPlan, ...]
    prompts: PromptSet
    left_out: dict[str, str] = field(default_factory=dict)
    unselected: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    readings: KeptReadings | None = None

    def keep(self) -> None:
        """Keep what was read, as far as that is not done yet, so that it is not read again."""
        if self.readings:
            self.readings.close()


def gather_sources(
    config: Config,
    flows: Sequence[Flow],
    prompts: PromptSet,
    leaf_patterns: Sequence[str] = (),
    say: Say = lambda words: None,
) -> Sources:
    """Read the taxonomy, fetch and cut its documents, and plan its leaves.

    Args:
        flows: all there are; prompts: theirs.
        leaf_patterns: only the leaves that one of these matches; none for all.
        say: told of slow steps.
    Raises: UsageError: no such taxonomy, or a pattern that matches nothing; ConfigError: the tokenizer; TaxonomyError:
        marks that can't be read.
    """
    kept = KeptReadings(config)
    taxonomy = load_taxonomy(config.taxonomy, leaf_patterns=leaf_patterns, kept=kept.leaf)
    marks = load_marks(config.taxonomy)
    left_out: dict[str, str] = {}
    messages: list[str] = []
    for violation in taxonomy.violations:
        messages.append(f"{violation.file}:{violation.line}:{violation.column}: {violation.message}")
        left_out.setdefault(violation.file.removesuffix("/qna.yaml"), violation.message)
    for stray in find_strays(config.taxonomy):
        path = stray.name.rpartition("/")[0]
        if not leaf_patterns or any(match_path(path, pattern) for pattern in leaf_patterns):
            messages.append(f"{stray.name}:1:1: {stray.message}")
            if RULES[stray.code].severity is Severity.ERROR:
                left_out.setdefault(path, stray.message)
    chunks: dict[str, tuple[Chunk, ...]] = {}
    store = DocumentStore(config.work_folder / "documents", config.documents)
    usable = []
    for leaf in taxonomy.leaves:
        try:
            if leaf.document is not None:
                chunks[leaf.path], remarks_on = _chunks_of(leaf, leaf.document, store, kept, config)
                messages += remarks_on
            usable.append(leaf)
        except TaxonomyError as error:
            left_out[leaf.path] = str(error)
            messages.append(str(error))
    unselected: tuple[str, ...] = ()
    if leaf_patterns:
        chosen = {leaf.path for leaf in taxonomy.leaves} | set(taxonomy.excluded)
        everything = load_taxonomy(config.taxonomy, kept=kept.leaf)
        paths = {leaf.path for leaf in everything.leaves} | set(everything.excluded)
        unselected = tuple(sorted(paths - chosen))
    kept.close()
    plans = plan_leaves(usable, chunks, config, prompts, flows, marks)
    return Sources(taxonomy, plans, prompts, left_out, unselected, tuple(messages), kept)


def _chunks_of(
    leaf: Leaf, document: DocumentSource, store: DocumentStore, kept: KeptReadings, config: Config
) -> Passages:
    """The passages of a leaf's documents, and what to tell of them."""
    where = f"{leaf.path}/qna.yaml:{document.line}"

    def cut(documents: Sequence[Document]) -> Passages:
        # Only where there is something to cut: what reads Markdown takes a tenth of a second to load.
        from labgen.documents.chunk import chunk_documents
        from labgen.documents.remarks import remarks

        chunks = chunk_documents(
            documents,
            chunk_tokens=config.documents.chunk_tokens,
            min_chunk_tokens=config.documents.min_chunk_tokens,
            count_tokens=load_token_counter(config.tokenizer),
            tokenizer=config.tokenizer,
        )
        if not chunks:
            raise TaxonomyError(
                f"{where}: its documents hold no passage of at least "
                f"{config.documents.min_chunk_tokens} tokens. Point `patterns` at files with text in them."
            )
        return chunks, remarks(documents, chunks, min_chunk_tokens=config.documents.min_chunk_tokens)

    chunks, told = kept.passages(document, lambda: store.fetch(leaf), cut)
    return chunks, [f"{where}: {words}" for words in told]
