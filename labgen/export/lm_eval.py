"""A task folder for EleutherAI's lm-evaluation-harness: the held-out multiple choice, by kind of question.

Choice, not the likelihood of an answer: a model that has learned a manner of answering is likelier to say anything in
that manner, right or wrong. The four answers come from one leaf, so that manner does not tell them apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.export.configs import CHOICE, READING, RECALL
from labgen.export.files import read_rows
from labgen.export.folder import read_manifest, replacing
from labgen.export.held_out import check_no_leak
from labgen.export.rows import OPEN_BOOK
from labgen.export.training import RECORD, check_export_folder

GROUP = "labgen_choice"
LOADER = "labgen_rows.py"

_LOADER = '''"""Reads the questions that lie beside this file, for the tasks of this folder."""

from pathlib import Path

import datasets


def load(file=None, **_):
    """The split `test` of a task: its JSON lines."""
    lines = datasets.Dataset.from_json(str(Path(__file__).parent / file))
    return {"test": lines}


def recall(**settings):
    """Questions on passages that were trained on."""
    return load("recall.jsonl")


def reading(**settings):
    """Questions below passages that were not."""
    return load("reading.jsonl")
'''


def write_lm_eval(dataset: Path, folder: Path) -> dict[str, int]:
    """Write `dataset`'s held-out multiple choice as tasks that `lm_eval --include_path folder` finds.

    Tasks are `labgen_choice_recall` and `labgen_choice_reading`, those without questions left out, and the group
    `labgen_choice`. The same dataset gives the same bytes.

    Args:
        folder: replaced whole where it is an earlier export; must else be empty or not exist.
    Returns: task to its questions (count).
    Raises:
        UsageError: no dataset there, none of its rows are multiple choice, or a folder that is not an export.
        OutputError: the folder can't be written, or something that is held out stands in a training row.
    """
    configs = {name: about["files"] for name, about in read_manifest(dataset)["configs"].items()}
    if not configs.get(CHOICE):
        raise UsageError(
            f"{dataset}: holds no multiple choice. Set `held_out.recall` or `held_out.reading` in labgen.yaml, "
            "and build again."
        )
    check_export_folder(folder, dataset)
    check_no_leak(dataset, configs)
    by_task: dict[str, list[dict[str, Any]]] = {RECALL: [], READING: []}
    for doc in _docs(dataset, configs[CHOICE]):
        by_task[doc.pop("set")].append(doc)
    tasks = {f"{GROUP}_{name}": docs for name, docs in by_task.items() if docs}
    with replacing(folder) as new:
        for task, docs in tasks.items():
            name = task.removeprefix(f"{GROUP}_")
            (new / f"{name}.jsonl").write_text(
                "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs), encoding="utf-8"
            )
            (new / f"{task}.yaml").write_text(_task(task, name), encoding="utf-8")
        (new / f"{GROUP}.yaml").write_text(_group(list(tasks)), encoding="utf-8")
        (new / LOADER).write_text(_LOADER, encoding="utf-8")
        files = sorted(path.name for path in new.iterdir())
        record = {"format": "lm-eval", "configs": {task: {"rows": len(docs)} for task, docs in tasks.items()}}
        (new / RECORD).write_text(json.dumps({**record, "files": files}, indent=1) + "\n", encoding="utf-8")
    return {task: len(docs) for task, docs in tasks.items()}


def _docs(dataset: Path, files: list[str]) -> Iterator[dict[str, Any]]:
    for file in files:
        for row in read_rows(dataset / file):
            reading = row["form"] == OPEN_BOOK
            yield {
                "id": row["of"],
                "leaf": row["leaf"],
                "passage": f"{row['context']}\n\n" if reading else "",
                "question": row["question"],
                "choices": row["choices"],
                "answer": row["answer"],
                "set": READING if reading else RECALL,
            }


def _task(task: str, name: str) -> str:
    return (
        f"task: {task}\n"
        f"custom_dataset: !function {Path(LOADER).stem}.{name}\n"
        "test_split: test\n"
        "output_type: multiple_choice\n"
        'doc_to_text: "{{passage}}Question: {{question}}\\nAnswer:"\n'
        "doc_to_choice: choices\n"
        "doc_to_target: answer\n"
        "metric_list:\n"
        + "".join(
            f"  - metric: {metric}\n    aggregation: mean\n    higher_is_better: true\n"
            for metric in ("acc", "acc_norm")
        )
        + "metadata:\n  version: 1.0\n"
    )


def _group(tasks: list[str]) -> str:
    listed = "".join(f"  - {task}\n" for task in tasks)
    return (
        f"group: {GROUP}\ntask:\n{listed}aggregate_metric_list:\n"
        "  - metric: acc\n    weight_by_size: true\nmetadata:\n  version: 1.0\n"
    )
