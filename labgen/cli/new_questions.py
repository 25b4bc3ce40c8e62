"""What `labgen new` asks on a terminal, where options have not said it.

Each answer is on disk before the next question, so neither an error nor Ctrl-C loses one; and each question can be
left open, which leaves a gap in the file, marked for later.
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labgen.errors import LabgenError
from labgen.git.history import author_name
from labgen.taxonomy.draft import EXAMPLES
from labgen.text.printable import plain

LATER = "(Enter: later)"
PASTE_SEC = 0.05
"""How long the next line of a paste may take to arrive; a person takes longer."""


class Answers:
    """What was answered so far for one leaf, kept in a file until the leaf is written."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.path = ""
        self.given: dict[str, Any] = {}

    def resume(self, path: str) -> None:
        """Take up what was answered before, where the user wants that. `path` is empty where none was typed."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            begun, given = str(kept["path"]), dict(kept["given"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        if path in ("", begun) and click.confirm(f"Go on with {plain(begun)}, begun before", default=True, err=True):
            self.path, self.given = begun, given

    def keep(self, name: str, value: Any) -> Any:
        """Note an answer; gives it back."""
        self.given[name] = value
        self._write()
        return value

    def begin(self, path: str) -> None:
        """Note the leaf's path."""
        self.path = path
        self._write()

    def done(self) -> None:
        """The leaf is written."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"path": self.path, "given": self.given}, ensure_ascii=False)
        self._file.write_text(content, encoding="utf-8", errors="replace")

    def ask(
        self, name: str, words: str, default: str = "", problem_of: Callable[[str], str | None] = lambda typed: None
    ) -> str:
        """The answer to a question, asked unless it is known; the same once more is taken in spite of a problem."""
        if name in self.given:
            return str(self.given[name])
        offered = default
        while True:
            typed = ask_text(words, offered)
            problem = problem_of(typed) if typed and typed != offered else None
            if problem is None:
                return str(self.keep(name, typed))
            click.echo(f"{plain(problem)} Type another, or Enter to keep it.", err=True)
            offered = typed


def ask_text(words: str, default: str = "") -> str:
    """One answer; the lines of a paste are one answer together."""
    asked = words if default else f"{words} {LATER}"
    lines = [click.prompt(asked, default=default, show_default=bool(default), err=True)]
    while _more_is_there():
        lines.append(sys.stdin.readline().rstrip("\n"))
    return "\n".join(lines).strip()


def _more_is_there() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return bool(select.select([sys.stdin], [], [], PASTE_SEC)[0])
    except (OSError, ValueError):  # a terminal that cannot be asked, as on Windows
        return False


def ask_missing(path: str, options: dict[str, Any], answers: Answers, look: Callable[..., str]) -> None:
    """Ask for what a new leaf at `path` still needs; the answers are put among the options.

    Args:
        look: says what is in a document (or, by keywords, a repository); LabgenError: why it can't be used.
    """
    options["asked"] = True
    if not options["created_by"]:
        options["created_by"] = answers.ask("created_by", "Who writes it (a GitHub name)", author_name())
    if path.startswith("knowledge/"):
        _ask_knowledge(path, options, answers, look)
    else:
        _ask_skill(path, options, answers)


def _ask_knowledge(path: str, options: dict[str, Any], answers: Answers, look: Callable[..., str]) -> None:
    if not options["task"]:
        options["task"] = answers.ask("task", "What is it about, in a few words", title_of(path))
    if not options["outline"]:
        options["outline"] = answers.ask("outline", "What do the documents cover, in a sentence or two")
    if not options["documents"] and not options["repo"]:
        _ask_documents(options, answers, look)
    link = options["repo"] or next((file.name for file in options["documents"]), "")
    _ask_attribution(options, answers, title=options["task"], link=link, whose="documents")


def _ask_documents(options: dict[str, Any], answers: Answers, look: Callable[..., str]) -> None:
    place = options["place"] = answers.given.get("place") or answers.keep(
        "place",
        click.prompt(
            "Where are the documents: files that lie beside the leaf, a git repository, or not at hand yet",
            type=click.Choice(["files", "repository", "later"]),
            default="files",
            err=True,
        ),
    )
    if place == "files":
        options["documents"] = _ask_files(answers, look)
    elif place == "repository":
        _ask_repository(options, answers, look)


def _ask_files(answers: Answers, look: Callable[..., str]) -> tuple[Path, ...]:
    from labgen.documents.text import document_suffixes

    files = [Path(name) for name in answers.given.get("documents", ())]
    while not answers.given.get("documents_done"):
        words = f"A document ({', '.join(document_suffixes())})" if not files else "Another one"
        typed = click.prompt(f"{words} ({'Enter: that was all' if files else 'Enter: later'})", default="",
                             show_default=False, err=True).strip()  # fmt: skip
        if not typed:
            answers.keep("documents_done", True)
            break
        file = file_of(typed)
        try:
            click.echo(plain(look(file)), err=True)
        except LabgenError as error:
            click.echo(plain(str(error)), err=True)
            continue
        files.append(file)
        answers.keep("documents", [str(each) for each in files])
    return tuple(files)


def file_of(typed: str) -> Path:
    """A file as a shell would understand it: `~` is the home folder, quotes around the name are none of it."""
    if len(typed) > 1 and typed[0] == typed[-1] and typed[0] in "'\"":
        typed = typed[1:-1]
    return Path(typed).expanduser()


def _ask_repository(options: dict[str, Any], answers: Answers, look: Callable[..., str]) -> None:
    offered = {"repo": "", "commit": "newest", "patterns": "**/*.md"}
    while not answers.given.get("repo"):
        repo = ask_text("Address (https://... or git@host:owner/name)", offered["repo"])
        if not repo:
            return
        commit = ask_text("Commit (its hash; newest: what the repository is at now)", offered["commit"])
        patterns = ask_text("Which files", offered["patterns"])
        try:
            found = look(repo=repo, commit=commit, patterns=tuple(patterns.split()))
        except LabgenError as error:
            click.echo(plain(str(error)), err=True)
            if not click.confirm("Try again (otherwise the documents are left for later)", default=True, err=True):
                return
            offered = {"repo": repo, "commit": commit, "patterns": patterns}
            continue
        commit, _, said = found.partition(" ")
        click.echo(plain(said), err=True)
        answers.keep("repo", {"repo": repo, "commit": commit, "patterns": patterns.split()})
    kept = answers.given["repo"]
    options |= {"repo": kept["repo"], "commit": kept["commit"], "patterns": tuple(kept["patterns"])}


def _ask_attribution(options: dict[str, Any], answers: Answers, *, title: str, link: str, whose: str) -> None:
    asked = {
        "title": ("Title of the work", title),
        "link": ("Where it is found (an address)", link),
        "licence": (f"Licence of the {whose} (such as CC-BY-4.0, Apache-2.0)", ""),
        "creators": ("Who made it", options["created_by"]),
    }
    for name, (words, default) in asked.items():
        if not options[name]:
            options[name] = answers.ask(name, words, default, _licence_problem if name == "licence" else _no_problem)


def _no_problem(typed: str) -> str | None:
    return None


def _licence_problem(typed: str) -> str | None:
    from labgen.taxonomy.attribution import judge_licences

    for note in judge_licences(f"License of the work: {typed}\n"):
        if note.code == "LG308":
            return f"{typed} is not a permissive licence; a dataset for all can't build on it."
        return f"labgen does not know the licence {typed}; its SPDX identifier is wanted, such as CC-BY-SA-4.0."
    return None


def _ask_skill(path: str, options: dict[str, Any], answers: Answers) -> None:
    if not options["task"]:
        options["task"] = answers.ask("task", "What is the task: what is asked for, and what makes a good answer")
    if not options["examples"]:
        if options["with_context"] is None:
            options["with_context"] = _confirm(
                answers, "with_context", "Is each example about a text of its own (to shorten, to answer from)", False
            )
        words = f"Type {EXAMPLES} examples now (otherwise the file shows model examples for you to replace)"
        if _confirm(answers, "typing", words, True):
            options["typed"] = _ask_examples(options["with_context"], answers)
    _ask_attribution(options, answers, title=title_of(path), link="qna.yaml", whose="examples")


def _confirm(answers: Answers, name: str, words: str, default: bool) -> bool:
    if name not in answers.given:
        answers.keep(name, click.confirm(words, default=default, err=True))
    return bool(answers.given[name])


def _ask_examples(with_context: bool, answers: Answers) -> list[dict[str, str]]:
    """The examples as far as they were typed; what was left open in one is empty."""
    examples: list[dict[str, str]] = list(answers.given.get("examples", ()))
    while len(examples) < EXAMPLES and not answers.given.get("examples_done"):
        click.echo(f"Example {len(examples) + 1} of {EXAMPLES}. Make it unlike the others.", err=True)
        context = ask_text("  Text") if with_context else ""
        question = ask_text("  Question")
        if not question:
            answers.keep("examples_done", True)
            if context:
                examples.append({"context": context, "question": "", "answer": ""})
            break
        examples.append({"context": context, "question": question, "answer": ask_text("  Answer")})
        answers.keep("examples", examples)
    return examples


def title_of(path: str) -> str:
    """A leaf's own name as words."""
    return path.rsplit("/", 1)[-1].replace("_", " ").capitalize()
