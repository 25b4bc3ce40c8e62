"""Documents that lie beside a leaf (`repo: .`): regular files below the leaf's folder, no link followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labgen.errors import TaxonomyError
from labgen.text.printable import shown

MAX_ENTRIES = 100_000
"""Files and folders below one leaf that are looked at."""

_OWN_FILES = frozenset({"qna.yaml", "attribution.txt"})


def list_beside(folder: Path) -> dict[str, int]:
    """Path below `folder` (forward slashes) to size in bytes, of every regular file that could be a document.

    Symbolic links to files or folders are left out, and so are leaves and their attributions.

    Raises: TaxonomyError: more than `MAX_ENTRIES` entries, or a folder that can't be looked into.
    """
    found: dict[str, int] = {}
    seen = 0
    pending = [(folder, "")]
    while pending:
        place, prefix = pending.pop()
        try:
            entries = list(os.scandir(place))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TaxonomyError(
                f"`{shown(f'./{prefix}')}` can't be looked into ({error.strerror}). Make it readable."
            ) from None
        for entry in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                raise TaxonomyError(f"more than {MAX_ENTRIES} files lie below the leaf's folder. Move them elsewhere.")
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), f"{prefix}{entry.name}/"))
            elif entry.is_file(follow_symlinks=False) and entry.name not in _OWN_FILES:
                found[prefix + entry.name] = entry.stat(follow_symlinks=False).st_size
    return dict(sorted(found.items()))


def read_beside(folder: Path, path: str, *, max_bytes: int) -> bytes:
    """The content of a file that `list_beside` named, which must still be a regular file of at most `max_bytes`.

    Raises: TaxonomyError: it can't be read, has become something else, or has grown.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(folder / path, flags)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise TaxonomyError(f"`{shown(path)}` is not a regular file.")
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise TaxonomyError(f"`{shown(path)}` can't be read ({error.strerror}). Make it readable.") from None
    if len(content) > max_bytes:
        raise TaxonomyError(f"`{shown(path)}` is larger than {max_bytes} bytes (documents.max_file_bytes).")
    return content
