"""`labgen contaminate`: which benchmarks must not be in the dataset."""

from __future__ import annotations

from pathlib import Path

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option, work_option
from labgen.config.file import SettingsFile


@click.group("contaminate")
@config_option
def command(config: SettingsFile | None) -> None:
    """Index benchmarks, so that no row of the dataset holds their items.

    Builds drop what overlaps an indexed item (state `contaminated`), `labgen check` warns of seed examples that do.
    """
    # The subcommands look `config` up where they are given none of their own.


@command.command("add")
@click.argument("name")
@click.argument("source", required=False, metavar="[PATH|HUB-ID]")
@click.option(
    "--field", "fields", multiple=True, help="Field whose text is the item (a.b goes inside); repeat to join."
)
@click.option("--subset", "subsets", multiple=True, help="Configuration of a Hub dataset; may be repeated.")
@click.option("--split", "splits", multiple=True, help="Split of a Hub dataset; may be repeated. Default: test.")
@config_option
@work_option
def add(
    name: str,
    source: str | None,
    fields: tuple[str, ...],
    subsets: tuple[str, ...],
    splits: tuple[str, ...],
    config: SettingsFile | None,
    work: Path | None,
) -> None:
    """Index the items of a benchmark under NAME.

    From files of JSON lines, JSON, Parquet or CSV, or from a dataset on the Hugging Face Hub. For mmlu, arc, hellaswag,
    winogrande, truthfulqa, gsm8k, math, humaneval and mt_bench the Hub id and fields are known: NAME alone will do, and
    with a PATH the fields are the benchmark's.
    """
    from labgen.errors import UsageError
    from labgen.filters.benchmarks import PRESETS, read_files, read_hub
    from labgen.filters.contamination import add_benchmark, check_name, index_folder
    from labgen.formats.dataset_reader import is_hub_id

    check_name(name)
    preset = PRESETS.get(name.lower().replace("-", "_"))
    if source is None and preset is None:
        raise UsageError(f"`{name}` is no preset ({', '.join(PRESETS)}). Say where its items are: PATH or HUB-ID.")
    fields = fields or (preset.fields if preset else ())
    if source is None or is_hub_id(source):
        hub_id = source or (preset.hub_id if preset else "")
        same = preset if preset and preset.hub_id == hub_id else None
        parts = read_hub(
            hub_id,
            subsets or (same.subsets if same else (None,)),
            splits or (same.splits if same else ("test",)),
            fields,
        )
    else:
        hub_id, parts = "", read_files(Path(source or ""), fields)
    settings = config_from({"config": config, "work": work})
    benchmark = add_benchmark(
        index_folder(settings),
        name,
        parts,
        source=hub_id or Path(source or "").name,
        ngram_tokens=settings.contamination.ngram_tokens,
    )
    click.echo(f"{benchmark.name}: {benchmark.items:,} items indexed, {benchmark.ngrams:,} n-grams.")


@command.command("list")
@config_option
@work_option
@option("--json/--no-json", "as_json", default=False, help="Print as JSON.")
def list_(config: SettingsFile | None, work: Path | None, as_json: bool) -> None:
    """Say which benchmarks are indexed."""
    import json
    from dataclasses import asdict

    from labgen.filters.contamination import index_folder, list_benchmarks

    found = list_benchmarks(index_folder(config_from({"config": config, "work": work})))
    if as_json:
        click.echo(json.dumps([asdict(benchmark) for benchmark in found], ensure_ascii=False, indent=2))
        return
    for benchmark in found:
        click.echo(
            f"{benchmark.name:<16} {benchmark.items:>8,} items  {benchmark.ngrams:>10,} n-grams of"
            f" {benchmark.ngram_tokens}  from {benchmark.source}"
        )
    if not found:
        click.echo("No benchmark is indexed. Add one: labgen contaminate add gsm8k", err=True)


@command.command("remove")
@click.argument("name")
@config_option
@work_option
def remove(name: str, config: SettingsFile | None, work: Path | None) -> None:
    """Forget a benchmark."""
    from labgen.filters.contamination import index_folder, remove_benchmark

    remove_benchmark(index_folder(config_from({"config": config, "work": work})), name)
    click.echo(f"{name}: no longer indexed.")
