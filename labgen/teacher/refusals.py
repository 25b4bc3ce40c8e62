"""What an endpoint's refusal means: from status, words and fields of an answer to one of labgen's own errors.

Servers word the same thing in their own ways, and some under a status of their own. What is in no list here is judged
by behaviour elsewhere: `labgen.teacher.retries` takes the same refusal of the same call, twice, for final.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labgen.errors import (
    CallRejected,
    ContextTooLong,
    RateLimited,
    TeacherError,
    TeacherMisconfigured,
    TeacherRefused,
    TeacherStarting,
    TeacherUnavailable,
)
from labgen.lazy import re
from labgen.teacher.rate_limit_headers import retry_after, wait_said

if TYPE_CHECKING:
    from labgen.teacher.openai_client import Answer

_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|exceed_context|maximum context|max_model_len|"
    r"\b(?:prompts?|inputs?|requests?|messages?|conversation)\b[^.]{0,40}\b(?:is|are|was) too long|"
    r"too many (?:input |prompt )?tokens|"
    r"(?:prompt|input|request(?:ed)?)\b[^.]{0,60}?\btokens?\b[^.]{0,40}?\b(?:exceeds?|larger|longer|more than)\b|"
    r"\btokens?\b[^.]{0,80}\bmust be\b ?(?:<|less|smaller|at most)|"
    r"(?:input|prompt|request)[^.]{0,60}exceeds[^.]{0,60}\b(?:tokens?|length|limit)\b|"
    r"reduce the length of|max_tokens must be at least 1",
    re.IGNORECASE,
)
_POLICY = re.compile(r"content[ _](?:policy|filter|management)|safety system|moderation|usage polic", re.IGNORECASE)
_KEY = re.compile(
    r"(?:invalid|incorrect|wrong|missing|expired|no|bad|revoked|disabled|unknown)[^.]{0,30}"
    r"\b(?:api[ _-]?key|(?:access|auth\w*|bearer|security) token|credentials?)\b|"
    r"\b(?:api[ _-]?key|credentials?)\b[^.]{0,40}"
    r"\b(?:invalid|incorrect|not valid|missing|expired|required|revoked|not found)\b|"
    r"unauthori[sz]ed|authentication (?:error|failed|required)|not authenticated",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient[ _](?:quota|balance|credits?|funds)|exceeded your current quota|payment required", re.IGNORECASE
)
_LOADING = re.compile(r"loading|starting|warming up|not ready|initiali[sz]ing", re.IGNORECASE)
_NO_SCHEMA_FITS = re.compile(r"json_validate_failed|failed to (?:generate|validate) json", re.IGNORECASE)
_NUMBER = re.compile(r"\b\d[\d,]*\b")
_LIMIT = re.compile(
    r"(?:<=?|at most|less than|(?:maximum|context|allowed|limit)[^.\d]{0,40}?)[\s(]*(\d[\d,]*)\b", re.IGNORECASE
)

REMEDIES = (
    (
        re.compile(r"exceed_context_size|available context size|llama", re.IGNORECASE),
        "start llama.cpp with a larger --ctx-size (it is divided among the slots)",
    ),
    (re.compile(r"max_model_len|vllm", re.IGNORECASE), "serve it with a larger --max-model-len"),
    (re.compile(r"num_ctx|ollama", re.IGNORECASE), "set a larger num_ctx for the model"),
    (
        re.compile(r"max_new_tokens|max-input-tokens|max-total-tokens", re.IGNORECASE),
        "serve it with larger --max-input-tokens and --max-total-tokens",
    ),
)
"""What is to be done about prompts that are too long, by the words with which servers say so, or their names."""
LOWER = (
    "lower documents.chunk_tokens or generation.max_pair_tokens and max_response_tokens, or choose a model with a "
    "longer context"
)


def refusal_of(answer: Answer, *, name: str, api_hint: str, model: str, answered: bool) -> TeacherError:
    """The error that an answer of status 300 or more stands for.

    Args:
        name: what messages call the endpoint.
        api_hint: what may help where there is no such address; empty for nothing.
        model: name that was sent.
        answered: whether the endpoint has answered anything before.
    """
    words, status = answer.words, answer.status
    if status < 400:
        return _elsewhere(words, name, status, answered)
    retry_after_sec = _wait_asked(answer)
    if _TOO_LONG.search(words) or status == 413 or _numbers_given(answer):
        return ContextTooLong(too_long(answer))
    if status == 401 or (status >= 400 and _KEY.search(words) and status not in (429, 503)):
        return TeacherMisconfigured(
            f"{name} refused the key (HTTP {status}: {words}). Set the right one in the environment."
        )
    if _QUOTA.search(words) or status == 402:
        return TeacherMisconfigured(
            f"{name}: the account's quota is used up (HTTP {status}: {words}). Top it up or name another endpoint with "
            "--base-url, and run again: every reply up to here is kept."
        )
    if status == 503 and _LOADING.search(words):
        return TeacherStarting(f"it is not ready yet: {words}", retry_after_sec=retry_after_sec)
    if status in (429, 503, 529):
        return _load(words, status, retry_after_sec)
    if _POLICY.search(words):
        return TeacherRefused(words)
    if status == 403:
        return TeacherMisconfigured(
            f"{name} refused the key (HTTP 403: {words}). Set one that may use `{model}` in the environment."
        )
    if status in (404, 405):
        return _not_found(words, name, api_hint, model, answered)
    if "model" in words.lower() and "not" in words.lower() and not answered and status in (400, 422):
        return _no_model(words, name, model)
    if status in (408, 409, 425) or status >= 500:
        return TeacherUnavailable(f"HTTP {status}: {words}", retry_after_sec=retry_after_sec)
    return CallRejected(f"HTTP {status}: {words}", status=status)


def no_schema_fits(words: str) -> bool:
    """Whether the endpoint could not write what the schema of one call asks for."""
    return bool(_NO_SCHEMA_FITS.search(words))


def too_long(answer: Answer) -> str:
    """The endpoint's words, with the numbers and the remedy where they are known."""
    found = _numbers_given(answer) or _numbers_said(answer.words.removesuffix(f" {answer.status}"))
    counts = f"the prompt has {found[0]} tokens, the context {found[1]}: " if found else ""
    return f"{counts}{answer.words}"


def remedy_for(words: str) -> str:
    """What to do about prompts that are too long. `words`: a server's refusal, or what serves the model."""
    own = next((remedy for pattern, remedy in REMEDIES if pattern.search(words)), "")
    return f"{own}, or {LOWER}" if own else LOWER


def _load(words: str, status: int, retry_after_sec: float | None) -> TeacherError:
    if "request too large" in words.lower():
        # Larger than the account's limit for a whole minute: no waiting helps.
        return CallRejected(f"HTTP {status}: {words}", status=status)
    return RateLimited(f"HTTP {status}: {words}", retry_after_sec=retry_after_sec)


def _wait_asked(answer: Answer) -> float | None:
    """Seconds to wait, out of headers, Google's `retryDelay` or the endpoint's words; None where nothing is asked."""
    found = retry_after(answer.headers)
    if found is None:
        details = _error_of(answer).get("details")
        for each in details if isinstance(details, list) else ():
            if isinstance(each, Mapping) and isinstance(each.get("retryDelay"), str):
                return wait_said(f"wait {each['retryDelay']}")
        found = wait_said(answer.words)
    return found


def _not_found(words: str, name: str, api_hint: str, model: str, answered: bool) -> TeacherError:
    if "model" in words.lower():
        return _no_model(words, name, model)
    if answered:
        return TeacherUnavailable(f"HTTP 404: {words}")
    return TeacherMisconfigured(
        f"{name} has no such address ({words}). Check --base-url: most end in /v1. {api_hint}".strip()
    )


def _elsewhere(words: str, name: str, status: int, answered: bool) -> TeacherError:
    if answered:
        return TeacherUnavailable(f"HTTP {status}: {words}; prompts are sent nowhere else")
    return TeacherMisconfigured(
        f"{name} sends callers on (HTTP {status}: {words}). Prompts and keys are sent to no other address than "
        "the one in the settings: check --base-url, and name the address that answers."
    )


def _no_model(words: str, name: str, model: str) -> TeacherMisconfigured:
    return TeacherMisconfigured(
        f"{name} has no model `{model}` ({words}). Choose one with --model; most servers list theirs at /models."
    )


def _numbers_given(answer: Answer) -> tuple[int, int] | None:
    """Tokens of the prompt and of the context, as llama.cpp gives them in fields of their own."""
    error = _error_of(answer)
    found = (error.get("n_prompt_tokens"), error.get("n_ctx"))
    return found if all(isinstance(each, int) for each in found) else None  # type: ignore[return-value]


def _numbers_said(words: str) -> tuple[int, int] | None:
    """The same out of the words: the limit is named as one, and the prompt (with its reply) is what is larger."""
    numbers = [int(found.replace(",", "")) for found in _NUMBER.findall(words)]
    telling = sorted({number for number in numbers if 16 <= number <= 100_000_000})
    if len(telling) < 2:
        return None
    limit = _LIMIT.search(words)
    context = int(limit[1].replace(",", "")) if limit else telling[-2]
    return (telling[-1], context) if telling[-1] > context else None


def _error_of(answer: Answer) -> Mapping[str, Any]:
    try:
        data = answer.json
    except (ValueError, RecursionError):
        return {}
    error = data.get("error") if isinstance(data, dict) else None
    return error if isinstance(error, dict) else {}
