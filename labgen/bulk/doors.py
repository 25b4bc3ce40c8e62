"""How each model of a run is asked in files: what stands in a line, and what a line of replies says."""

from __future__ import annotations

import json
from collections.abc import Callable

from labgen.bulk.providers import Provider, provider_of
from labgen.config.models import HTTP
from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Call
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.backends import BULK
from labgen.teacher.connect import specs_by_model
from labgen.teacher.http import HttpBackend
from labgen.teacher.quirks import Notes, Quirks

CUSTOM_ID = slice(14, 78)
"""Where a line that `Door.line` has written has its key, in hexadecimal digits."""

_DATE = re.compile(r"-(?:\d{3,4}|\d{6}|\d{8}|\d{4}-\d{2}-\d{2})")
"""What providers add to a model's name for a version of it, such as `-2024-08-06`; `-mini` is another model."""


@dataclass(frozen=True)
class Door:
    """One model at one endpoint, asked in files.

    Attributes:
        provider: what its batch API is like.
        backend: what makes bodies and reads answers; it is not asked.
        quirks: what the endpoint is known to lack.
        probe_lines: calls that it is given before it has answered any (count).
    """

    model: str
    spec: EndpointSpec
    provider: Provider
    backend: HttpBackend
    quirks: Quirks
    notes: Notes | None
    probe_lines: int

    @property
    def url(self) -> str:
        """What a line asks for, and a batch."""
        return self.provider.prefix + self.backend.path

    def line(self, call: Call) -> bytes:
        """A call as a line of a file, with its end."""
        body = json.dumps(self.backend.body_in_file(call), ensure_ascii=False, separators=(",", ":"))
        return f'{{"custom_id":"{call.key.hex()}","method":"POST","url":"{self.url}","body":{body}}}\n'.encode(
            "utf-8", "replace"
        )

    @property
    def answered_before(self) -> bool:
        """Whether the endpoint, or the engine that answers its files, has answered this model's calls before."""
        return self.quirks.answered_before

    @property
    def _names_note(self) -> str:
        return f"answers as {self.spec.send_model} {self.spec.name}"

    def known_names(self) -> set[str]:
        """The names that replies to this model have borne."""
        try:
            found = json.loads((self.notes.note(self._names_note) if self.notes else None) or "[]")
        except ValueError:
            return set()
        return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()

    def learn_name(self, name: str) -> None:
        """Remember that replies to this model bear a name."""
        if self.notes:
            self.notes.set_note(self._names_note, json.dumps(sorted(self.known_names() | {name})))

    def is_own_name(self, name: str) -> bool:
        """Whether a name is that of the asked model: the same, a dated version of it, or without its owner."""
        asked, name = self.spec.send_model.casefold(), name.casefold()
        return (
            not name
            or name == asked
            or name == asked.rpartition("/")[2]
            or bool(name.startswith(asked) and _DATE.fullmatch(name, len(asked)))
        )


def open_doors(
    config: Config, notes: Notes | None, *, notice: Callable[[str], None] = lambda words: None, rehearsal_url: str = ""
) -> dict[str, Door]:
    """A door for each model of a run, by its logical name. Of several endpoints of a model it is the first one.

    Args:
        notes: where it is remembered what endpoints lack.
        rehearsal_url: where the rehearsal teacher is, which stands for all models where no endpoint is configured.
    Raises: ConfigError: a model is answered by a back end that takes no files, or in plain completions by a provider
        that takes chat alone.
    """
    doors = {}
    for model, spec in specs_by_model(config, rehearsal_url).items():
        if spec.kind not in (HTTP, BULK):
            raise ConfigError(
                f"`{model}` is answered by a back end of the kind `{spec.kind}`, which takes no files of calls. Give "
                f"it an address, or set `backend: {{kind: {BULK}}}`."
            )
        provider = provider_of(spec.base_url, config.bulk)
        if spec.chat_format and not provider.completions:
            raise ConfigError(
                f"`{model}` is asked with `api: completions`, and batches of {provider.name} are of chat alone. Set "
                "`api: chat`."
            )
        quirks = Quirks(spec.name, spec.send_model, notice=notice, notes=notes, merges_system=spec.merges_system)
        backend = HttpBackend.of(spec, quirks, notice=notice)
        doors[model] = Door(model, spec, provider, backend, quirks, notes, config.bulk.probe_lines)
    return doors
