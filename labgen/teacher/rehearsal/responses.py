"""The rehearsal teacher's JSON as HTTP responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web


def as_response(status: int, value: object) -> web.Response:
    """A response with a JSON body; ASCII only, so that half a surrogate pair in someone's text cannot break it."""
    from aiohttp import web

    return web.Response(status=status, body=json.dumps(value).encode("ascii"), content_type="application/json")
