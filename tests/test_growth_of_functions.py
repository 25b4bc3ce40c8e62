"""No function takes more than linear work on a stranger's text, whatever it is made of.

Patterns have `test_growth_of_patterns`; here whole functions are tried, with what they do between patterns: readers of
replies, filters, documents and their conversion, rules of `check`, error texts, what is shown.
"""

from __future__ import annotations

import importlib
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from growth import SHAPES, grows_on_shapes, out_of_proportion

import labgen
from labgen.cli import preview_page
from labgen.config.filtering import ThresholdsConfig
from labgen.documents import chunk
from labgen.documents.chunk import chunk_documents
from labgen.documents.convert_child import markdown_of
from labgen.documents.leads import find_leads
from labgen.documents.mend_slides import mend_slides
from labgen.documents.not_prose import blanked, find_not_prose, spans_between
from labgen.filters.calibration_items import alter_number
from labgen.filters.contamination import ContaminationIndex, add_benchmark
from labgen.filters.earlier_instructions import EarlierInstructions
from labgen.filters.figures import unsupported_figures, unsupported_in_sentence, unsupported_in_title
from labgen.filters.groundedness import find_evidence
from labgen.filters.judges import read_instruction_verdicts
from labgen.filters.loops import repeats_itself
from labgen.filters.rules import check_context, check_instruction, check_response
from labgen.formats.chat import strip_end_tokens
from labgen.formats.draw_forms import context_form, document_form, instructions_form, pairs_form
from labgen.formats.known import find_format
from labgen.formats.reading import read_blocks, read_fields
from labgen.records import Document, Message, Pair
from labgen.report.documents import cut
from labgen.taxonomy.check import CheckOptions, check_files
from labgen.taxonomy.content import given_away, support
from labgen.taxonomy.copied import Copied
from labgen.taxonomy.draft import draft_examples
from labgen.teacher.openai_client import Answer, OpenAIClient
from labgen.teacher.refusals import refusal_of
from labgen.teacher.streamed import StreamedReply
from labgen.text.final_answer import agrees, final_answer
from labgen.text.html_table import html_texts
from labgen.text.language import other_languages
from labgen.text.markdown_marks import find_marks, without_marks
from labgen.text.rouge_words import tokenize
from labgen.text.statements import statements_of, without_statements
from labgen.text.token_count import estimate_tokens
from labgen.verbs.review import clean

PACKAGE = Path(labgen.__file__).parent
SIZES = (1_000, 10_000)
"""Characters of a text and of one ten times as long."""

LOOKED_AT = (
    *(
        "cli/preview_page.py",
        "documents",
        "export",
        "filters",
        "flows",
        "formats",
        "publish",
        "report",
    ),
    *("taxonomy", "teacher", "text"),
)
"""Where a stranger's text is read: every function of these that takes one text and nothing else is tried."""

OURS = {
    "teacher.backends check_kind": "a word of the settings",
    "report.page asset": "the name of a file of labgen's own",
    "taxonomy.report explain_rule": "a code that a user types",
    "taxonomy.path_patterns split_pattern": "a pattern that a user types: bounded before",
    "taxonomy.scaffold load_model": "a path that a user types",
    "export.compare open_dataset": "a folder that a user names",
    "export.preferences schema_of": "the name of a config",
    "export.held_out held_out_schema": "the name of a config",
    "export.held_out split_of": "the name of a config",
    "formats.dataset_reader read_dataset": "a dataset that a user names",
    "formats.known find_format": "a format that a user names",
    "formats.runs.known find_trainer": "a trainer that a user names",
    "formats.training.registry find_export_format": "a format that a user names",
    "formats.training.rows row_format": "a format that a user names",
    "text.token_count load_token_counter": "a file that a user names",
    "text.unspaced is_unspaced": "one character",
    "text.unspaced hides_words": "one character",
}
"""Functions that take no stranger's text, and what they take."""


def texts_functions() -> dict[str, Callable[[str], object]]:
    """Each function of the package that a text alone can be given, by module and name."""
    found: dict[str, Callable[[str], object]] = {}
    for file in sorted(file for place in LOOKED_AT for file in _files(PACKAGE / place)):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        module = importlib.import_module(".".join(("labgen", *parts)))
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                wanted = _of_one_text(function)
                if wanted is not None:
                    found[f"{'.'.join(parts)} {name}"] = _done(function, wanted)
    return {name: work for name, work in found.items() if name not in OURS}


def _files(place: Path) -> Iterator[Path]:
    rehearsal = PACKAGE / "teacher" / "rehearsal"
    if place.is_file():
        yield place
    yield from (file for file in place.rglob("*.py") if rehearsal not in file.parents and file.stem != "__init__")


def _of_one_text(function: Callable[..., object]) -> str | None:
    """Whether a text or bytes are all that a function needs; None: neither."""
    parameters = list(inspect.signature(function).parameters.values())
    needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    kinds = {"str": "text", "bytes": "bytes", "object": "text", "Any": "text"}
    return kinds.get(str(needed[0].annotation)) if len(needed) == 1 and needed[0] is parameters[0] else None


def _done(function: Callable[..., Any], kind: str) -> Callable[[str], object]:
    def work(text: str) -> None:
        with suppress(Exception):  # which texts are refused, and how, is for other tests to say
            made = function(text if kind == "text" else text.encode())
            if inspect.isgenerator(made):
                for _ in made:
                    pass

    return work


SEED = "Which town is the largest one of the country, and since when has it been that?"
SEEDS = (Pair(SEED, "It is the town at the river, and has been that since the year 1900."),)
THRESHOLDS = ThresholdsConfig()
FIELDS = {"score": "score3", "on_task": "yes_no", "reason": "text?", "claims": "list?"}
CLIENT = OpenAIClient("http://127.0.0.1:9/v1", "a-key-of-some-length", name="it", timeout_sec=1, connections=1)


def _chunks(text: str, *, markdown: bool = True) -> object:
    document = Document(repo=".", commit="", file="a.md", text=text, markdown=markdown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "LEAST_WINDOW_CHARS", 5_000)  # so that a short text has as many windows as a long one
        return chunk_documents([document], chunk_tokens=80, min_chunk_tokens=1, count_tokens=estimate_tokens)


def _left_out(text: str) -> object:
    found = find_not_prose(text)
    places = range(0, len(text), 200)
    return blanked(text, found), [list(spans_between(text, place, place + 200, found)) for place in places]


def _refusals(text: str) -> object:
    return [
        refusal_of(
            Answer(status, {"retry-after": text[:100]}, text.encode(), words=CLIENT.safe(text)),
            name="it",
            api_hint="",
            model="m",
            answered=True,
        )
        for status in (400, 401, 404, 429, 500)
    ]


def _in_pieces(text: str) -> object:
    """As a stream of one long event, a few bytes at a time."""
    reply = StreamedReply(10_000_000)
    content = b"\n \n data: " + text.encode().replace(b"\n", b" ")
    return [reply(content[at : at + 3]) for at in range(0, len(content), 3)]


def _lines_as_duplicates(text: str) -> object:
    earlier = EarlierInstructions(0.7, by_context=False)
    for number, line in enumerate(text.split("\n")):
        if earlier.find(line, None, threshold=0.7) is None:
            earlier.add(line, None, str(number))
    return earlier


def _without_half(text: str) -> str:
    found = statements_of(text)
    return without_statements(text, found, range(0, len(found), 2))


@cache
def _benchmarks() -> ContaminationIndex:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        add_benchmark(Path(folder), "shapes", [("all", [make(600) for make in SHAPES.values()])], source="shapes")
        return ContaminationIndex.load(Path(folder))


MADE_OF_SEVERAL: dict[str, Callable[[str], object]] = {
    "a page of HTML, to Markdown": lambda text: markdown_of(".html", f"<p>{text}".encode()),
    "passages of Markdown": _chunks,
    "passages of plain text": lambda text: _chunks(text, markdown=False),
    "what leads to passages": lambda text: find_leads(text, range(0, len(text), 100), fits=lambda header: True),
    "what is no prose": _left_out,
    "a context held against documents": lambda text: Copied(
        [Document(repo=".", commit="", file="a.md", text=text, markdown=True)]
    ).problem(text[::-1] + "\n\n" + text[5:] + " other"),
    "drafted questions": lambda text: draft_examples([text]),
    "a quotation's place": lambda text: [find_evidence(text[len(text) // 2 :] + end, text) for end in ("", " no")],
    "figures of an answer": lambda text: unsupported_figures(text, text[::-1], text[: len(text) // 2]),
    "figures of a sentence": lambda text: unsupported_in_sentence(text, text[::-1], text[:50], [text]),
    "figures of a title": lambda text: unsupported_in_title(text, text[::-1], text[:50]),
    "rules on an instruction": lambda text: check_instruction(text, seeds=SEEDS, thresholds=THRESHOLDS),
    "rules on a response": lambda text: check_response(
        text[:500], text, seeds=SEEDS, truncated=True, thresholds=THRESHOLDS
    ),
    "rules on a context": lambda text: check_context(text, seed_contexts=[text[::-1]], thresholds=THRESHOLDS),
    "loops": lambda text: repeats_itself(tokenize(text)),
    "lines that may be near-duplicates": _lines_as_duplicates,
    "benchmark items": lambda text: _benchmarks().hit(text),
    "another number": lambda text: alter_number(text, text[::-1]),
    "verdicts on instructions": lambda text: read_instruction_verdicts(text, 5),
    "blocks of a reply": lambda text: read_blocks(text, "question"),
    "fields of a reply": lambda text: read_fields(text, FIELDS),
    "pairs of a reply": lambda text: pairs_form(4, 2048).read(text),
    "instructions of a reply": lambda text: instructions_form(4, 2048).read(text),
    "a context of a reply": lambda text: context_form(2048).read(text),
    "a document of a reply": lambda text: document_form(2048).read(text),
    "the end of a completion": lambda text: strip_end_tokens(text, find_format("chatml")),
    "a turn of a chat format": lambda text: find_format("chatml").render([Message("user", text)]),
    "an error's words": CLIENT.safe,
    "a reply without keys": CLIENT.without_key,
    "what a refusal means": _refusals,
    "a streamed reply": _in_pieces,
    "a final answer": lambda text: final_answer("What is 2 + 2?", text),
    "answers that agree": lambda text: [agrees(kind, "4", text) for kind in ("number", "choice", "exact_words")],
    "languages": lambda text: other_languages(text.split("\n")),
    "a text without marks": lambda text: without_marks(text, find_marks(text)),
    "a text without statements": _without_half,
    "support": lambda text: support(text, text[::-1]),
    "an answer in its question": lambda text: given_away(text, text[len(text) // 2 :], strict=False),
    "a note of a reviewer": lambda text: clean(text, 1000),
    "a text in a preview": lambda text: [
        writer.quote("Answer", text) for writer in (preview_page.TextWriter(), preview_page.MarkdownWriter())
    ],
    "a text in a notebook": lambda text: html_texts("Row", [("Answer", text)]),
    "passages of the report": lambda text: cut((at, at + 50, at) for at in range(0, len(text), 5)),
}
"""Functions that need more than a text, on one that is all that a stranger decides."""

LONGER = {
    "passages of Markdown": (4_000, 24_000),
    "passages of plain text": (4_000, 24_000),
    "a quotation's place": (6_000, 30_000),
}
"""Sizes for those that do nothing on a short text, or look at so many places at most, beyond which work is as long."""


@pytest.mark.parametrize("name", sorted(texts_functions()))
def test_every_function_of_a_text_takes_linear_work(name: str) -> None:
    """A text that is ten times as long takes about ten times the work."""
    assert not grows_on_shapes(texts_functions()[name], SIZES, name)


@pytest.mark.parametrize("what", MADE_OF_SEVERAL)
def test_what_is_made_of_a_text_takes_linear_work(what: str) -> None:
    """The same where other things decide beside the text."""

    def work(text: str) -> None:
        with suppress(Exception):
            MADE_OF_SEVERAL[what](text)

    assert not grows_on_shapes(work, LONGER.get(what, SIZES), what)


def test_a_long_document_is_cut_in_linear_work() -> None:
    """Without any structure, where the splitter looks at all that is left for each passage."""

    def work(text: str) -> object:
        document = Document(repo=".", commit="", file="a.txt", text=text, markdown=False)
        return chunk_documents([document], chunk_tokens=800, min_chunk_tokens=1, count_tokens=estimate_tokens)

    make = SHAPES["direction marks"]
    assert not out_of_proportion(work, make(60_000), make(480_000), 8)


@pytest.mark.parametrize(
    ("what", "shape"),
    [
        ("figures of a title", "other numbers"),
        ("figures of an answer", "other names"),
        ("a context held against documents", "other words"),
    ],
)
def test_a_long_text_without_repetition_takes_linear_work(what: str, shape: str) -> None:
    """What is soon done for each word or number shows only where there are thousands, none twice."""
    make = SHAPES[shape]
    assert not out_of_proportion(MADE_OF_SEVERAL[what], make(10_000), make(200_000), 20)


def _slide(runs: int, rows: int) -> bytes:
    """A presentation of one slide, with raised runs in its title and merged cells in its table."""
    pptx = pytest.importorskip("pptx")
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    for number in range(runs):
        run = slide.shapes.title.text_frame.paragraphs[0].add_run()
        run.text = f"{number} "
        run.font._element.set("baseline", "30000")
    table = slide.shapes.add_table(rows, 2, 0, 0, 1_000_000, 1_000_000).table
    for above, below in zip(list(table.rows)[::2], list(table.rows)[1::2], strict=True):
        above.cells[0].text = "a cell"
        above.cells[0].merge(below.cells[1])
    made = io.BytesIO()
    presentation.save(made)
    return made.getvalue()


@pytest.mark.parametrize(("runs", "rows"), [(300, 2), (1, 40)])
def test_a_presentation_is_mended_in_linear_work(runs: int, rows: int) -> None:
    """Whatever there is ten times as much of; what libraries do with it has limits on time and memory."""
    few = _slide(runs, rows)
    many = _slide(runs if runs == 1 else 10 * runs, rows if rows == 2 else 10 * rows)
    assert not out_of_proportion(mend_slides, few, many, 10)


def test_a_leaf_is_checked_in_linear_work(tmp_path: Path) -> None:
    """Every rule of `labgen check`, on a leaf whose answer is such a text, and on one that is nothing but that text."""
    file = tmp_path / "compositional_skills" / "towns" / "qna.yaml"
    file.parent.mkdir(parents=True)

    def as_answer(text: str) -> str:
        lines = "".join(f"      {line}\n" for line in text.split("\n"))
        return f"version: 3\ntask_description: Towns\nseed_examples:\n  - question: {SEED}\n    answer: |\n{lines}"

    def check(text: str) -> None:
        file.write_text(text, encoding="utf-8")
        check_files(tmp_path, [file], CheckOptions())

    assert not grows_on_shapes(lambda text: check(as_answer(text)), SIZES)
    assert not grows_on_shapes(check, SIZES)


def test_work_out_of_proportion_is_found() -> None:
    """A comparison of each with each is seen."""
    short, long = "ab" * 100, "ab" * 1_000
    assert out_of_proportion(lambda text: sum(one == other for one in text for other in text), short, long, 10)
    assert not out_of_proportion(lambda text: sorted(text * 10), short, long, 10)
