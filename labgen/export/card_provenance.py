"""The card's sections on where it all comes from: teacher, versions, licences, contributors, limits, citation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labgen.export.card_facts import CardFacts
from labgen.export.card_sections import MANY_LEAVES, named
from labgen.export.markdown import block, code, escaped, folded, markdown_table
from labgen.export.rows import BuildInfo
from labgen.text.yaml_written import write_yaml

NAMED_LEAVES = 20
"""Leaves without a licence above which their list is folded away."""


def about_the_run(facts: CardFacts) -> str:
    """Teacher and its terms, exact versions, settings, how to build it again."""
    import pyarrow as pa

    about = facts.about
    commit = code(about.taxonomy_commit) if about.taxonomy_commit else "none (not a clean git checkout)"
    judge = str(about.settings.get("judge", about.teacher))
    facts_table = markdown_table(
        ["", ""],
        [
            ["teacher", f"{_model(about.teacher, about)} {facts.terms}"],
            *([["judge", _model(judge, about)]] if judge != about.teacher else []),
            *_responder(facts),
            ["taxonomy commit", commit],
            ["labgen", escaped(about.labgen)],
            ["pyarrow", escaped(pa.__version__)],
        ],
    )
    settings = settings_as_yaml(about).rstrip()
    return (
        f"## Teacher, versions, settings\n\n{facts_table}\n\n"
        + folded("Settings that change rows (also in <code>settings.yaml</code>)", block(settings, "yaml"))
        + "\n\n**Build it again:** check out the taxonomy at its commit, set in `labgen.yaml` what `settings.yaml` "
        "says, and run `labgen generate`. With the same ledger the result has the same bytes; without it the "
        "teacher is asked again, and samples differ."
    )


def _responder(facts: CardFacts) -> list[list[str]]:
    """The model that gave further responses, and its terms; nothing where the teacher gave all."""
    about = facts.about
    model = about.settings.get("preferences", {}).get("responder", {}).get("model")
    if not model or about.written_by_rehearsal:
        return []
    terms = facts.notes.responder_terms or "labgen does not know its terms."
    return [["further responses", f"{_model(model, about)} {terms}"]]


def _model(asked: str, about: BuildInfo) -> str:
    listed = about.listed_instead(asked)
    told = f" Its server does not list that name, but {escaped(listed, 200)}." if listed else ""
    return f"{named(asked, about)}.{told}"


def settings_as_yaml(about: BuildInfo) -> str:
    """The settings that change rows, as they are written to `labgen.yaml`."""
    settings = about.settings
    if id(settings) not in _written:
        text = write_yaml(dict(settings)) if settings else "{}\n"
        _written.clear()
        _written[id(settings)] = settings, text
    return _written[id(settings)][1]


_written: dict[int, tuple[Mapping[str, Any], str]] = {}
"""Those that were written last, and as what: a dataset has them twice, and with thousands of leaves they are long."""


def licences(facts: CardFacts) -> str:
    """Licences of what the rows build on, the strictest first, unknowns named; and the documents cited."""
    rows = []
    unknown: list[str] = []
    for name, works in facts.licences:
        leaves = sorted({leaf for found in works.values() for leaf in found})
        if not name:
            unknown = leaves
        titles = [escaped(title, 80) for title, _ in works if title]
        shown = "; ".join(titles[:8]) + (f"; and {len(titles) - 8} more" if len(titles) > 8 else "")
        rows.append([escaped(name) or "**none stated**", f"{len(leaves):,}", shown or "–"])
    parts = [
        "## Licences",
        "As the leaves' `attribution.txt` files state them, the strictest first. What they ask of a dataset made from "
        "these works is for you to judge; this is no legal advice.",
        markdown_table(["licence", "leaves", "works"], rows) if rows else "No leaf has rows.",
    ]
    if unknown:
        listed = "\n".join(f"- {code(path)}" for path in unknown)
        says = f"{len(unknown):,} leaves state no licence for what they build on"
        parts.append(f"{says}:\n\n{listed}" if len(unknown) <= NAMED_LEAVES else folded(says, listed))
    if facts.sources:
        cited = [
            [
                "beside the leaf" if repo.strip() in (".", "./") else code(repo),
                code(commit),
                ", ".join(map(code, files[:4])) + (f" and {len(files) - 4} more" if len(files) > 4 else ""),
            ]
            for (repo, commit), files in sorted(facts.sources.items())
        ]
        text = markdown_table(["documents of", "at commit", "files that rows cite"], cited)
        parts.append(folded(f"{len(cited):,} sources of documents", text) if len(cited) > MANY_LEAVES else text)
    return "\n\n".join(parts)


def contributors(facts: CardFacts) -> str:
    """Who wrote which leaves, as the leaves say."""
    by_name: dict[str, list[str]] = {}
    for leaf in facts.leaves:
        if facts.rows_by_leaf[leaf.path]:
            by_name.setdefault(leaf.created_by, []).append(leaf.path)
    if not by_name:
        return ""
    rows = [
        [escaped(name, 80) or "not stated", f"{len(paths):,}", "<br>".join(_listed(paths))]
        for name, paths in sorted(by_name.items(), key=lambda item: (item[0] == "", -len(item[1]), item[0]))
    ]
    text = markdown_table(["contributor", "leaves", "which"], rows)
    if len(rows) > MANY_LEAVES:
        text = folded(f"{len(rows):,} contributors", text)
    return f"## Contributors\n\nThank you.\n\n{text}"


def _listed(paths: list[str]) -> Iterator[str]:
    yield from (code(path) for path in paths[:5])
    if len(paths) > 5:
        yield f"and {len(paths) - 5} more"


def limits_and_citation(facts: CardFacts) -> str:
    """What not to expect, and how to cite."""
    teacher = "the rehearsal teacher" if facts.about.written_by_rehearsal else "the teacher"
    limits = [
        f"Rows carry the habits, gaps and biases of {teacher}, and of the judge where it is the same model: a judge is "
        "lenient with its own style.",
        "Groundedness is checked against one passage: an answer can be faithful to it and still be wrong where the "
        "document is, or incomplete where the rest of the document says more.",
        "Skill answers are judged, not executed or proven: expect some wrong arithmetic, code and reasoning.",
        "Coverage is the taxonomy's: what nobody wrote a leaf for is not in it, and leaves differ in size and care.",
        "Safety was judged by a model too. Filter further before using rows where harm is possible.",
    ]
    listed = "\n".join(f"- {limit}" for limit in limits)
    paper = """@article{sudalairaj2024lab,
  title   = {{LAB}: Large-Scale Alignment for ChatBots},
  author  = {Shivchander Sudalairaj and Abhishek Bhandwaldar and Aldo Pareja and Kai Xu and
             David D. Cox and Akash Srivastava},
  journal = {arXiv preprint arXiv:2403.01081},
  year    = {2024}
}"""
    return (
        f"## Limitations\n\n{listed}\n\n## Citation\n\nName this dataset with its revision, the contributors above, "
        f"the teacher, and the method:\n\n{block(paper, 'bibtex')}"
    )
