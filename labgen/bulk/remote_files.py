"""Files of rounds at addresses such as `s3://bucket/round-1`, through fsspec, which knows most object stores.

They pass through a folder on this machine: what is written is whole before it is put there, and what is read is fetched
file by file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labgen.errors import OutputError, UsageError

SUFFIXES = (".jsonl", ".json", ".half")
"""Ends of the names of files with replies."""


def is_address(place: str) -> bool:
    """Whether a place is no path of this machine."""
    return "://" in place


def put(folder: Path, address: str) -> None:
    """Copy the files of a folder to an address. Raises: OutputError: it can't be written to."""
    with _explained(address):
        store, root = _store(address)
        store.makedirs(root, exist_ok=True)
        for path in sorted(folder.glob("*.jsonl")):
            store.put_file(str(path), f"{root.rstrip('/')}/{path.name}")


def holds_rounds(address: str) -> bool:
    """Whether files of a round are at an address. Raises: OutputError: that can't be seen."""
    with _explained(address):
        store, root = _store(address)
        return bool(store.exists(root) and store.glob(f"{root.rstrip('/')}/*.jsonl"))


@contextmanager
def fetched(address: str) -> Iterator[Iterator[tuple[str, Path]]]:
    """The files at an address, or in the folder there, one after the other: name, and where it is for the moment.

    Raises: UsageError: there is none; OutputError: it can't be read.
    """
    with tempfile.TemporaryDirectory(prefix="labgen-replies-") as name:

        def files() -> Iterator[tuple[str, Path]]:
            with _explained(address):
                store, root = _store(address)
                found = sorted(store.find(root)) if store.exists(root) else []
            if found != [root]:
                found = [each for each in found if each.endswith(SUFFIXES)]
            if not found:
                raise UsageError(f"{address}: there is no such file, and no .jsonl file below it.")
            for number, each in enumerate(found):
                local = Path(name) / f"{number}.jsonl"
                with _explained(address):
                    store.get_file(each, str(local))
                yield store.unstrip_protocol(each), local
                local.unlink()

        yield files()


def _store(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    store, root = url_to_fs(address)
    return store, str(root)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{address}: {error}. Install what is missing, and run it again.") from error
    except ValueError as error:
        raise UsageError(f"{address}: {error}. Name a path, or an address that fsspec knows.") from error
    except Exception as error:  # every store has errors of its own
        words = str(error)[:300] or type(error).__name__
        raise OutputError(f"{address}: the store says no ({words}). See its credentials and the address.") from error
