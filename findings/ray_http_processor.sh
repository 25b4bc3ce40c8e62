#!/usr/bin/env bash
# Ray Data 2.60.0: what ray.data.llm.HttpRequestProcessorConfig makes of refusals, of a batch, and of a busy endpoint.
#
# Behaviour: a row's `http_response` is the JSON of the answer whatever its status, and the status is nowhere: a refusal
# with status 400 can't be told from a reply. The requests of a batch go one after another: each is sent once the one
# before is answered, though the stage says that it sends all first. One request that is in vain after its retries ends
# the whole dataset, without a row for any other, and the error has the request's text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "ray[data]==2.60.0" aiohttp==3.14.5 pydantic==2.14.4
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 venv/bin/python - 2>ray.log <<'PY' || { tail -30 ray.log; exit 1; }
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import ray
from ray.data.llm import HttpRequestProcessorConfig, build_processor

now = most = 0
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        global now, most
        word = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["word"]
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.2)
        with lock:
            now -= 1
        status = {"refused": 400, "busy": 503}.get(word, 200)
        body = json.dumps({"said": "no" if status != 200 else "yes"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False)
config = HttpRequestProcessorConfig(
    url=f"http://127.0.0.1:{server.server_port}/", batch_size=8, concurrency=1, max_retries=1, base_retry_wait_time_in_s=0.1
)


def ask(words):
    processor = build_processor(
        config,
        preprocess=lambda row: {"payload": {"word": row["item"]}},
        postprocess=lambda row: {"word": row["item"], "response": json.dumps(row["http_response"])},
    )
    return processor(ray.data.from_items(words, override_num_blocks=1)).take_all()


print("ray", version("ray"))
rows = ask(["hello", "refused"])
print("rows:", rows)
assert rows == [{"word": "hello", "response": '{"said": "yes"}'}, {"word": "refused", "response": '{"said": "no"}'}]
most = 0
ask([f"word {number}" for number in range(8)])
print("most requests of a batch of 8 at the same time:", most)
assert most == 1
try:
    rows = ask(["hello", "busy"])
except Exception as error:
    rows, words = None, str(error)
print("rows beside a busy one:", rows)
assert rows is None and "Reached maximum retries of 1" in words and "'word': 'busy'" in words, words
print("as described: no status, one at a time, and one in vain ends all")
PY
