"""What users report, as one table: kind, situation, and what is right. The next report has its place here.

Each row is played to its end with labgen as it is. Who meets it is told where, what, and what to do next; whatever was
paid for is in the ledger, and nothing of it is asked again once the situation is over.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from faulty_server import Fault, FaultyServer
from local_hub import READ_TOKEN, hub
from reported import (
    ALWAYS,
    DOCUMENTS,
    SKILL,
    Arrange,
    Place,
    both,
    built,
    document,
    file,
    killed_run,
    lacks,
    ledger_of,
    nothing,
    one_more,
    phrased,
    refuses,
    saved,
    says,
    server,
    settings,
    slip,
)
from workbench import knowledge

__all__ = ["hub"]
CALLS = 13
"""What a build of the leaf takes where all is well (count)."""
BUILD = ("generate", "--samples", "1", "--base-url", "SERVER/v1")
LONG = "This model's maximum context length is 512 tokens. However, you requested 900 tokens."
OLD = knowledge(version=2, seed_examples=[{"question": "Why?", "answer": "Because."}] * 5)


def build(address: str, *more: str) -> tuple[str, ...]:
    """A build from a server at an address."""
    return (*BUILD[:-1], address, *more)


@dataclass(frozen=True)
class Situation:
    """What a user meets, and what is right.

    Attributes:
        status: what the command ends with; says: patterns that its words match, in this order.
        kept: replies that are in the ledger afterwards (count).
        over: whether a build comes to its end once the server is well again, and is asked for nothing twice.
    """

    kind: str
    situation: str
    arrange: Arrange
    status: int
    says: tuple[str, ...]
    command: tuple[str, ...] = BUILD
    kept: range = range(CALLS, CALLS + 1)
    over: bool = False


NOTHING, SOME = range(1), range(1, 100)
CHECK = ("check",)
PUSH = ("push", "ada/rocks", "--allow", "rehearsal", "--allow", "unknown-licence")
HERE = f"{SKILL}/qna.yaml:"
TIDES = "knowledge/science/tides/qna.yaml:35: "

# fmt: off
TABLE = [
    Situation("leaves", "a line is indented with a tab", slip("  answer", "\tanswer"), 2,
              (HERE + "6:1: ", "tab; YAML allows only spaces"), kept=NOTHING),
    Situation("leaves", "an answer has a colon in it", slip("answer: The", "answer: Note: The"), 2,
              (HERE + "6:15: ", "a colon and a space", "put quotes around"), kept=NOTHING),
    Situation("leaves", "an editor saved it as UTF-16", saved(lambda text: text.encode("utf-16")), 2,
              (HERE + "1:1: ", "not UTF-8", "save the file as UTF-8"), kept=NOTHING),
    Situation("leaves", "an editor saved it as Latin-1",
              saved(lambda text: text.replace("Rhine", "Rhône").encode("latin-1")), 2,
              (HERE + "6:17: ", "not UTF-8", "save the file as UTF-8"), kept=NOTHING),
    Situation("leaves", "an editor put a byte order mark before it",
              saved(lambda text: b"\xef\xbb\xbf" + text.encode()), 0, ()),
    Situation("leaves", "it ends with blank lines", saved(lambda text: (text + "\n\n").encode()), 0,
              ("style LG403", "0 errors", "fixable with --fix"), command=CHECK, kept=NOTHING),
    Situation("leaves", "an answer is the word yes",
              slip("The Rhine, the Elbe and the Danube flow through Germany.", "yes"), 1,
              ("LG205", 'quote it: "yes"'), command=CHECK, kept=NOTHING),
    Situation("leaves", "a key is misspelt", slip("answer:", "anwser:"), 1,
              ("6:3: error LG203", "`anwser` should be `answer`"), command=CHECK, kept=NOTHING),
    Situation("leaves", "a key stands there twice", saved(lambda text: (text + "version: 3\n").encode()), 2,
              (HERE + "17:1: ", "already set in line 1", "keep one"), kept=NOTHING),
    Situation("leaves", "there are too few seed examples",
              saved(lambda text: text[:text.index("- question: Explain")].encode()), 1,
              ("LG207", "has 2", "add 3 more"), command=CHECK, kept=NOTHING),
    Situation("leaves", "knowledge is of an old version", one_more("knowledge/old", **OLD), 1,
              ("knowledge/old/qna.yaml:1:10: ", "version 3 needs", "1 leaf was left out")),
    Situation("leaves", "the file is called qna.yml", one_more("foundational_skills/other", "qna.yml"), 1,
              ("other/qna.yml:1:1: ", "rename the file to `qna.yaml`", "1 leaf was left out")),
    Situation("leaves", "skills lie in a folder of another name", one_more("skills/other"), 1,
              ("skills/other/qna.yaml:1:1: ", "no branch", "move it beneath", "1 leaf was left out")),
    Situation("leaves", "no file is a leaf by its name", lambda place: (one_more(SKILL, "qna.yml")(place)), 2,
              ("no leaf in this taxonomy is read", "requests/qna.yml:1:1: ", "rename"), kept=NOTHING),
    Situation("leaves", "the taxonomy's path is wrong", nothing, 2,
              ("nowhere: there is no such folder", "--taxonomy"), command=(*BUILD, "--taxonomy", "nowhere"),
              kept=NOTHING),

    Situation("documents", "the repository has moved, or is private",
              document("*.md", repo="https://127.0.0.1:9/a.git"), 1,
              (TIDES, "can't be fetched", "Check the address, and that `git ls-remote`")),
    Situation("documents", "the commit is unknown", document("*.md", commit="f" * 40), 1,
              (TIDES, "there is no commit f{40}", "write the hash of a commit that was pushed")),
    Situation("documents", "a branch stands for the commit", document("*.md", commit="main"), 1,
              (TIDES, "not a commit's hash", "`git rev-parse`")),
    Situation("documents", "the pattern matches nothing", document("*.rst"), 1,
              (TIDES, r"`\*\.rst` matches no file", "count from the top")),
    Situation("documents", "a file is empty", document("empty.md"), 1,
              (TIDES, "no text is in `empty.md`", "Put the text")),
    Situation("documents", "a file is too short to ask about", document("short.md"), 1,
              (TIDES, "no passage of at least", "Point `patterns`")),
    Situation("documents", "a file is in Latin-1", document("latin.md"), 1,
              (TIDES, "is not UTF-8", "Save it as UTF-8")),
    Situation("documents", "the file itself is in Git LFS", document("pointer.md"), 1,
              (TIDES, "Git LFS", "Commit the file itself")),

    Situation("endpoints", "nobody listens", nothing, 1, ("no connection", "run again when the endpoint answers"),
              command=build("http://127.0.0.1:9/v1"), kept=NOTHING, over=True),
    Situation("endpoints", "the address lacks its http://", nothing, 2, ("http://",), command=build("localhost:8000"),
              kept=NOTHING, over=True),
    Situation("endpoints", "the address lacks its /v1", nothing, 2,
              ("no such address", "Check --base-url: most end in /v1"),
              command=build("SERVER"), kept=NOTHING, over=True),
    Situation("endpoints", "the address goes on to chat/completions", nothing, 0, (),
              command=build("SERVER/v1/chat/completions")),
    Situation("endpoints", "a web page answers",
              server(lambda number, body: Fault(200, b"<html>Hi</html>", content_type="text/html")), 2,
              ("a web page, not with the API", "Check --base-url"), kept=NOTHING, over=True),
    Situation("endpoints", "it sends callers on", refuses(ALWAYS, 301, Location="http://127.0.0.1:9/v1"), 2,
              ("sends callers on", "name the address that answers"), kept=NOTHING, over=True),
    Situation("endpoints", "the model is not served",
              refuses(ALWAYS, 404, "The model `x` does not exist", "model_not_found"), 2,
              ("has no model `x`", "Choose one with --model"), command=(*BUILD, "--model", "x"), kept=NOTHING,
              over=True),
    Situation("endpoints", "the key is wrong", refuses(ALWAYS, 401, "Incorrect API key", "invalid_api_key"), 2,
              ("refused the key", "Set the right one"), kept=NOTHING, over=True),
    Situation("endpoints", "it still loads its model", refuses(range(2), 503, "Loading model"), 0, ("2 retries",)),
    Situation("endpoints", "it wants max_completion_tokens",
              lacks("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."), 0,
              ("refuses `max_tokens`: it is sent as `max_completion_tokens`",)),
    Situation("endpoints", "it knows no seed", lacks("seed", "Unknown parameter: 'seed'"), 0,
              ("refuses `seed`: it is left out",), kept=SOME),
    Situation("endpoints", "it runs out of memory halfway", refuses(range(5, 10**6), 500, "CUDA out of memory"), 1,
              ("HTTP 500: CUDA out of memory", "Every reply up to here is kept; run again"), kept=range(4, 6),
              over=True),

    Situation("limits", "too many requests, with a time to wait",
              refuses(range(1), 429, "slow down", retry_after="0.05"), 0, ("1 retries",)),
    Situation("limits", "too many requests, without one", refuses(range(2), 429, "slow down"), 0, ("2 retries",)),
    Situation("limits", "the quota is used up halfway",
              refuses(range(5, 10**6), 429, "You exceeded your current quota", "insufficient_quota"), 2,
              ("quota is used up", "Top it up", "every reply up to here is kept"), kept=range(4, 6), over=True),
    Situation("limits", "there is no money on the account", refuses(ALWAYS, 402, "Insufficient credits"), 2,
              ("quota is used up", "Top it up"), kept=NOTHING, over=True),
    Situation("limits", "the budget is reached", nothing, 1, ("The budget is reached", "Run again to go on"),
              command=(*BUILD, "--max-calls", "5"), kept=range(5, 6), over=True),

    Situation("replies", "a model thinks aloud before it answers",
              phrased(lambda text: f"<think>Well, {{1}}</think>\n{text}"), 0, ()),
    Situation("replies", "content comes in parts", phrased(lambda text: [{"type": "text", "text": text}]), 0, ()),
    Situation("replies", "a model thinks and never answers", says(None, "length", reasoning_content="hmm " * 50), 1,
              ("held reasoning and no answer", "`reasoning: off`"), kept=SOME),
    Situation("replies", "a model keeps to no form", says("Sure! I would love to help."), 1,
              ("did not keep to the form", "To change: choose a larger model"), kept=SOME),
    Situation("replies", "a model says nothing", says(""), 1, ("were empty", "labgen doctor"), kept=SOME),
    Situation("replies", "replies end at the limit of tokens", phrased(lambda text: text[:20], "length"), 1,
              ("0 of 1 rows", r"labgen show --state \w+"), kept=SOME),
    Situation("replies", "the prompt exceeds the context", refuses(ALWAYS, 400, LONG, "context_length_exceeded"), 1,
              ("does not fit the context", "900 tokens against a context of 512"), kept=SOME),
    Situation("replies", "a content filter stops them", says("", "content_filter"), 1,
              ("refused by the endpoint", "content filter"), kept=SOME),
    Situation("replies", "the connection breaks within one",
              server(lambda number, body: Fault(cut=True) if not number else None), 0, ("1 retries",)),
    Situation("replies", "a model answers in another language",
              says("Москва стоит на реке и очень любит своих жителей.", step="respond"), 1,
              ("0 of 1 rows", "low_quality", "labgen show --state low_quality"), kept=SOME),

    Situation("work folder", "a run was killed", killed_run, 0, ("taken from the ledger",), over=True),
    Situation("work folder", "a later labgen has written the ledger", ledger_of(99), 1,
              ("newer labgen", "Upgrade labgen"), kept=NOTHING),
    Situation("work folder", "an earlier labgen has written the ledger", both(built, ledger_of(3)), 0,
              ("0 calls answered", "taken from the ledger")),
    Situation("work folder", "the ledger is another kind of file", file(".labgen/ledger.sqlite", "dear diary, " * 99),
              1,
              ("ledger.sqlite", "labgen ledger verify"), kept=NOTHING),
    Situation("work folder", "the output is a folder of the user's own", file("dataset/mine.txt", "mine"), 2,
              ("holds files that labgen did not write", "--output"), kept=NOTHING),

    Situation("settings", "one is misspelt", settings(teacher={"modle": "x"}), 2,
              ("labgen.yaml:", "`teacher.modle`. Did you mean `model`"), kept=NOTHING),
    Situation("settings", "a key stands there", settings(teacher={"api_key": "sk-abc"}), 2,
              ("labgen.yaml:", "Did you mean `api_key_env`"), kept=NOTHING),
    Situation("settings", "a bracket is not closed", file("labgen.yaml", "teacher: {model: x\n"), 2,
              ("labgen.yaml:1:10: ", "close it"), kept=NOTHING),

    Situation("releases", "nobody is logged in", both(built, lambda place: place.environment.update(HF_TOKEN="")), 1,
              ("no token for the Hub", "hf auth login"), command=PUSH),
    Situation("releases", "the token may only read",
              both(built, lambda place: place.environment.update(HF_TOKEN=READ_TOKEN)), 1,
              ("ada/rocks: ", "may not write to `ada`", "Use one with write permission"), command=PUSH),
    Situation("releases", "the repository is somebody's own",
              both(built, lambda place: place.hub.create("ada/rocks", files={"a.txt": b"a"})), 1,
              ("ada/rocks: ", "files that labgen did not release", "Choose another name"), command=PUSH),
    Situation("releases", "there is no dataset yet", nothing, 2, ("no dataset of labgen's", "Check the path"),
              command=PUSH, kept=NOTHING),
]
# fmt: on


@pytest.fixture(scope="module")
def endpoint() -> Iterator[FaultyServer]:
    """One server for all, which each situation has behave in its own way."""
    with FaultyServer() as running:
        yield running


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Address and commit of a repository of documents."""
    folder = tmp_path_factory.mktemp("documents")
    for name, content in DOCUMENTS.items():
        (folder / name).write_bytes(content)
    git = ("git", "-C", str(folder), "-c", "user.name=ada", "-c", "user.email=ada@example.org")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "documents")):
        subprocess.run([*git, *command], check=True)
    return folder.as_uri(), subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kind}: {row.situation}")
def test_the_situation_ends_as_is_right(
    row: Situation, tmp_path: Path, endpoint: FaultyServer, documents: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    """Status, words and ledger; and what comes after, where it can be over."""
    place = Place(tmp_path, endpoint, *documents)
    if row.kind == "releases":
        place.hub = request.getfixturevalue("hub")
    row.arrange(place)
    ended = place.run(*row.command)
    told = ended.err + ended.out
    assert ended.status == row.status, told
    assert re.search(".*".join(row.says), told, re.DOTALL), told
    assert "Traceback" not in told
    assert place.kept() in row.kept
    if row.over:
        place.server.behave = lambda number, body: None
        assert place.run(*BUILD).status == 0
        assert place.kept() == CALLS and place.answered_twice() <= 2
