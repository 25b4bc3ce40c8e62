"""Export formats from other packages, named by the entry point group `labgen.formats`.

What they do is not labgen's: one that crashes, or gives what its columns can't hold, ends the export with a message
that names the package. It never ends in half an export.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError, LabgenError, UsageError
from labgen.formats.training.base import Conversation, ExportFormat, RowShape
from labgen.packages import PackageFault, error_words, guarded, package_of, plain_text

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
        with guarded():
            found = entries[0].load()
            problem = _problem(found, name, entries[0].value)
            format = found if problem else _plain(found, name, where)
    except PackageFault as fault:
        raise ConfigError(f"{where} can't be loaded ({fault}). {_HINT}") from fault
    if problem:
        raise ConfigError(f"{where} is no {problem}. {_HINT}")
    return format


def _problem(found: Any, name: str, value: str) -> str:
    """What something is not that should be a format, in words; empty where it is one."""
    if not isinstance(found, ExportFormat):
        return f"format: {value} is a {type(found).__name__}"
    return f"format of that name: it is called `{found.name}`" if found.name != name else ""


def _plain(found: ExportFormat, name: str, where: str) -> ExportFormat:
    """The same format as labgen's own class."""
    fields = ("description", "file_stem", "file_kind", "of")
    description, file_stem, file_kind, of = (plain_text(getattr(found, name), f"its `{name}`") for name in fields)
    plain, templated, with_system = (
        None if shape is None else _plain_shape(shape, where)
        for shape in (found.plain, found.templated, found.with_system)
    )
    return ExportFormat(
        name, description, plain, templated, with_system, file_stem, file_kind, of, bool(found.one_answer)
    )


def _plain_shape(shape: RowShape, where: str) -> RowShape:
    """The same rows, as plain data, with whatever goes wrong in making one told as the package's."""
    columns, own = dict(shape.columns), shape.convert
    trainers = [words and json.loads(json.dumps({**words})) for words in (shape.llama_factory, shape.axolotl)]

    def convert(conversation: Conversation) -> dict[str, Any]:
        try:
            with guarded(lambda error: isinstance(error, LabgenError)):
                return _held(own(conversation), columns)
        except LabgenError as error:
            raise UsageError(f"{where}: {error_words(error)}") from error
        except PackageFault as fault:
            raise ConfigError(f"{where}: {fault}. {_HINT}") from fault

    return RowShape(columns, convert, *trainers)


def _held(given: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """The values as plain data, just as the columns hold them. Raises: PackageFault: they can't."""
    import pyarrow as pa

    if set(given) != set(columns):
        names = ", ".join(map(repr, given)) or "no value at all"
        raise PackageFault(f"it gave {names}, and its columns are {', '.join(columns)}")
    held = {}
    for name, kind in columns.items():
        try:
            (held[name],) = pa.array([given[name]], kind).to_pylist()
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            held[name] = None
        # Arrow leaves out what a struct has no field for, and adds what is missing: neither may pass unseen.
        if held[name] != given[name]:
            raise PackageFault(f"column `{name}` ({kind}) can't hold {given[name]!r:.100}")
    return held
