"""In a real notebook kernel: the tutorial, verbs where an event loop runs, and an interrupt."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import labgen

TUTORIAL = Path(labgen.__file__).parent.parent / "docs" / "tutorial.ipynb"


@pytest.fixture
def plain_environment(monkeypatch, tmp_path):
    """No endpoint, and settings of IPython's own in a folder that goes."""
    for name in ("OPENAI_BASE_URL", "LABGEN_BASE_URL", "LABGEN_MODEL", "LABGEN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


def run(notebook, folder):
    """Execute a notebook in a kernel of its own. Raises: CellExecutionError: a cell fails."""
    folder.mkdir(exist_ok=True)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute()


def shown(cell):
    """All that a cell shows, as text."""
    return json.dumps(cell["outputs"])


@pytest.mark.timeout(240)
def test_the_tutorial_runs(tmp_path, plain_environment):
    """Every cell, and what it promises of tables, progress and errors."""
    done = run(nbformat.read(TUTORIAL, as_version=4), tmp_path / "here")
    cells = {cell["source"]: shown(cell) for cell in done.cells if cell["cell_type"] == "code"}
    generate = next(output for source, output in cells.items() if "await aio.generate" in source)
    assert "<progress" in generate and re.search(r"\d+/\d+ rows", generate)
    assert "Build(" in generate and "<table>" in generate
    wrong = next(output for source, output in cells.items() if "no_such_leaf" in source)
    assert "no_such_leaf" in wrong and "Traceback" not in wrong


@pytest.mark.timeout(240)
def test_text_of_strangers_is_no_markup_in_a_notebook(tmp_path, plain_environment):
    """A leaf's words, in the tables that a notebook shows."""
    leaf = tmp_path / "taxonomy" / "compositional_skills" / "greet"
    leaf.mkdir(parents=True)
    seeds = "".join(f"  - {{question: 'Say <b>{n}</b>', answer: '<img src=x>'}}\n" for n in ("one", "two", "three"))
    (leaf / "qna.yaml").write_text(
        f"version: 3\ntask_description: <script>alert(1)</script>\ncreated_by: <i>me</i>\nseed_examples:\n{seeds}"
    )
    code = "import labgen\nfound = labgen.load_taxonomy('taxonomy')\ndisplay(found, found.leaves[0])"
    done = run(new_notebook(cells=[new_code_cell(code)]), tmp_path)
    pages = [output["data"]["text/html"] for output in done.cells[0]["outputs"]]
    assert len(pages) == 2 and all("&lt;" in page for page in pages)
    assert not any(tag in page for page in pages for tag in ("<script", "<img", "<b>one", "<i>"))
