"""Where this labgen was installed from, as a requirement that installs the very same elsewhere."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from labgen.errors import UsageError
from labgen.lazy import re

EXTRA = "labgen[documents]"
PLACEHOLDER = "to be filled in"
"""Stands in a new workflow where no address is known; the workflow stops there and says so."""

_COMMIT = re.compile(r"git\+https://[^\s@#\"'\\]+@[0-9a-f]{40}")
_RELEASE = re.compile(r"\d+(?:\.\d+)+")
_INDEX_INSTALLERS = ("pip", "uv")
_WHEEL = re.compile(r"https://[^\s@#\"'\\]+\.whl#sha256=[0-9a-f]{64}")


def pinned_requirement(address: str) -> str:
    """A requirement for an address that names one state of labgen for ever.

    Raises: UsageError: the address has no commit or hash, or a user name in it.
    """
    bare = address.removeprefix(EXTRA).removeprefix("labgen").removeprefix(" @ ").strip()
    if not (_COMMIT.fullmatch(bare) or _WHEEL.fullmatch(bare)):
        raise UsageError(
            "labgen's address is pinned and has no user name in it: git+https://HOST/OWNER/labgen@COMMIT with all 40 "
            "digits, or https://HOST/FILE.whl#sha256=HASH."
        )
    return f"{EXTRA} @ {bare}"


def own_requirement() -> str:
    """The same for this installation, where its installer has written down what pins it; else nothing.

    That is an address with a commit or a hash (PEP 610), or a released version: an installer that was given a name, and
    so took the release from an index, writes no address.
    """
    try:
        found = distribution("labgen")
        address = found.read_text("direct_url.json")
        if address is None:
            return _released(found)
        told = json.loads(address)
        url, git = str(told.get("url", "")), dict(told.get("vcs_info", {}))
        digest = str(dict(told.get("archive_info", {})).get("hashes", {}).get("sha256", ""))
    except (PackageNotFoundError, ValueError, TypeError, AttributeError):
        return ""
    pinned = f"git+{url}@{git['commit_id']}" if git.get("commit_id") else f"{url}#sha256={digest}"
    try:
        return pinned_requirement(pinned)
    except UsageError:
        return ""


def _released(found: Distribution) -> str:
    installer = (found.read_text("INSTALLER") or "").strip()
    return f"{EXTRA}=={found.version}" if installer in _INDEX_INSTALLERS and _RELEASE.fullmatch(found.version) else ""
