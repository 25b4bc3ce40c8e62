"""The look across leaves without a dataset: which leaves it thins that are full by themselves, as far as replies go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labgen.export.collect import Collector
from labgen.export.provenance import leaf_info
from labgen.export.rows import LeafInfo
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.generate.spool import Spool
from labgen.outcomes.store import OutcomeStore
from labgen.records import Candidate
from labgen.verbs.begin import Begun, LeavesReplayed, take_replayed
from labgen.verbs.session import Session


def look_across(
    session: Session, workers: LeavesReplayed, store: OutcomeStore, spool_folder: Path, *, keep_compared: bool
) -> tuple[Begun, Collector]:
    """Hold the rows of each leaf against those of all leaves before it, also where these are not done yet.

    Args:
        store: where what leaves came to is kept; spool_folder: where their candidates wait for their turn.
        keep_compared: keep what was compared for the next build.
    Returns: what is begun with that: a leaf that is thinned is not done; and what its leaves came to.
    Raises: LedgerError; OutputError: no space.
    """
    plans, config = session.sources.plans, session.config
    leaves = {plan.leaf.path: leaf_info(plan) for plan in plans}
    folder = config.work_folder if config.outcomes.max_bytes else None
    across = DuplicatesAcrossLeaves(config.thresholds, folder) if session.filters.find_duplicates else None
    with Spool(spool_folder) as spool:
        collector = Collector(plans, leaves, spool, _NoDataset(), across)
        begun = take_replayed(session, workers, collector, store, look_ahead=True)
    if across and keep_compared:
        across.save()
    return begun, collector


class _NoDataset:
    """What stands for the dataset."""

    def add(self, candidate: Candidate, leaf: LeafInfo) -> Sequence[dict[str, object]]:
        """Nothing is written."""
        return ()

    def end_leaf(self, leaf: LeafInfo) -> None:
        """Nothing is written."""
