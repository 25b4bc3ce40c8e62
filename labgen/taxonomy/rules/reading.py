"""LG1xx: the file cannot be read."""

from __future__ import annotations

from labgen.records import Severity
from labgen.taxonomy.rules.model import Rule

RULES = (
    Rule(
        "LG101",
        "not-yaml",
        Severity.ERROR,
        "The file is not YAML.",
        "Nothing can be read from it. Almost always it is a block that lost its indentation, text on the line of a "
        "`|`, a tab, a colon in unquoted text, or a quote that never closes; labgen names the likeliest and its line.",
        "seed_examples:\n  - question: |\n    What is a comet?\n    answer: A ball of ice and dust.",
        "seed_examples:\n  - question: |\n      What is a comet?\n    answer: A ball of ice and dust.",
        instructlab="error",
    ),
    Rule(
        "LG102",
        "repeated-key",
        Severity.ERROR,
        "A key stands twice in the same mapping.",
        "YAML keeps only one of the two values and says nothing, so that text which somebody wrote is silently lost.",
        "- question: What is a comet?\n  answer: A ball of ice and dust.\n  answer: It orbits the Sun.",
        "- question: What is a comet?\n  answer: A ball of ice and dust that orbits the Sun.",
        instructlab="lint",
    ),
    Rule(
        "LG103",
        "too-deep-or-many",
        Severity.ERROR,
        "Too many values or levels, or aliases that multiply.",
        "A few lines of YAML can stand for billions of values (`*alias` repeats what `&alias` marks). No leaf that a "
        "person wrote comes near the limits of 20,000 values and 40 levels.",
        "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]",
        "seed_examples:\n  - question: Write what you mean in full.\n    answer: Aliases are not needed here.",
        instructlab="refused",
    ),
    Rule(
        "LG104",
        "too-large",
        Severity.ERROR,
        "The file is larger than 1 MB.",
        "A leaf holds a handful of examples. Long text belongs into a document, which `document` names and labgen cuts "
        "into chunks that fit a prompt.",
        "context: |\n  (a whole book)",
        "document:\n  repo: .\n  patterns: [book.md]",
        instructlab="refused",
    ),
    Rule(
        "LG105",
        "not-text",
        Severity.ERROR,
        "The file is not UTF-8 text, or has a control character in it.",
        "Text in another encoding reaches the teacher as nonsense. Editors save as UTF-8 when told to.",
        "answer: (a byte 0xE9, which is é in Latin-1)",
        "answer: (é, saved as UTF-8)",
        instructlab="error",
    ),
    Rule(
        "LG106",
        "not-a-mapping",
        Severity.ERROR,
        "The file is not made of `key: value` lines.",
        "A leaf starts with keys such as `created_by`, `task_description` and `seed_examples`.",
        "- question: What is a comet?\n  answer: A ball of ice and dust.",
        "seed_examples:\n  - question: What is a comet?\n    answer: A ball of ice and dust.",
        instructlab="error",
    ),
    Rule(
        "LG107",
        "wrong-file-name",
        Severity.ERROR,
        "A YAML file that is not called `qna.yaml`.",
        "Only `qna.yaml` is read, so the leaf would be silently left out.",
        "compositional_skills/poems/haiku/QnA.yml",
        "compositional_skills/poems/haiku/qna.yaml",
        instructlab="error",
    ),
    Rule(
        "LG108",
        "wrong-place",
        Severity.ERROR,
        "A leaf outside the three branches, or directly in a branch.",
        "A leaf's path is its identity and says which method draws from it. It lies in a folder of its own beneath "
        "`knowledge/`, `foundational_skills/` or `compositional_skills/`.",
        "poems/qna.yaml",
        "compositional_skills/poems/haiku/qna.yaml",
    ),
    Rule(
        "LG109",
        "unreadable",
        Severity.ERROR,
        "The file cannot be opened, or is a link that leads out of the taxonomy.",
        "labgen reads nothing that is not in the taxonomy, whoever wrote the link.",
        "qna.yaml -> /etc/passwd",
        "qna.yaml (a plain file)",
        instructlab="error",
    ),
    Rule(
        "LG110",
        "unknown-tag",
        Severity.ERROR,
        "A value with a tag (`!something`) that leaves do not have.",
        "Tags ask a YAML reader to build objects or run code. labgen reads text and nothing else.",
        "answer: !!python/object/apply:os.system [ls]",
        'answer: "!ls runs the command"',
        instructlab="error",
    ),
    Rule(
        "LG111",
        "empty-file",
        Severity.ERROR,
        "The file is empty.",
        "There is nothing to draw from.",
        "# to do",
        "version: 3\ntask_description: Write a haiku about the weather that is given.\nseed_examples: ...",
        instructlab="warning",
    ),
    Rule(
        "LG112",
        "unfit-name",
        Severity.ERROR,
        "A path that not every system, tool or reader takes for the same.",
        "A leaf's path is its identity. Characters that nobody sees let it look like another. A folder called `aux`, a "
        "colon, or two names that differ only in case can't be checked out on Windows, and a name of more than 100 "
        "characters in few places.",
        "compositional_skills/poems/Haiku/qna.yaml\ncompositional_skills/poems/haiku/qna.yaml",
        "compositional_skills/poems/haiku/qna.yaml",
    ),
)
