"""The command line: one file per verb, loaded only when the verb is used, so that `labgen --help` stays fast."""

from __future__ import annotations

import codecs
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labgen import __version__
from labgen.cli.guide import EXAMPLES, grouped
from labgen.errors import LabgenError, machine_trouble

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])

VERBS = {
    "init": "Make a taxonomy repository: first leaves, settings, a hook, workflows.",
    "new": "Write a new leaf, by dialogue or from options, with comments that teach.",
    "check": "Say what is wrong with leaves, where, and what to do; mend their style.",
    "diff": "Say which leaves changed since a branch, and how.",
    "preview": "Show a handful of rows that leaves make, with verdicts, reasons and a price.",
    "plan": "Say what a build would draw and what is still to pay, without asking for anything.",
    "generate": "Build the dataset: ask the teacher for what the ledger does not hold yet.",
    "status": "Say how far a run is, from another terminal.",
    "bulk": "Build in rounds of many calls at once: by a batch API, files, or a cluster.",
    "show": "Look through rows and rejections, or show one with its history.",
    "report": "Write one HTML page that shows a build: funnel, coverage, cost, every row and rejection.",
    "review": "Mark rows as good, bad or edited; the next build obeys.",
    "export": "Write the dataset in the format that a training program reads.",
    "evaluate": "Ask a trained model what the dataset holds out, and judge its answers.",
    "push": "Release the dataset on the Hugging Face Hub.",
    "compare": "Put two datasets side by side: leaves, overlap, lengths, scores, duplicates.",
    "calibrate": "Put the judges to the test, with the leaves' own seeds or with labelled pairs.",
    "contaminate": "Index benchmarks whose items must not be in the dataset.",
    "doctor": "Check endpoint, machine and configuration; say what to do about each finding.",
    "ledger": "Show what was paid for; verify, prune, export and import it.",
    "teacher": "Serve the built-in rehearsal teacher, or a model from a GGUF file, over HTTP.",
}
"""Every verb and its one-line help; the module is `labgen.cli.VERB`, the command in it is called `command`."""


class LazyGroup(click.Group):
    """A group that imports a verb's module only when that verb runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None for an unknown one."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"labgen.cli.{cmd_name}").command
        if cmd_name in EXAMPLES:
            command.epilog = f"\b\nExample:\n  {EXAMPLES[cmd_name]}"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List verbs from `VERBS` alone, in groups: help must not import every stage."""
        width = max(map(len, VERBS))
        for head, rows in grouped(VERBS).items():
            with formatter.section(head):
                formatter.write_dl([(verb.ljust(width), words) for verb, words in rows])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin so, without importing any."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(verb, help=words) for verb, words in VERBS.items() if verb.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb named where there is none."""
        import difflib

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], list(VERBS), n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"there is no command `{args[0]}`.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="labgen")
def app() -> None:
    """labgen turns a taxonomy that people curate into a dataset that models learn from.

    `labgen VERB --help` has an example of each.
    """


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """A click option that is also read from `LABGEN_<NAME>` (dashes become underscores)."""
    long = next(name for name in names if name.startswith("--"))
    variable = long.split("/")[0].lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=f"LABGEN_{variable}", **settings)


GARBAGE_OBJECTS = 20_000
"""New objects, less those that went, after which garbage in circles is looked for. Python's own 700 would have half a
million candidates, who leave next to none, looked through again and again: a fifteenth of a replay's time."""

LOADED_OBJECTS = 500_000
"""The same while a command is loaded, of which nothing is garbage: looking would be a twentieth of that time."""


def end_loading() -> None:
    """Look for garbage from now on, and never among what was loaded."""
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


def _fill_streams() -> None:
    """Put nothing in the place of standard streams that are closed (`labgen plan >&-`).

    Else a file that is opened later would take the place, and what is said be written to it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _let_all_be_said() -> None:
    """Have characters that standard output can't hold (an ASCII terminal, a lone surrogate) be spelled as in JSON.

    Else a command would end in the middle of what it says.
    """

    def spelled(error: UnicodeError) -> tuple[str, int]:
        import json

        if not isinstance(error, UnicodeEncodeError):
            raise error
        return json.dumps(error.object[error.start : error.end])[1:-1], error.end

    codecs.register_error("labgen.spelled", spelled)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="labgen.spelled")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the one place that turns a `LabgenError` into a message and an exit status."""
    gc.set_threshold(LOADED_OBJECTS)
    _fill_streams()
    _let_all_be_said()
    stdout = sys.stdout
    try:
        status = app.main(args=arguments, prog_name="labgen", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("labgen: stopped. Run the same command again to go on; what was paid for is kept.", err=True)
        status = 130
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except LabgenError as error:
        from labgen.text.printable import plain

        click.echo(f"labgen: {plain(str(error))}", err=True)
        status = error.exit_status
    except BaseException as error:
        # Where click finds the pipe cut, it puts something else in stdout's place and ends the program.
        if isinstance(error, BrokenPipeError) or sys.stdout is not stdout:
            # The reader of our output has gone (`labgen plan | head`); nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        from labgen.text.printable import plain

        if lacking := machine_trouble(error):
            click.echo(plain(f"labgen: {lacking}"), err=True)
            sys.exit(1)
        if isinstance(error, Exception) or "_LABGEN_COMPLETE" in os.environ:  # click ends so once a shell is answered
            raise
        # labgen ends by returning: that was code of a package, in a task of its own, where nothing stands around it.
        from labgen.packages import crash

        words = f"code of an installed package ended the program ({crash(error)}). What was paid for is kept."
        click.echo(plain(f"labgen: {words} Mend or remove what packages add; `labgen doctor` lists it."), err=True)
        status = 2
    # Looking for garbage among all that ends with the process would take a third of a second.
    gc.freeze()
    sys.exit(status if isinstance(status, int) else 0)
