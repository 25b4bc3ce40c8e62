"""Whether a build's dataset may be written where it is to be: looked at before anything is asked, and by a plan."""

from __future__ import annotations

from labgen.errors import UsageError
from labgen.export.folder import check_output
from labgen.export.provenance import build_info
from labgen.export.rows import BuildInfo
from labgen.verbs.session import Session


def check_output_of(session: Session, *, replace: bool = False) -> BuildInfo:
    """What a build says of itself. Raises: UsageError: its dataset may not be written where it is to be."""
    about = build_info(session.config, session.sources, session.filters, session.teacher, session.judge)
    wanted = {plan.leaf.path: plan.wanted for plan in session.sources.plans}
    try:
        check_output(session.config.output, wanted=wanted, about=about, replace=replace)
    except UsageError as refusal:
        # What there is less of is most often a leaf that can't be used just now.
        raise UsageError("\n".join([str(refusal), *session.sources.messages])) from refusal
    return about
