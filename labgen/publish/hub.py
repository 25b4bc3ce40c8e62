"""Releasing a dataset on the Hugging Face Hub: one commit of what changed, a tag, and what changed in words."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import PublishError, UsageError
from labgen.export.folder import MANIFEST
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.publish.changelog import (
    LeafRows,
    branch_files,
    compare_rows,
    describe_changes,
    join_card,
    row_keys,
    shown_path,
    split_card,
)
from labgen.publish.release import (
    CARD,
    REFUSALS,
    Refusal,
    Release,
    ReleaseFile,
    find_secret_rows,
    local_refusals,
    read_release,
    release_manifest,
)
from labgen.publish.remote import EarlierRelease, Remote, look_at, open_pull_request, read_remote
from labgen.publish.same_rows import keep_same_rows

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did, or with `dry_run` would do.

    Attributes:
        repo_id, url: where the dataset is.
        private: whether it is (or would be created) private.
        created: whether the repository is new.
        uploaded: path and size in bytes of every file that changed and so travels.
        deleted: files of the release before that are no longer part of it.
        unchanged: number of files that were there already: the same bytes or, of tables, the same rows.
        commit: the commit's hash; None where nothing had changed, and in a dry run.
        pull_request: its address, where one was opened, or is open already with the same files.
        tag: the release's tag; empty for a pull request, which is tagged once it is merged.
        changes: by leaf, against the release before; None for the first.
        notes: what the user should know besides.
        allowed: refusals that were waived.
    """

    repo_id: str
    url: str
    private: bool
    created: bool
    uploaded: tuple[tuple[str, int], ...]
    deleted: tuple[str, ...]
    unchanged: int
    commit: str | None = None
    pull_request: str = ""
    tag: str = ""
    changes: tuple[LeafRows, ...] | None = None
    notes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    dry_run: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """Everything decided before the first write: what goes, what is taken away, and in which words."""

    files: dict[str, ReleaseFile]
    deleted: tuple[str, ...]
    changes: tuple[LeafRows, ...] | None
    title: str
    description: str
    unchanged: int
    notes: tuple[str, ...] = field(default=())


def push_dataset(
    folder: Path,
    repo_id: str,
    *,
    public: bool = False,
    dry_run: bool = False,
    pr: bool = False,
    allow: Set[str] = frozenset(),
    tag: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    progress: bool = False,
) -> PushReport:
    """Release the dataset in `folder` as the dataset `repo_id` on the Hub.

    The repository is created where there is none. Only files that say something else travel, in one commit: a table
    that a later Parquet library wrote in other bytes stays as it was released. The commit also takes away what the
    release before had and this one has not; files that labgen did not put there stay. A push that was cut goes on
    where it stopped: run it again, also with `pr`. What was rejected, and the lineage of calls, never travel.

    Args:
        folder: a dataset folder that labgen wrote.
        repo_id: `OWNER/NAME`.
        public: whether a repository that has to be created is public. An existing one stays as it is.
        dry_run: decide and report everything, write nothing.
        pr: open a pull request instead of committing to main.
        allow: names of `REFUSALS` to be waived.
        tag: name of the release; None: `v1`, `v2`, ... one above the highest there is.
        token: None: from the usual places (`HF_TOKEN`, `hf auth login`). It is never printed or kept.
        endpoint: address of the Hub; None: `HF_ENDPOINT`, else huggingface.co.
        progress: whether huggingface_hub may draw its progress bars on stderr.
    Raises:
        UsageError: not a dataset, not a repository's name, an unknown refusal.
        PublishError: refused, by us (each reason with its name) or by the Hub (with what to do). Local data is safe.
    """
    if not _REPO.fullmatch(repo_id):
        raise UsageError(f"`{repo_id}` is not a name on the Hub: OWNER/NAME, of letters, digits, `.`, `_` and `-`.")
    if unknown := set(allow) - set(REFUSALS):
        raise UsageError(f"there is no refusal `{min(unknown)}` to allow. There are: {', '.join(REFUSALS)}.")
    release = read_release(folder)
    refusals = local_refusals(release)
    _refuse(folder, refusals, allow)
    api = _api(token, endpoint, dry_run=dry_run)
    with _translated(repo_id, api), _bars(progress), tempfile.TemporaryDirectory(prefix="labgen-push-") as scratch:
        remote = _look(api, repo_id, dry_run=dry_run)
        if pr and not remote.exists:
            raise PublishError(f"{repo_id}: does not exist, so there is nothing to open a pull request on.")
        chosen = "" if pr else _tag(remote, tag)
        step = _decide(release, remote, chosen or tag or "", api, Path(scratch))
        if step.files or step.deleted:
            secrets, notes = find_secret_rows(step.files.values())
            _refuse(folder, secrets, allow)
            refusals += secrets
            step = replace(step, notes=(*step.notes, *notes))
        report = _report(repo_id, api, remote, step, public=public, allowed=refusals)
        if dry_run:
            return replace(report, dry_run=True, tag=_release_tag(remote, step, chosen, tag))
        return _write(report, api, remote, step, tag=chosen, given=tag, pr=pr, public=public)


def _refuse(folder: Path, refusals: list[Refusal], allow: Set[str]) -> None:
    kept = [refusal for refusal in refusals if refusal.name not in allow]
    if kept:
        lines = [f"  {refusal.name}: {refusal.message}" for refusal in kept]
        names = " ".join(f"--allow {refusal.name}" for refusal in kept)
        raise PublishError(
            f"{folder}: is not released, because\n"
            + "\n".join(lines)
            + f"\nMend it, or release it all the same: {names}"
        )


def _api(token: str | None, endpoint: str | None, *, dry_run: bool) -> HfApi:
    try:
        from huggingface_hub import HfApi, get_token
    except ImportError:
        raise PublishError("releasing needs huggingface_hub: pip install 'labgen[hub]'.") from None
    token = token or get_token()
    if token is None and not dry_run:
        raise PublishError("no token for the Hub. Run `hf auth login`, or set HF_TOKEN to a token that may write.")
    return HfApi(endpoint=endpoint, token=token or False, library_name="labgen")


@contextmanager
def _bars(progress: bool) -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if progress or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _look(api: HfApi, repo_id: str, *, dry_run: bool) -> Remote:
    from labgen.publish.failures import UNREACHABLE

    try:
        return look_at(api, repo_id)
    except UNREACHABLE:
        if not dry_run:
            raise
        return Remote(repo_id, reached=False)


@contextmanager
def _translated(repo_id: str, api: HfApi) -> Iterator[None]:
    from labgen.publish.failures import HUB_ERRORS, explain_failure

    try:
        yield
    except HUB_ERRORS as error:
        raise explain_failure(error, repo_id, api.endpoint) from error


def _tag(remote: Remote, tag: str | None) -> str:
    if tag is None:
        numbers = [int(name[1:]) for name in remote.tags if re.fullmatch(r"v\d{1,9}", name)]
        return f"v{max(numbers, default=0) + 1}"
    if tag in remote.tags and remote.tags[tag] != remote.commit:
        raise PublishError(f"the tag `{tag}` exists already, on another release. Choose another with --tag.")
    return tag


def _decide(release: Release, remote: Remote, tag: str, api: HfApi, scratch: Path) -> _Step:
    """Compare with what is there, and write card and manifest to match."""
    before = read_remote(api, remote, scratch)
    foreign = sorted(path for path in remote.files if not path.startswith(".git") and path != CARD)
    if before is None and foreign:
        raise PublishError(
            f"{remote.repo_id}: holds files that labgen did not release ({shown_path(foreign[0])}), and is left alone. "
            "Choose another name, or empty it first."
        )
    release = keep_same_rows(release, before)
    text = split_card(release.card)[0]
    old_text, earlier = split_card(before.card) if before else ("", "")
    files = {path: file for path, file in release.files.items() if not remote.has(file)}
    gone = tuple(sorted(set(before.files) - set(release.files) - {CARD, MANIFEST})) if before else ()
    same_words = before is not None and (text.rstrip() == old_text.rstrip() and before.describes(release.manifest))
    if same_words and not files and not gone:
        return _Step({}, (), (), "", "", len(release.files) + 2)
    changes = None
    if before is not None:
        changes = _changes(release, before)
    commit = release.manifest.get("taxonomy_commit") or ""
    entry = describe_changes(changes, rows=release.rows, leaves=release.leaves)
    title = f"Release {tag}".strip() + (f", taxonomy {commit[:12]}" if commit else "")
    written = _words(release, join_card(text, title, entry, earlier))
    where = f"Taxonomy commit {commit}." if commit else "The taxonomy is not in a git repository."
    unchanged = len(release.files) - len(files)
    return _Step(files | written, gone, changes, f"{title}: {release.rows:,} rows", f"{where}\n\n{entry}", unchanged)


def _changes(release: Release, before: EarlierRelease) -> tuple[LeafRows, ...]:
    """Changes by leaf, from the files that differ alone: rows of equal files cancel out."""
    import pyarrow as pa

    ours, theirs = branch_files(release.manifest), branch_files(before.manifest) & before.files
    try:
        old = row_keys(before.fetch(path) for path in sorted(theirs - ours))
    except (UsageError, pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
        raise PublishError(
            f"the release that is there can't be compared with ({error}). Choose another name."
        ) from error
    return tuple(compare_rows(old, row_keys(release.folder / path for path in sorted(ours - theirs))))


def _words(release: Release, card: str) -> dict[str, ReleaseFile]:
    """Card and manifest as files to release."""
    import hashlib

    content = {CARD: card.encode()}
    content[MANIFEST] = release_manifest(release, content[CARD])
    return {
        path: ReleaseFile(path, len(data), hashlib.sha256(data).hexdigest(), release.folder / path, data)
        for path, data in content.items()
    }


def _report(
    repo_id: str, api: HfApi, remote: Remote, step: _Step, *, public: bool, allowed: list[Refusal]
) -> PushReport:
    notes = list(step.notes)
    if not remote.reached:
        notes.append(f"{api.endpoint} can't be reached: what it has already is not known, so every file is listed.")
    if remote.exists and remote.private == public:
        notes.append(
            f"{repo_id} exists and is {'private' if remote.private else 'public'}; it stays so (change it on the Hub)."
        )
    return PushReport(
        repo_id=repo_id,
        url=f"{api.endpoint}/datasets/{repo_id}",
        private=remote.private if remote.exists else not public,
        created=not remote.exists,
        uploaded=tuple((path, file.size) for path, file in sorted(step.files.items())),
        deleted=step.deleted,
        unchanged=step.unchanged,
        changes=step.changes,
        notes=tuple(notes),
        allowed=tuple(refusal.name for refusal in allowed),
        message=f"{step.title}\n\n{step.description}".strip(),
    )


def _release_tag(remote: Remote, step: _Step, chosen: str, given: str | None) -> str:
    """The tag to set: none where nothing changed and the release already has one."""
    tagged = [name for name, commit in remote.tags.items() if commit == remote.commit]
    if not step.files and not step.deleted and given is None and tagged:
        return ""
    return chosen


def _write(
    report: PushReport,
    api: HfApi,
    remote: Remote,
    step: _Step,
    *,
    tag: str,
    given: str | None,
    pr: bool,
    public: bool,
) -> PushReport:
    if not step.files and not step.deleted:
        # A push that was cut between commit and tag ends here the second time.
        tag = _release_tag(remote, step, tag, given)
        if tag and remote.tags.get(tag) != remote.commit:
            api.create_tag(report.repo_id, tag=tag, revision=remote.commit, repo_type="dataset")
        return replace(report, tag=tag)
    if not remote.exists:
        api.create_repo(report.repo_id, repo_type="dataset", private=not public, exist_ok=True)
    if pr and (there := open_pull_request(api, remote, step.title, step.files.values())):
        notes = (*report.notes, f"a pull request with exactly this is open already: {there}.")
        return replace(report, uploaded=(), deleted=(), pull_request=there, notes=notes)
    done = _commit(api, remote, step, pr=pr)
    if pr:
        return replace(report, commit=done.oid, pull_request=done.pr_url or "")
    api.create_tag(report.repo_id, tag=tag, revision=done.oid, repo_type="dataset", tag_message=step.title)
    return replace(report, commit=done.oid, tag=tag)


def _commit(api: HfApi, remote: Remote, step: _Step, *, pr: bool) -> CommitInfo:
    from labgen.publish.failures import UPLOAD_ERRORS, explain_failure

    try:
        return api.create_commit(
            remote.repo_id,
            _operations(step),
            commit_message=step.title,
            commit_description=step.description,
            repo_type="dataset",
            create_pr=pr,
            # All was decided on this commit: if another has come since, the Hub says no, and nothing is lost.
            parent_commit=remote.commit or None,
        )
    except UPLOAD_ERRORS as error:
        raise explain_failure(error, remote.repo_id, api.endpoint) from error


def _operations(step: _Step) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    adds = [
        CommitOperationAdd(path, file.content if file.content is not None else file.source)
        for path, file in sorted(step.files.items())
    ]
    return adds + [CommitOperationDelete(path) for path in step.deleted]
