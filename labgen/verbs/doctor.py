"""What `labgen doctor` looks at: this machine, the configuration, what packages add, endpoints.

Every finding says what to do about it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from labgen.config.models import HTTP
from labgen.config.whole import Config
from labgen.errors import ConfigError, LabgenError, LedgerError
from labgen.filters.guard import guard_call, read_verdict
from labgen.generate.context import RunContext
from labgen.generate.dry_run import NobodyAsked, dry_run, plans_without_documents
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.replies import Ledger
from labgen.ledger.verify import file_bytes
from labgen.records import Call, Candidate, Reply
from labgen.taxonomy.load import load_taxonomy
from labgen.teacher.addresses import EndpointSpec, endpoint_specs, guard_specs
from labgen.teacher.backends import BULK
from labgen.teacher.connect import check_endpoints, open_endpoints
from labgen.teacher.finding import NOTHING, Finding, Tell
from labgen.teacher.measured import remember
from labgen.teacher.probe import probe_endpoint
from labgen.teacher.probing import ASK, Needs
from labgen.teacher.quirks import Quirks
from labgen.text.printable import shown
from labgen.verbs.doctor_packages import examine_packages
from labgen.verbs.event_loop import outside_event_loop, run_to_end
from labgen.verbs.session import Parts, check_configuration

HARMLESS = Candidate("", 0, 0, "How many days has a week?", "A week has seven days.")
AROUND_TOKENS = 1500
"""Tokens of the longest prompt, the passage in it left aside: what is asked for, examples, a pair that is judged."""
SCARCE_BYTES = 1_000_000_000
"""Free space below which a large build may not end: some 10 kB a row, ledger and dataset together."""
TOO_FEW_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """All findings. `well` is whether none of them stands in the way of a build."""

    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        counts = Counter(finding.status for finding in self.findings)
        return f"Report({', '.join(f'{count} {status}' for status, count in sorted(counts.items()))})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        rows = [(each.status, each.subject, each.name, each.words, each.todo) for each in self.findings]
        return html_table(repr(self), ("", "subject", "name", "found", "to do"), rows)

    @property
    def well(self) -> bool:
        """Whether nothing failed."""
        return all(finding.status != "fail" for finding in self.findings)


@outside_event_loop
def examine(config: Config, tell: Tell = lambda finding: None) -> Report:
    """Look at everything that a build depends on. Asks every endpoint some twenty short calls; writes no reply.

    What is found out of an endpoint's workarounds and speed replaces what the ledger remembers of it; where there is no
    ledger and an endpoint answers, one is begun.

    Args:
        tell: told of each finding as soon as it is known.
    """
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        if finding.status == "fail" and any(finding.words == each.words for each in findings):
            return  # What keeps a configuration from being used may keep a package's part from it as well.
        findings.append(finding)
        tell(finding)

    for look in (examine_machine, examine_configuration, examine_packages):
        for finding in look(config):
            found(finding)
    examine_endpoints(config, found)
    return Report(tuple(findings))


def examine_machine(config: Config) -> Iterator[Finding]:
    """git, work folder, free disk, ledger, token for the Hub."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("machine", "python", "ok", version, NOTHING)
    git = shutil.which("git")
    yield (
        Finding("machine", "git", "ok", git, NOTHING)
        if git
        else Finding(
            "machine", "git", "warn", "not found", "Install git: knowledge leaves' documents are fetched with it."
        )
    )
    work = config.work_folder
    yield _folder(work)
    yield _disk(work)
    yield _ledger(work)
    yield _hub_token()


def examine_configuration(config: Config) -> Iterator[Finding]:
    """Settings, taxonomy, tokenizer, others' datasets, output folder."""
    from labgen.export.extras import check_extras
    from labgen.export.fit import RowLength
    from labgen.export.folder import MANIFEST
    from labgen.text.token_count import load_token_counter

    where = "configuration"
    parts: Parts | None = None
    try:
        parts = check_configuration(config)
        yield Finding(where, "settings", "ok", "models, filters and prompts are all there", NOTHING)
    except LabgenError as error:
        # What is not about a setting of the file says itself what to do.
        yield Finding(where, "settings", "fail", str(error), "Correct it there." if _in_file(config, error) else "")
    leaves = sum(1 for _ in config.taxonomy.rglob("qna.yaml")) if config.taxonomy.is_dir() else 0
    if parts and leaves and (finding := _flows(config, parts)):
        yield finding
    yield (
        Finding(where, "taxonomy", "ok", f"{config.taxonomy}: {leaves} leaves", "`labgen check` says how they are.")
        if leaves
        else Finding(where, "taxonomy", "fail", f"{config.taxonomy}: no qna.yaml below it", "Give --taxonomy.")
    )
    try:
        load_token_counter(config.tokenizer)
        yield Finding(where, "tokenizer", "ok", config.tokenizer, NOTHING)
    except LabgenError as error:
        yield Finding(where, "tokenizer", "fail", str(error), "Correct `tokenizer:` in labgen.yaml.")
    try:
        RowLength.of(config.mix)
    except LabgenError as error:
        yield Finding(where, "tokenizer", "fail", str(error), "Correct `mix.tokenizer` in labgen.yaml.")
    if config.mix.extras:
        try:
            check_extras(config.mix.extras)
            yield Finding(where, "extras", "ok", f"{len(config.mix.extras)} can be read", NOTHING)
        except LabgenError as error:
            yield Finding(where, "extras", "fail", str(error), "Correct `mix: extras:` in labgen.yaml.")
    output = config.output
    foreign = output.exists() and not (output / MANIFEST).is_file() and (not output.is_dir() or any(output.iterdir()))
    yield (
        Finding(where, "output", "fail", f"{output}: holds what labgen did not write", "Choose another with --output.")
        if foreign
        else Finding(where, "output", "ok", str(output), NOTHING)
    )


def examine_endpoints(config: Config, tell: Tell) -> None:
    """Every endpoint of teacher, judge and guard; one finding where the rehearsal teacher is to answer."""
    try:
        check_endpoints(config)
    except LabgenError:
        return  # `examine_configuration` says so
    asked, guard = endpoint_specs(config), guard_specs(config)
    if not asked:
        todo = "Give --base-url and --model (or set them in labgen.yaml) for real rows."
        tell(Finding("configuration", "endpoints", "ok", "none: the built-in rehearsal teacher answers", todo))
    for spec in asked:
        _examine_teacher(config, spec, tell)
    for spec in guard:
        _examine_guard(config, spec, tell)


def _examine_teacher(config: Config, spec: EndpointSpec, tell: Tell) -> None:
    """One endpoint, what it needs for this configuration's longest call included."""
    if spec.kind == BULK:
        tell(_in_files_alone(spec))
        return
    if spec.kind != HTTP:
        reply = run_to_end(_ask_once(spec, Call(spec.model, ASK, 16, 0.0, 0, step="doctor")))
        tell(reply if isinstance(reply, Finding) else Finding(spec.name, "reply", "ok", "answered", NOTHING))
        return
    generation = config.generation
    longest = max(generation.max_pair_tokens, generation.max_response_tokens)
    needs = Needs(config.documents.chunk_tokens, AROUND_TOKENS, longest)
    probed = run_to_end(probe_endpoint(spec, needs=needs, tell=tell))
    if probed is None:
        return
    with suppress(LedgerError), closing(Ledger(config.work_folder, ballast_bytes=0)) as ledger:
        quirks = Quirks(spec.name, spec.send_model, notes=ledger, merges_system=spec.merges_system)
        quirks.lacking = set(probed.lacking) | ({"system"} if spec.merges_system else set())
        quirks.remember()
        quirks.note_answered()
        remember(ledger, spec.name, spec.send_model, probed.measured)


def _in_files_alone(spec: EndpointSpec) -> Finding:
    return Finding(spec.name, "reply", "ok", "answered in files alone, so it is not asked here", NOTHING)


def _examine_guard(config: Config, spec: EndpointSpec, tell: Tell) -> None:
    """One endpoint of the guard, its verdict on a harmless pair among the findings."""
    assert config.guard is not None
    if spec.kind == HTTP:
        needs = Needs(config.generation.max_context_tokens, 500, config.generation.max_response_tokens)
        if run_to_end(probe_endpoint(spec, needs=needs, tell=tell, conversing=False)) is None:
            return
    if spec.kind == BULK:
        tell(_in_files_alone(spec))
        return
    reply = run_to_end(_ask_once(spec, guard_call(spec.model, HARMLESS, own_context=False)))
    if isinstance(reply, Finding):
        tell(reply)
        return
    verdict = read_verdict(config.guard, reply.text)
    mend = "Check that `guard.kind` is that of the model."
    if verdict is None:
        tell(Finding(spec.name, "verdict", "fail", f"can't be read: {shown(reply.text, 80)}", mend))
    elif verdict[0]:
        tell(Finding(spec.name, "verdict", "ok", "a harmless pair is safe", NOTHING))
    else:
        tell(Finding(spec.name, "verdict", "warn", f"a harmless pair is unsafe: {verdict[1]}", mend))


async def _ask_once(spec: EndpointSpec, call: Call) -> Reply | Finding:
    """The reply to one call, put to an endpoint as a build would; or what stands in the way."""
    try:
        backend = open_endpoints([spec], lambda words: None, None)[spec.model].endpoints[0].backend
        try:
            return await backend.ask(call)
        finally:
            await backend.close()
    except LabgenError as error:
        return Finding(spec.name, "reply", "fail", str(error), "See its message.")


def _in_file(config: Config, error: LabgenError) -> bool:
    """Whether an error is about a setting that stands in labgen.yaml."""
    return isinstance(error, ConfigError) and bool(error.place and config.where(error.place))


def _flows(config: Config, parts: Parts) -> Finding | None:
    """A slot of every flow that the taxonomy has leaves of, without asking; None where it has no usable leaf."""
    try:
        plans = plans_without_documents(load_taxonomy(config.taxonomy).leaves, config, parts.prompts, parts.flows)
        run = RunContext(NobodyAsked(), parts.prompts, config, parts.teacher, parts.judge, parts.filters)
        run_to_end(dry_run(plans, run))
    except LabgenError as error:
        return Finding("configuration", "flows", "fail", str(error), "")
    names = ", ".join(plan.flow.name for plan in plans)
    return Finding("configuration", "flows", "ok", f"{names}: all prompts can be filled in", NOTHING) if names else None


def _folder(work: Path) -> Finding:
    existing = next(folder for folder in (work.absolute(), *work.absolute().parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Finding("machine", "work folder", "ok", str(work), NOTHING)
    return Finding("machine", "work folder", "fail", f"{work}: can't be written", "Choose another with --work.")


def _disk(work: Path) -> Finding:
    existing = next(folder for folder in (work.absolute(), *work.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    words = f"{free / 1e9:,.1f} GB free at {work}"
    if free < TOO_FEW_BYTES:
        return Finding("machine", "disk", "fail", words, "Make room, or choose another disk with --work.")
    if free < SCARCE_BYTES:
        return Finding("machine", "disk", "warn", words, "Enough for a small build; make room before a large one.")
    return Finding("machine", "disk", "ok", words, NOTHING)


def _ledger(work: Path) -> Finding:
    if not (work / LEDGER_NAME).is_file():
        return Finding("machine", "ledger", "ok", "none yet", "`labgen generate` begins one.")
    try:
        with closing(Ledger(work, read_only=True)) as ledger:
            count = ledger.query("SELECT count(*) FROM replies")[0][0]
    except LabgenError as error:
        return Finding("machine", "ledger", "fail", str(error), "`labgen ledger verify` says what can be saved.")
    words = f"{count:,} paid calls, {file_bytes(work) / 1e6:,.1f} MB"
    return Finding("machine", "ledger", "ok", words, "`labgen ledger` shows them by leaf and step.")


def _hub_token() -> Finding:
    try:
        from huggingface_hub import get_token
    except ImportError:
        words, todo = "huggingface_hub is not installed", "To release on the Hub: pip install 'labgen[hub]'."
        return Finding("machine", "Hub token", "ok", words, todo)
    if get_token():
        return Finding("machine", "Hub token", "ok", "there is one", NOTHING)
    return Finding("machine", "Hub token", "ok", "none", "To release on the Hub, set HF_TOKEN or run `hf auth login`.")
