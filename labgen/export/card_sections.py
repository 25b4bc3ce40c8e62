"""The card's sections, one function each. Every one gives Markdown, or '' where there is nothing to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from labgen.export.card_facts import CardFacts
from labgen.export.card_preferences import ABOUT_PREFERENCES, columns_of_preferences, configs_asked_for
from labgen.export.configs import CHOICE, DOCUMENTS, READING, RECALL, REJECTED, SKILLS
from labgen.export.funnel import Tally
from labgen.export.markdown import block, code, escaped, folded, markdown_table
from labgen.export.mix import PHASES
from labgen.export.rows import BuildInfo
from labgen.export.shortfall import not_covered, why_short
from labgen.records import BRANCHES, State

MANY_LEAVES = 60
"""Leaves above which a list of them is folded away."""

ABOUT_CONFIGS = {
    "knowledge": "questions and answers grounded in documents; the passage stands in `context`",
    "foundational_skills": "reasoning, mathematics, coding, reading",
    "compositional_skills": "tasks that combine knowledge and skills",
    PHASES[1]: "phase 1: knowledge, single facts with short responses",
    PHASES[2]: "phase 2: knowledge that takes more than one fact, foundational skills, replay of phase 1",
    PHASES[3]: "phase 3: compositional skills, replay of phases 1 and 2",
    DOCUMENTS: "texts on passages of documents, each sentence borne out by its passage; for continued pre-training",
    RECALL: "held out: other questions on passages that are trained on",
    READING: "held out: questions on passages that no training row is drawn from, below their passage",
    SKILLS: "held out: other instructions of the skills",
    CHOICE: "held out: questions of `recall` and `reading` with four answers, one of them right",
    REJECTED: "candidates that were turned down, with state, reason and raw text; never uploaded",
}


def introduction(facts: CardFacts) -> str:
    """Title, what this is, and the picture of it. A rehearsal says so on the first line."""
    about = facts.about
    head = f"**{_rehearsal(facts)} Do not train on it.**\n\n" if about.rehearsal else ""
    head += "# A synthetic dataset built from a taxonomy\n\n"
    judged_by = str(about.settings.get("judge", about.teacher))
    judge = "the same model" if judged_by == about.teacher else named(judged_by, about)
    with_rows = sum(1 for rows in facts.rows_by_leaf.values() if rows)
    documents = sum(file.rows for file in facts.configs.get(DOCUMENTS, ()))
    pairs = f"{facts.rows - documents:,} instruction/response pairs"
    rows = f"{pairs} and {documents:,} documents" if documents else pairs
    text = (
        f"{rows} from {with_rows:,} leaves of a curated taxonomy, written by "
        f"{named(about.teacher, about)} and judged by {judge}, after the LAB method "
        f"([arXiv 2403.01081](https://arxiv.org/abs/2403.01081)), with labgen {escaped(about.labgen)}. Every row names "
        "the leaf, the seed examples and, for knowledge, the passage and commit that it comes from, and what every "
        "filter said of it."
    )
    if not about.complete:
        text += (
            "\n\n**This build is incomplete:** it ended before every leaf was done. Run again, it goes on from there."
        )
    return f"{head}{text}\n\n{at_a_glance(facts)}\n\n{TREEMAP}"


TREEMAP = (
    "![Rows by leaf, as a treemap](card/treemap.svg)\n\n"
    "Each rectangle is a leaf, its area the leaf's rows, its colour the share of its candidates that became rows. "
    "Leaves with few rows or none are drawn larger than that, to be seen."
)


def at_a_glance(facts: CardFacts) -> str:
    """What decides whether one may use it: licences with their leaves, and the terms of the teacher's words."""
    leaves = {name: len({leaf for found in works.values() for leaf in found}) for name, works in facts.licences}
    told = [f"{escaped(name) if name else '**none stated**'} ({count:,})" for name, count in leaves.items()]
    shown = ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")
    without = sum(not rows for rows in facts.rows_by_leaf.values())
    rows = [
        ["licences of what rows build on (leaves), strictest first", shown or "no leaf has rows"],
        ["terms of the teacher's words", facts.terms],
        ["leaves without rows", f"{without:,} of {len(facts.leaves):,}"],
    ]
    return markdown_table(["at a glance", ""], rows)


def named(asked: str, about: BuildInfo) -> str:
    """A model's name as it was asked for and, where its replies bear another, as they do."""
    names = about.served_models(asked)
    return f"{code(asked)} ({', '.join(map(code, names))} in its own replies)" if names else code(asked)


def _rehearsal(facts: CardFacts) -> str:
    if facts.about.written_by_rehearsal and facts.rehearsal_rows == facts.rows:
        return (
            "Rehearsal data: written by labgen's built-in rule-based teacher, not by a language model. It shows which "
            "leaves pass every stage."
        )
    return (
        f"Rehearsal data: {facts.rehearsal_rows:,} of {facts.rows:,} rows were written or judged by labgen's built-in "
        "rule-based teacher, not by a language model."
    )


def contents(facts: CardFacts) -> str:
    """Configs with sizes, how to load them, what a row holds."""
    rows = [
        [
            code(name),
            f"{sum(file.rows for file in files):,}",
            _size(sum(file.bytes for file in files)),
            (ABOUT_CONFIGS | ABOUT_PREFERENCES)[name],
        ]
        for name, files in facts.configs.items()
    ]
    parts = ["## What is in it"]
    if rows:
        parts.append(markdown_table(["config", "rows", "size", "what it is"], rows))
    expected = [*BRANCHES, *(PHASES.values() if facts.mix else ()), *configs_asked_for(facts)]
    empty = [name for name in expected if name not in facts.configs]
    if empty:
        parts.append(f"Without rows, and so without a config: {', '.join(map(code, empty))}.")
    every = "Every other config" if facts.preferences else "Every config"
    first = next(iter(facts.configs), "knowledge")
    first = PHASES[1] if PHASES[1] in facts.configs else first
    parts.append(
        block(
            "from datasets import load_dataset\n\n"
            f'rows = load_dataset("FOLDER_OR_HUB_ID", "{first}", split="train")\n'
            'print(rows[0]["messages"])',
            "python",
        )
    )
    parts.append(
        f"{every} has the same columns: `id`, `messages` (role and content), `leaf`, `branch`, `context` (the "
        "passage or the text that the task is on), `source` (repository, resolved commit, file, characters from "
        "`start` up to `end`), `kind` (of question or document, for knowledge), `form` (`closed_book`, `open_book` or "
        "`distractors`, for knowledge), `reasoning` (apart from the answer, where the leaf asks for it), "
        "`seed_examples` (indices shown to the teacher), `verdicts` (filter, version, value, reason, evidence), "
        "`teacher` (its name as it was asked), `served_model` (its name in its own replies), `prompt_version`, "
        "`leaf_fingerprint`, `rehearsal`."
        + (
            " `documents` has `text` (title and text as one) and `unmask` as well."
            if DOCUMENTS in facts.configs
            else ""
        )
        + columns_of_preferences(facts)
    )
    return "\n\n".join(parts)


def how_made(facts: CardFacts) -> str:
    """The method in a few sentences."""
    documents = (
        " Documents are drawn from passages, too: each of their sentences is a claim, and stands only where the judge "
        "says so, its evidence is found in the passage as a string, and its figures and names are there."
        if DOCUMENTS in facts.configs
        else ""
    )
    return (
        "## How it was made\n\n"
        "People curate a taxonomy whose leaves hold a few hand-written examples and, for knowledge, the documents to "
        "learn from. For skills the teacher writes new instructions in the manner of one leaf's own examples (and new "
        "contexts, where the examples have them), and answers those that pass as a precise or a creative persona. For "
        "knowledge it writes questions and answers from one passage of a document at a time. Rules, near-duplicate "
        "search and then judges look at every candidate, cheap before dear: is it on task, safe, answerable; is each "
        "claim of a knowledge answer supported by words that stand verbatim in the passage; how good is the pair on "
        "LAB's 3-point scale. Each leaf is drawn from until it has its rows, or until it stops yielding, and every "
        "candidate that was turned down is kept apart with its reason."
    ) + documents


def phases(facts: CardFacts) -> str:
    """What went into the training phases."""
    if not facts.mix:
        return ""
    mix, settings = facts.mix, facts.mix["settings"]
    rows = []
    for name, phase in mix["phases"].items():
        own = ", ".join(f"{escaped(branch)} {count:,}" for branch, count in phase["own"].items())
        replay = ", ".join(f"{code(origin)} {count:,}" for origin, count in phase["replay"].items())
        extras = ", ".join(f"{escaped(extra)} {count:,}" for extra, count in phase["extras"].items())
        rows.append([code(name), f"{phase['rows']:,}", own or "–", replay or "–", extras or "–"])
    forms = {form: settings[form] for form in ("closed_book", "open_book", "distractors") if settings[form]}
    text = (
        "## Training phases\n\n"
        + markdown_table(["phase", "rows", "own rows", "replayed from", "from other datasets"], rows)
        + f"\n\nTrain on them in this order. What is asked of documents in phase 1 are short facts; in phase 2, "
        f"{', '.join(map(code, settings['phase_2_kinds']))} (the column `kind`). No row comes "
        "twice in a phase, and each phase is in a seeded random order. Knowledge rows come "
        + ", ".join(f"{_form(form)} ({100 * share:g} %)" for form, share in forms.items())
        + "; the column `form` tells which. `mix.json` states what went where, leaf by leaf."
    )
    return text + _length(mix)


def _length(mix: Mapping[str, Any]) -> str:
    """How long the phases' rows may be, and what was too long."""
    settings = mix["settings"]
    if not settings.get("max_tokens"):
        return ""
    counted = "" if settings["tokenizer"] == "estimate" else f", as {code(settings['tokenizer'])} counts"
    estimated = (
        " Tokens are estimated here: set `mix.tokenizer` to be sure." if settings["tokenizer"] == "estimate" else ""
    )
    left_out = {
        name: sum(phase["too_long"].get(name, 0) for phase in mix["phases"].values())
        for name in sorted({name for phase in mix["phases"].values() for name in phase["too_long"]})
    }
    said = ", ".join(f"{escaped(name)} {count:,}" for name, count in left_out.items())
    return (
        f" No row of a phase has more than {settings['max_tokens']:,} tokens{counted}, with its answer whole; passages "
        f"are shown in part where that is needed.{estimated} " + (f"Too long for that: {said}." if said else "")
    ).rstrip()


def _form(form: str) -> str:
    return {
        "closed_book": "as the question alone",
        "open_book": "with their passage",
        "distractors": "among passages of other places",
    }[form]


def leaf_tree(facts: CardFacts) -> str:
    """The taxonomy as a tree with rows, indented by folder."""
    inside: Counter[str] = Counter()
    for path, rows in facts.rows_by_leaf.items():
        for depth in range(1, path.count("/") + 1):
            inside["/".join(path.split("/")[:depth])] += rows
    lines: list[str] = []
    open_folders: list[str] = []
    for path, rows in facts.rows_by_leaf.items():
        *folders, name = path.split("/")
        shared = 0
        while shared < min(len(folders), len(open_folders)) and folders[shared] == open_folders[shared]:
            shared += 1
        for depth in range(shared, len(folders)):
            total = inside["/".join(folders[: depth + 1])]
            lines.append(f"{'  ' * depth}{folders[depth]}/  {total:,}")
        open_folders = folders
        lines.append(f"{'  ' * len(folders)}{name}  {rows:,}")
    tree = block("\n".join(lines))
    if len(facts.leaves) > MANY_LEAVES:
        tree = folded(f"{len(facts.leaves):,} leaves with their rows", tree)
    return f"## The taxonomy\n\n{tree}" if lines else ""


def funnel_section(facts: CardFacts) -> str:
    """Where candidates ended, per branch, and which leaves ended short."""
    tallies = [*facts.funnel.branches(), ("in all", facts.funnel.total())]
    total = facts.funnel.total()
    states = [state for state in State if state is State.ACCEPTED or total.count(state)]
    rows = [
        ["wanted", *(f"{tally.wanted:,}" for _, tally in tallies)],
        *([escaped(state.value), *(f"{tally.count(state):,}" for _, tally in tallies)] for state in states),
        ["candidates", *(f"{tally.candidates:,}" for _, tally in tallies)],
        ["calls", *(f"{tally.calls:,}" for _, tally in tallies)],
    ]
    parts = [
        "## The funnel",
        "![Where candidates ended](card/funnel.svg)",
        markdown_table(["", *(escaped(name) for name, _ in tallies)], rows),
        "`funnel.json` has the same per leaf, with reasons.",
    ]
    if covered := facts.funnel.total().coverage.words:
        parts.append(f"Of the documents: {covered}.")
    if gaps := not_covered(facts.funnel):
        rows = [[code(path), f"{tally.coverage.drawn:,}", f"{tally.coverage.passages:,}"] for path, tally in gaps]
        parts.append(markdown_table(["leaf with passages that nothing was drawn from", "drawn from", "of"], rows))
    short = [(path, tally) for path, tally in sorted(facts.funnel.leaves.items()) if tally.accepted < tally.wanted]
    if short:
        parts.append(_short_leaves(short))
    if facts.about.excluded:
        lines = [f"- {code(path)}: {escaped(why)}" for path, why in sorted(facts.about.excluded.items())]
        parts.append("Leaves that could not be used:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _short_leaves(short: list[tuple[str, Tally]]) -> str:
    rows = [
        [code(path), f"{tally.accepted:,}", f"{tally.wanted:,}", escaped(why_short(tally))] for path, tally in short
    ]
    text = markdown_table(["leaf with fewer rows than wanted", "rows", "wanted", "why"], rows)
    return folded(f"{len(rows):,} leaves with fewer rows than wanted", text) if len(rows) > MANY_LEAVES else text


def checks(facts: CardFacts) -> str:
    """Judge calibration and contamination: what was done, and plainly what was not."""
    notes = facts.notes
    calibration = notes.calibration or (
        "Not measured for this build: how often the judge agrees with people is unknown. `labgen calibrate` measures "
        "it."
    )
    contamination = notes.contamination or (
        "Not checked for this build: rows may resemble benchmark questions. `labgen contaminate` sets the check up."
    )
    return f"## Checks\n\n**Judge calibration.** {calibration}\n\n**Benchmark contamination.** {contamination}"


def _size(count: int) -> str:
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.2f} GB"


def held_out_section(facts: CardFacts) -> str:
    """What is held out of training, by kind, and how it was kept apart."""
    report = facts.held_out
    if report is None:
        return ""
    rows = [
        [code(name), f"{of['wanted']:,}", f"{of['rows']:,}", f"{of['leaked']:,}"] for name, of in report["sets"].items()
    ]
    return (
        "## Held out\n\n"
        "For asking a model that was trained on this dataset, never for training it. Questions, answers, evidence and "
        "reserved passages of these rows stand in no training row: drawn rows that were too close were left out, and "
        "the whole dataset was looked through before it was written.\n\n"
        + markdown_table(["config", "wanted", "rows", "left out for being too close"], rows)
    )
