#!/usr/bin/env bash
# LiteLLM's proxy 1.108.7: which model gave a reply can't be read from where the API puts it.
#
# Behaviour: the upstream's replies name their model and have a `system_fingerprint`. Behind the proxy, `model` is the
# alias that was asked for, by chat and by completions, at once and streamed. The fingerprint is passed on, except in
# streamed completions. The reply's `id` comes through everywhere, and a header has the name of the model that
# the proxy itself asks for. Whoever notes by `model` who wrote a row of training data notes the alias.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "litellm[proxy]==1.108.7"
cd "$folder"
cat > upstream.py <<'PY'
"""An OpenAI-compatible server with one answer."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat, stream = "messages" in asked, asked.get("stream", False)
        kind = ("chat.completion" if chat else "text_completion") + (".chunk" if chat and stream else "")
        head = {"id": "upstream-7", "object": kind, "created": 1, "model": "real-model", "system_fingerprint": "fp-real"}
        said = {"delta" if stream else "message": {"role": "assistant", "content": "ready"}} if chat else {"text": "ready"}
        reply = head | {"choices": [{"index": 0, "finish_reason": "stop", **said}]}
        if not stream:
            reply["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = f"data: {json.dumps(reply)}\n\ndata: [DONE]\n\n" if stream else json.dumps(reply)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open("upstream.port", "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
PY
venv/bin/python upstream.py &
for _ in $(seq 50); do [ -s upstream.port ] && break; sleep 0.1; done
cat > proxy.yaml <<YAML
model_list:
  - model_name: alias
    litellm_params:
      model: openai/asked-upstream
      api_base: http://127.0.0.1:$(cat upstream.port)/v1
      api_key: none
YAML
port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true
venv/bin/litellm --config proxy.yaml --host 127.0.0.1 --port "$port" > proxy.log 2>&1 &
venv/bin/python - "$port" <<'PY'
import json
import sys
import time
import urllib.request
from importlib.metadata import version

print("litellm", version("litellm"))
base = f"http://127.0.0.1:{sys.argv[1]}"


def ask(path, stream, **content):
    body = {"model": "alias", "max_tokens": 5, "stream": stream, **content}
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    request = urllib.request.Request(f"{base}/v1/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text, behind = answer.read().decode(), answer.headers.get("x-litellm-model-name")
    events = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
    replies = [json.loads(each) for each in events if each != "[DONE]"] if stream else [json.loads(text)]
    seen = {name: {reply.get(name) for reply in replies} - {None} for name in ("model", "system_fingerprint", "id")}
    return seen | {"header": {behind} - {None}}


for _ in range(240):
    try:
        urllib.request.urlopen(f"{base}/health/liveliness", timeout=5)
        break
    except OSError:
        time.sleep(0.5)
found = {}
for stream in (False, True):
    words = "streamed" if stream else "at once"
    found[f"chat, {words}"] = ask("chat/completions", stream, messages=[{"role": "user", "content": "Say ready."}])
    found[f"completions, {words}"] = ask("completions", stream, prompt="Say ready.")
for name, seen in found.items():
    print(name, {key: sorted(value) for key, value in seen.items()})
assert all(seen["model"] == {"alias"} for seen in found.values()), "a reply names its own model"
kept = {name for name, seen in found.items() if seen["system_fingerprint"] == {"fp-real"}}
assert kept == set(found) - {"completions, streamed"}, kept
assert all(seen["id"] == {"upstream-7"} for seen in found.values()), "the id is not passed on everywhere"
assert all(seen["header"] == {"openai/asked-upstream"} for seen in found.values()), "the header is another one"
print("as described: replies bear the alias, and streamed completions lack the fingerprint")
PY
