"""Promises of the card: valid metadata, numbers that agree with the data, nothing hostile that takes effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.config.dataset import MixConfig
from labgen.export.card_facts import CardNotes
from labgen.export.dataset import write_dataset
from labgen.export.files import read_rows
from labgen.export.folder import read_manifest
from labgen.export.funnel import Funnel
from labgen.export.licences import hub_id, read_licences, spdx, strictness
from labgen.export.markdown import block, code, escaped, markdown_table
from labgen.export.pictures import Box, LeafYield, funnel_picture, squarify, treemap
from labgen.export.rows import Licence
from labgen.records import Candidate, State


def write(folder: Path, build: Any, **more: Any) -> tuple[dict[str, Any], str]:
    """The card's metadata and its prose."""
    import yaml

    write_dataset(folder, **build.arguments(), mix=MixConfig(), **more)
    _, header, prose = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(header), prose


def licensed(build: Any) -> Any:
    """The build with licences: share alike, none stated, and one that is stricter."""
    stated = {
        "knowledge/science/granite": (Licence("Granite", "https://example.org", "CC BY-SA 4.0", "Wikipedia"),),
        "knowledge/science/marble": (Licence("Marble", "", "cc-by-nc-sa 4.0", "Bo"),),
        "foundational_skills/reasoning": (Licence("Riddles", "", "Apache 2.0", "Cy"),),
    }
    build.leaves = [replace(leaf, licences=stated.get(leaf.path, ())) for leaf in build.leaves]
    return build


def test_metadata_parses_as_the_hubs_own_and_names_every_config(tmp_path: Path, make_build: Callable) -> None:
    """`huggingface_hub` reads it; sizes are those of the files."""
    from huggingface_hub import DatasetCard

    write(tmp_path / "out", licensed(make_build(8)))
    data = DatasetCard.load(tmp_path / "out" / "README.md").data
    assert {"synthetic", "labgen"} <= set(data.tags)
    assert data.language == ["en"]
    assert data.license == ["apache-2.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "unknown"]
    assert data.size_categories == ["n<1K"]
    manifest = read_manifest(tmp_path / "out")["configs"]
    listed = {config["config_name"]: config["data_files"][0]["path"] for config in data.configs}
    assert listed == {name: config["files"] for name, config in manifest.items()}
    infos = {info["config_name"]: info["splits"][0]["num_examples"] for info in data.dataset_info}
    assert infos == {name: config["rows"] for name, config in manifest.items()}


def test_the_strictest_licence_comes_first_and_unknowns_are_named(tmp_path: Path, make_build: Callable) -> None:
    """What is not stated is the first thing a reader sees."""
    _, prose = write(tmp_path / "out", licensed(make_build(4)))
    part = prose.split("## Licences")[1].split("## Contributors")[0]
    order = [part.index(name) for name in ("none stated", "CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "Apache-2.0")]
    assert order == sorted(order)
    assert "`compositional_skills/grounded/summary`" in part


def test_card_says_what_was_not_checked_and_who_contributed(tmp_path: Path, make_build: Callable) -> None:
    """Silence would look like success."""
    _, prose = write(tmp_path / "plain", make_build(3))
    assert "Not measured for this build" in prose
    assert "Not checked for this build" in prose
    assert re.search(r"\| ada \| 4 \|", prose)
    notes = CardNotes(calibration="Kappa 0.71 on 200 pairs.", teacher_terms="Ours to use.")
    _, prose = write(tmp_path / "noted", make_build(3), notes=notes)
    assert "Kappa 0.71" in prose
    assert "Ours to use." in prose


def test_tree_sums_are_those_of_the_rows(tmp_path: Path, make_build: Callable) -> None:
    """Folders show what is below them."""
    _, prose = write(tmp_path / "out", make_build(6))
    assert "knowledge/  12\n  science/  12\n    granite  6\n    marble  6" in prose


def test_nothing_a_contributor_writes_takes_effect(tmp_path: Path, make_build: Callable) -> None:
    """Names, titles and reasons are shown as text: no tag, link, table cell or code block of theirs."""
    evil = '<script>alert(1)</script> [x](http://evil.example) | a | ``` \x1b[31m "\n# head'
    build = make_build(3)
    build.leaves = [
        replace(leaf, created_by=evil, licences=(Licence(evil, evil, evil, evil),)) for leaf in build.leaves
    ]
    build.about = replace(build.about, excluded={"knowledge/`|<b>": evil}, settings={"judge": evil}, teacher=evil)
    metadata, prose = write(tmp_path / "out", build)
    outside = re.sub(r"(?s)(`{3,}).*?\n\1|`[^`\n]*`", "", prose)
    assert "\x1b" not in prose
    assert "<script" not in re.sub(r"\\<", "", outside)
    assert "](http://evil" not in outside.replace("\\]", "")
    assert "\n# head" not in outside
    assert set(metadata["tags"]) == {"synthetic", "labgen"}
    for picture in (tmp_path / "out" / "card").iterdir():
        ElementTree.parse(picture)


def test_empty_dataset_has_a_card(tmp_path: Path, make_build: Callable) -> None:
    """With no rows, no division by them."""
    metadata, prose = write(tmp_path / "out", make_build(0).only())
    assert metadata["configs"] == []
    assert "Without rows" in prose


def test_card_has_no_path_of_this_machine(tmp_path: Path, make_build: Callable) -> None:
    """It travels."""
    write(tmp_path / "out", make_build(2))
    for path in (tmp_path / "out").rglob("*.*"):
        if path.suffix != ".parquet":
            assert str(tmp_path) not in path.read_text()


@given(st.text())
def test_escaped_text_stays_one_inert_piece(text: str) -> None:
    """In prose, code spans, tables and blocks, whatever it holds."""
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*\[\]]", escaped(text))
    assert "\n" not in escaped(text) + code(text)
    assert code(text).count("`") == 2
    assert len(markdown_table(["a"], [[escaped(text)]]).splitlines()) == 3
    lines = block(text).split("\n")
    assert lines[0] == lines[-1]
    assert not any(line.strip().startswith(lines[0]) for line in lines[1:-1])


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=80))
def test_treemap_areas_are_in_proportion_and_inside(sizes: list[int]) -> None:
    """A picture that lies would be worse than none."""
    sizes = sorted(sizes, reverse=True)
    boxes = squarify(sizes, Box(0, 0, 300, 200))
    assert len(boxes) == len(sizes)
    for size, box in zip(sizes, boxes, strict=True):
        assert box.width * box.height == pytest.approx(60_000 * size / sum(sizes), rel=1e-6)
        assert -1e-6 <= box.x <= box.x + box.width <= 300 + 1e-6
        assert -1e-6 <= box.y <= box.y + box.height <= 200 + 1e-6


@given(st.dictionaries(st.text(max_size=8).map(lambda name: "knowledge/" + name), st.integers(0, 99), max_size=9))
def test_pictures_are_well_formed_whatever_leaves_are_called(rows: dict[str, int]) -> None:
    """XML that parses, the same twice."""
    funnel = Funnel()
    for path, count in rows.items():
        for number in range(count % 5):
            funnel.add(Candidate(path, number, 0, state=list(State)[count % 11]))
    leaves = {path: LeafYield(count, 2 * count) for path, count in rows.items()}
    assert treemap(leaves) == treemap(dict(reversed(leaves.items())))
    ElementTree.fromstring(treemap(leaves))
    ElementTree.fromstring(funnel_picture(funnel))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=120), st.integers(1, 9))
def test_every_leaf_is_drawn_and_coloured_by_its_yield(counts: list[tuple[int, int]], folders: int) -> None:
    """One rectangle each inside the picture, those without rows hatched, whatever the tree looks like."""
    branches = ["knowledge", "foundational_skills", "compositional_skills"]
    leaves = {
        f"{branches[at % 3]}/{'a/' * (at % folders)}f{at % folders}/leaf{at}": LeafYield(rows, rows + refused)
        for at, (rows, refused) in enumerate(counts)
    }
    root = ElementTree.fromstring(treemap(leaves))
    space = "{http://www.w3.org/2000/svg}"
    drawn = {}
    for group in root.iter(f"{space}g"):
        title, box = group.find(f"{space}title"), group.find(f"{space}rect")
        assert title is not None and title.text and box is not None
        if " candidates (" in title.text:
            drawn[title.text.split(": ")[0]] = box
    assert set(drawn) == set(leaves)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for path, box in drawn.items():
        x, y, wide, high = (float(box.get(name, -1)) for name in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + wide <= width + 0.2 and y + high <= height + 0.2
        assert (box.get("fill") == "url(#empty)") is (leaves[path].rows == 0)


def test_licences_and_terms_stand_at_the_top(tmp_path: Path, make_build: Callable) -> None:
    """Before the picture, the strictest licence first, with the terms of the teacher's words in one line."""
    notes = CardNotes(teacher_terms="Free | for\nall.")
    _, prose = write(tmp_path / "out", licensed(make_build(8)), notes=notes)
    top = prose.split("card/treemap.svg")[0]
    (line,) = [line for line in top.splitlines() if "strictest first" in line]
    assert line.index("CC-BY-NC-SA-4.0 (1)") < line.index("CC-BY-SA-4.0 (1)") < line.index("Apache-2.0 (1)")
    assert "**none stated**" in line and "| leaves without rows | " in top
    assert "terms of the teacher's words" in top


@pytest.mark.parametrize(
    ("written", "id", "rank"),
    [
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0", 5),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "CC-BY-SA-4.0", 3),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", 6),
        ("cc0", "CC0-1.0", 0),
        ("Public domain, 1920", "Public domain", 0),
        ("Apache License, Version 2.0", "Apache-2.0", 1),
        ("MIT License", "MIT", 1),
        ("BSD 3-clause", "BSD-3-Clause", 1),
        ("GPLv3", "GPL-3.0", 3),
        ("GNU Free Documentation License", "GFDL", 3),
        ("LGPL-2.1", "LGPL-2.1", 2),
        ("All rights reserved", "All rights reserved", 7),
        ("", "", 7),
    ],
)
def test_licences_as_people_write_them_are_recognised(written: str, id: str, rank: int) -> None:
    """One spelling, ordered by what they ask; what is not recognised is kept as written and ranks first."""
    assert (spdx(written), strictness(spdx(written))) == (id, rank)
    assert hub_id(spdx(written)) in {id.lower(), "other", "unknown"}


def test_attribution_files_are_read_as_the_field_writes_them(tmp_path: Path) -> None:
    """Several works, odd spacing and spelling, dashes for nothing, bytes that are not text."""
    path = tmp_path / "attribution.txt"
    path.write_bytes(
        b"\xef\xbb\xbfTitle of work: One\r\nLink to work: -\r\nLicense of the work: CC-BY-4.0\r\n"
        b"Creator names: A, B\r\n\r\n\r\ntitle  of work : Two \xff\nLicence of the work: n/a\nnonsense\n"
    )
    one, two = read_licences(tmp_path)
    assert (one.title, one.link, one.licence, one.creators) == ("One", "", "CC-BY-4.0", "A, B")
    assert (two.title, two.licence) == ("Two \ufffd", "")
    assert read_licences(tmp_path / "none") == ()
    (tmp_path / "leaf").mkdir()
    (tmp_path / "leaf" / "attribution.txt").symlink_to(path)
    assert read_licences(tmp_path / "leaf") == ()


def test_rows_of_the_card_are_the_rows_of_the_files(tmp_path: Path, make_build: Callable) -> None:
    """The first number that a reader sees."""
    _, prose = write(tmp_path / "out", make_build(7))
    rows = sum(
        1
        for name, config in read_manifest(tmp_path / "out")["configs"].items()
        if name in ("knowledge", "foundational_skills", "compositional_skills")
        for file in config["files"]
        for _ in read_rows(tmp_path / "out" / file)
    )
    assert f"{rows} instruction/response pairs" in prose
