"""Students of known skill behind an OpenAI-compatible API: each name says how much it knows, such as `knows-70`."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WRONG = "Forty-seven purple umbrellas were sold to the harbour master of Valparaíso."


@contextmanager
def students(answers: dict[str, str]) -> Iterator[str]:
    """Serve them. A student knows a question, by hash, with the probability in its name, and is wrong otherwise.

    Args:
        answers: question as it is asked to its right answer.
    Returns: the address.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question, name = asked["messages"][-1]["content"], asked["model"]
            right = answers[question]
            wrong = {"A": "B", "B": "C", "C": "D", "D": "A"}.get(right, WRONG)
            drawn = int.from_bytes(hashlib.sha256(f"{question}".encode()).digest()[:4], "big") / 2**32
            text = right if drawn < int(name.rpartition("-")[2]) / 100 else wrong
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._say({"id": "1", "object": "chat.completion", "created": 0, "model": name, "choices": [choice]})

        def do_GET(self) -> None:
            self._say({"object": "list", "data": []})

        def _say(self, data: object) -> None:
            body = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
