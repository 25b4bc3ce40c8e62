"""A text's language is told where it is plain, and nothing is said where it is not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.language import LANGUAGE_NAMES, guess_language, other_languages

TOLD = [
    ("en", "What is the name of the rock that you can find in this place?"),
    ("en", "How should one judge the quality of a bank's assets, and a company's?"),
    ("en", "I am not alive, but I grow; I don't have lungs, but I need air. What am I?"),
    ("en", "Is such a thing as this wired to the wall?"),
    (
        "en",
        "Write a verse on duty. कर्मण्येवाधिकारस्ते. You have a right to do what is your duty, and to no more than that.",
    ),
    ("de", "Was ist der Unterschied und wie wird das Gestein genannt? Das ist nicht die Frage."),
    ("fr", "Quelle est la différence entre les deux roches et comment sont elles faites ?"),
    ("es", "¿Cuál es la diferencia entre las dos rocas y cómo se forman en la tierra?"),
    ("it", "Qual è la differenza tra le due rocce e come si formano nella terra?"),
    ("pt", "Qual é a diferença entre as duas rochas e como se formam na terra?"),
    ("nl", "Wat is het verschil tussen de twee gesteenten en hoe worden ze gevormd?"),
    ("sv", "Vad är skillnaden mellan de två bergarterna och hur blir det sten av sand?"),
    ("da", "Hvad er forskellen, og hvorfor er der ikke tidevand af betydning i havet? Det blev ikke sagt."),
    ("nb", "Hva er forskjellen, og hvorfor er det ikke tidevann av betydning i havet? Det ble ikke sagt."),
    ("pl", "Jak to się nazywa i dlaczego nie jest to skała, która była na dnie morza?"),
    ("cs", "Jak se to jmenuje a proč to není kámen, který byl na dně moře?"),
    ("ja", "花崗岩とは何ですか。"),
    ("ja", "Granite 4.0の応答速度はどのくらいですか?"),
    ("zh", "花岗岩是什么?"),
    ("ko", "화강암은 무엇입니까?"),
    ("uk", "Що таке граніт і де його знаходять?"),
    ("ru", "Что такое гранит и где его находят?"),
    ("fa", "سنگ گرانیت چیست و چگونه پدید می‌آید؟ گفته‌اند"),
    ("hi", "ग्रेनाइट क्या है और यह कहाँ मिलता है?"),
]

NOT_TOLD = [
    "",
    "42",
    "x = y + 1",
    "Granite",
    "π",
    "华为",
    "Who sang La vie en rose?",
    "Who directed La casa de papel?",
    "def hsv(s, v):\n    h, s, v = (s - v) / 6, s * v, v\n    return h, s, v",
    "while n < max and i < size:\n    i += 1\n    n = i",
    "| x | o | x |\n| o | x | o |",
    "Translate into English: 你好,你今天怎么样?",
]


@pytest.mark.parametrize(("language", "text"), TOLD)
def test_languages_are_told_by_script_and_common_words(language: str, text: str) -> None:
    """Questions of a dozen words, where letters of possessives, names and quotations do not mislead."""
    assert guess_language(text) == language
    assert LANGUAGE_NAMES[language]


@pytest.mark.parametrize("text", NOT_TOLD)
def test_nothing_is_said_in_doubt(text: str) -> None:
    """Numbers, code, names, borrowed titles, half of one language and half of another."""
    assert guess_language(text) == ""


@given(st.text(max_size=300))
def test_any_text_has_a_language_with_a_name_or_none(text: str) -> None:
    """Whatever characters it is of."""
    assert guess_language(text) in {"", *LANGUAGE_NAMES}


def test_the_verdict_does_not_depend_on_the_process() -> None:
    """Words are kept in sets, whose order differs from process to process; the card's bytes must not."""
    code = (
        "from labgen.text.language import guess_language, _languages_of\n"
        "words = sorted(_languages_of())\n"
        "print([guess_language(' '.join(words[at : at + 4])) for at in range(0, len(words), 2)])\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


ENGLISH = ["What is a comet made of?", "Why does a comet have a tail?", "Which of the two is the nearer one?"]
GERMAN = "Woraus besteht ein Komet und warum hat er einen Schweif?"


def test_the_question_in_another_language_is_named() -> None:
    """Where the others are clearly of one; otherwise nothing is said."""
    assert other_languages([*ENGLISH, GERMAN]) == [(3, "German", "English")]
    assert other_languages([GERMAN, *ENGLISH[:2], "42"]) == []
    assert other_languages(ENGLISH) == other_languages([]) == []


def test_a_question_that_lacks_its_languages_own_letters_is_no_stranger() -> None:
    """The second question is Ukrainian too, though it could be Russian."""
    questions = ["Що таке граніт і де його знаходять?", "Як довго треба варити картоплю?", "Чому в морі є припливи?"]
    assert other_languages([*questions, questions[0]]) == []
