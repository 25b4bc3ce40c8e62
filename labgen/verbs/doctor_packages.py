"""What `labgen doctor` says of what other packages add: whether it can be used as builds and exports would use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from labgen.config.models import HTTP
from labgen.config.whole import Config
from labgen.errors import LabgenError
from labgen.flows.order_of_work import order_of_work
from labgen.formats.training.registry import FORMATS_GROUP, find_export_format
from labgen.packages import installed_names
from labgen.plan.flow import flow_of
from labgen.taxonomy.load import load_taxonomy
from labgen.teacher.backends import BULK, check_kind, known_kinds
from labgen.teacher.finding import NOTHING, Finding
from labgen.verbs.session import check_configuration


def examine_packages(config: Config) -> Iterator[Finding]:
    """Flows and filters as a build loads them, back ends by their names, each export format. Runs packages' code.

    What keeps a build from beginning is a failure; an export format is needed by nobody who does not ask for it.
    """
    yield from _look("flows and filters", lambda: _flows_and_filters(config), "fail")
    yield from _look("back ends", _back_ends, "fail")
    for name in installed_names(FORMATS_GROUP):
        yield from _look(f"export format {name}", partial(_export_format, name), "warn")


def _look(name: str, look: Callable[[], list[str]], status: str) -> Iterator[Finding]:
    try:
        found = look()
    except LabgenError as error:
        yield Finding("packages", name, status, str(error), "")
        return
    if found:
        yield Finding("packages", name, "ok", ", ".join(found), NOTHING)


def _flows_and_filters(config: Config) -> list[str]:
    """Those of packages, as messages call them. Raises: LabgenError: a build could not begin with them."""
    flows, filters, *_ = check_configuration(config)
    order_of_work(flows, filters, per_call=config.generation.instructions_per_call)
    of_packages = [flow for flow in flows if flow.package]
    if of_packages and config.taxonomy.is_dir():
        for leaf in load_taxonomy(config.taxonomy).leaves:
            flow_of(leaf, flows)
    return [flow.title for flow in of_packages] + [each.title for each in filters.installed]


def _export_format(name: str) -> list[str]:
    return [find_export_format(name).description]


def _back_ends() -> list[str]:
    kinds = [kind for kind in known_kinds() if kind not in (HTTP, BULK)]
    for kind in kinds:
        check_kind(kind)
    return kinds
