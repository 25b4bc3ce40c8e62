"""The dataset's card: README.md with the metadata that the Hub and `datasets` read, and prose that people read.

The same facts give the same bytes: no clock time, rate, path or address of this machine stands in it. All text from
leaves, teachers and configuration is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labgen.export.agreement import agreement_markdown
from labgen.export.card_facts import CardFacts
from labgen.export.card_preferences import preferences
from labgen.export.card_provenance import about_the_run, contributors, licences, limits_and_citation
from labgen.export.card_sections import (
    checks,
    contents,
    funnel_section,
    held_out_section,
    how_made,
    introduction,
    leaf_tree,
    phases,
)
from labgen.export.files import DataFile
from labgen.export.held_out import split_of
from labgen.export.licences import hub_id
from labgen.export.pictures import funnel_picture, treemap
from labgen.text.language import MIN_WORDS
from labgen.text.yaml_written import write_yaml

PICTURES = "card"

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def write_card(folder: Path, facts: CardFacts) -> None:
    """Write README.md and its two pictures."""
    (folder / PICTURES).mkdir(exist_ok=True)
    (folder / PICTURES / "treemap.svg").write_text(treemap(facts.yields), encoding="utf-8")
    (folder / PICTURES / "funnel.svg").write_text(funnel_picture(facts.funnel), encoding="utf-8")
    sections = [
        introduction(facts),
        contents(facts),
        how_made(facts),
        phases(facts),
        preferences(facts),
        leaf_tree(facts),
        funnel_section(facts),
        checks(facts),
        agreement_markdown(facts.agreement) if facts.agreement else "",
        held_out_section(facts),
        about_the_run(facts),
        licences(facts),
        contributors(facts),
        _languages(facts),
        limits_and_citation(facts),
    ]
    text = f"---\n{_header(facts)}---\n\n" + "\n\n".join(section for section in sections if section) + "\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def _header(facts: CardFacts) -> str:
    licences = sorted({hub_id(name) for name, _ in facts.licences})
    data: dict[str, Any] = {
        "pretty_name": f"LAB dataset of {len(facts.leaves)} leaves",
        "language": [language for language, _ in facts.language_shares] or ["und"],
        "license": licences[0] if len(licences) == 1 else licences or "unknown",
        "tags": ["synthetic", "labgen", *(["rehearsal"] if facts.about.rehearsal else [])],
        "task_categories": ["text-generation", *(["question-answering"] if "knowledge" in facts.configs else [])],
        "size_categories": [next((name for limit, name in _SIZES if facts.rows < limit), "10M<n<100M")],
        "source_datasets": ["original", *(["extended"] if (facts.mix or {}).get("extras") else [])],
        "configs": [
            {"config_name": name, "data_files": [{"split": split_of(name), "path": [file.path for file in files]}]}
            for name, files in facts.configs.items()
        ],
        "dataset_info": [_info(name, files) for name, files in facts.configs.items()],
    }
    return write_yaml(data)


def _info(name: str, files: Sequence[DataFile]) -> dict[str, Any]:
    """Sizes as `datasets` keeps them, which checks the number of rows when it loads."""
    size = sum(file.arrow_bytes for file in files)
    return {
        "config_name": name,
        "splits": [{"name": split_of(name), "num_bytes": size, "num_examples": sum(file.rows for file in files)}],
        "download_size": sum(file.bytes for file in files),
        "dataset_size": size,
    }


def _languages(facts: CardFacts) -> str:
    if not facts.rows:
        return ""
    found = [f"{language} {100 * share:.1f} %" for language, share in facts.language_shares]
    undecided = facts.languages.get("", 0)
    text = (
        "## Languages\n\n"
        + ("Found: " + ", ".join(found) + ". " if found else "None could be told. ")
        + "Told from each row's question and answer by script and, for Latin letters, by frequent words; languages of "
        "less than 1 % are not listed."
    )
    if undecided:
        text += f" {undecided:,} rows have fewer than {MIN_WORDS} different ones or are between two languages."
    return text
