"""What a dataset says of the build that made it: leaves, settings that change rows, the taxonomy's commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labgen.config.dataset import HeldOutConfig
from labgen.config.whole import Config
from labgen.errors import UsageError
from labgen.export.licences import read_licences
from labgen.export.mix import mix_settings
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.filters.available import FilterSet
from labgen.filters.contamination import ContaminationIndex
from labgen.git.history import History, in_repository
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.parameters import call_parameters


def leaf_info(plan: LeafPlan) -> LeafInfo:
    """What the dataset says of a planned leaf."""
    leaf = plan.leaf
    return LeafInfo(
        path=leaf.path,
        branch=leaf.branch,
        flow=plan.flow.name,
        fingerprint=plan.fingerprint,
        prompt_version=plan.prompt_version,
        wanted=plan.wanted,
        created_by=leaf.created_by,
        licences=read_licences(leaf.file.parent),
        title=leaf.task_description or leaf.domain,
        own_context=plan.flow.own_context,
        marks=plan.marks,
    )


def build_info(config: Config, sources: Sources, filters: FilterSet, teacher: str, judge: str) -> BuildInfo:
    """What holds for the whole build."""
    return BuildInfo(
        teacher=teacher,
        rehearsal=teacher == REHEARSAL_MODEL,  # as far as is known before anything has answered
        settings=row_settings(config, sources, filters, teacher, judge),
        taxonomy_commit=taxonomy_commit(config.taxonomy),
        unselected=sources.unselected,
        excluded=sources.left_out,
    )


def row_settings(config: Config, sources: Sources, filters: FilterSet, teacher: str, judge: str) -> dict[str, Any]:
    """The settings that change rows: no address, path, concurrency or budget."""
    data = config.plain(
        only={
            "samples",
            "samples_per_passage",
            "knowledge",
            "seed",
            "tokenizer",
            "generation",
            "stop",
            "thresholds",
            "filters",
            "calibration",
            "leaves",
        },
    )
    if parameters := call_parameters(config):
        data["parameters"] = {
            model: {name: dict(value) if isinstance(value, dict) else value for name, value in own.items()}
            for model, own in parameters.items()
        }
    for entry in data["leaves"]:
        for name in ("responses", "turns"):
            if entry[name] is None:
                del entry[name]  # so that what is off leaves no trace
    if config.preferences:
        data["preferences"] = config.preferences.plain(without={"responder"})
        if responder := config.preferences.responder:
            data["preferences"]["responder"] = responder.plain(only={"model"})
    if config.held_out != HeldOutConfig():
        data["held_out"] = config.held_out.plain()
    if config.guard:
        data["guard"] = config.guard.plain(only={"kind", "model"})
    installed = {each.name: each.version for each in filters.installed}
    if installed:
        data["installed_filters"] = installed
    flows = {plan.flow.name: plan.flow.package for plan in sources.plans if plan.flow.package}
    if flows:
        data["installed_flows"] = dict(sorted(flows.items()))
    documents = {"chunk_tokens", "min_chunk_tokens"}
    data["documents"] = config.documents.plain(only=documents)
    # A tokenizer file is named by what is in it elsewhere (the fingerprints cover the chunks), never by where it lies.
    data["tokenizer"] = Path(config.tokenizer).name
    data["contamination"] = filters.contamination.fingerprint if filters.contamination else None
    return {"teacher": teacher, "judge": judge, **data, "mix": mix_settings(config.mix)}


def contamination_note(index: ContaminationIndex | None) -> str:
    """What the card says of it: the benchmarks by name, or nothing where none was added."""
    if index is None:
        return ""
    names = ", ".join(f"{benchmark.name} ({benchmark.items:,} items)" for benchmark in index.benchmarks)
    return f"Instructions and responses were checked for items of: {names}. Rows that hold one are among the rejected."


def taxonomy_commit(root: Path) -> str | None:
    """The commit that the taxonomy is checked out at; None outside git, or with changes that no commit holds."""
    if not in_repository(root):
        return None
    try:
        history = History(root)
        head = history.resolve("HEAD")
        changed = head is None or history.changed_since(head) or history.untracked()
        return None if changed else head
    except UsageError:
        return None
