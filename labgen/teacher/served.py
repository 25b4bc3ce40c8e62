"""Whose words a reply is: what the endpoint says of the model that gave it, whatever the model was asked as.

Replies bear a model's name. A gateway may write the name that it was asked for over it, and leave the fingerprint out
(LiteLLM's proxy does, the latter in streamed completions); then its headers may tell the model behind, and the id of
the reply, which gateways pass on, tells the rehearsal teacher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labgen.records import REHEARSAL_MODEL, Served

BEHIND = ("x-litellm-model-name",)
"""Headers in which gateways say which model is behind a name of theirs."""
MOST_LISTED = 3
"""Models of a list that are named."""


def others_listed(asked: str, models: Sequence[str]) -> str:
    """The models that an endpoint lists, in words, where the one that it is asked for is not among them; else empty."""
    return "" if not models or asked in models else some(models)


def some(models: Sequence[str]) -> str:
    """The first few models of a list, and how many more there are."""
    more = len(models) - MOST_LISTED
    return ", ".join(models[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def served_by(
    *, address: str, asked: str, model: str, fingerprint: str, id: str, headers: Mapping[str, str], listed: str = ""
) -> Served:
    """Where a reply comes from.

    Args:
        address: of the endpoint; asked: the model's name as it was sent there.
        model, fingerprint, id: as the reply's body has them; empty where it lacks them.
        listed: see `others_listed`.
    """
    if REHEARSAL_MODEL in (model, fingerprint) or f"-{REHEARSAL_MODEL}-" in id:
        model = REHEARSAL_MODEL
    elif model in ("", asked):
        model = next((headers[name].strip() for name in BEHIND if headers.get(name, "").strip()), model)
    return Served(address, model, fingerprint, listed)


def told_of(served: Served, asked: str) -> str:
    """What a user should know of an endpoint's answers; empty where they are the asked model's."""
    if served.rehearsal:
        return (
            ""
            if asked == REHEARSAL_MODEL
            else f"{served.address}: `{asked}` is labgen's rehearsal teacher there. Its rows are marked as rehearsal."
        )
    if served.model not in ("", asked):
        name = " ".join(served.model.split())
        return (
            f"{served.address}: the replies to `{asked}` are from a model that is called `{name}`. Rows and "
            "card give both names; correct --model if that is not the model that you mean."
        )
    if served.listed:
        return (
            f"{served.address}: answers to `{asked}`, which it does not list; it lists {served.listed}. Correct "
            "--model if that is another model than you mean."
        )
    return ""
