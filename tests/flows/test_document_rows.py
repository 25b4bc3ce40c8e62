"""Documents on passages: no sentence that the passage does not bear out is in the dataset, whoever judges."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from brought import rehearse, rows_of
from workbench import Labgen, digest

from labgen.records import DOCUMENT_KINDS, Call
from labgen.text.statements import statements_of

PLANTED = {
    "number": [
        ("about every 12 hours and 25 minutes", "about every 12 hours and 52 minutes"),
        ("a range of about 13 metres", "a range of about 31 metres"),
        ("opened in 1966", "opened in 1969"),
        ("with 24 turbines", "with eleven turbines"),
        ("the two pull", "the three pull"),
    ],
    "name": [
        ("harbour of Granville", "harbour of Marseille"),
        ("barrage in Brittany", "barrage in Normandy"),
        ("table for London", "table for Lisbon"),
        ("The Baltic Sea has", "Neptune has"),
    ],
    "negation": [("Spring tides come", "Spring tides never come"), ("are made of", "are not made of")],
    "invention": [("Sailors read tide tables", "Sailors burn tide tables"), ("Salt water wears", "Fresh water wears")],
}
"""What a teacher may get wrong of the small taxonomy's document: words of it, and what they become."""

FALSE = {kind: [false for _, false in pairs] for kind, pairs in PLANTED.items()}
ALL_FALSE = [words for kind in FALSE.values() for words in kind]
SETTINGS: dict[str, Any] = {
    "samples": 8,
    "documents": {"chunk_tokens": 64, "min_chunk_tokens": 5},
    "leaves": [{"match": "*_skills/**", "samples": 0}],
}
Judge = Callable[[str, str], dict[str, Any]]


def kinds(*names: str) -> dict[str, Any]:
    """Settings by which these kinds are drawn in equal shares."""
    return {**SETTINGS, "knowledge": {"kinds": dict.fromkeys(names, 1)}}


def between(call: Call, tag: str) -> list[str]:
    """What stands in a prompt between a tag and its end."""
    return re.findall(rf"<{tag}[^>]*>\n(.*?)\n</{tag}>", call.messages[-1].content, re.DOTALL)


def sentences(text: str) -> list[str]:
    """The sentences of a text, in single spaces."""
    return [" ".join(text[each.start : each.end].split()) for each in statements_of(text)]


def document_with_errors(call: Call) -> str:
    """A document of all sentences of the passage twice, once followed by what can be got wrong of them."""
    (passage,) = between(call, "document")
    said = sentences(passage)
    for sentence in tuple(said):
        said += [sentence, *(sentence.replace(*pair) for pair in planted() if pair[0] in sentence)]
    return "<title>Tides</title>\n<text>\n" + "\n".join(f"- {each}" for each in said) + "\n</text>"


def planted() -> Iterator[tuple[str, str]]:
    """All that can be got wrong."""
    for pairs in PLANTED.values():
        yield from pairs


def right(sentence: str, passage: str) -> dict[str, Any]:
    """Sees whatever is planted, and points at the very sentence otherwise."""
    if any(words in sentence for words in ALL_FALSE):
        return {"evidence": [], "supported": "no"}
    return {"evidence": [sentence], "supported": "yes"}


def credulous(sentence: str, passage: str) -> dict[str, Any]:
    """Says yes to everything, and points at the sentence that is most like it."""
    words = set(sentence.split())
    return {"evidence": [max(sentences(passage), key=lambda each: len(words & set(each.split())))], "supported": "yes"}


def lazy(sentence: str, passage: str) -> dict[str, Any]:
    """Says yes to everything, and points at the passage as a whole."""
    return {"evidence": [passage], "supported": "yes"}


def inventing(sentence: str, passage: str) -> dict[str, Any]:
    """Says yes to everything, and makes the evidence up."""
    return {"evidence": [sentence], "supported": "yes"}


def scripted(judge: Judge) -> Callable[[Call], str | None]:
    """A teacher that plants errors, with a judge; all else as the rehearsal teacher has it."""

    def instead(call: Call) -> str | None:
        if call.step in ("knowledge_document", "knowledge_rewrite"):
            return document_with_errors(call)
        if call.step != "judge_document":
            return None
        passage, shown = between(call, "document")[0], between(call, "candidate")
        verdicts = [{"id": number, **judge(each, passage)} for number, each in enumerate(shown, start=1)]
        title = {"id": 1, "evidence": ["tide"], "supported": "yes"}
        verdicts = [title if each == "Tides" else verdict for each, verdict in zip(shown, verdicts, strict=True)]
        return json.dumps({"safe": "yes", "hazard": "none", "sentences": verdicts})

    return instead


@pytest.mark.parametrize(
    ("judge", "caught"),
    [(right, FALSE), (credulous, ("number", "name")), (lazy, ("number", "name")), (inventing, FALSE)],
)
@pytest.mark.parametrize("mode", ["drop", "reject"])
def test_no_sentence_without_support_is_in_the_dataset(
    judge: Judge, caught: tuple[str, ...], mode: str, taxonomy: Path, tmp_path: Path
) -> None:
    """With a judge that is right nothing false at all; whatever the judge says, no altered figure and no altered name.

    The errors of a passage are a part of its document: where they are taken out, the rest is a row; where they end the
    document, nothing of it is.
    """
    settings = kinds("fact", "summary", "notes", "rewrite")
    settings["knowledge"]["unsupported_sentences"] = mode
    rehearse(tmp_path, scripted(judge), **settings)
    rows = rows_of(tmp_path / "dataset", "documents")
    texts = "\n".join(" ".join(row["text"].split()) for row in rows)
    assert not [words for kind in caught for words in FALSE[kind] if words in texts]
    if mode == "drop" and judge in (right, inventing):
        assert len(rows) >= 3 and "Rance" in texts
    for row in rows:
        support = next(verdict for verdict in row["verdicts"] if verdict["filter"] == "sentence_support")
        found = [piece for piece in support["evidence"] if piece["start"] >= 0]
        assert len(found) >= len(sentences(row["messages"][1]["content"])) > 0
        assert all(row["context"][piece["start"] : piece["end"]] == piece["text"] for piece in found)
        assert row["text"] == "\n\n".join(turn["content"] for turn in row["messages"]) and row["unmask"] is True


@pytest.mark.parametrize("kind", DOCUMENT_KINDS)
def test_every_kind_of_document_comes_to_rows(kind: str, taxonomy: Path, tmp_path: Path) -> None:
    """Documents in a config of their own, questions in the branch's; a rewrite comes beside the pairs of its slot."""
    build, asked = rehearse(tmp_path, **kinds(kind, "fact"))
    documents, pairs = (rows_of(tmp_path / "dataset", config) for config in ("documents", "knowledge"))
    assert {row["kind"] for row in documents} == {kind}
    assert {row["kind"] for row in pairs} <= {"fact", "reasoning"}
    assert len(documents) + len(pairs) == build.funnel.total().accepted == build.funnel.total().wanted
    assert asked["judge_document"] >= len(documents)
    if kind == "rewrite":
        assert 0 < len(documents) <= asked["knowledge_rewrite"]
        passages = {row["context"] for row in pairs}
        assert all(row["context"] in passages for row in documents)


def test_of_two_documents_that_are_alike_one_stays(taxonomy: Path, tmp_path: Path) -> None:
    """Told by the text, whatever their titles are."""
    titles = iter(range(1000))

    def same(call: Call) -> str | None:
        if call.step != "knowledge_document":
            return None
        text = " ".join(between(call, "document")[0].split("\n\n")[-1].split())
        return f"<title>Tides, part {next(titles)}</title>\n<text>\n{text}\n</text>"

    rehearse(tmp_path, same, **kinds("summary", "fact"))
    dataset = tmp_path / "dataset"
    texts = [row["messages"][1]["content"] for row in rows_of(dataset, "documents")]
    assert texts and len(texts) == len(set(texts))


def test_a_title_that_says_what_the_passage_does_not_gives_way(taxonomy: Path, tmp_path: Path) -> None:
    """To the outline that the leaf states; its names count although a title has capitals everywhere."""

    def titled(call: Call) -> str | None:
        reply = scripted(lazy)(call)
        return reply.replace("<title>Tides<", "<title>The Tides Of Neptune<") if reply else None

    rehearse(tmp_path, titled, **kinds("summary"))
    rows = rows_of(tmp_path / "dataset", "documents")
    assert rows and {row["messages"][0]["content"] for row in rows} == {"Tides"}


@pytest.fixture
def dataset(labgen: Labgen, taxonomy: Path) -> Path:
    """A dataset with questions and documents of every kind, half of the documents in its first phase."""
    (labgen.folder / "labgen.yaml").write_text(
        "knowledge:\n  kinds: {fact: 1, summary: 0.5, extract: 0.5, key_facts: 0.5, notes: 0.5, rewrite: 1}\n"
        "documents: {chunk_tokens: 64, min_chunk_tokens: 5}\nmix: {documents: 0.5}\n"
    )
    run = labgen("generate", "--samples", "20", "--concurrency", "1")
    assert run.status == 0, run.err
    return labgen.folder / "dataset"


def loaded(folder: Path, config: str) -> list[dict[str, Any]]:
    """The rows of a config, read as a trainer reads them."""
    from datasets import load_dataset

    return [dict(row) for row in load_dataset(str(folder), config, split="train")]


def lines(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON Lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def test_documents_have_the_same_bytes_again(dataset: Path, labgen: Labgen) -> None:
    """At another concurrency, and on a rebuild that asks nothing."""
    first = digest(dataset)
    for _ in range(2):
        run = labgen("generate", "--samples", "20", "--concurrency", "16", "--work", "other", "--output", "again")
        assert run.status == 0, run.err
        assert digest(labgen.folder / "again") == first


def test_documents_load_and_are_described_and_shown(dataset: Path, labgen: Labgen) -> None:
    """In a config of their own, with what they are trained on as one text; in the first phase as the mix says."""
    rows = loaded(dataset, "documents")
    assert rows and all(row["text"] and row["unmask"] for row in rows)
    assert "| `documents` |" in (dataset / "README.md").read_text()
    mixed = [row["id"] for row in loaded(dataset, "phase_1_knowledge_short") if row["kind"] in DOCUMENT_KINDS]
    assert len(mixed) == int(len(rows) / 2 + 0.5) and set(mixed) <= {row["id"] for row in rows}
    report = json.loads((dataset / "mix.json").read_text())["phases"]
    assert report["phase_1_knowledge_short"]["own"]["documents"] == len(mixed)
    assert not any(row["kind"] in DOCUMENT_KINDS for row in loaded(dataset, "knowledge"))
    shown = labgen("show", rows[0]["id"])
    assert "sentence_support" in shown.out and "judge_document" in shown.out


def test_documents_are_exported_as_trainers_read_them(dataset: Path, labgen: Labgen) -> None:
    """TRL's `text`, llama-factory's entry for `stage: pt`, InstructLab's `unmask`, and its own form of knowledge."""

    def export(name: str, *options: str) -> Path:
        run = labgen("export", "--format", name, "--to", f"out-{name}", *options)
        assert run.status == 0, run.err
        return labgen.folder / f"out-{name}"

    texts = export("text", "--only", "documents")
    assert [row["text"] for row in loaded(texts, "documents")] == [row["text"] for row in loaded(dataset, "documents")]
    assert json.loads((texts / "dataset_info.json").read_text()) == {
        "labgen_documents": {"file_name": "documents", "columns": {"prompt": "text"}}
    }
    folder = export("instructlab")
    documents = lines(folder / "messages_documents.jsonl")
    assert all(row["unmask"] is True and row["messages"][1]["role"] == "assistant" for row in documents)
    assert not any(row["unmask"] for row in lines(folder / "messages_knowledge.jsonl"))
    folder = export("instructlab-knowledge")
    pairs = lines(folder / "messages_knowledge.jsonl")
    for row, source in zip(pairs, loaded(dataset, "knowledge"), strict=True):
        assert row["unmask"] is True
        assert row["messages"][0]["content"] == f"{source['context']}\n\n{source['messages'][0]['content']}"
    assert not any(row["unmask"] for row in lines(folder / "messages_foundational_skills.jsonl"))


def test_of_two_rewrites_that_are_alike_one_stays(taxonomy: Path, tmp_path: Path) -> None:
    """They are made when the look for near-duplicates within the leaf is over."""
    first = "The sea rises and falls twice a day."

    def same(call: Call) -> str | None:
        if call.step != "knowledge_rewrite":
            return None
        text = between(call, "document")[0].split("\n\n")[-1]
        return f"<title>{first}</title>\n<text>\n{' '.join(text.split())}\n</text>"

    rehearse(tmp_path, same, **{**kinds("rewrite"), "samples": 30})
    texts = [row["messages"][1]["content"] for row in rows_of(tmp_path / "dataset", "documents")]
    assert texts and len(texts) == len(set(texts)) <= 4
    gone = [row for row in rows_of(tmp_path / "dataset", "rejected") if row["kind"] == "rewrite"]
    assert any(row["reason"].startswith("in_leaf: like slot") for row in gone)


def judged(verdict: Callable[[int], dict[str, Any]]) -> Callable[[Call], str | None]:
    """The rehearsal teacher, but for verdicts on documents: those on so many numbered texts."""
    return lambda call: json.dumps(verdict(len(between(call, "candidate")))) if call.step == "judge_document" else None


@pytest.mark.parametrize(("verdict", "reason"), [
    (lambda count: {"safe": "no", "hazard": "hate", "sentences": []}, "document: hate"),
    (lambda count: {"safe": "yes", "hazard": "none", "sentences": []}, "sentence_without_evidence"),
    (lambda count: {"safe": "yes", "sentences": [{"id": 99, "evidence": ["tide"], "supported": "yes"}] * count},
     "sentence_without_evidence"),
    (lambda count: {"safe": "yes", "sentences": [{"id": 1, "evidence": "", "supported": "yes"}] * count},
     "sentence_without_evidence"),
    (lambda count: {"sentences": []}, "unreadable_judge_document"),
])  # fmt: skip
def test_a_document_without_a_full_verdict_is_no_row(
    verdict: Callable[[int], dict[str, Any]], reason: str, taxonomy: Path, tmp_path: Path
) -> None:
    """What the judge leaves out is not supported; whatever is unsafe ends it; what can't be read ends it."""
    rehearse(tmp_path, judged(verdict), **kinds("notes", "fact"))
    dataset = tmp_path / "dataset"
    assert not rows_of(dataset, "documents")
    documents = [row for row in rows_of(dataset, "rejected") if row["kind"] == "notes" and row["state"] != "duplicate"]
    assert documents and {row["reason"] for row in documents} <= {reason, "leaf_already_full"}


def test_a_document_comes_as_json_where_a_schema_is_enforced(taxonomy: Path, tmp_path: Path) -> None:
    """Of the same fields, and the text keeps its lines."""

    def as_json(call: Call) -> str | None:
        if call.step != "knowledge_document":
            return None
        assert call.schema is not None and list(call.schema["properties"]) == ["title", "text"]
        text = "\n".join(f"- {sentence}" for sentence in sentences(between(call, "document")[0]))
        return json.dumps({"title": "Tides", "text": text})

    rehearse(tmp_path, as_json, **kinds("key_facts"))
    rows = rows_of(tmp_path / "dataset", "documents")
    assert rows and all(line.startswith("- ") for row in rows for line in row["text"].split("\n")[2:])


def test_no_reply_for_a_document_is_taken_for_unused(taxonomy: Path, labgen: Labgen) -> None:
    """Pruning goes on as long as there are draws of either kind, questions or documents."""
    settings = {**SETTINGS, "knowledge": {"kinds": {"fact": 0.1, "summary": 0.9}}}
    (labgen.folder / "labgen.yaml").write_text(json.dumps(settings))
    run = labgen("generate", "--json")
    assert run.json["calls"]["answered"] > 20, run.err
    pruned = labgen("ledger", "prune")
    assert pruned.out.startswith("0 calls would be removed"), pruned
