"""What a server says of itself: the models it lists, its context, and how many calls it works on at a time.

The list of models is part of the API, so every endpoint may be asked for it. llama.cpp says more at an address of its
own, which is asked for only where the list (or the server's header) shows that it is llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from labgen.errors import TeacherError
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.openai_client import Answer, OpenAIClient

LENGTH_NAMES = ("n_ctx", "max_model_len", "context_length", "context_window", "max_context_length")
"""Servers' names for the tokens of prompt and reply together; in the entry of a model, or in its `meta`."""
LLAMA_CPP = "llamacpp"
MOST_SLOTS = 100_000
"""A larger number is no number of slots."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a server says of itself. What it does not say is None or empty.

    Attributes:
        server: who says it owns the model, such as `llamacpp` or `vllm`.
        slots: calls that it works on at a time (count); context_tokens: of one call, prompt and reply together.
        models: names of all that it lists, in its order.
    """

    server: str = ""
    slots: int | None = None
    context_tokens: int | None = None
    models: tuple[str, ...] = ()


async def ask_stated(client: OpenAIClient, model: str) -> Stated | None:
    """Ask a server what it says of itself: one short request, two where it is llama.cpp.

    Returns: None where nobody was there to say anything, or it still loads its model.
    """
    try:
        listed = await client.get("/models")
        if listed.status == 503:
            return None
        return await ask_details(client, listed, model)
    except TeacherError:
        return None


async def ask_details(client: OpenAIClient, listed: Answer, model: str) -> Stated:
    """What the list of models says, and where it comes from llama.cpp what that says beside it.

    Raises: TeacherError: it broke off.
    """
    stated = read_list(listed, model)
    if stated.server != LLAMA_CPP:
        return stated
    props = await client.get(_beside(client.base_url, "props"))
    return _with_props(stated, props)


def read_list(listed: Answer, model: str) -> Stated:
    """What a list of models says of itself and of one of them.

    A server that lists one alone serves that under whatever name it is asked for.
    """
    entries = list(_entries(listed))
    own = next((entry for entry in entries if entry.get("id") == model), entries[0] if len(entries) == 1 else {})
    server = str(own.get("owned_by") or "").lower()
    if listed.headers.get("server", "").lower().replace(".", "") == LLAMA_CPP:
        server = LLAMA_CPP
    meta = own.get("meta")
    said = {**meta, **own} if isinstance(meta, Mapping) else own
    lengths = [length for name in LENGTH_NAMES if (length := _count(said.get(name)))]
    models = tuple(str(entry["id"]) for entry in entries if entry.get("id"))
    return Stated(server, None, lengths[0] if lengths else None, models)


def _with_props(stated: Stated, props: Answer) -> Stated:
    """The same with llama.cpp's own words. As a router of several servers it has no slots of its own."""
    data = _data(props) if props.status == 200 else None
    if not isinstance(data, Mapping) or data.get("role") == "router":
        return stated
    settings = data.get("default_generation_settings")
    context = _count(settings.get("n_ctx")) if isinstance(settings, Mapping) else None
    slots = _count(data.get("total_slots"))
    return replace(
        stated,
        slots=slots if slots and slots <= MOST_SLOTS else None,
        context_tokens=context or stated.context_tokens,
    )


def _beside(base_url: str, name: str) -> str:
    """An address of the server's own, beside the API's `/v1`."""
    parts = urlsplit(base_url)
    path = f"{parts.path.rstrip('/').removesuffix('/v1')}/{name}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _entries(listed: Answer) -> Iterator[Mapping[str, Any]]:
    data = _data(listed) if listed.status == 200 else None
    entries = data.get("data") if isinstance(data, Mapping) else None
    return (entry for entry in (entries if isinstance(entries, list) else ()) if isinstance(entry, Mapping))


def _data(answer: Answer) -> Any:
    try:
        return answer.json
    except (ValueError, RecursionError):
        return None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
