"""Evidence is found in the same words or not at all; figures and names without a source are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.filters.figures import unsupported_figures
from labgen.filters.groundedness import find_evidence
from labgen.filters.numerals import all_values, find_spelled
from labgen.text.markdown_marks import find_marks

PASSAGE = (
    "The Harbour  Bridge was opened on 19 March 1932.\nIt spans 1,149 metres (“the coathanger”) and cost £6.25 million;"
    " six million rivets hold it. John Bradfield, whom Sydney honours, oversaw the twenty-one engineers. It's grey."
)


@pytest.mark.parametrize(
    "quote, found",
    [
        ("opened on 19 March 1932", "opened on 19 March 1932"),
        ("the harbour bridge WAS OPENED", "The Harbour  Bridge was opened"),
        ("1932. It spans", "1932.\nIt spans"),
        ('("the coathanger")', "(“the coathanger”)"),
        ("'It’s grey.'", "It's grey"),
        ("cost £6.25 million", "cost £6.25 million"),
        ("opened on 19 March 1931", None),
        ("opened 19 March 1932", None),
        ("spans 149 metres", None),
        ("149 metres", None),
        ("25 million", None),
        ("bridge was open", None),
        ("honour", None),
        ("", None),
        ("...", None),
    ],
)
def test_evidence_is_found_as_written(quote, found):
    """Spacing, quotation marks and case may differ; no word or figure may, nor be cut in two."""
    span = find_evidence(quote, PASSAGE)
    assert (PASSAGE[slice(*span)] if span else None) == found


MARKED = (
    "**L**ighthouse [keeping\nwatch](Keeping_(watch) 'wikilink') cost `lamp_oil` \\$5 --- not 1.5 million.[1]"
    " It was -5 °C or 10<sup>6</sup> m; H<sub>2</sub>O can't \\*be\\* non-toxic, 5% of <7 ms."
    " Govern-\nment of Al-Qa\u00adrim, \ufb01ne caf\u00e9.\n\n"
    "| a | b |\n|---|---|\n| lamp one | 17 units |\n\n1. snake_case is 2*3*4\n"
    "2. Skerry—the capital of"
    " 10–15 lands\n> quoted *text* here[^note] and [x](http://example.org/5)\n\n``` bash\nlamp --on **now**\n```\n"
)


@pytest.mark.parametrize(
    "quote, found",
    [
        ("Lighthouse keeping\nwatch", "L**ighthouse [keeping\nwatch"),
        ("cost lamp_oil $5 - not 1.5 million", "cost `lamp_oil` \\$5 --- not 1.5 million"),
        ("10^6 m", "10<sup>6</sup> m"),
        ("10⁶ m; H₂O can’t", "10<sup>6</sup> m; H<sub>2</sub>O can't"),
        ("O can't *be* non–toxic", None),
        ("H2O can't *be* non–toxic", "H<sub>2</sub>O can't \\*be\\* non-toxic"),
        ("Government of Al-Qarim, fine cafe\u0301", "Govern-\nment of Al-Qa\u00adrim, \ufb01ne caf\u00e9"),
        ("lamp one 17 units", "lamp one | 17 units"),
        ("snake_case is 2*3*4", "snake_case is 2*3*4"),
        ("Skerry - the capital of 10-15 lands", "Skerry—the capital of 10–15 lands"),
        ("skerry-the capital", "Skerry—the capital"),
        ("quoted text here and x", "quoted *text* here[^note] and [x"),
        ("million.[1] It was", "million.[1] It was"),
        ("million. It was −5 °C", "million.[1] It was -5 °C"),
        ("lamp --on **now", "lamp --on **now"),
    ],
)
def test_evidence_is_found_without_its_marks(quote: str, found: str | None) -> None:
    """Marks, dashes, quotes, ligatures, composition and broken words may differ; the span is the passage's own."""
    span = find_evidence(quote, MARKED)
    assert (MARKED[slice(*span)] if span else None) == found


@pytest.mark.parametrize(
    "quote",
    [
        *(
            "5 million",
            "5 °C or",
            "106 m",
            "6 m; H",
            "10 or",
            "7 ms",
            "5 of",
            "15 lands",
            "10 lands",
            "snake_case is 234",
        ),
        *("toxic, 5%", "can be non-toxic", "H2O can", "H2O cant", "H2O can not be", "It was 5 °C", "cost lamp_oil $-5"),
        *("govern", "ment of Al", "AlQarim", "cafe.", "million.[2] It was", "3. Skerry", "x](http://example.org/6)"),
        *("here[^other] and x", "keeping watch](Keeping_(guard)", "2*3*5", "snakecase", "<8 ms", ">7 ms", "17 unit"),
    ],
)
def test_nothing_else_than_the_passage_s_words_is_found(quote: str) -> None:
    """Signs, points, powers, negations, footnotes' numbers and addresses are as the passage has them."""
    assert find_evidence(quote, MARKED) is None


_TERMS = st.lists(st.text("abcdefgh", min_size=3, max_size=8), min_size=4, max_size=12)


@given(_TERMS, st.data())
def test_marks_around_words_hide_none_of_them_and_make_no_other(words: list[str], data: st.DataObject) -> None:
    """Words with any marks around them are found as they are read, and not with one of them altered."""
    wraps = [
        "{}",
        "**{}**",
        "*{}*",
        "_{}_",
        "`{}`",
        "[{}](http://example.org/a_(b))",
        "“{}”",
        "{}[12]",
        "\\({}\\)",
        "<b>{}</b>",
    ]
    chosen = [data.draw(st.sampled_from(wraps)) for _ in words]
    passage = " ".join(wrap.format(word) for wrap, word in zip(chosen, words, strict=True))
    quote = " ".join(f"({word})" if "(" in wrap[:3] else word for wrap, word in zip(chosen, words, strict=True))
    span = find_evidence(quote, passage)
    assert span is not None
    assert words[0] in passage[slice(*span)] and words[-1] in passage[slice(*span)]
    place = data.draw(st.integers(1, len(words) - 2))
    assert find_evidence(quote.replace(words[place], f"{words[place]}x"), passage) is None


@given(st.text("*_`[]()<>|\\#!^~-: \n1a&;{}.", max_size=200))
def test_any_marks_at_all_are_read_within_the_text(text: str) -> None:
    """Marks come in order, none over another, within the text, and the text is found in itself."""
    at = 0
    for mark in find_marks(text):
        assert at <= mark.start <= mark.end <= len(text)
        at = mark.end
    find_evidence(text, f"{text} {text}")


def test_evidence_in_languages_without_spaces():
    """Words there follow one another, so a quotation may begin and end anywhere."""
    passage = "北京是中华人民共和国的首都。人口约两千一百万。"
    assert find_evidence("中华人民共和国的首都", passage) == (3, 13)
    assert find_evidence("上海", passage) is None


@given(st.text(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_any_span_between_word_bounds_is_evidence_for_itself(passage, start, length):
    """What is copied from a passage is found there, at or before where it was copied from."""
    spaced = f"{passage[:start]} {passage[start : start + length]} {passage[start + length :]}"
    quote = passage[start : start + length]
    span = find_evidence(quote, spaced)
    if any(char.isalnum() for char in quote.casefold()):
        assert span is not None and 0 <= span[0] < span[1] <= len(spaced)
        assert find_evidence(spaced[slice(*span)], spaced) == span


@given(st.text(), st.text())
def test_no_text_makes_the_checks_fail(answer, passage):
    """Any texts at all get an answer; what is flagged stands in the answer."""
    find_evidence(answer, passage)
    for word in unsupported_figures(answer, passage, ""):
        assert word


@pytest.mark.parametrize(
    "answer, flagged",
    [
        ("The bridge was opened on 19 March 1932 and spans 1149 metres.", []),
        ("Bradfield's engineers numbered 21, and it cost 6,250,000 pounds.", []),
        ("It cost £6.25m and took 6 million rivets.", []),
        ("It opened on the 19th of March.", []),
        ("1. It is grey.\n2. It spans 1,149 metres.", []),
        ("There are three reasons for that.", []),
        ("The bridge was opened in 1933.", ["1933"]),
        ("It spans 1,194 metres.", ["1,194"]),
        ("It cost £6.25 billion.", ["6.25 billion"]),
        ("It has seven million rivets.", ["seven million"]),
        ("The bridge was opened on 19 April 1932.", ["April"]),
        ("It was overseen by John Bradley.", ["Bradley"]),
        ("Many in Melbourne envied it.", ["Melbourne"]),
        ("The engineer was James Cook Smith.", ["James Cook Smith"]),
        ("Why Paris? Because the question named it.", []),
        ("Sydneysiders love it.", []),
        ("Use `Foo` of https://Example.org/Bar in your API.", []),
    ],
)
def test_figures_and_names_without_a_source_are_named(answer, flagged):
    """Altered figures, dates and names are flagged; other spellings of what is there are not."""
    assert unsupported_figures(answer, PASSAGE, "Which bridge, and why not one in Paris?") == flagged


def test_figures_are_those_that_a_reader_of_the_passage_sees():
    """A footnote's mark, a link's address and a power make no figure; words that a line breaks are whole."""
    passage = "It has 10<sup>6</sup> of [them](http://example.org/77), says Wil-\nmut.[8] See **E**urostat."
    assert unsupported_figures("It has 106, 77 and 8.", passage, "") == ["106", "77", "8"]
    assert unsupported_figures("It has 10^6, says Wilmut, and Eurostat: http://example.org/77", passage, "") == []


@pytest.mark.parametrize(
    "answer, flagged",
    [
        ("It has 5 × 10⁶ cells.", []),
        ("It has 5 x 10^6 cells.", []),
        ("It has 5 million cells.", []),
        ("It has 5,000,000 cells on 3 km^2.", []),
        ("It has 5 x 10<sup>6</sup> cells in H2O.", []),
        ("It has 5 x 106 cells.", ["106"]),
        ("It has 5 × 10⁷ cells.", ["5 × 10⁷"]),
        ("It has 5 x 10^-6 cells.", ["5 x 10^-6"]),
        ("It is 10⁻⁹ m wide.", []),
        ("It is 109 m wide.", ["109"]),
    ],
)
@pytest.mark.parametrize(
    "passage",
    ["The 5 × 10⁶ cells on 3 km² in H₂O are 10⁻⁹ m wide.", "The 5 x 10^6 cells on 3 km^2 in H_(2)O are 10^-9 m wide."],
)
def test_a_power_is_no_number_with_more_digits(passage, answer, flagged):
    """An exponent belongs to its number, in whichever way it is written, and must be the right one."""
    assert unsupported_figures(answer, passage, "") == flagged


@pytest.mark.parametrize("passage", ["about 5 × 10⁶ cells", "1990² found"])
def test_evidence_is_not_found_where_an_exponent_would_have_to_be_a_digit(passage):
    """Nor where it would have to be left out."""
    for quote in ("5 × 106 cells", "5 × 10", "about 5 × 10", "19902 found", "1990"):
        assert find_evidence(quote, passage) is None


def test_what_completes_or_abbreviates_a_name_is_no_new_name():
    """A first name where the source has only the last one, and acronyms of names that are there."""
    passage = "Ohm's law was extended by the International Electrotechnical Commission. Kirchhoff disagreed."
    assert unsupported_figures("It is named for Georg Ohm, as the IEC says.", passage, "") == []
    assert unsupported_figures("Then came Gustav Kirchhoff.", passage.replace("Kirch", "Robert Kirch"), "") == [
        "Gustav"
    ]


def test_german_nouns_are_no_names():
    """Where every noun has a capital, capitals say nothing; figures still count."""
    passage = "Die Brücke ist 503 Meter lang und der Bau hat mit dem Stahl von Krupp ein Jahr gedauert, nicht auf Sand."
    assert unsupported_figures("Die Länge der Brücke ist 504 Meter.", passage, "") == ["504"]


@pytest.mark.parametrize(
    "text, values",
    [
        ("1,000", {"1000"}),
        ("1000", {"1000"}),
        ("1 000 000", {"1000000"}),
        ("1.000,50", {"1000.5"}),
        ("one thousand two hundred and six", {"1206"}),
        ("twenty-first", {"21"}),
        ("nineteen eighty-four", {"1984"}),
        ("nineteenth", {"19"}),
        ("the 1990s", {"1990"}),
        ("5.2 million", {"5200000"}),
        ("5.20", {"5.2"}),
        ("Louis XIV", {"14"}),
        ("٣٤", {"34"}),
        ("3/4", {"3", "4"}),
    ],
)
def test_numbers_have_one_value_in_all_spellings(text, values):
    """Grouping, words, ordinals, scales, Roman and other digits are read by value."""
    assert values <= all_values(text)


@pytest.mark.parametrize("text", ["\u017fix", "s\u0131x", "TWENTY-\u017fIX bells", "\u0130 have SIX"])
def test_letters_that_only_look_like_a_number_s_stop_nothing(text: str) -> None:
    """An old book's long s, a Turkish i: read as what they are, at their own places."""
    for number in find_spelled(text):
        assert text[number.start : number.end] == number.text
    all_values(text)


@pytest.mark.parametrize(
    ("passage", "quote"),
    [
        ("Never open the valve while it is hot.", "Open the valve while it is hot."),
        ("No bees were harmed by the drug.", "Bees were harmed by the drug."),
        ("Without a licence nobody may drive.", "a licence nobody may drive"),
        ("**Not** all bees fly.", "all bees fly"),
        ("It isn't warm in there.", "warm in there"),
        ("Das Ventil ist nicht offen.", "offen"),
        ("La porte n'est pas ouverte.", "ouverte"),
    ],
)
def test_words_are_no_evidence_without_the_negation_before_them(passage, quote):
    """Whoever leaves it out says the opposite; with it the same words are found, and so is another sentence."""
    assert find_evidence(quote, passage) is None
    assert find_evidence(passage, passage) is not None
    assert find_evidence(quote, f"{passage} {quote}") is not None
