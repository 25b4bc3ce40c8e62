"""A package that adds to labgen is found wherever Python finds packages, and looked for only where one is."""

from __future__ import annotations

import sys
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from labgen.packages import entries_of

GROUP = "labgen.filters"
OWN = f"[{GROUP}]\nof_mine = mine:Filter\n"
METADATA = "Metadata-Version: 2.1\nName: mine\nVersion: 0.1\n"


def in_a_folder(place: Path, entry_points: str, kind: str = "dist-info") -> Path:
    """As pip leaves it."""
    about = place / f"mine-0.1.{kind}"
    about.mkdir(parents=True)
    (about / ("METADATA" if kind == "dist-info" else "PKG-INFO")).write_text(METADATA)
    (about / "entry_points.txt").write_text(entry_points)
    return place


def in_an_archive(place: Path, entry_points: str) -> Path:
    """As zipped applications and wheels have it."""
    place.mkdir()
    with zipfile.ZipFile(place / "mine.zip", "w") as archive:
        archive.writestr("mine-0.1.dist-info/METADATA", METADATA)
        archive.writestr("mine-0.1.dist-info/entry_points.txt", entry_points)
    return place / "mine.zip"


def in_an_egg(place: Path, entry_points: str) -> Path:
    """As easy_install left it."""
    about = place / "mine-0.1.egg" / "EGG-INFO"
    about.mkdir(parents=True)
    (about / "PKG-INFO").write_text(METADATA)
    (about / "entry_points.txt").write_text(entry_points)
    return about.parent


def old_style(place: Path, entry_points: str) -> Path:
    """As setuptools leaves it beside a source tree."""
    return in_a_folder(place, entry_points, "egg-info")


@pytest.mark.parametrize("lies", [in_a_folder, in_an_archive, in_an_egg, old_style])
def test_it_is_found(lies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """By the group that it names, and by its name there."""
    monkeypatch.syspath_prepend(str(lies(tmp_path / "site", OWN)))
    assert "of_mine" in {entry.name for entry in entries_of(GROUP)}
    assert [entry.value for entry in entries_of(GROUP, "of_mine")] == ["mine:Filter"]


def test_a_finder_of_somebody_elses_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a program that keeps its packages in itself."""
    place = in_a_folder(tmp_path / "nowhere", OWN)

    class Finder(PathFinder):
        @classmethod
        def find_distributions(cls, context=None):  # type: ignore[no-untyped-def]
            from importlib.metadata import DistributionFinder, MetadataPathFinder

            return MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[str(place)]))

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    monkeypatch.syspath_prepend(str(tmp_path))  # what is found is looked for anew
    assert [entry.value for entry in entries_of(GROUP, "of_mine")] == ["mine:Filter"]


def test_whoever_only_calls_labgen_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program's entry point that leads to labgen is in none of its groups."""
    monkeypatch.syspath_prepend(str(in_a_folder(tmp_path / "site", "[console_scripts]\nours = labgen.cli:main\n")))
    assert entries_of(GROUP, "ours") == []
