"""Every rule of `labgen check`: a bad leaf that it finds at its exact place, and a good one that it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgen.config.whole import CheckConfig
from labgen.filters.near_duplicates import NearDuplicates, rouge_l
from labgen.filters.rouge import reference_rouge_l
from labgen.records import Document, Leaf, Severity, Violation
from labgen.taxonomy.check import CheckOptions, check_files
from labgen.taxonomy.content import ContentHooks
from labgen.taxonomy.load import load_taxonomy
from labgen.taxonomy.report import explain_rule, rule_table
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.scan import find_strays
from labgen.taxonomy.similar import Measures
from labgen.taxonomy.source import find_leaf_files

PLACES = ("Lima", "Oslo", "Cairo", "Quito", "Seoul")
HEAD = "version: 3\ncreated_by: someone\ntask_description: Say in which country a town lies.\n"
SEEDS = "seed_examples:\n" + "".join(
    f"  - question: In which country does one find {place}?\n    answer: It is {number} hours away.\n"
    for number, place in enumerate(PLACES)
)
SKILL = HEAD + SEEDS
GROUNDED = SKILL.replace("    answer", "    context: A list of towns.\n    answer")
ICE = "A comet is a ball of ice and dust that grows a tail when it comes near the Sun."
KNOWLEDGE = (
    "version: 3\ncreated_by: someone\ndomain: astronomy\ndocument_outline: Comets and their tails\nseed_examples:\n"
    + "".join(
        f"  - context: Comet {number}. {ICE}\n    questions_and_answers:\n"
        + "".join(
            f"      - question: {question} {number}?\n        answer: Ice and dust.\n"
            for question in ("What is comet", "Which two things make up comet", "Say the parts of comet")
        )
        for number in range(5)
    )
    + "document:\n  repo: https://example.org/comets.git\n"
    "  commit: 0123456789abcdef0123456789abcdef01234567\n  patterns:\n    - docs/*.md\n"
)
ATTRIBUTION = "Title of work: Towns\nLicense of the work: CC-BY-SA-4.0\n"

SKILL_PATH = "compositional_skills/towns/qna.yaml"
KNOWLEDGE_PATH = "knowledge/space/comets/qna.yaml"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def hooks() -> ContentHooks:
    return ContentHooks(
        document_problem=lambda document: "no such transport" if document.repo.startswith("ext::") else None,
        documents_missing=lambda leaf: (
            "nothing there" if leaf.document and "none.md" in leaf.document.patterns else None
        ),
        benchmark_of=lambda question: "gsm8k/test/1" if "Natalia" in question else None,
        documents=documents,
    )


def documents(leaf: Leaf) -> tuple[list[Document], list[str]]:
    """Beside the leaf is one file that can be read and, where the patterns name it, a scan."""
    patterns = leaf.document.patterns if leaf.document else ()
    text = "# Comets\n\n" + " ".join(f"Comet {number}. {ICE}" for number in range(5))
    return [Document("", "", "comets.md", text, True)], [
        f"no text is in `{name}`" for name in patterns if "scan" in name
    ]


def options(compat: str = "", config: CheckConfig | None = None) -> CheckOptions:
    measures = Measures(NearDuplicates, rouge_l, reference_rouge_l)
    return CheckOptions(config or CheckConfig(), compat, hooks(), measures)


def check(root: Path, files: dict[str, str | bytes], compat: str = "") -> list[Violation]:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = check_files(root, find_leaf_files(root), options(compat), strays=find_strays(root))
    return list(found.violations)


def skill(old: str, new: str, base: str = SKILL) -> dict[str, str | bytes]:
    assert old in base
    return {SKILL_PATH: base.replace(old, new, 1)}


def knowledge(old: str, new: str) -> dict[str, str | bytes]:
    assert old in KNOWLEDGE
    return {KNOWLEDGE_PATH: KNOWLEDGE.replace(old, new, 1)}


LIMA = "In which country does one find Lima?"
CASES = [
    ("LG101", skill("answer: It is 1", "answer: Far: it is 1"), 8, 16),
    ("LG102", skill("created_by: someone\n", "created_by: someone\ncreated_by: other\n"), 3, 1),
    ("LG103", {SKILL_PATH: BOMB + SKILL}, 5, 12),
    ("LG104", {SKILL_PATH: SKILL + "#" * 1_000_000}, 1, 1),
    ("LG105", {SKILL_PATH: b"created_by: Ren\xe9\n"}, 1, 16),
    ("LG106", {SKILL_PATH: "- question: Why?\n"}, 1, 1),
    ("LG107", {SKILL_PATH.replace("qna.yaml", "QnA.yml"): SKILL}, 1, 1),
    ("LG108", {"compositional_skills/qna.yaml": SKILL}, 1, 1),
    ("LG110", skill("someone", "!!python/name:os.system x"), 2, 13),
    ("LG111", {SKILL_PATH: "# nothing\n"}, 1, 1),
    ("LG201", skill("version: 3", "version: 24"), 1, 10),
    ("LG202", {KNOWLEDGE_PATH: "version: 2\n" + SKILL.removeprefix("version: 3\n")}, 1, 10),
    ("LG203", skill("    answer: It is 0 hours away.\n", ""), 5, 5),
    ("LG204", skill("It is 0 hours away.", "[far, away]"), 6, 13),
    ("LG205", skill("It is 0 hours away.", "Yes"), 6, 13),
    ("LG206", skill("It is 0 hours away.", '""'), 6, 13),
    ("LG207", {SKILL_PATH: SKILL.rsplit("  - question", 1)[0]}, 5, 3),
    ("LG208", {SKILL_PATH: HEAD + "seed_examples: []\n"}, 4, 16),
    ("LG209", skill("created_by: someone", "created_by:"), 2, 12),
    ("LG210", skill("version: 3", 'version: "3"'), 1, 10),
    ("LG211", skill("It is 0 hours away.", '" "'), 6, 13),
    ("LG212", skill("created_by: someone\n", "created_by: someone\nlicence: MIT\n"), 3, 1),
    ("LG213", {SKILL_PATH: SKILL + SEEDS.split("\n", 1)[1].split("  - ", 2)[1].join(["  - ", ""])}, 15, 5),
    ("LG214", skill("created_by: someone\n", "created_by: someone\nreasoning: plans\n"), 3, 12),
    ("LG301", {SKILL_PATH: f"{SKILL}  - question: '{LIMA.upper()}'\n    answer: it is 0 hours away\n"}, 15, 15),
    ("LG302", {SKILL_PATH: f"{SKILL}  - question: {LIMA} {LIMA} Say.\n    answer: Far.\n" * 1
               + f"  - question: {LIMA} {LIMA} Do say.\n    answer: Far.\n"}, 17, 15),
    ("LG303", {SKILL_PATH: SKILL, "compositional_skills/other/qna.yaml": SKILL}, 5, 15),
    ("LG304", knowledge("answer: Ice and dust.", "answer: Probably plasma, magnets, aliens, cheese, paint."), 9, 17),
    ("LG305", knowledge("What is comet 0?", "What is comet 0, is it ice and dust?"), 8, 19),
    ("LG306", {SKILL_PATH: SKILL}, 1, 1),
    ("LG309", knowledge("0123456789abcdef0123456789abcdef01234567", "abc1234"), 48, 11),
    ("LG310", knowledge("docs/*.md", "none.md"), 50, 5),
    ("LG311", skill(LIMA, "Natalia sold clips to how many friends?"), 5, 15),
    ("LG312", skill(LIMA, "In welchem Land liegt die Stadt und wie kommt man mit der Bahn zu ihr?"), 5, 15),
    ("LG313", skill("It is 0 hours away.", "Ask jane.roe@mailbox.net first."), 6, 17),
    ("LG314", skill("    context: A list of towns.\n", "", GROUNDED), 5, 5),
    ("LG315", skill("It is 0 hours away.", '"far \\e[8m away"'), 6, 13),
    ("LG316", {SKILL_PATH: "version: 1\ncreated_by: someone\ntask_description: ''\n" + SEEDS}, 3, 19),
    ("LG319", knowledge("docs/*.md", "scan.pdf"), 50, 5),
    ("LG320", knowledge("Comet 0. A comet is a ball of ice", "Comet 0. A comet is a cup of ice"), 6, 14),
    ("LG321", skill("It is 0 hours away.", "It is 5 + 3 = 9 hours away."), 6, 19),
    ("LG322", skill("It is 0 hours away.", "|\n      ```python\n      print(1\n      ```"), 8, 7),
    ("LG317", knowledge("https://example.org/comets.git", "ext::sh -c id"), 47, 9),
    ("LG323", skill("It is 0 hours away.", "'TO DO: an answer'"), 6, 13),
    ("LG324", skill("It is 0 hours away.", "It is part #0 of the way."), 6, 24),
    ("LG401", skill("version: 3\n", ""), 1, 1),
    ("LG402", skill("someone", "someone  "), 2, 20),
    ("LG403", skill("created_by", "\n\n\n\ncreated_by"), 4, 1),
    ("LG404", {SKILL_PATH: SKILL[:-1]}, 14, 32),
    ("LG405", {SKILL_PATH: SKILL.replace("\n", "\r\n")}, 1, 11),
    ("LG406", {SKILL_PATH: SEEDS + HEAD}, 1, 1),
    ("LG407", skill("It is 0 hours away.", "|\n      far  \n      away"), 7, 10),
]  # fmt: skip


@pytest.mark.parametrize(("code", "files", "line", "column"), CASES, ids=[case[0] for case in CASES])
def test_the_bad_leaf_is_found_at_its_place_and_the_good_one_left_alone(
    tmp_path: Path, code: str, files: dict[str, str | bytes], line: int, column: int
) -> None:
    """The first violation of the rule stands at the value that is wrong; a clean leaf has none at all."""
    found = [violation for violation in check(tmp_path / "bad", files) if violation.code == code]
    assert found, code
    assert (found[0].line, found[0].column) == (line, column)
    assert found[0].severity is RULES[code].severity
    good = {f"{Path(path).parent}/{name}": content
            for path, leaf in ((SKILL_PATH, SKILL), (KNOWLEDGE_PATH, KNOWLEDGE))
            for name, content in (("qna.yaml", leaf), ("attribution.txt", ATTRIBUTION))}  # fmt: skip
    assert check(tmp_path / "good", good) == []


@pytest.mark.parametrize(
    ("licence", "code", "column"),
    [("see the website", "LG307", 22), ("", "LG307", 1), ("CC BY-NC-SA 4.0", "LG308", 22), ("GPL-3.0", "LG308", 22)],
)
def test_licences_are_judged_in_the_attribution_file(tmp_path: Path, licence: str, code: str, column: int) -> None:
    """The violation stands in that file, at the licence."""
    attribution = f"Title of work: Towns\nLicense of the work: {licence}\n" if licence else "Title of work: Towns\n"
    found = check(tmp_path, {SKILL_PATH: SKILL, "compositional_skills/towns/attribution.txt": attribution})
    assert [(violation.code, violation.column) for violation in found] == [(code, column)]
    assert found[0].file == "compositional_skills/towns/attribution.txt"


@pytest.mark.parametrize(
    "licence",
    ["Apache-2.0", "MIT", "CC BY-SA 4.0", "CC-BY-4.0", "CC0", "Public Domain", "MIT or Apache-2.0", "BSD-3-Clause"],
)
def test_permissive_licences_pass(tmp_path: Path, licence: str) -> None:
    """As they are usually written."""
    attribution = f"License of the work: {licence}\n"
    assert check(tmp_path, {SKILL_PATH: SKILL, "compositional_skills/towns/attribution.txt": attribution}) == []


def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    """A linked leaf that leads out is an error (LG109), a linked folder a warning (LG318)."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "qna.yaml").write_text(SKILL)
    root = tmp_path / "root"
    (root / "compositional_skills/bad").mkdir(parents=True)
    (root / "compositional_skills/bad/qna.yaml").symlink_to(outside / "qna.yaml")
    (root / "compositional_skills/folder").symlink_to(outside)
    found = {violation.code: violation.file for violation in check(root, {})}
    assert found == {"LG109": "compositional_skills/bad/qna.yaml", "LG318": "compositional_skills/folder"}


def test_every_rule_has_a_case_and_can_be_explained() -> None:
    """No rule without a test; each says why it exists, with a bad and a good example."""
    elsewhere = {"LG109", "LG112", "LG318", "LG307", "LG308"} | {code for code in RULES if code.startswith("LG5")}
    assert set(RULES) == {case[0] for case in CASES} | elsewhere
    for code, rule in RULES.items():
        said = explain_rule(code)
        assert rule.why in said
        assert rule.bad != rule.good
    assert len(rule_table().splitlines()) == len(RULES) + 2


@pytest.mark.parametrize("repo", [".", "./", "'. '"])
def test_documents_beside_a_leaf_need_no_commit(repo: str, tmp_path: Path) -> None:
    """As the README shows it; InstructLab wants one all the same, and so does a repository of git."""
    without = KNOWLEDGE.replace("  commit: 0123456789abcdef0123456789abcdef01234567\n", "")
    beside = without.replace("https://example.org/comets.git", repo)
    assert [found.code for found in check(tmp_path, {KNOWLEDGE_PATH: beside})] == ["LG306"]
    (leaf,) = load_taxonomy(tmp_path).leaves
    assert leaf.document is not None and leaf.document.beside_leaf and leaf.document.commit == ""
    errors = [each for each in check(tmp_path, {}, "instructlab") if each.severity is Severity.ERROR]
    assert [(each.code, each.line) for each in errors] == [("LG203", 47)]
    assert "LG203" in {found.code for found in check(tmp_path, {KNOWLEDGE_PATH: without})}


def test_rules_are_switched_off_by_code_prefix_and_file(tmp_path: Path) -> None:
    """In all with `disable`, for some leaves with `per_file`."""
    file = tmp_path / SKILL_PATH
    file.parent.mkdir(parents=True)
    file.write_text(SKILL.replace("someone", "someone  "))

    def codes(config: CheckConfig) -> list[str]:
        return [found.code for found in check_files(tmp_path, [file], options(config=config)).violations]

    assert codes(CheckConfig()) == ["LG306", "LG402"]
    assert codes(CheckConfig(disable=("LG306",))) == ["LG402"]
    assert codes(CheckConfig(disable=("LG4",))) == ["LG306"]
    assert codes(CheckConfig(per_file={"compositional_skills/**": ("LG3", "LG402")})) == []
    assert codes(CheckConfig(per_file={"knowledge": ("LG3",)})) == ["LG306", "LG402"]


def test_compatible_verdicts_differ_where_the_reference_does(tmp_path: Path) -> None:
    """Trailing spaces are its errors from version 2 on, unknown keys always, blank texts and empty files never."""

    def errors(text: str) -> list[str]:
        found = check(tmp_path, {SKILL_PATH: text}, "instructlab")
        return [violation.code for violation in found if violation.severity is Severity.ERROR]

    spaced = SKILL.replace("someone", "someone  ")
    assert errors(SKILL) == []
    assert errors(spaced) == ["LG402"]
    assert errors("# yamllint disable rule:trailing-spaces\n" + spaced) == []
    assert errors(spaced.replace("version: 3", "version: 1")) == []
    assert errors(SKILL + "licence: MIT\n") == ["LG212"]
    assert errors(SKILL.replace("It is 0 hours away.", '" "')) == []
    assert errors("") == []
    assert errors(SKILL.replace("created_by: ", "created_by:\t")) == ["LG101"]
    assert errors(BOMB + SKILL) == ["LG103"]
