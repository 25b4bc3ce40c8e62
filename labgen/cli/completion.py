"""What a shell completes beside options: paths of leaves, codes of rules, names of formats and templates.

Nothing here fails: where there is no taxonomy, or a broken `labgen.yaml`, there is nothing to complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import LabgenError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def leaves(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leaves by their paths; typed with the taxonomy's folder before them, as files lie there, as well."""
    root = _root(ctx)
    paths = list(_leaf_paths(root))
    whole = [(root / path).as_posix() for path in paths]
    return _items(incomplete, paths) or _items(incomplete, whole)


def folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders that a new leaf may lie in: those that leaves lie in, and the branches."""
    from labgen.records import BRANCHES

    found = {f"{parent.as_posix()}/" for path in _leaf_paths(_root(ctx)) for parent in Path(path).parents[:-1]}
    return _items(incomplete, sorted(found | {f"{branch}/" for branch in BRANCHES}))


def rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Codes of `labgen check`'s rules, with their names as help."""
    from labgen.taxonomy.rules import RULES

    return _items(incomplete.upper(), RULES, {code: rule.name for code, rule in RULES.items()})


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Export formats, those of installed packages included."""
    from labgen.formats.training.registry import FORMATS_GROUP, SHIPPED_FORMATS
    from labgen.packages import installed_names

    return _items(incomplete, [*SHIPPED_FORMATS, *installed_names(FORMATS_GROUP)])


def templates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Chat templates and prompt formats that come with labgen; else files."""
    from click.shell_completion import CompletionItem

    from labgen.formats.known import FOR_TEACHERS

    return _items(incomplete, FOR_TEACHERS) or [CompletionItem(incomplete, type="file")]


def _root(ctx: click.Context) -> Path:
    from labgen.config.file import load_config

    given = ctx.params.get("taxonomy")
    try:
        return Path(given) if given else load_config().taxonomy
    except LabgenError:
        return Path("taxonomy")


def _leaf_paths(root: Path) -> Iterator[str]:
    from labgen.taxonomy.source import find_leaf_files, leaf_path

    try:
        return iter([leaf_path(root, file) for file in find_leaf_files(root)])
    except LabgenError:
        return iter(())


def _items(incomplete: str, names: Iterable[str], helps: dict[str, str] | None = None) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    told = helps or {}
    return [CompletionItem(name, help=told.get(name)) for name in names if name.startswith(incomplete)]
