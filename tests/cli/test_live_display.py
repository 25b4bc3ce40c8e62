"""On a real terminal of 80 columns and 24 lines each cause of a wait can be read while it lasts."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from faulty_server import Fault, FaultyServer, make_taxonomy, refusal

LABGEN = [sys.executable, "-c", "from labgen.cli import main; main()"]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def watched(here: Path, arguments: list[str], until: list[str], *, within_sec: float) -> str:
    """What labgen writes to a terminal, without colours, until all of some words were there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*LABGEN, *arguments],
        cwd=here,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "OPENAI_API_KEY": "k"},
    )
    os.close(slave)
    seen, end = b"", time.monotonic() + within_sec
    try:
        while time.monotonic() < end and not all(words in text(seen) for words in until):
            if select.select([master], [], [], 0.2)[0]:
                try:
                    seen += os.read(master, 65536)
                except OSError:  # the program has ended
                    break
    finally:
        process.kill()
        process.wait()
        os.close(master)
    return text(seen)


def text(seen: bytes) -> str:
    """What is to be read of it."""
    return CONTROL.sub("", seen.decode("utf-8", "replace"))


def test_refusals_an_outage_and_money_are_read_on_a_terminal(tmp_path: Path) -> None:
    """A server that answers, then says 429 in words that are no markup, then nothing, in a run with a budget."""
    make_taxonomy(tmp_path / "taxonomy")
    (tmp_path / "labgen.yaml").write_text(
        "price: {currency: EUR, prompt_per_million: 1.0, completion_per_million: 2.0}\n"
        "teacher: {first_backoff_sec: 0.01}\n"
    )

    def behave(number: int, body: object) -> Fault | None:
        if number < 60:
            return None
        return refusal(429, "[bold]too many[/]") if number < 140 else Fault(drop=True)

    with FaultyServer(behave, delay_sec=0.05) as server:
        arguments = ["generate", "--samples", "60", "--max-cost", "5", "--base-url", server.base_url]
        until = [
            "calls refused (429, 503) in 15 s",
            "[bold]too many[/]",
            "outage: no answer for",
            "the run ends at 2 min",
        ]
        shown = watched(
            tmp_path, [*arguments, "--model", "labgen-rehearsal", "--concurrency", "16"], until, within_sec=60
        )
    for words in (*until, " of 5.00 spent", "time left not known", "yield", "calls/s"):
        assert words in shown, words
    lines = shown.replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= 80
