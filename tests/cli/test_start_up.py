"""Commands that ask nothing begin at once: what takes long to load is not loaded for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faulty_server import make_taxonomy

NEVER = ("nltk", "datasets", "pandas", "openai", "pydantic", "huggingface_hub", "torch", "transformers")
"""What neither ledger nor dataset needs to be read or written; nltk would come with rouge_score, where that is used,
and pydantic with openai."""

NOT_TO_PLAN = (*NEVER, "numpy", "pyarrow", "rouge_score", "detect_secrets", "requests", "phonenumbers")
"""What looks at replies, and what a dataset is written with."""

NOT_TO_SHOW = (
    "importlib.metadata",
    "jinja2",
    "rapidfuzz",
    "labgen.filters",
    "labgen.plan",
    "labgen.teacher",
    "labgen.verbs",
)
"""What makes a dataset."""

CODE = """
import sys
from labgen.cli import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print([name for name in sys.argv[1].split() if name in sys.modules])
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a taxonomy and its build, whose candidates are drawn again until some are near-duplicates."""
    folder = tmp_path_factory.mktemp("built")
    make_taxonomy(folder / "taxonomy")
    loaded(folder, NEVER, "generate", "--samples", "12")
    return folder


def loaded(folder: Path, names: tuple[str, ...], *command: str) -> str:
    """Which of some modules a command has loaded by its end, in its own process."""
    arguments = [sys.executable, "-c", CODE, " ".join(names), *command]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_what_is_built_is_planned_shown_and_built_again_without_what_takes_long_to_load(built: Path) -> None:
    """The ledger answers everything."""
    assert loaded(built, NEVER, "plan", "--samples", "12") == "[]"
    assert loaded(built, (*NEVER, *NOT_TO_SHOW), "show") == "[]"
    assert loaded(built, NEVER, "generate", "--samples", "12") == "[]"


def test_a_plan_of_what_was_never_built_loads_nothing_that_looks_at_replies(built: Path) -> None:
    """Nor the writing of datasets."""
    assert loaded(built, NOT_TO_PLAN, "plan", "--work", "another") == "[]"


def test_rouge_score_is_loaded_without_nltk_which_is_there_for_who_wants_it() -> None:
    """labgen's own near-duplicates do without a stemmer; another package's may have one, in the same process."""
    code = (
        "import sys\nfrom labgen.filters.rouge import reference_rouge_l\n"
        "assert 0.7 < reference_rouge_l('a cat sat on the mat', 'a cat sat on a mat') < 0.9\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'nltk']\n"
        "from rouge_score.rouge_scorer import RougeScorer\n"
        "assert RougeScorer(['rougeL'], use_stemmer=True).score('running', 'runs')['rougeL'].fmeasure == 1\n"
        "import nltk.stem.porter\nassert nltk.stem.porter.PorterStemmer().stem('running') == 'run'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
