"""Reading a taxonomy: what is usable is used, what is not is named, and nothing hostile gets anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgen.errors import UsageError
from labgen.records import Severity
from labgen.taxonomy.load import load_taxonomy

HEAD = "created_by: someone\ntask_description: Name the capital.\n"
SEEDS = "seed_examples:\n" + "".join(
    f"  - question: What is the capital of land {n}?\n    answer: Town {n}.\n" for n in range(5)
)
SKILL = HEAD + SEEDS
KNOWLEDGE = (
    "version: 3\ndomain: astronomy\ncreated_by: someone\ndocument_outline: Comets and their tails\nseed_examples:\n"
    + "".join(
        f"  - context: |\n      Comet {n} is made of ice.\n    questions_and_answers:\n"
        + f"      - question: What is comet {n} made of?\n        answer: Ice.\n" * 3
        for n in range(5)
    )
    + "document:\n  repo: https://example.org/comets.git\n  commit: 1234abc\n  patterns:\n    - '*.md'\n"
)


def write(root: Path, path: str, content: str | bytes) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_reads_all_three_branches_in_path_order(tmp_path: Path) -> None:
    """Foundational leaves are leaves like the others, and the order does not depend on the file system."""
    write(tmp_path, "knowledge/space/comets/qna.yaml", KNOWLEDGE)
    write(tmp_path, "foundational_skills/logic/qna.yaml", SKILL)
    write(tmp_path, "compositional_skills/b/qna.yaml", SKILL)
    write(tmp_path, "compositional_skills/a/c/qna.yaml", "version: 2\n" + SKILL)
    taxonomy = load_taxonomy(tmp_path)
    assert taxonomy.violations == ()
    assert [(leaf.path, leaf.branch, leaf.version, leaf.grounded) for leaf in taxonomy.leaves] == [
        ("compositional_skills/a/c", "compositional_skills", 2, False),
        ("compositional_skills/b", "compositional_skills", 1, False),
        ("foundational_skills/logic", "foundational_skills", 1, False),
        ("knowledge/space/comets", "knowledge", 3, False),
    ]


def test_a_knowledge_leaf_carries_passages_pairs_and_document(tmp_path: Path) -> None:
    """Texts come without outer white space, the document with its line."""
    write(tmp_path, "knowledge/comets/qna.yaml", KNOWLEDGE)
    (leaf,) = load_taxonomy(tmp_path).leaves
    assert leaf.domain == "astronomy"
    assert leaf.seed_examples[1].context == "Comet 1 is made of ice."
    assert leaf.seed_examples[1].pairs[0].question == "What is comet 1 made of?"
    assert len(leaf.seed_examples[0].pairs) == 3
    assert leaf.document is not None
    assert (leaf.document.repo, leaf.document.patterns) == ("https://example.org/comets.git", ("*.md",))
    assert KNOWLEDGE.splitlines()[leaf.document.line - 1] == "document:"


def test_a_skill_with_contexts_is_grounded_and_a_mixed_one_is_kept(tmp_path: Path) -> None:
    """One example without a context, and the leaf is not grounded; it loses nothing."""
    grounded = SKILL.replace("    answer", "    context: Land and towns.\n    answer")
    write(tmp_path, "compositional_skills/grounded/qna.yaml", grounded)
    write(tmp_path, "compositional_skills/mixed/qna.yaml", grounded.replace("    context: Land and towns.\n", "", 1))
    first, second = load_taxonomy(tmp_path).leaves
    assert (first.grounded, second.grounded) == (True, False)
    assert [seed.context for seed in second.seed_examples] == [None, *["Land and towns."] * 4]


def test_unknown_keys_few_examples_and_a_missing_author_stop_nothing(tmp_path: Path) -> None:
    """What can be used is used."""
    few = "version: 3\nlicence: none\ntask_description: x\nseed_examples:\n  - {question: Why?, answer: So., x: 1}\n"
    write(tmp_path, "compositional_skills/few/qna.yaml", few)
    taxonomy = load_taxonomy(tmp_path)
    assert [leaf.path for leaf in taxonomy.leaves] == ["compositional_skills/few"]
    assert taxonomy.violations == ()


def test_a_blank_example_is_left_out_and_the_others_are_used(tmp_path: Path) -> None:
    """Indices of the examples that remain are their places among those."""
    write(tmp_path, "compositional_skills/blank/qna.yaml", SKILL.replace("Town 1.", '" "'))
    (leaf,) = load_taxonomy(tmp_path).leaves
    assert [(seed.index, seed.pairs[0].answer) for seed in leaf.seed_examples] == [
        (0, "Town 0."),
        (1, "Town 2."),
        (2, "Town 3."),
        (3, "Town 4."),
    ]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        pytest.param(SKILL.replace("Town 3.", "42"), "LG205", 11, 13, id="a number"),
        pytest.param(SKILL.replace("Town 3.", "Yes"), "LG205", 11, 13, id="a truth value"),
        pytest.param(SKILL.replace("Town 3.", "2024-02-03"), "LG205", 11, 13, id="a date"),
        pytest.param(SKILL.replace("Town 3.", "\n      - a\n"), "LG204", 12, 7, id="a list"),
        pytest.param(SKILL.replace("answer: Town 1.", "anwser: Town 1."), "LG203", 7, 5, id="a misspelt key"),
        pytest.param(HEAD, "LG203", 1, 1, id="no examples key"),
        pytest.param(HEAD + "seed_examples: []\n", "LG208", 3, 16, id="no examples"),
        pytest.param(SKILL + "created_by: other\n", "LG102", 14, 1, id="a repeated key"),
        pytest.param("version: 24\n" + SKILL, "LG201", 1, 10, id="an unknown version"),
        pytest.param("- a\n- b\n", "LG106", 1, 1, id="a list at the top"),
        pytest.param("", "LG111", 1, 1, id="an empty file"),
        pytest.param("# nothing yet\n", "LG111", 1, 1, id="only a comment"),
        pytest.param(BOMB + SKILL, "LG103", 5, 12, id="an alias bomb"),
        pytest.param("a: &a [*a]\n" + SKILL, "LG103", 1, 8, id="a value inside itself"),
        pytest.param("[" * 100, "LG103", 1, 41, id="deep nesting"),
        pytest.param(SKILL + "#" * 1_000_000, "LG104", 1, 1, id="a huge file"),
        pytest.param(b"created_by: Ren\xe9\n", "LG105", 1, 16, id="Latin-1"),
        pytest.param("created_by: a\x07b\n", "LG105", 1, 14, id="a control character"),
        pytest.param("x: !!python/object/apply:os.system [touch gone]\n" + SKILL, "LG110", 1, 4, id="a Python tag"),
        pytest.param(SKILL + "---\n" + SKILL, "LG101", 14, 1, id="two documents"),
    ],
)
def test_what_cannot_be_used_is_named_and_the_others_go_on(
    tmp_path: Path, content: str | bytes, code: str, line: int, column: int
) -> None:
    """One bad leaf costs only itself, and its error points at the value that is wrong."""
    write(tmp_path, "compositional_skills/bad/qna.yaml", content)
    write(tmp_path, "compositional_skills/good/qna.yaml", SKILL)
    taxonomy = load_taxonomy(tmp_path)
    assert [leaf.path for leaf in taxonomy.leaves] == ["compositional_skills/good"]
    assert taxonomy.excluded == ("compositional_skills/bad",)
    found = taxonomy.violations[0]
    assert (found.code, found.line, found.column) == (code, line, column)
    assert (found.file, found.severity) == ("compositional_skills/bad/qna.yaml", Severity.ERROR)


def test_nesting_without_end_costs_only_its_leaf(tmp_path: Path) -> None:
    """Our limit or the YAML reader's own, whichever is met first: the same error, on the line."""
    write(tmp_path, "compositional_skills/bad/qna.yaml", "[" * 100_000)
    write(tmp_path, "compositional_skills/good/qna.yaml", SKILL)
    taxonomy = load_taxonomy(tmp_path)
    assert [leaf.path for leaf in taxonomy.leaves] == ["compositional_skills/good"]
    (found,) = taxonomy.violations
    assert (found.code, found.line) == ("LG103", 1)
    assert found.column in (41, 1001)


def test_old_knowledge_is_told_what_it_lacks(tmp_path: Path) -> None:
    """Version 1 and 2 knowledge cannot be used; the message lists exactly what version 3 needs."""
    write(tmp_path, "knowledge/old/qna.yaml", "version: 2\ndomain: x\n" + SKILL)
    (found,) = load_taxonomy(tmp_path).violations
    assert (found.code, found.line, found.column) == ("LG202", 1, 10)
    assert "`document_outline`" in found.message
    assert "`domain`" not in found.message


def test_links_out_of_the_taxonomy_are_not_followed(tmp_path: Path) -> None:
    """A linked file is an error; a linked folder is not entered."""
    outside = write(tmp_path, "outside/qna.yaml", SKILL)
    write(tmp_path, "root/compositional_skills/good/qna.yaml", SKILL)
    bad = tmp_path / "root/compositional_skills/bad"
    bad.mkdir()
    (bad / "qna.yaml").symlink_to(outside)
    (tmp_path / "root/compositional_skills/folder").symlink_to(outside.parent)
    (tmp_path / "root/knowledge").symlink_to(outside.parent)
    taxonomy = load_taxonomy(tmp_path / "root")
    assert [leaf.path for leaf in taxonomy.leaves] == ["compositional_skills/good"]
    assert [found.code for found in taxonomy.violations] == ["LG109"]


def test_patterns_select_leaves_and_a_pattern_without_a_leaf_is_an_error(tmp_path: Path) -> None:
    """The message names leaves that come near."""
    for name in ("haiku", "sonnet"):
        write(tmp_path, f"compositional_skills/poems/{name}/qna.yaml", SKILL)
    chosen = load_taxonomy(tmp_path, leaf_patterns=["compositional_skills/**/haiku"])
    assert [leaf.path for leaf in chosen.leaves] == ["compositional_skills/poems/haiku"]
    with pytest.raises(UsageError, match=r"Did you mean `compositional_skills/poems/sonnet`"):
        load_taxonomy(tmp_path, leaf_patterns=["compositional_skills/poems/sonet"])


def test_a_root_without_leaves_is_a_usage_error(tmp_path: Path) -> None:
    """No folder, a file, no branch, no leaf: each says so."""
    with pytest.raises(UsageError, match="no such folder"):
        load_taxonomy(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="none of"):
        load_taxonomy(tmp_path)
    (tmp_path / "knowledge").mkdir()
    with pytest.raises(UsageError, match="no leaf"):
        load_taxonomy(tmp_path)
    with pytest.raises(UsageError, match="a file"):
        load_taxonomy(write(tmp_path, "file", ""))
