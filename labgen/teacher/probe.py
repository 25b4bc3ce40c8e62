"""Finding out what an endpoint can do, by asking it."""

from __future__ import annotations

import difflib
import json
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labgen.errors import BadReply, TeacherError
from labgen.records import REHEARSAL_MODEL, Message
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.model_list import listed_models, listed_names, others_listed
from labgen.teacher.openai_client import Answer, OpenAIClient, sendable
from labgen.teacher.reply_body import Body, ErrorInside, read_body
from labgen.teacher.served import BEHIND, served_by

NOTHING = "Nothing to do."
ASK = (Message("user", "Reply with the single word: ready"),)
SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}
ABSURD_TOKENS = 100_000_000
"""A reply limit that no model has: most servers refuse it before they generate anything, and name their limit."""

LENGTH_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
_LENGTH = re.compile(r"(?:context|length|window|at most|maximum|limit)[^0-9]{0,60}?(\d[\d,]{2,})", re.I)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        subject: `machine`, `configuration`, or an endpoint's address.
        name: what was looked at.
        status: `ok`, `warn` (works, with less), `fail` (stands in the way), `skip` (could not be looked at).
        words: what was found; todo: what to do about it, always something.
    """

    subject: str
    name: str
    status: str
    words: str
    todo: str


@dataclass
class _Probe:
    """One endpoint that is being asked, and what was found."""

    client: OpenAIClient
    spec: EndpointSpec
    needed_tokens: int
    limit_name: str = "max_tokens"
    findings: list[Finding] = field(default_factory=list)
    lacking: set[str] = field(default_factory=set)
    latencies_sec: list[float] = field(default_factory=list)

    def find(self, name: str, status: str, words: str, todo: str = NOTHING) -> None:
        self.findings.append(Finding(self.spec.name, name, status, words, todo))

    async def models(self) -> Answer:
        """The list of models; status 0 where nothing came back."""
        try:
            return await self.client.get("/models")
        except TeacherError as error:
            return Answer(0, {}, b"", self.client.safe(str(error)))

    async def ask(
        self, messages: Sequence[Message] = ASK, *, chat: bool | None = None, limit_tokens: int = 16, **more: Any
    ) -> Answer:
        """The answer to a short call; status 0 where nothing came back."""
        chat_format, begun_sec = self.spec.chat_format, time.monotonic()
        chat = chat_format is None if chat is None else chat
        body: dict[str, Any] = {"model": self.spec.send_model, self.limit_name: limit_tokens, "temperature": 0.0}
        body |= more
        if chat:
            body["messages"] = [{"role": message.role, "content": message.content} for message in messages]
        else:
            plain = "\n\n".join(message.content for message in messages)
            body["prompt"] = chat_format.render(messages) if chat_format else plain
        try:
            answer = await self.client.post("/chat/completions" if chat else "/completions", body)
        except TeacherError as error:
            return Answer(0, {}, b"", self.client.safe(str(error)))
        if _choices_of(answer):
            self.latencies_sec.append(time.monotonic() - begun_sec)
        return answer


async def probe_endpoint(
    spec: EndpointSpec, *, needed_tokens: int, conversing: bool = True
) -> tuple[list[Finding], set[str] | None]:
    """Ask an endpoint about a dozen short calls.

    Args:
        needed_tokens: tokens of the configuration's longest call there, prompt and reply together.
        conversing: whether the model does what it is told; a guard only judges, and is asked less.
    Returns: the findings, and what it lacks (see `labgen.teacher.quirks`); None where that could not be found out.
    """
    client = OpenAIClient(spec.base_url, spec.key, name=spec.name, timeout_sec=spec.timeout_sec, connections=1)
    probe = _Probe(client, spec, needed_tokens)
    if not sendable(spec.key):
        words = "it holds characters that no key has, such as a line break or a typographic dash"
        probe.find("key", "fail", words, f"Copy it anew into {spec.key_env}.")
        return probe.findings, None
    try:
        begun_sec = time.monotonic()
        listed = await probe.models()
        if listed.status == 0:
            todo = "Start the server, or correct its address (--base-url, or labgen.yaml)."
            probe.find("reachable", "fail", f"no: {listed.words}", todo)
            return probe.findings, None
        probe.find("reachable", "ok", f"answers in {(time.monotonic() - begun_sec) * 1000:.0f} ms")
        if not await _answers(probe, listed):
            return probe.findings, None
        if conversing:
            await _other_api(probe)
            await _system_role(probe)
            await _several(probe)
            await _seed(probe)
            await _schema(probe)
        await _context(probe, listed)
        probe.find("latency", "ok", f"{statistics.median(probe.latencies_sec):.2f} s for a short reply (median)")
        return probe.findings, probe.lacking
    finally:
        await client.close()


async def _answers(probe: _Probe, listed: Answer) -> bool:
    """Key, model and API: without them nothing else can be asked."""
    answer = await probe.ask()
    if answer.status == 400 and "max_completion_tokens" in answer.words:
        probe.limit_name = "max_completion_tokens"
        probe.lacking.add("max_tokens")
        answer = await probe.ask()
    if answer.status in (401, 403):
        words = _said(answer) if probe.spec.key else f"it wants one, and {probe.spec.key_env} is not set"
        probe.find("key", "fail", words, f"Set {probe.spec.key_env} to a key of this endpoint.")
        return False
    probe.find("key", "ok", "accepted" if probe.spec.key else f"none needed ({probe.spec.key_env} is not set)")
    models = listed_names(listed)
    if _choices_of(answer):
        _name(probe, answer, models)
    elif models and probe.spec.send_model not in models:
        near = difflib.get_close_matches(probe.spec.send_model, models, n=3, cutoff=0.3) or models[:3]
        probe.find("model", "fail", f"no `{probe.spec.send_model}`", f"Choose with --model; it has {', '.join(near)}.")
        return False
    api, path = ("completions", "/completions") if probe.spec.chat_format else ("chat", "/chat/completions")
    if _choices_of(answer):
        probe.find(api, "ok", "answered")
        return True
    todo = "Most addresses end in /v1; or try the other `api:`." if answer.status in (404, 405) else "See its message."
    if answer.status == 429 or answer.status >= 500:
        todo = "Wait and try again; the endpoint's own log or status page says more."
    probe.find(api, "fail", f"POST {path}: {_said(answer)}", todo)
    return False


def _name(probe: _Probe, answer: Answer, models: Sequence[str]) -> None:
    """Which model answers, by what its reply and the list of models say."""
    asked = probe.spec.send_model
    try:
        body = read_body(answer.content)
    except (ErrorInside, BadReply):
        body = Body()
    model, fingerprint = probe.client.safe(body.model), probe.client.safe(body.fingerprint)
    headers = {name: probe.client.safe(answer.headers[name]) for name in BEHIND if name in answer.headers}
    served = served_by(
        address=probe.spec.name, asked=asked, model=model, fingerprint=fingerprint, id=body.id, headers=headers
    )
    listed = probe.client.safe(others_listed(asked, models))
    parts = [asked]
    if served.rehearsal and asked != REHEARSAL_MODEL:
        parts.append("which is labgen's rehearsal teacher here: its rows teach a model nothing")
    elif served.model not in ("", asked):
        parts.append(f"which its replies say is {served.model}")
    if listed:
        parts.append(f"not among the models that it lists: {listed}")
    if len(parts) == 1:
        probe.find("model", "ok", asked)
    else:
        todo = "Name another with --model if it is not the one that you mean; rows and card give both names."
        probe.find("model", "warn", "; ".join(parts), todo)


async def _other_api(probe: _Probe) -> None:
    chat = probe.spec.chat_format is not None
    answer = await probe.ask(chat=chat)
    words = "answered" if _choices_of(answer) else f"not here (HTTP {answer.status})" if answer.status else "no reply"
    probe.find("chat" if chat else "completions", "ok", words, "Not asked for.")


async def _system_role(probe: _Probe) -> None:
    if probe.spec.chat_format is not None:
        probe.find("system role", "skip", "the prompt format writes it")
        return
    answer = await probe.ask((Message("system", "You answer in one word."), *ASK))
    if _choices_of(answer):
        probe.find("system role", "ok", "accepted")
        return
    probe.lacking.add("system")
    words = f"refused ({answer.words}); system text goes into the first user turn"
    probe.find("system role", "warn", words, "Nothing to do: labgen works around it.")


async def _several(probe: _Probe) -> None:
    count = len(_choices_of(await probe.ask(n=2, temperature=1.0)))
    words = "two choices in one reply" if count == 2 else "not several choices in one reply"
    probe.find("n", "ok", words, "Nothing to do: labgen asks for one at a time.")


async def _seed(probe: _Probe) -> None:
    first, second = [await probe.ask(seed=7, temperature=1.0) for _ in range(2)]
    if not (_choices_of(first) and _choices_of(second)):
        refused = first.status == 400 or second.status == 400
        if refused:
            probe.lacking.add("seed")
        words = "refused: it is left out" if refused else f"not found out ({first.words or second.words})"
        probe.find("seed", "warn", words, "Nothing to do: the ledger makes builds repeatable all the same.")
        return
    same = _text(first) == _text(second)
    words = "the same reply twice" if same else "accepted, but replies differ"
    probe.find("seed", "ok", words, NOTHING if same else "Nothing to do: the ledger makes builds repeatable.")


async def _schema(probe: _Probe) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "ready", "strict": True, "schema": SCHEMA}}
    ask = (Message("user", "Are you ready? Answer in JSON with the one key `ready`, true or false."),)
    answer = await probe.ask(ask, response_format=wanted, limit_tokens=64)
    if answer.status == 400:
        probe.lacking.add("response_format")
        words = "refused: it is left out, verdicts are read from text"
        probe.find("JSON schema", "warn", words, "Nothing to do; a server that honours it wastes fewer verdicts.")
        return
    try:
        held = bool(_choices_of(answer)) and isinstance(json.loads(_text(answer)).get("ready"), bool)
    except (ValueError, AttributeError):
        held = False
    words = "honoured" if held else "accepted, but not honoured: verdicts are read from text"
    probe.find("JSON schema", "ok" if held else "warn", words, "Nothing to do.")


async def _context(probe: _Probe, listed: Answer) -> None:
    length, source = _listed_length(listed, probe.spec.send_model), "as it says of itself"
    if length is None:
        answer = await probe.ask(limit_tokens=ABSURD_TOKENS)
        named = _LENGTH.findall(answer.words) if answer.status in (400, 422) else []
        lengths = [int(number.replace(",", "")) for number in named]
        length = next((number for number in lengths if number < ABSURD_TOKENS), None)
        source = "from its refusal of a longer reply"
    if length is None:
        todo = f"Look it up: this configuration's longest call takes about {probe.needed_tokens} tokens."
        probe.find("context", "warn", "the endpoint does not say", todo)
    elif length < probe.needed_tokens:
        words = f"{length} tokens ({source}); this configuration's longest call takes about {probe.needed_tokens}"
        todo = "Lower generation.max_pair_tokens, max_response_tokens or documents.chunk_tokens, or serve it with more."
        probe.find("context", "warn", words, todo)
    else:
        probe.find("context", "ok", f"{length} tokens ({source})")


def _listed_length(listed: Answer, model: str) -> int | None:
    for entry in listed_models(listed):
        if entry.get("id") == model:
            lengths = [entry[name] for name in LENGTH_NAMES if isinstance(entry.get(name), int)]
            return lengths[0] if lengths else None
    return None


def _choices_of(answer: Answer) -> list[Any]:
    """The choices of a reply of the API's form; none for anything else."""
    data = _data(answer)
    choices = data.get("choices") if answer.status == 200 and isinstance(data, dict) else None
    return choices if isinstance(choices, list) else []


def _data(answer: Answer) -> Any:
    try:
        return answer.json
    except (ValueError, RecursionError):
        return None


def _text(answer: Answer) -> str:
    choice = _choices_of(answer)[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    found = message.get("content") if isinstance(message, dict) else choice.get("text", "")
    return str(found or "")


def _said(answer: Answer) -> str:
    """What came back instead of a reply, in words."""
    if answer.status == 0:
        return answer.words
    page = "html" in answer.headers.get("content-type", "") or "<html" in answer.words[:500].lower()
    words = "a web page, not the API" if page else answer.words or "no reply of the API's form"
    return f"HTTP {answer.status}: {words}"
