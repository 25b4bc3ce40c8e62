"""Files to text: UTF-8 as it is, other kinds through the converter, and clear words where neither works."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from labgen.documents import convert, convert_child
from labgen.documents.text import is_document, is_markdown, read_text
from labgen.errors import TaxonomyError

HTML = b"<html><script>alert(1)</script><body><h1>Cheese</h1><p>Cheddar &amp; <b>Brie</b>.</p></body></html>"


def read(path: str, data: bytes, tmp_path) -> str:
    return read_text(path, data, cache=tmp_path / "converted", timeout_sec=60, most_bytes=5_000_000)


def pdf_of(words: str) -> bytes:
    """The smallest PDF with one line of text."""
    stream = f"BT /F1 24 Tf 72 700 Td ({words}) Tj ET".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out) + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


def docx_of(body: str, relations: str = "") -> bytes:
    """A Word file with the given paragraphs' XML."""
    spaces = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
        'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"'
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
        f'ContentType="{main}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}/relationships">{relations}</Relationships>',
        "word/document.xml": f"<w:document {spaces}><w:body>{body}</w:body></w:document>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def epub_of(body: str) -> bytes:
    """A book of one page."""
    files = {
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="content.opf"/></rootfiles></container>',
        "content.opf": '<package xmlns:dc="d"><manifest><item id="p" href="p.xhtml"/></manifest>'
        '<spine><itemref idref="p"/></spine></package>',
        "p.xhtml": f"<html><body>{body}</body></html>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def slides() -> bytes:
    """A slide with a power in its title and a table with merged cells."""
    pytest.importorskip("pptx")
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    paragraph = slide.shapes.title.text_frame.paragraphs[0]
    for words, baseline in [("5 x 10", ""), ("6", "30000"), (" cells", "")]:
        run = paragraph.add_run()
        run.text = words
        if baseline:
            run.font._element.set("baseline", baseline)
    table = slide.shapes.add_table(3, 3, Inches(1), Inches(3), Inches(5), Inches(2)).table
    for row, cells in enumerate([("City", "Size", ""), ("Bern", "1", "2"), ("", "3", "4")]):
        for column, words in enumerate(cells):
            table.cell(row, column).text = words
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 0).merge(table.cell(2, 0))
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def test_text_is_what_is_in_the_file(tmp_path):
    """Line endings stay; only a byte order mark goes."""
    assert read("a.md", b"\xef\xbb\xbf# T\r\n\r\nK\xc3\xa4se\r\n", tmp_path) == "# T\r\n\r\nKäse\r\n"
    assert read("README", b"plain\n", tmp_path) == "plain\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"one\ntwo caf\xe9\n", "byte 0xe9 in line 2"),
        (b"\xff\xfex", "UTF-16"),
        (b"a\x00b", "NUL"),
        ("x".encode("utf-32"), "NUL"),
        ("Käse".encode("utf-16-le"), "not UTF-8|NUL"),
    ],
)
def test_text_in_another_encoding_is_named(data, words, tmp_path):
    """Which file, which byte, which line, what to do."""
    with pytest.raises(TaxonomyError, match=words) as caught:
        read("docs/a.md", data, tmp_path)
    assert "`docs/a.md`" in str(caught.value)


@pytest.mark.parametrize("mark, encoding", [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_utf_16_is_read_by_its_byte_order_mark(mark, encoding, tmp_path):
    """Either order of bytes; the mark is no part of the text."""
    assert read("a.md", mark + "# Käse\r\n😀".encode(encoding), tmp_path) == "# Käse\r\n😀"


def test_kinds_of_file_go_by_their_name():
    """Case does not matter; pictures and programs are no documents."""
    assert all(map(is_document, ["a.md", "A.MD", "a.rst", "a.txt", "LICENSE", "a.html", "a.pdf", "a.docx"]))
    assert not any(map(is_document, ["a.png", "a.py", "a.zip", "a.exe"]))
    assert is_markdown("a.markdown")
    assert is_markdown("a.pdf")
    assert not is_markdown("a.txt")


def test_without_the_extra_its_name_is_given(tmp_path, monkeypatch):
    """What to install, for which file."""
    monkeypatch.setattr(convert, "_converter_version", lambda: None)
    with pytest.raises(TaxonomyError, match=r"`a\.pdf`.*labgen\[documents\]"):
        read("a.pdf", b"%PDF", tmp_path)


def test_a_converter_that_takes_too_long_is_stopped(tmp_path, monkeypatch):
    """The time limit holds for conversions too."""
    monkeypatch.setattr(convert, "_converter_version", lambda: "1")
    with pytest.raises(TaxonomyError, match="within"):
        read_text("a.html", HTML, cache=tmp_path, timeout_sec=0.001, most_bytes=100_000)


class TestWithConverter:
    """What needs the extra."""

    def test_a_small_file_that_comes_to_much_text_is_refused(self, tmp_path, monkeypatch):
        """With the limit that it meets, whether it is converted or was kept when more was allowed."""
        page = b"<table>" + b"<tr><td colspan=60>" + b"cheese " * 50 + b"</td></tr>" * 8 + b"</table>"
        allowed = read("a.html", page, tmp_path)
        assert len(allowed) > 10 * len(page)
        for cache in ("converted", "other"):
            with pytest.raises(TaxonomyError, match=r"`a\.html` comes to more than 5000 bytes of text.*max_file_bytes"):
                read_text("a.html", page, cache=tmp_path / cache, timeout_sec=60, most_bytes=5_000)
        assert not list((tmp_path / "other").glob("*"))

    def test_what_is_mended_for_the_converters_sake_says_the_same(self, tmp_path):
        """Tags and comments without end are text, long lists go on counting, and runs of spaces are one."""
        open_ended = read("a.html", b"<p>1 &lt; 2</p><p>one <a and <!-- two", tmp_path)
        assert open_ended.split("\n\n") == ["1 < 2", "one <a and <!-- two"]
        spaces = read("b.html", b"<p>one" + b" " * 3_000 + b"two</p>", tmp_path)
        assert spaces == "one two"
        items = b"".join(b"<li>item <ol><li>inner</li><li>second</li></ol></li>" for _ in range(300))
        lines = read("c.html", b"<ol start=5>" + items + b"</ol>", tmp_path).split("\n")
        assert [line for line in lines if line.startswith(("5.", "304."))] == ["5. item", "304. item"]
        assert sum(line.strip() == "2. second" for line in lines) == 300

    def test_a_conversion_loads_nothing_for_other_kinds_of_file(self):
        """Tables of numbers are not converted, and what reads them takes longer to load than all else."""
        code = (
            "import sys\nfrom labgen.documents.convert_child import main\n"
            f"status = main('.html', {8 * 2**30}, 1000)\n"
            "sys.exit(status or 'pandas.core' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], input=b"<p>Cheese</p>", capture_output=True)
        assert (done.returncode, done.stdout.strip()) == (0, b"Cheese"), done.stderr

    def test_what_a_converter_prints_is_not_held(self, tmp_path, monkeypatch):
        """Nor does it fill the disk: it ends where more is printed than the text may have."""
        chatty = tmp_path / "chatty.py"
        own = Path(convert_child.__file__).read_text(encoding="utf-8")
        begins = "    data = sys.stdin"
        assert begins in own
        chatty.write_text(own.replace(begins, f"    print('x' * 15_000_000, file=sys.stderr)\n{begins}"))
        monkeypatch.setattr(convert_child, "__file__", str(chatty))
        with pytest.raises(TaxonomyError, match="could not be converted") as caught:
            read("a.html", HTML, tmp_path)
        assert len(str(caught.value)) < 1_000

    @pytest.fixture(autouse=True)
    def extra(self):
        if find_spec("markitdown") is None:
            pytest.skip("needs the extra labgen[documents]")

    def test_web_pages_become_markdown_once(self, tmp_path):
        """Headings stay headings, scripts go, and the conversion is kept."""
        text = read("a.html", HTML, tmp_path)
        assert text.strip() == "# Cheese\n\nCheddar & **Brie**."
        (kept,) = (tmp_path / "converted").iterdir()
        kept.write_text("kept")
        assert read("b.HTML", HTML, tmp_path) == "kept"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
    def test_a_page_is_read_in_its_encoding(self, encoding, tmp_path):
        """By its mark, as UTF-8, or as it declares."""
        page = f'<html><head><meta charset="{encoding.removesuffix("-sig")}"></head><body>Käse</body></html>'
        assert read("a.html", page.encode(encoding), tmp_path) == "Käse"

    def test_nul_in_a_converted_page_is_refused(self, tmp_path):
        """UTF-16 without its mark can't be told from binary data."""
        with pytest.raises(TaxonomyError, match=r"`a\.html`.*NUL"):
            read("a.html", "<p>Cheddar</p>".encode("utf-16-be"), tmp_path)

    @pytest.mark.parametrize(
        "html, text",
        [
            ("5 x 10<sup>6</sup> cells", "5 x 10⁶ cells"),
            ("10<sup>&minus;9</sup> m<sup>2</sup>", "10⁻⁹ m²"),
            ("H<sub>2</sub>SO<sub>4</sub> and SO<sub>4</sub><sup>2-</sup>", "H₂SO₄ and SO₄²⁻"),
            ("x<sup>n+1</sup>, e<sup>kt</sup>, 2<sup>0.5</sup>", "xⁿ⁺¹, e^(kt), 2^(0.5)"),
            ("a<sup>2<sup>3</sup></sup>", "a^(2³)"),
            ("10<sup><!-- six -->6</sup>", "10⁶"),
            ("the 1<sup>st</sup> of May<sup>[1]</sup>", "the 1st of May[1]"),
            ('in 1990<sup><a href="#n1">1</a></sup>', "in 1990[1](#n1)"),
            ("<math><msup><mn>10</mn><mn>6</mn></msup></math>", "10⁶"),
        ],
    )
    def test_superscripts_and_subscripts_of_pages_survive(self, html, text, tmp_path):
        """An exponent is no further digit; ordinals and marks of footnotes stay as they are."""
        assert read("a.html", f"<body><p>{html}</p></body>".encode(), tmp_path) == text

    def test_superscripts_of_word_survive(self, tmp_path):
        """Raised and lowered runs."""
        body = "".join(
            f'<w:r><w:rPr><w:vertAlign w:val="{place}"/></w:rPr><w:t xml:space="preserve">{words}</w:t></w:r>'
            for place, words in [("baseline", "5 x 10"), ("superscript", "6"), ("baseline", " H"), ("subscript", "2")]
        )
        assert read("a.docx", docx_of(f"<w:p>{body}</w:p>"), tmp_path) == "5 x 10⁶ H₂"

    def test_slides_keep_superscripts_and_merged_cells(self, tmp_path):
        """Runs off the line, and cells that cover others."""
        assert read("a.pptx", slides(), tmp_path).splitlines() == [
            "<!-- Slide number: 1 -->",
            "# 5 x 10⁶ cells",
            "| City | Size | Size |",
            "| --- | --- | --- |",
            "| Bern | 1 | 2 |",
            "| Bern | 3 | 4 |",
        ]

    def test_books_keep_superscripts(self, tmp_path):
        """Pages of a book are pages."""
        assert "5 x 10⁶" in read("a.epub", epub_of("<p>5 x 10<sup>6</sup></p>"), tmp_path)

    def test_cells_that_span_are_repeated(self, tmp_path):
        """Each row then says all that it says on the page."""
        table = (
            "<table><tr><th>City</th><th colspan='2'>Size</th></tr>"
            "<tr><td rowspan='2'>Bern</td><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr>"
            "<tr><td>Rome</td><td colspan='2' rowspan='0'>big</td></tr><tr><td>Oslo</td></tr></table>"
        )
        assert read("a.html", table.encode(), tmp_path).splitlines() == [
            "| City | Size | Size |",
            "| --- | --- | --- |",
            "| Bern | 1 | 2 |",
            "| Bern | 3 | 4 |",
            "| Rome | big | big |",
            "| Oslo | big | big |",
        ]

    @pytest.mark.parametrize("tag", ["sup", "table><tr><td colspan=2", "div"])
    def test_pages_nested_without_end_are_read(self, tag, tmp_path):
        """As their text alone, at least."""
        page = "<p>start</p>" + f"<{tag}>x" * 1500
        assert "start" in read("a.html", page.encode(), tmp_path)

    def test_spans_without_end_stay_small(self, tmp_path):
        """A table that spans millions of cells is not written out."""
        cell = "<td colspan='1000' rowspan='9999'>word</td>"
        page = f"<table>{'<tr>' + cell * 30 + '</tr>'}{'<tr></tr>' * 3000}</table>"
        assert len(read("a.html", page.encode(), tmp_path)) < 2_000_000

    def test_pdf_becomes_text(self, tmp_path):
        """The words of the page."""
        assert "Cheddar is cheese" in read("a.pdf", pdf_of("Cheddar is cheese"), tmp_path)

    def test_word_becomes_markdown_and_reads_no_other_file(self, tmp_path):
        """A picture that is linked to a file of this machine stays a link."""
        (tmp_path / "secret.png").write_bytes(b"secret")
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        target = f"file://{tmp_path}/secret.png"
        relation = f'<Relationship Id="rId9" Type="{office}/image" Target="{target}" TargetMode="External"/>'
        picture = (
            '<w:p><w:r><w:drawing><wp:inline><wp:docPr id="1" name="p" descr="d"/><a:graphic><a:graphicData><pic:pic>'
            '<pic:blipFill><a:blip r:link="rId9"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline>'
            "</w:drawing></w:r></w:p>"
        )
        words = "<w:p><w:r><w:t>Cheddar is cheese</w:t></w:r></w:p>"
        try:
            text = read("a.docx", docx_of(words + picture, relation), tmp_path)
        except TaxonomyError as error:
            text = str(error)
        assert "c2VjcmV0" not in text  # "secret" in base64
        assert "Cheddar is cheese" in read("b.docx", docx_of(words), tmp_path)

    def test_a_broken_file_is_a_message(self, tmp_path):
        """The converter's words, in one line."""
        with pytest.raises(TaxonomyError, match=r"`a\.docx` could not be converted") as caught:
            read("a.docx", b"not a zip \x1b[31m", tmp_path)
        assert str(caught.value).isprintable()

    @pytest.mark.skipif(sys.platform == "win32", reason="memory is limited on POSIX only")
    def test_an_archive_that_unfolds_without_end_is_stopped(self, tmp_path, monkeypatch):
        """A few megabytes of Word that are gigabytes of text end in a message."""
        monkeypatch.setattr("labgen.documents.convert.MEMORY_BYTES", 310 * 2**20)
        assert read("good.docx", docx_of("<w:p><w:r><w:t>Cheddar</w:t></w:r></w:p>"), tmp_path).strip() == "Cheddar"
        body = "<w:p><w:r><w:t>" + "x" * 60_000_000 + "</w:t></w:r></w:p>"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            source = zipfile.ZipFile(io.BytesIO(docx_of("")))
            for name in source.namelist():
                content = source.read(name)
                archive.writestr(name, content.replace(b"<w:body>", b"<w:body>" + body.encode()))
            source.close()
        with pytest.raises(TaxonomyError, match=r"could not be converted to text .*(?i:memory|huge)"):
            read("bomb.docx", buffer.getvalue(), tmp_path)
