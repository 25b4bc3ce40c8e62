"""What of a dataset folder is released, and what forbids it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.export.agreement import AGREEMENT
from labgen.export.files import hash_file, read_rows
from labgen.export.folder import MANIFEST, read_manifest
from labgen.lazy.dataclasses import dataclass
from labgen.text.yaml_data import YamlError, read_yaml
from labgen.text.yaml_written import write_yaml

CARD = "README.md"
REFUSALS = ("rehearsal", "incomplete", "unknown-licence", "secrets")
"""Names of what `push` refuses, each of which can be allowed."""

_STAYS = ("lineage/", AGREEMENT)
_UNKNOWN = frozenset(("", "unknown", "none", "n/a", "tbd", "todo", "?"))
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file to release. `content` is its bytes where the released file differs from the one on disk, else None.

    `kept`: path, size and hash are those of a file of the release before, which says the same rows in other bytes.
    """

    path: str
    size: int
    sha256: str
    source: Path
    content: bytes | None = None
    kept: bool = False

    def git_oid(self) -> str:
        """What git, and so the Hub, calls a file that is not in large storage."""
        data = self.source.read_bytes() if self.content is None else self.content
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Release:
    """A dataset as it would be released: rejections and lineage stay behind.

    Attributes:
        folder: where it lies.
        manifest: as on disk, without what stays behind (and without hashes of card and manifest, which the push sets).
        files: everything that travels but card and manifest, by path.
        card: README.md without the config `rejected`.
    """

    folder: Path
    manifest: dict[str, Any]
    files: dict[str, ReleaseFile]
    card: str

    @property
    def rows(self) -> int:
        """Accepted rows, each counted once."""
        return sum(leaf["rows"] for leaf in self.manifest["leaves"].values())

    @property
    def leaves(self) -> int:
        """Leaves that have rows."""
        return sum(1 for leaf in self.manifest["leaves"].values() if leaf["rows"])


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to release: its name, as `--allow` takes it, and what is wrong."""

    name: str
    message: str


def read_release(folder: Path) -> Release:
    """Read a dataset folder for release; every file's bytes are checked against the manifest, the card's excepted.

    The card may have been edited by hand since it was built; data may not.

    Raises: UsageError: not a dataset of labgen's, or files are missing, damaged or outside the folder.
    """
    manifest = read_manifest(folder)
    kept_back = set(manifest["configs"].get("rejected", {}).get("files", ()))
    files: dict[str, ReleaseFile] = {}
    for path, about in sorted(manifest["files"].items()):
        if path in (CARD, MANIFEST) or path in kept_back or path.startswith(_STAYS):
            continue
        files[path] = _checked(folder, path, about)
    configs = {name: config for name, config in manifest["configs"].items() if name != "rejected"}
    if not any(config["rows"] for config in configs.values()):
        raise UsageError(
            f"{folder}: has no accepted rows, so there is nothing to release. See its funnel.json for why."
        )
    missing = {file for config in configs.values() for file in config["files"]} - set(files)
    if missing:
        raise UsageError(f"{folder / MANIFEST}: does not account for {min(missing)}. Build the dataset again.")
    try:
        card = (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder / CARD}: can't be read ({error}). Build the dataset again.") from None
    listed = {path: about for path, about in manifest["files"].items() if path in files}
    return Release(folder, {**manifest, "configs": configs, "files": listed}, files, card_without_rejected(card))


def _checked(folder: Path, path: str, about: Mapping[str, Any]) -> ReleaseFile:
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{folder / MANIFEST}: names `{path}`, which is outside the dataset. Don't release it.")
    try:
        digest, size = hash_file(file)
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror}). Build the dataset again.") from None
    if digest != about["sha256"]:
        raise UsageError(f"{file}: is not the file that was built. Build the dataset again; nothing is asked twice.")
    return ReleaseFile(path, size, digest, file)


def card_without_rejected(card: str) -> str:
    """The card without the config `rejected` in its metadata; unchanged, to the byte, where there is none.

    Raises: UsageError: its metadata is not YAML.
    """
    if not card.startswith("---\n"):
        return card
    header, mark, body = card[4:].partition("\n---\n")
    try:
        data = read_yaml(header, first_line=2).data
    except YamlError as error:
        where = f"{CARD}:{error.line}"
        raise UsageError(f"{where}: {error.problem}. Mend its metadata, or build the dataset again.") from None
    found = False
    for key in ("configs", "dataset_info"):
        entries = data.get(key) if isinstance(data, dict) else None
        if isinstance(entries, list):
            kept = [entry for entry in entries if not _is_rejected(entry)]
            found = found or len(kept) < len(entries)
            data[key] = kept
    if not found:
        return card
    return f"---\n{write_yaml(data)}{mark[1:]}{body}"


def _is_rejected(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("config_name") == "rejected"


def local_refusals(release: Release) -> list[Refusal]:
    """Refusals that need no look at the rows: rehearsal, incomplete, unknown-licence."""
    manifest, found = release.manifest, []
    if manifest["rehearsal"]:
        found.append(Refusal("rehearsal", "its rows are the rehearsal teacher's, which no model wrote"))
    if not manifest["complete"]:
        found.append(Refusal("incomplete", "the build is incomplete: run `labgen generate` again to finish it"))
    unknown = [path for path, leaf in sorted(manifest["leaves"].items()) if leaf["rows"] and not _licensed(leaf)]
    if unknown:
        found.append(
            Refusal("unknown-licence", f"no licence is stated in the attribution.txt of {_some(unknown, 'leaves')}")
        )
    return found


def _licensed(leaf: Mapping[str, Any]) -> bool:
    licences = leaf.get("licences") or []
    return bool(licences) and all(licence.strip().lower() not in _UNKNOWN for licence in licences)


def find_secret_rows(files: Iterable[ReleaseFile]) -> tuple[list[Refusal], list[str]]:
    """Search rows for secrets, which are refused, and personal data, which is only counted.

    Phases repeat the rows of branches, and rows of a leaf their passages: each text is searched once.

    Returns: at most one refusal, which names rows and kinds but never the secret; and notes on personal data.
    """
    from labgen.text.secrets import find_sensitive
    from labgen.text.sensitive_span import SECRET, SensitiveSpan

    secrets: dict[str, str] = {}
    personal: Counter[str] = Counter()
    known: dict[bytes, tuple[SensitiveSpan, ...]] = {}

    def spans_in(text: str) -> tuple[SensitiveSpan, ...]:
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in known:
            known[key] = tuple(find_sensitive(text))
        return known[key]

    for file in files:
        if not file.path.endswith(".parquet"):
            continue
        for row in read_rows(file.source, ["id", "leaf", "messages", "context"]):
            for text in (*(turn["content"] for turn in row["messages"]), row["context"] or ""):
                for span in spans_in(text):
                    if span.kind == SECRET:
                        secrets[row["id"]] = f"{row['id']} of {row['leaf']} ({span.category})"
                    else:
                        personal[span.category] += 1
    notes = [f"personal data in what would be uploaded: {kind}, {count:,} times" for kind, count in personal.items()]
    if not secrets:
        return [], sorted(notes)
    return [Refusal("secrets", f"rows hold secrets: {_some(list(secrets.values()), 'rows')}")], sorted(notes)


def release_manifest(release: Release, card: bytes) -> bytes:
    """The manifest that travels: what is released, card included, and nothing else."""
    about = {"bytes": len(card), "sha256": hashlib.sha256(card).hexdigest()}
    files = dict(sorted({**release.manifest["files"], CARD: about}.items()))
    return (json.dumps({**release.manifest, "files": files}, indent=1, ensure_ascii=False) + "\n").encode()


def _some(names: list[str], what: str) -> str:
    more = f" and {len(names) - _SHOWN:,} more {what}" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
