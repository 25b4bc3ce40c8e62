"""Which addresses a leaf may name. The address as written is judged; what the user's git makes of it is theirs."""

from __future__ import annotations

import hashlib

from labgen.lazy import re
from labgen.text.printable import shown

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HTTPS = re.compile(rf"https://{_HOST}(?::\d+)?/[^?#]+")
_SSH = re.compile(rf"ssh://(?:{_USER}@)?{_HOST}(?::\d+)?/[^?#]+")
# `host:path` without a user would also be a drive letter or a helper's name, so it needs a dot in the host.
_SCP = re.compile(rf"(?:{_USER}@{_HOST}|[A-Za-z0-9][A-Za-z0-9-]*\.[A-Za-z0-9.-]*[A-Za-z0-9]):(?![:-])(?!//)[^?#]+")
_FILE = re.compile(r"file:///[^?#]+")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\\]|%0[0ad]", re.IGNORECASE)

MAX_ADDRESS_CHARS = 2000


def address_problem(repo: str, *, allow_local: bool) -> str | None:
    """What is wrong with `document.repo`, in plain words, or None for an address that labgen fetches from.

    Good are `https://host/path`, `ssh://user@host/path` and `user@host:path`, without password, query or white space.
    With `allow_local` also `file:///path` and absolute paths. A user name in an https address is refused too: hosts
    take tokens there, and rows carry the address as written.
    """
    if len(repo) > MAX_ADDRESS_CHARS or _FORBIDDEN.search(repo):
        return f"`repo: {shown(repo)}` is not an address: it holds white space or control characters, or is too long."
    if re.match(r"https://[^/]*@", repo) or re.match(r"ssh://[^/]*:[^/]*@", repo):
        return (
            f"`repo: {shown(repo)}` holds a user name or a password, which every row would publish. "
            "Take out all before the `@`; git asks your own credential helper."
        )
    if _HTTPS.fullmatch(repo) or _SSH.fullmatch(repo) or (_SCP.fullmatch(repo) and "://" not in repo):
        return None
    if _FILE.fullmatch(repo) or repo.startswith("/"):
        if allow_local:
            return None
        return (
            f"`repo: {shown(repo)}` is on this machine only, and leaves may not read from it. Use `repo: .` for files "
            "beside the leaf, publish the repository, or set `documents.allow_local_repos` in labgen.yaml."
        )
    return (
        f"`repo: {shown(repo)}` is not an address that labgen fetches from. "
        "Write https://host/owner/name, ssh://git@host/owner/name or git@host:owner/name, "
        "or `.` for files beside the leaf."
    )


def cache_name(repo: str) -> str:
    """Folder name for the clones of `repo`: the same with and without `.git` or a final slash, else different."""
    plain = repo.rstrip("/").removesuffix(".git").rstrip("/")
    start = re.match(r"(?:[a-z]+://)?[^/:]*", plain)
    cut = start.end() if start else 0
    same = plain[:cut].lower() + plain[cut:]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain.rsplit("/", 1)[-1]).strip("-")[:40].lower() or "repository"
    return f"{readable}-{hashlib.sha256(same.encode()).hexdigest()[:16]}"
