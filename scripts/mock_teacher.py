"""A mock teacher with a capacity model, for benchmarks and faults: `python scripts/mock_teacher.py --slots 64`.

It answers labgen's prompts with cheap made-up text that passes the filters. A reply takes a time that follows from its
request alone: prefill per prompt token, then so much per reply token; `slots` requests are served at a time, the others
wait. It prints its base URL, and `GET /v1/mock/stats` gives what it measured. It reads HTTP itself, since it shares its
cores with what is measured: a library's server costs a call four times as much. For the same reason what a prefix cache
would have served is reckoned once the calls are over, when somebody asks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

WORDS = tuple(
    """
    amber anchor anvil apricot arrow autumn badger bamboo barley basket beacon birch blanket bonfire border bottle
    branch bridge bronze bucket button cabin candle canvas carpet cavern cedar chalk cherry chimney cider cinder
    circle cliff clover cobalt copper coral cotton cradle crater cricket crystal curtain dagger daisy delta desert
    diamond dragon drum dune eagle ember engine fabric falcon feather fern ferry fiddle flint forest fossil fountain
    garden garlic ginger glacier granite grape gravel hammer harbor harvest hazel helmet hermit honey horizon island
    ivory jacket jasmine jungle kettle kitchen ladder lagoon lantern lemon lily linen lobster locket magnet mantle
    maple marble meadow melon mirror mosaic moss mustard needle nettle nickel nutmeg oasis ocean olive onion orchard
    otter oyster paddle palace paper parrot pearl pebble pepper piano pigeon pillow planet plum pocket poppy prairie
    pumpkin quartz quill rabbit raven ribbon river rocket saddle saffron salmon sandal scarlet shadow shelter silver
    spider spruce stable statue summit sunset tablet tavern temple thimble thistle timber tower trumpet tulip tunnel
    turnip valley velvet violet wagon walnut whistle willow window winter
    """.split()  # noqa: SIM905 (a list of so many strings would fill the screen)
)
BLOCK_TOKENS = 16
CHARS_PER_TOKEN = 4
DRAWS = re.compile("question-answer pairs.*|new (?:instructions|context)")
"""The tasks by which something new is drawn."""
WRAPPED = re.compile(r"(?<!\n)\n(?!\n)")
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
SENTENCE = re.compile(r"[^\n]{20,}?[.!?](?=\s|$)")
"""A sentence of a text whose lines are joined: a point within a number does not end it."""


Answer = tuple[HTTPStatus, Any]
"""A status, and what the body is JSON of."""

Say = Callable[[Answer], None]
"""Takes the answer once it is due."""


class Mock:
    """Capacity, faults, statistics."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.waiting: deque[tuple[float, Say, Answer]] = deque()
        self.busy = 0
        self.busy_sec = 0.0
        self.changed_sec = 0.0
        self.first_sec: float | None = None
        self.last_sec = 0.0
        self.ideal_sec = 0.0
        self.requests = self.answered = self.twice = 0
        self.draws = 0
        self.distinct: set[bytes] = set()
        self.seen: dict[bytes, int] = {}
        self.prompts: list[str] = []
        self.blocks: OrderedDict[int, None] = OrderedDict()
        self.prompt_tokens = self.cached_tokens = 0

    def chat(self, raw: bytes, say: Say) -> None:
        """One chat completion, after its time; or a fault, where one is due."""
        body = json.loads(raw)
        self.requests += 1
        digest = blake2b(raw, digest_size=16).digest()
        attempt = self.seen[digest] = self.seen.get(digest, 0) + 1
        if (fault := self.fault(digest, attempt)) is not None:
            return say(fault)
        prompt = "\n".join(message["content"] for message in body["messages"])
        said_by = blake2b(prompt.encode(), digest_size=16).digest() if self.arguments.by_prompt else digest
        task = task_of(prompt)
        text = reply_to(prompt, random.Random(said_by))
        if DRAWS.fullmatch(task):
            self.draws += 1
            self.distinct.add(blake2b(prompt.encode(), digest_size=8).digest())
        tokens = len(prompt) // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN + 1
        if self.arguments.prefix_cache:
            self.prompts.append(prompt)
        self.twice += attempt > 1 and not self.arguments.faults
        message = {"role": "assistant", "content": text}
        answer = (
            HTTPStatus.OK,
            {
                "id": "mock",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
            },
        )
        if not self.arguments.mean_sec:
            return self.said(say, answer)
        # Give or take a twentieth, by the request: a whole generator of random numbers would take longer than the rest.
        more_or_less = int.from_bytes(digest[:4], "big") / 2**32 - 0.5
        work = 0.35 + 0.65 * min(4.0, tokens[0] / 4000 + tokens[1] / 120) + more_or_less / 10
        self.serve(self.arguments.mean_sec * work, say, answer)
        return None

    def said(self, say: Say, answer: Answer) -> None:
        """Give a reply."""
        self.answered += 1
        say(answer)

    def fault(self, digest: bytes, attempt: int) -> Answer | None:
        """429 and 500 for a share of answers, 500 at every attempt for a share of prompts."""
        arguments = self.arguments
        if not arguments.faults and not arguments.bad_prompts:
            return None
        dice = random.Random(digest + attempt.to_bytes(2, "big"))
        if random.Random(digest + b"prompt").random() < arguments.bad_prompts:
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": {"message": "internal error"}}
        if dice.random() >= arguments.faults:
            return None
        if dice.random() < 0.5:
            return HTTPStatus.TOO_MANY_REQUESTS, {"error": {"message": "slow down", "code": "rate_limit"}}
        return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": {"message": "internal error"}}

    def serve(self, seconds: float, say: Say, answer: Answer) -> None:
        """Hold one of the slots for as long as the reply takes, as soon as one is free."""
        if self.busy >= self.arguments.slots:
            self.waiting.append((seconds, say, answer))
            return
        now = time.monotonic()
        self.first_sec = self.first_sec if self.first_sec is not None else now
        self.note(now, +1)
        self.ideal_sec += seconds
        asyncio.get_running_loop().call_later(seconds, self.end, say, answer)

    def end(self, say: Say, answer: Answer) -> None:
        """Free a slot for who waits longest, and give the reply."""
        self.last_sec = time.monotonic()
        self.note(self.last_sec, -1)
        if self.waiting:
            self.serve(*self.waiting.popleft())
        self.said(say, answer)

    def note(self, now: float, step: int) -> None:
        """Keep the integral of busy slots over time."""
        self.busy_sec += self.busy * (now - self.changed_sec) if self.changed_sec else 0.0
        self.changed_sec = now
        self.busy += step

    def count_blocks(self, prompt: str) -> None:
        """What a block-wise prefix cache (least recently used, 200,000 tokens) would have served."""
        size = BLOCK_TOKENS * CHARS_PER_TOKEN
        self.prompt_tokens += len(prompt) // CHARS_PER_TOKEN
        chain, hit = 0, True
        for start in range(0, len(prompt) - size + 1, size):
            chain = hash((chain, prompt[start : start + size]))
            hit = hit and chain in self.blocks
            self.cached_tokens += BLOCK_TOKENS if hit else 0
            self.blocks[chain] = None
            self.blocks.move_to_end(chain)
        while len(self.blocks) > 200_000 // BLOCK_TOKENS:
            self.blocks.popitem(last=False)

    def stats(self) -> dict[str, float]:
        """What was measured."""
        for prompt in self.prompts:
            self.count_blocks(prompt)
        self.prompts.clear()
        span = max(0.0, self.last_sec - self.first_sec) if self.first_sec is not None else 0.0
        return {
            "requests": self.requests,
            "answered": self.answered,
            "answered_twice": self.twice,
            "draws": self.draws,
            "distinct_draws": len(self.distinct),
            "service_sec": self.ideal_sec,
            "ideal_sec": self.ideal_sec / self.arguments.slots,
            "span_sec": span,
            "utilisation": self.busy_sec / (span * self.arguments.slots) if span else 0.0,
            "prefix_share": self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0,
        }


class Connection(asyncio.Protocol):
    """One connection: requests one after another, each with its length said, as clients of this API send them."""

    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.received[:end])
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < whole:
                return
            body = bytes(self.received[end + 4 : whole])
            del self.received[:whole]
            if head.startswith(b"POST /v1/chat/completions "):
                self.mock.chat(body, self.say)
            elif head.startswith(b"GET /v1/mock/stats "):
                self.say((HTTPStatus.OK, self.mock.stats()))
            else:
                self.say((HTTPStatus.NOT_FOUND, {"error": {"message": "no such path"}}))

    def say(self, answer: Answer) -> None:
        """Send an answer."""
        status, found = answer
        content = json.dumps(found).encode()
        more = "Retry-After: 1\r\n" if status == HTTPStatus.TOO_MANY_REQUESTS else ""
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json; charset=utf-8\r\n"
            f"{more}Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )


def between(prompt: str, tag: str) -> str:
    """The last section of a tag."""
    start = prompt.rfind(f"<{tag}>")
    return prompt[start + len(tag) + 2 : prompt.find(f"</{tag}>", start)].strip() if start >= 0 else ""


def words(dice: random.Random, count: int) -> str:
    """Words drawn at random: near-duplicates are unlikely."""
    return " ".join(dice.choices(WORDS, k=count))


def task_of(prompt: str) -> str:
    """What a prompt calls its task."""
    begin = prompt.rfind("## Task: ") + 9
    return prompt[begin : begin + 80].split("\n", 1)[0]


@lru_cache(maxsize=256)
def sentences_of(document: str) -> list[str]:
    """The sentences of a document, of which there are few for many prompts."""
    return SENTENCE.findall(WRAPPED.sub(" ", document)) or ["Nothing is said here at all."]


def reply_to(prompt: str, dice: random.Random) -> str:
    """A reply of the form that the prompt asks for."""
    task = task_of(prompt)
    if task.startswith("question-answer"):
        sentences = sentences_of(between(prompt, "document"))
        return "\n".join(
            f"<pair>\n<question>What about {words(dice, 9)}?</question>\n"
            f"<answer>{dice.choice(sentences).strip()}</answer>\n</pair>"
            for _ in range(4)
        )
    if task.startswith("new instructions"):
        return "\n".join(f"<instruction>\nWrite about {words(dice, 12)}.\n</instruction>" for _ in range(4))
    if task.startswith("new context"):
        return "<context>\n" + " ".join(f"The {words(dice, 8)}." for _ in range(6)) + "\n</context>"
    if task.startswith("judge instructions"):
        count = len(re.findall(r'<candidate id="\d+">', prompt))
        verdict = {"on_task": "yes", "answerable": "yes", "safe": "yes", "hazard": "none", "reason": "fits"}
        return json.dumps({"verdicts": [{"id": number, **verdict} for number in range(1, count + 1)]})
    if task.startswith("judge a grounded"):
        answer = between(prompt, "reply")
        claims = [{"claim": answer, "evidence": answer, "supported": "yes"}]
        rest = {"relevant": "yes", "score": 3, "safe": "yes", "hazard": "none", "reason": "stands in the text"}
        return json.dumps({"answerable": "yes", "claims": claims, **rest})
    if task.startswith("judge a pair"):
        return json.dumps({"reason": "right", "score": 3, "safe": "yes", "hazard": "none"})
    document = between(prompt, "document")
    if document:
        return document.split(". ", 1)[0].rstrip(".") + "."
    return " ".join(f"The {words(dice, 7)}." for _ in range(dice.randint(4, 12)))


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slots", type=int, default=64, help="requests served at a time")
    parser.add_argument("--mean-sec", type=float, default=0.48, help="scale of a reply's time; 0: none")
    parser.add_argument("--faults", type=float, default=0.0, help="share of answers that are 429 or 500")
    parser.add_argument("--bad-prompts", type=float, default=0.0, help="share of prompts that get 500 every time")
    parser.add_argument("--by-prompt", action="store_true", help="the same prompt, the same reply: temperature 0")
    parser.add_argument("--prefix-cache", action="store_true", help="measure what a prefix cache would serve")
    arguments = parser.parse_args()

    async def serve() -> None:
        mock = Mock(arguments)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(mock), "127.0.0.1", arguments.port, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}/v1", flush=True)
        # Whoever started us holds our standard input; when they are gone, so are we.
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
