"""Strangers' and teachers' text on a terminal or in a message: shown, never obeyed, and without credentials."""

from __future__ import annotations

from labgen.lazy import re

# Beside control characters: direction and invisible marks (zero-width joiners hold words and emoji together and stay),
# and halves of characters, which names of files that are not UTF-8 come with and no terminal can be sent.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
_USERINFO = re.compile(r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s'\"]*@")
_ADDRESS = re.compile(r"(?<![A-Za-z0-9+.-])(?P<address>[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"?]*+)(?P<query>\?[^\s'\"]*+)?")
_SCP_PASSWORD = re.compile(r"(?<![\w./-])(?P<user>[\w.-]+):[^\s@/:'\"]+@(?=[\w.-]+:)")


def plain(text: str) -> str:
    """`text` with control characters and direction marks made visible, so that none reaches the terminal."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def indented(text: str, by: str = "    ") -> str:
    """The lines of a plain text, each indented."""
    return "\n".join(by + line for line in plain(text).split("\n"))


def one_line(text: str, limit: int | None = 200) -> str:
    """`text` on one line: control characters and runs of white space made one space, cut to `limit` characters."""
    return shorten("".join(char if char.isprintable() else " " for char in text), limit)


def shorten(text: str, limit: int | None = 40) -> str:
    """`text` on one line, cut to `limit` characters; control characters stay, for `plain` to show them."""
    line = " ".join(text.split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def shown(text: str, limit: int = 200) -> str:
    """`text` as a message may hold it: credentials out, control characters escaped, at most `limit` characters."""
    clean = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in without_credentials(text))
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def without_credentials(text: str) -> str:
    """`text` with user names, passwords and queries taken out of every address in it."""
    text = _USERINFO.sub(r"\g<scheme>***@", text)
    text = _ADDRESS.sub(lambda found: f"{found['address']}{'?***' if found['query'] else ''}", text)
    return _SCP_PASSWORD.sub(r"\g<user>:***@", text)
