"""How what this machine has made is told from what comes from elsewhere: a key that never leaves it.

A work folder may be a stranger's, and a file in it could say anything of what replies came to. So outcomes are sealed
with a key in the user's own folder (`$XDG_STATE_HOME/labgen`, by default `~/.local/state/labgen`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

KEY_BYTES = 32
SEAL_BYTES = 32
KEY_NAME = "outcomes.key"


def state_folder() -> Path:
    """Where the user's programs keep what they remember. Raises: RuntimeError: the user has no home."""
    named = os.environ.get("XDG_STATE_HOME")
    return (Path(named) if named else Path.home() / ".local" / "state") / "labgen"


def own_key() -> bytes | None:
    """This machine's key, made where there was none; None where none can be kept."""
    try:
        path = state_folder() / KEY_NAME
        if (found := _read(path)) is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(path)
            found = _read(path)
        return found
    except (OSError, RuntimeError):
        return None


def _read(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        if len(key := path.read_bytes()) == KEY_BYTES:
            return key
        path.unlink()
    return None


def _write(path: Path) -> None:
    """Make the key: whole or not at all, and of two processes' the first."""
    new = path.with_name(f"{KEY_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()


def seal(key: bytes, name: bytes, content: bytes) -> bytes:
    """`content` with the seal in front that it has under a name."""
    return _seal(key, name, content) + content


def unseal(key: bytes, name: bytes, sealed: bytes) -> bytes | None:
    """What was sealed under a name; None where it is not sealed with this key, or is damaged."""
    content = sealed[SEAL_BYTES:]
    return content if hmac.compare_digest(sealed[:SEAL_BYTES], _seal(key, name, content)) else None


def _seal(key: bytes, name: bytes, content: bytes) -> bytes:
    salt = hashlib.blake2b(name, digest_size=hashlib.blake2b.SALT_SIZE).digest()
    return hashlib.blake2b(content, digest_size=SEAL_BYTES, key=key, salt=salt).digest()
