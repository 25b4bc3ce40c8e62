"""What stands nowhere in a sentence of a document, held against its evidence and its passage."""

from __future__ import annotations

import pytest

from labgen.filters.figures import unsupported_in_sentence, unsupported_in_title

PASSAGE = (
    "The Rance barrage in Brittany opened in 1966. It makes electricity with 24 turbines of type T5. Two locks let "
    "ships through. The harbour of Granville has a range of 13 metres, 5.2 million litres in all, on March 3, 2004.[2]"
)
DOCUMENTS = [PASSAGE, "Later, sailors read tables. However, they wait."]


@pytest.mark.parametrize(("sentence", "cited"), [
    ("The Rance barrage opened in 1966.", "barrage in Brittany opened in 1966"),
    ("Electricity comes from twenty-four turbines.", "with 24 turbines"),
    ("However, ships pass through two locks.", "Two locks let ships through"),
    ("Sailors find a range of 13 metres.", "a range of 13 metres"),
    ("Usually it is of type T5.", "of type T5"),
    ("The sum is 5,200,000 litres.", "5.2 million litres in all"),
    ("It was on **March 3**, 2004.", "on March 3, 2004.[2]"),
])  # fmt: skip
def test_what_is_said_in_other_words_passes(sentence: str, cited: str) -> None:
    """Figures by value, names by letters, words of everyday though a sentence begins with them."""
    assert unsupported_in_sentence(sentence, PASSAGE, cited, DOCUMENTS) == []


@pytest.mark.parametrize(("sentence", "cited", "found"), [
    ("The Rance barrage opened in 1969.", "opened in 1966", ["1969"]),
    ("It opened in 2004.", "opened in 1966", ["2004"]),  # stands in the passage, but not in the evidence
    ("Three locks let ships through.", "Two locks let ships through", ["Three"]),
    ("It is of type T6.", "of type T5", ["T6"]),
    ("It was on March 20, 2004.", "on March 3, 2004", ["20"]),
    ("Neptune has a range of 13 metres.", "a range of 13 metres", ["Neptune"]),
    ('The harbour of "Neptune" has a range of 13 metres.', "a range of 13 metres", ["Neptune"]),
    ("The harbour of [Neptune](x) is deep.", "harbour of Granville", ["Neptune"]),
    ("The Rance-Neptune barrage opened.", "The Rance barrage", ["Rance-Neptune"]),
])  # fmt: skip
def test_what_stands_nowhere_is_found_wherever_it_is(sentence: str, cited: str, found: list[str]) -> None:
    """At the beginning, in quotation marks, in a link, as half of a name, as part of another figure."""
    assert unsupported_in_sentence(sentence, PASSAGE, cited, DOCUMENTS) == found


@pytest.mark.parametrize(("title", "lacking"), [
    ("The Rance Barrage in Brittany", False), ("Tidal Power: Study Notes on the Rance", False), ("locks", False),
    ("The Rance Barrage of Normandy", True), ("Brittany in 1969", True), ("Neptune", True),
])  # fmt: skip
def test_a_title_has_only_names_and_figures_of_its_passage(title: str, lacking: bool) -> None:
    """Whatever has a capital, since in titles everything has; words that the leaf states are known as well."""
    assert bool(unsupported_in_title(title, PASSAGE, "Tidal power\nStations and how they work")) is lacking
