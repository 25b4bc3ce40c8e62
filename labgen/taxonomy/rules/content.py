"""LG3xx: the leaf can be used, and could be better."""

from __future__ import annotations

from labgen.records import Severity
from labgen.taxonomy.rules.model import Rule

RULES = (
    Rule(
        "LG301",
        "repeated-example",
        Severity.WARNING,
        "Two seed examples ask the same.",
        "Every example widens what is drawn; a repeated one only makes its like more frequent. Case, punctuation and "
        "white space make no difference here.",
        "- question: What is a comet?\n- question: what is a comet",
        "- question: What is a comet?\n- question: Why does a comet have a tail?",
    ),
    Rule(
        "LG302",
        "similar-example",
        Severity.WARNING,
        "Two seed examples are nearly the same.",
        "Measured as ROUGE-L (the field's measure for near-duplicates) above 0.9 on question, context and answer. "
        "What is drawn from such examples resembles them so much that the near-duplicate filter drops most of it.",
        "- question: Name three uses of copper wire in a house.\n- question: Name three uses of copper wire in your "
        "house.",
        "- question: Name three uses of copper wire in a house.\n- question: Why is copper wire coated?",
    ),
    Rule(
        "LG303",
        "similar-elsewhere",
        Severity.WARNING,
        "A seed example is nearly the same as one of another leaf.",
        "The two leaves will draw the same rows twice. Perhaps the other leaf is the place for this contribution.",
        "two leaves that both have: question: Name three uses of copper wire in a house.",
        "each example in one leaf only",
    ),
    Rule(
        "LG304",
        "unsupported-answer",
        Severity.WARNING,
        "Few of the answer's words are in the passage that should support it.",
        "A knowledge answer is drawn from its context and nothing else. Examples that know more than their passage "
        "teach the teacher to make things up, and the groundedness filter then drops what it writes.",
        "context: Comets are made of ice and dust.\nanswer: Halley's returns every 76 years, in 2061 again.",
        "context: Comets are made of ice and dust.\nanswer: Ice and dust.",
    ),
    Rule(
        "LG305",
        "answer-given-away",
        Severity.WARNING,
        "The question contains its answer.",
        "Nothing is learnt from an answer that stands in the question.",
        "question: Is a comet a ball of ice and dust, that is what it is made of?\nanswer: A ball of ice and dust.",
        "question: What is a comet made of?\nanswer: Ice and dust.",
    ),
    Rule(
        "LG306",
        "no-attribution",
        Severity.WARNING,
        "There is no `attribution.txt` beside the leaf.",
        "A dataset can only be released if every source and its licence are known.",
        "qna.yaml",
        "qna.yaml\nattribution.txt, with: License of the work: CC-BY-SA-4.0",
    ),
    Rule(
        "LG307",
        "unknown-licence",
        Severity.WARNING,
        "`attribution.txt` names no licence, or one that labgen does not know.",
        "Write the licence by its SPDX identifier, such as `Apache-2.0` or `CC-BY-SA-4.0`.",
        "License of the work: see website",
        "License of the work: CC-BY-4.0",
    ),
    Rule(
        "LG308",
        "restrictive-licence",
        Severity.WARNING,
        "`attribution.txt` names a licence that is not permissive.",
        "LAB's knowledge comes from documents under permissive licences only. What forbids commercial use or changes, "
        "or asks for more than attribution and the same licence, cannot go into a dataset for all.",
        "License of the work: CC-BY-NC-4.0",
        "License of the work: CC-BY-SA-4.0",
    ),
    Rule(
        "LG309",
        "short-commit",
        Severity.WARNING,
        "The document's commit is not a full hash.",
        "A full hash names one state for ever and can be fetched alone. An abbreviated one needs the whole "
        "repository, and a branch moves on.",
        "commit: 1a2b3c4",
        "commit: 1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
    ),
    Rule(
        "LG310",
        "documents-not-found",
        Severity.WARNING,
        "The patterns match no document.",
        "Looked up only where the repository is already in the cache; a build would leave the leaf out.",
        'patterns: ["comet.md"]',
        'patterns: ["docs/comets.md"]',
    ),
    Rule(
        "LG311",
        "benchmark-example",
        Severity.WARNING,
        "A seed example is copied from a well-known benchmark.",
        "Rows drawn from it would teach the test, and a model's score on the benchmark would mean nothing.",
        "(a question of a published test set)",
        "(a question of your own)",
    ),
    Rule(
        "LG312",
        "other-language",
        Severity.WARNING,
        "A question is in another language than the others.",
        "Rows are drawn in the language of the examples that a prompt shows; mixed examples give mixed rows. Ignore "
        "this where mixing is the point of the leaf.",
        "- question: What is a comet made of?\n- question: Woraus besteht ein Komet und warum hat er einen Schweif?",
        "- question: What is a comet made of?\n- question: Why does a comet have a tail?",
    ),
    Rule(
        "LG313",
        "personal-data",
        Severity.WARNING,
        "An example holds an e-mail address, or a telephone, card, account or social security number.",
        "Examples are published, and models repeat them. Invent one that cannot be real: `name@example.com`.",
        "context: Write to jane.roe@mailbox.net",
        "context: Write to jane.roe@example.com",
    ),
    Rule(
        "LG314",
        "mixed-contexts",
        Severity.WARNING,
        "Some examples have a context and others have none.",
        "With a context for each, new contexts are drawn as well; with a mixture, each context is only folded into its "
        "question.",
        "- question: Sum it up.\n  context: ...\n- question: What is a summary?",
        "- question: Sum it up.\n  context: ...\n- question: Sum it up in one line.\n  context: ...",
    ),
    Rule(
        "LG315",
        "control-character",
        Severity.WARNING,
        "A text holds an invisible control character.",
        "Usually something that was copied from a terminal or a PDF; it can hide text from reviewers.",
        'answer: "ice\\e[8m and dust"',
        "answer: ice and dust",
    ),
    Rule(
        "LG316",
        "no-task",
        Severity.WARNING,
        "The task is described by nothing.",
        "Version 1 allows it, but every prompt shows the description, and the judge measures relevance by it.",
        'task_description: ""',
        "task_description: Explain an astronomical term in one sentence for children.",
    ),
    Rule(
        "LG317",
        "document-address",
        Severity.ERROR,
        "The document's address or a pattern is one that labgen does not follow.",
        "Leaves come from strangers: only https, ssh and `git@host:owner/name` addresses are fetched, and patterns "
        "stay inside the repository. Local paths need `documents.allow_local_repos`.",
        "repo: ext::sh -c whoami",
        "repo: https://github.com/owner/name",
        blocks_reading=False,
        instructlab="refused",
    ),
    Rule(
        "LG318",
        "link-not-followed",
        Severity.WARNING,
        "A folder of the taxonomy is a link; what is behind it is not read.",
        "A link may lead anywhere. Leaves are read only from folders that are really there.",
        "knowledge/space -> /somewhere/else",
        "knowledge/space/ (a folder)",
    ),
    Rule(
        "LG319",
        "document-without-text",
        Severity.WARNING,
        "A document that the patterns match can't be read, or holds no text.",
        "Nothing is drawn from a scan or an empty page, and a file that can't be read keeps its leaf out of a build. "
        "Looked at only where the documents lie beside the leaf or are in the cache.",
        'patterns: ["scanned.pdf"]',
        'patterns: ["with_its_text.pdf"]',
    ),
    Rule(
        "LG320",
        "context-not-in-document",
        Severity.STYLE,
        "A seed example's context is in none of the leaf's documents.",
        "A knowledge context is copied from the document word for word: it shows what the passages are like, and its "
        "answers are facts of the document. Words are compared, without spacing, punctuation, case and marks. Looked "
        "at only where the documents lie beside the leaf or are in the cache.",
        "context: It ages for four months. (The document has: It ages for three months.)",
        "context: It ages for three months.",
    ),
    Rule(
        "LG321",
        "wrong-sum",
        Severity.WARNING,
        "An answer holds an equation that does not come out.",
        "Sums of generated answers are recomputed, and wrong ones are refused. Where a leaf's own examples hold one, "
        "that is taken for the leaf's intention (a puzzle, an estimate), and sums of its rows are not looked at.",
        "answer: Twelve boxes hold 12 x 7 = 74 eggs.",
        "answer: Twelve boxes hold 12 x 7 = 84 eggs.",
    ),
    Rule(
        "LG322",
        "unparsable-python",
        Severity.WARNING,
        "Python in an answer does not parse.",
        "Fenced blocks that say they are Python must parse in generated answers. Where one of a leaf's own examples "
        "does not, blocks of its rows are not looked at. A block that is not meant to parse gets another word after "
        "its fence, such as `text`.",
        "answer: |\n  ```python\n  print(total\n  ```",
        "answer: |\n  ```python\n  print(total)\n  ```",
    ),
    Rule(
        "LG323",
        "unedited-text",
        Severity.WARNING,
        "A text that `labgen new` put there to be replaced.",
        "Model examples of another subject, questions drafted by rule and gaps marked `TO DO:` show the form. A "
        "build would draw rows in their manner, which nobody means. With `--strict` the check ends with status 1, as "
        "for every warning.",
        "# TO DO: the examples below are a model of another subject.\n- question: TO DO: a question on this passage",
        "- question: What is a comet made of?",
    ),
    Rule(
        "LG324",
        "comment-in-text",
        Severity.WARNING,
        "A text ends before a ` #`, which YAML takes for a comment.",
        "In text without quotes a space and a `#` begin a comment, and what follows is silently lost. Quote the whole "
        "text; a comment that is meant as one goes on a line of its own.",
        "answer: Use issue #12 to ask for it.",
        'answer: "Use issue #12 to ask for it."',
    ),
)
