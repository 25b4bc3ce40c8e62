"""Export formats from other packages, named by the entry point group `labgen.formats`.

What they do is not labgen's: one that crashes, or gives what its columns can't hold, ends the export with a message
that names the package. It never ends in half an export.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

from labgen.errors import ConfigError, LabgenError, UsageError
from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.packages import crash, package_of

_HINT = "Mend or update the package, or export in another format."


def installed_format(name: str, entries: Iterable[EntryPoint], taken: Collection[str]) -> ExportFormat:
    """The format that an installed package calls `name`.

    Args:
        entries: the entry points of that name, one or more.
        taken: names of shipped formats, which no other may have.
    Raises: ConfigError: it can't be loaded, is no format, or is not the only one of that name.
    """
    entries = sorted(entries, key=lambda entry: entry.value)
    where = f"format `{name}` of {' and of '.join(map(package_of, entries))}"
    if name in taken or len(entries) > 1:
        others = "labgen has a format of that name" if name in taken else "there can be one format of a name"
        raise ConfigError(f"{where}: {others}. Uninstall the package, or have its entry point renamed.")
    try:
        format = entries[0].load()
    except (Exception, SystemExit) as error:
        # Importing anybody's package may raise anything.
        raise ConfigError(f"{where} can't be loaded ({crash(error)}). {_HINT}") from error
    if not isinstance(format, ExportFormat):
        raise ConfigError(f"{where} is no format: {entries[0].value} is a {type(format).__name__}. {_HINT}")
    if format.name != name:
        raise ConfigError(f"{where} is no format of that name: it is called `{format.name}`. {_HINT}")
    plain, templated, with_system = (
        shape and _guarded(shape, where) for shape in (format.plain, format.templated, format.with_system)
    )
    return replace(format, plain=plain, templated=templated, with_system=with_system)


def _guarded(shape: RowShape, where: str) -> RowShape:
    """The same rows, with whatever goes wrong in making one told as the package's."""

    def convert(conversation: Conversation) -> dict[str, Any]:
        try:
            return _held(shape.convert(conversation), shape)
        except LabgenError as error:
            raise UsageError(f"{where}: {error}") from error
        except Exception as error:
            # Anybody's code may raise anything.
            raise ConfigError(f"{where}: {crash(error)}. {_HINT}") from error

    return replace(shape, convert=convert)


def _held(given: Mapping[str, Any], shape: RowShape) -> dict[str, Any]:
    """The values as plain data, just as the columns hold them. Raises: ValueError: they can't."""
    import pyarrow as pa

    if set(given) != set(shape.columns):
        names = ", ".join(map(repr, given)) or "no value at all"
        raise ValueError(f"it gave {names}, and its columns are {', '.join(shape.columns)}")
    held = {}
    for name, kind in shape.columns.items():
        try:
            (held[name],) = pa.array([given[name]], kind).to_pylist()
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            held[name] = None
        # Arrow leaves out what a struct has no field for, and adds what is missing: neither may pass unseen.
        if held[name] != given[name]:
            raise ValueError(f"column `{name}` ({kind}) can't hold {given[name]!r:.100}")
    return held
