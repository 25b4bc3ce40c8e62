"""What differs between the batch APIs of those who offer one: limits, names and shapes, in one table.

All follow OpenAI's `/files` and `/batches`; what is not in the table is alike. The figures are the providers' own, from
their documentation of autumn 2026, the smaller one where two pages differ; `bulk:` in labgen.yaml sets others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from labgen.config.whole import BulkConfig
from labgen.lazy.dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Provider:
    """One batch API.

    Attributes:
        name: as `bulk.provider` has it.
        hosts: ends of the host names by which it is known.
        max_lines, max_bytes: of one file.
        completions: whether it answers plain completions; all answer chat.
        prefix: what stands before the path in each line and in a batch's `endpoint`.
        purpose: what a file is uploaded as.
        upload_path: where it is uploaded to.
        pages: how its list of batches goes on: by the last one's id, by a cursor of its own, or not at all.
        model_header: header that tells a gateway which model, and so which provider, a file is for; empty for none.
        window: the time within which a batch is answered.
    """

    name: str
    hosts: tuple[str, ...] = ()
    max_lines: int = 50_000
    max_bytes: int = 100 * MB
    completions: bool = False
    prefix: str = "/v1"
    purpose: str = "batch"
    upload_path: str = "/files"
    pages: Literal["after", "cursor", "none"] = "after"
    model_header: str = ""
    window: str = "24h"


PROVIDERS = (
    Provider("openai", ("api.openai.com",), max_bytes=200 * MB, completions=True),
    # The address without /openai/v1 has `/chat/completions` in lines and batches, the one with it `/v1/chat/...`.
    Provider("azure", (".openai.azure.com", ".services.ai.azure.com"), max_bytes=200 * MB, completions=True),
    Provider("groq", ("api.groq.com",), pages="cursor"),
    Provider(
        "together",
        ("api.together.xyz", "api.together.ai"),
        purpose="batch-api",
        upload_path="/files/upload",
        pages="none",
    ),
    Provider("litellm", completions=True, model_header="x-litellm-model"),
    # For engines that read files: vLLM's batch runner loses what it was at when it ends, so files are not large.
    Provider("files", max_lines=5_000, completions=True),
    Provider("other", completions=True),
)
"""The last one stands for all that are not known, labgen's rehearsal teacher among them."""

NAMES = tuple(provider.name for provider in PROVIDERS)


def provider_of(address: str, settings: BulkConfig) -> Provider:
    """The provider at an address, as the settings say or by its host name, with the settings' own limits."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if not address and not settings.provider:
        settings = settings.changed(provider="files")
    known = (each for each in PROVIDERS if any(host.endswith(end) for end in each.hosts))
    by_name = (each for each in PROVIDERS if each.name == settings.provider)
    found = next(by_name if settings.provider else known, PROVIDERS[-1])
    if found.name == "azure" and not parts.path.rstrip("/").endswith("/v1"):
        found = replace(found, prefix="")
    own = {name: getattr(settings, name) for name in ("max_lines", "max_bytes", "window")}
    return replace(found, **{name: value for name, value in own.items() if value is not None})
