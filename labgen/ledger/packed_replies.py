"""How a reply lies in the ledger: JSON, compressed with a preset dictionary (RFC 1950) of the forms that are asked for.

Half of all replies are verdicts, which are hardly more than their form, and every reply says which endpoint it is from.
The dictionary is part of labgen, so that a reply depends on nothing else in the file.
"""

from __future__ import annotations

import json
import zlib

from labgen.records import Reply, Served

_QUESTIONS = ("on_task", "answerable", "relevant", "supported", "safe")


def _preset() -> bytes:
    """What replies are made of, the most frequent last, as RFC 1950 advises."""
    more = ', "stop", "", {"reasoning": "", "fingerprint": "fp_", "listed": "", "address": "https://api.'
    end = '", "stop", "", {"address": "http://127.0.0.1:8000/v1", "model": "'
    tags = "".join(f"<{tag}>\n</{tag}>\n" for tag in ("context", "instruction", "pair", "question", "answer"))
    drawn = '["<pair>\n<question>What </question>\n<answer>The </answer>\n</pair>\n<pair>\n<question>'
    drawn += '["<instruction>\n</instruction>\n<instruction>\n["<context>\n</context>'
    verdicts = []
    for comma in (",\n  ", ", "):
        yes, no = (comma.join(f'"{name}": "{word}"' for name in _QUESTIONS) for word in ("yes", "no"))
        claims = f'"claims": [{{"claim": "The "{comma}"evidence": ""{comma}"supported": "yes"}}]'
        scored = comma.join(('"relevant": "yes"', '"score": 3', '"safe": "yes"', '"hazard": "none"', '"reason": "'))
        listed = comma.join(('"on_task": "yes"', '"answerable": "yes"', '"safe": "yes"', '"hazard": "none"'))
        verdicts += [no, yes, f'["{{"verdicts": [{{"id": 1{comma}{listed}{comma}"reason": "the "}}, {{"id": 2{comma}']
        verdicts += [f'["{{"reason": "the "{comma}"score": 3{comma}"safe": "yes"{comma}"hazard": "none"}}']
        verdicts += [f'["{{"answerable": "yes"{comma}{claims}{comma}{scored}']
    spoken = [json.dumps(text)[1:-1] for text in (tags, drawn, *verdicts)]
    return "".join((more, *spoken, end)).encode()


LEVEL = 6
"""Of zlib's levels. Most of the time is the dictionary's, so that the fastest takes as long."""

PRESET = _preset()
"""Never another one: replies are read with the one that they were written with. A better one is a second one."""


def pack_reply(reply: Reply) -> bytes:
    """A row's `reply`: text, end, detail, and what else is known of it, where anything is."""
    served = reply.served
    known = {
        "reasoning": reply.reasoning,
        "address": served.address,
        "model": served.model,
        "fingerprint": served.fingerprint,
        "listed": served.listed,
    }
    more = {name: value for name, value in known.items() if value}
    parts = [reply.text, reply.finish_reason, reply.detail, *([more] if more else [])]
    writer = zlib.compressobj(LEVEL, zdict=PRESET)
    return writer.compress(json.dumps(parts, ensure_ascii=False).encode()) + writer.flush()


def unpack_reply(packed: bytes) -> bytes:
    """The JSON of a row's `reply`, also of one that has no dictionary. Raises: zlib.error: it is damaged."""
    reader = zlib.decompressobj(zdict=PRESET)
    text = reader.decompress(packed)
    if not reader.eof:
        raise zlib.error("incomplete")
    return text


def reply_of(row: tuple[bytes, str, int, int]) -> Reply:
    """The reply in a row's `reply`, `failure`, `prompt_tokens` and `completion_tokens`.

    Raises: zlib.error, ValueError, TypeError: it is damaged.
    """
    text, finish_reason, detail, *rest = json.loads(unpack_reply(row[0]).decode())
    more = rest[0] if rest else {}
    served = Served(*(more.get(name, "") for name in ("address", "model", "fingerprint", "listed")))
    return Reply(text, finish_reason, row[2], row[3], row[1], detail, more.get("reasoning", ""), served)
