"""What the Hub's refusals mean for the user. The one place where huggingface_hub's errors become ours."""

from __future__ import annotations

import httpx2
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from labgen.errors import LabgenError, PublishError, UsageError

HUB_ERRORS = (HfHubHTTPError, httpx2.HTTPError, LocalEntryNotFoundError, HFValidationError, OfflineModeIsEnabled)

UPLOAD_ERRORS = (RuntimeError, ValueError)
"""What uploading may raise besides: errors of its threads are wrapped in the first, bad replies give the second."""

UNREACHABLE = (httpx2.NetworkError, httpx2.TimeoutException, httpx2.RemoteProtocolError, OfflineModeIsEnabled)

_AGAIN = "What has been uploaded is kept: run the same command again to go on."


def explain_failure(error: BaseException, repo_id: str, endpoint: str) -> LabgenError:
    """The error as a user can act on it. Only its kind, status and request id are told: texts of HTTP libraries may
    hold signed addresses."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (HfHubHTTPError, httpx2.HTTPError)):
        cause = cause.__cause__ or (cause.__context__ if not cause.__suppress_context__ else None)
    if isinstance(cause, HfHubHTTPError) and cause.response is not None:
        return PublishError(f"{repo_id}: {_by_status(cause.response.status_code, repo_id)}{_request(cause)}")
    if isinstance(error, HFValidationError):
        return UsageError(f"`{repo_id}` is not a name on the Hub: OWNER/NAME, of letters, digits, `.`, `_` and `-`.")
    if isinstance(error, OfflineModeIsEnabled):
        return PublishError(f"{repo_id}: HF_HUB_OFFLINE is set, so the Hub is not asked. Unset it to release.")
    if isinstance(cause, httpx2.HTTPError) or isinstance(error, LocalEntryNotFoundError):
        return PublishError(f"{repo_id}: {endpoint} can't be reached, or the connection was cut. {_AGAIN}")
    return PublishError(f"{repo_id}: the Hub's reply makes no sense ({type(error).__name__}: {_first_line(error)}).")


def _by_status(status: int, repo_id: str) -> str:
    owner = repo_id.partition("/")[0]
    if status == 401:
        return "the Hub does not accept the token. Run `hf auth login`, or set HF_TOKEN to a valid one."
    if status == 403:
        return f"the token may not write to `{owner}`. Use one with write permission, or another owner."
    if status == 404:
        return "the Hub does not know it, or the token may not see it. Check owner and name."
    if status in (409, 412):
        return "someone else changed it meanwhile. Run the same command again: it will compare with what is there now."
    if status == 413:
        return "the Hub finds a file too large. Build with fewer rows a file."
    if status == 429:
        return f"the Hub asks for fewer requests. Wait a few minutes. {_AGAIN}"
    if status >= 500:
        return f"the Hub is in trouble (status {status}). {_AGAIN}"
    return f"the Hub says no (status {status})."


def _request(error: HfHubHTTPError) -> str:
    return f" (request {error.request_id})" if error.request_id else ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return "".join(char for char in lines[0][:200] if char.isprintable()) if lines else ""
