"""What `labgen new` asks on a terminal, where options have not said it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from labgen.git.history import author_name
from labgen.records import Pair, SeedExample

EXAMPLES = 5


def ask_missing(path: str, options: dict[str, Any]) -> None:
    """Ask for what a new leaf at `path` still needs; the answers are put among the options."""
    if not options["created_by"]:
        options["created_by"] = _ask("Who writes it (a GitHub name)", author_name() or None)
    if path.startswith("knowledge/"):
        _ask_knowledge(path, options)
    else:
        _ask_skill(options)


def _ask_knowledge(path: str, options: dict[str, Any]) -> None:
    if not options["task"]:
        options["task"] = _ask("What is it about, in a few words", _words_of(path))
    if not options["outline"]:
        options["outline"] = _ask("What do the documents cover, in a sentence or two")
    if not options["documents"] and not options["repo"]:
        place = click.prompt(
            "Where are the documents: files that lie beside the leaf, or a git repository",
            type=click.Choice(["files", "repository"]),
            default="files",
            err=True,
        )
        _ask_repository(options) if place == "repository" else _ask_files(options)
    if not options["title"]:
        options["title"] = _ask("Title of the work", options["task"])
    if not options["link"]:
        options["link"] = _ask("Where it is found (an address)", options["repo"] or options["documents"][0].name)
    if not options["licence"]:
        options["licence"] = _ask("Its licence (such as CC-BY-4.0, Apache-2.0)")
    if not options["creators"]:
        options["creators"] = _ask("Who made it", options["created_by"])


def _ask_repository(options: dict[str, Any]) -> None:
    options["repo"] = _ask("Address (https://... or git@host:owner/name)")
    options["commit"] = options["commit"] or _ask("Commit (its hash)")
    options["patterns"] = options["patterns"] or tuple(_ask("Which files", "**/*.md").split())


def _ask_files(options: dict[str, Any]) -> None:
    files: list[Path] = []
    there = click.Path(path_type=Path, exists=True, dir_okay=False)
    while True:
        more = "A document (.md, .txt, .pdf)" if not files else "Another one (nothing: that was all)"
        typed = click.prompt(more, default=None if not files else "", show_default=False, err=True)
        if not typed:
            break
        try:
            files.append(there.convert(typed, None, None))
        except click.BadParameter as error:
            click.echo(error.message, err=True)
    options["documents"] = tuple(files)


def _ask_skill(options: dict[str, Any]) -> None:
    if not options["task"]:
        options["task"] = _ask("What is the task: what is asked for, and what makes a good answer")
    if options["examples"]:
        return
    if options["with_context"] is None:
        words = "Is each example about a text of its own (to shorten, to answer from)"
        options["with_context"] = click.confirm(words, default=False, err=True)
    words = f"Type {EXAMPLES} examples now (otherwise the file shows model examples for you to replace)"
    if click.confirm(words, default=True, err=True):
        options["typed"] = tuple(_ask_example(number, options["with_context"]) for number in range(EXAMPLES))


def _ask_example(number: int, with_context: bool) -> SeedExample:
    click.echo(f"Example {number + 1} of {EXAMPLES}. Make it unlike the others.", err=True)
    context = _ask("  Text") if with_context else None
    return SeedExample(number, context, (Pair(_ask("  Question"), _ask("  Answer")),))


def _ask(words: str, default: str | None = None) -> str:
    return str(click.prompt(words, default=default, err=True)).strip()


def _words_of(path: str) -> str:
    return path.rsplit("/", 1)[-1].replace("_", " ").capitalize()
