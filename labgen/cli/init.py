"""`labgen init`: a taxonomy repository to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from labgen.cli import option
from labgen.text.printable import plain


@click.command("init")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--examples/--no-examples", default=True, help="Begin with three example leaves.")
@option("--git/--no-git", default=True, help="Make it a git repository with a hook that checks leaves.")
@option("--labgen", "address", help="Where workflows install labgen from, pinned: git+https://...@COMMIT, or a wheel.")
def command(folder: Path, examples: bool, git: bool, address: str | None) -> None:
    """Make DIR (default: this folder) a taxonomy repository.

    It gets example leaves, labgen.yaml with comments, schemas and settings for editors, a hook, workflows for GitHub
    and words for contributors. Files that are there already are left as they are.
    """
    from labgen import bundled_taxonomy
    from labgen.taxonomy.install_source import own_requirement, pinned_requirement
    from labgen.taxonomy.skeleton import make_repository

    source = pinned_requirement(address) if address else own_requirement()
    made = make_repository(folder, examples=bundled_taxonomy() if examples else None, source=source, git=git)
    for name in made.written:
        click.echo(f"Wrote {plain(str(folder / name))}{'/' if name.endswith('/') else ''}")
    for name in made.kept:
        click.echo(f"Kept  {plain(str(folder / name))}")
    for note in made.notes:
        click.echo(plain(note), err=True)
    steps = [] if folder == Path() else [f"cd {plain(str(folder))}"]
    steps += ["labgen check", "labgen preview knowledge", "labgen new"]
    steps += ["git add . && git commit --message 'First leaves'"] if git else []
    click.echo("\nNext:\n" + "\n".join(f"  {step}" for step in steps))
