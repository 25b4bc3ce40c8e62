"""Which language a text is in: by its script, in Latin letters by its commonest words. Silent when in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import chain

from labgen.lazy import re
from labgen.text.words import COMMON_ENGLISH

SAMPLE_CHARS = 700
"""Characters of a text that are looked at: enough to tell by, and little of the code or table that may follow."""

MIN_WORDS = 3
"""Different common words that a text must have; fewer (a bare number, a name, a borrowed title) leave it undecided."""

MIN_LEAD = 2
"""How many times as many common words as any other language the first must have, of those that only one of them has."""

MAIN_SHARE = 0.6
"""Share of letters from which a script decides. Below `MIXED_SHARE` it is quoted, and between them nothing is said."""

MIXED_SHARE = 0.4
MIN_LETTERS = 7

_SCRIPTS = (
    ("ja", 3, re.compile("[\u3041-\u30ff]")),
    ("ko", 3, re.compile("[\uac00-\ud7af]")),
    ("zh", 3, re.compile("[\u4e00-\u9fff]")),
    ("el", 1, re.compile("[\u0370-\u03ff]")),
    ("he", 1, re.compile("[\u05d0-\u05ea]")),
    ("ar", 1, re.compile("[\u0620-\u06ff]")),
    ("hi", 1, re.compile("[\u0900-\u097f]")),
    ("bn", 1, re.compile("[\u0980-\u09ff]")),
    ("ta", 1, re.compile("[\u0b80-\u0bff]")),
    ("te", 1, re.compile("[\u0c00-\u0c7f]")),
    ("th", 1, re.compile("[\u0e00-\u0e7f]")),
    ("ka", 1, re.compile("[\u10a0-\u10ff]")),
    ("hy", 1, re.compile("[\u0530-\u058f]")),
    ("ru", 1, re.compile("[\u0400-\u04ff]")),
)
"""Scripts, each under the language that is most often written in it, and how many Latin letters one sign says as much
as."""

_FIRST_OTHER_LETTER = "\u0370"  # all letters before it are Latin

# Without words of one letter: in code, tables and lists they are names of things.
_COMMON = {
    "en": "no my me our us am any may also after before over only just because until upon both between while through "
    "during very here now same such without within should could must using please write give list name create explain "
    "tell find provide following",
    "de": "der die das ein eine einer eines den dem des mit für von auf im zu sich auch es an als wie wird sind oder "
    "aber wenn dass kann hat bei nach aus welche warum was wer einen einem über und ist nicht in werden wurde können "
    "haben ich sie welcher welches viel sollte durch zum zur um diese dieser nur noch",
    "fr": "le la les de des du et est un une dans que qui pour sur pas avec ce cette ces il elle sont au aux par plus "
    "ou mais comme quelle quel quels quelles pourquoi où être nous vous leur on ont était dont comment je en ne se sa "
    "son à",
    "es": "el la los las de del es un una en que por para con no se su al lo como más pero sus le ya este sí porque "
    "esta entre cuando muy sin sobre qué cuál cuáles cómo dónde son está fue también hay puede donde",
    "it": "il lo la gli le di del della dei delle è un una in che per con non si da al alla sono come più ma anche "
    "questo questa qual quale quali cosa perché dove nel nella essere ha stato dell degli chi tra quando loro suo sua "
    "molto",
    "pt": "os as de do da dos das é um uma em que por para com não se no na ao mais como mas foi são ou qual quais "
    "porque onde você seu sua isso este esta também pelo pela ser está quando sobre muito tem pode fazer sem nos nas "
    "já só até há ele ela",
    "nl": "de het een en van is dat in op te niet zijn voor met die aan er om als ook maar bij naar wat waarom welke "
    "door wordt worden heeft hoe je deze uit werd dit of ze",
    "sv": "och att det som en är på för av med den till inte ett har de om var vad kan från eller hur när också där "
    "vilka vilken varför blir man jag",
    "da": "og at det som en er på for af med den til ikke et har de om var hvad kan fra eller hvordan når også der "
    "hvilke hvilken hvorfor bliver blev man jeg hvor",
    "nb": "og å det som en er på for av med den til ikke et har de om var hva kan fra eller hvordan når også der "
    "hvilke hvilken hvorfor blir ble man jeg hvor at",
    "fi": "ja on ei että se oli joka ovat mutta tai kun hän niin kuin myös mikä mitä miten miksi voi sen tämä ovatko",
    "pl": "na do się nie jest to że jak co dla od przez po są oraz ale czy który która które jego być był może "
    "dlaczego jaki jakie",
    "cs": "na se je že do to jako pro za by jsou ale který která které byl co jak proč nebo také může jaké jaká jaký "
    "aby tak jakých",
    "ro": "și în de la cu pe este că nu un din pentru care mai sunt se sau ce cum fi fost prin dar ca să",
    "hu": "az és hogy nem is egy van volt ez mint de meg csak vagy el mi milyen hogyan miért lehet",
    "tr": "ve bir bu da de için ile ne olarak daha çok gibi olan ise mi en kadar sonra nasıl neden hangi değil var",
    "id": "yang dan di dari ini untuk dengan pada adalah tidak dalam ke itu akan atau juga oleh sebagai apa bagaimana "
    "mengapa dapat bisa mereka karena",
    "vi": "và của là có trong được cho không một các những này với để người khi đã từ như về nào gì thế",
}

LANGUAGE_NAMES = {
    **{"ar": "Arabic", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English"},
    **{"es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi"},
    **{"hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ka": "Georgian"},
    **{"ko": "Korean", "nb": "Norwegian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian"},
    **{"ru": "Russian", "sv": "Swedish", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish"},
    **{"uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese"},
}
"""English name of every language that `guess_language` tells."""

_WORD = re.compile(r"[^\W\d_]+")
_ASCII_WORD = re.compile("[a-z]+")  # twice as fast


def guess_language(text: str) -> str:
    """The language of a text as a two-letter code (ISO 639-1), or '' where it is too short or too mixed to say.

    Ukrainian, Urdu and others that share a script are counted under the commonest language of that script, but for
    Ukrainian (`і`, `ї`, `є`) and Persian (`پ`, `چ`, `گ`).
    """
    sample = text[:SAMPLE_CHARS].lower()
    if sample.isascii():
        return _by_words(set(_ASCII_WORD.findall(sample)))
    words = _WORD.findall(sample)
    letters = "".join(words)
    if letters and max(letters) >= _FIRST_OTHER_LETTER:
        script, share = _main_script(letters)
        if share >= MAIN_SHARE:
            return _within_script(script, letters)
        if share >= MIXED_SHARE:
            return ""
    return _by_words(set(words))


def language_of_pair(instruction: str, response: str) -> str:
    """The language of a row, as `guess_language` tells it: nearly always that of its instruction."""
    return guess_language(f"{instruction} {response}")


@cache
def _languages_of() -> dict[str, list[str]]:
    """Common words, and the languages that have each."""
    found = {word: ["en"] for word in COMMON_ENGLISH}
    for language, listed in _COMMON.items():
        for word in set(listed.split()):
            found.setdefault(word, []).append(language)
    return found


def _by_words(words: set[str]) -> str:
    """The language most of whose common words occur, if it leads every other. Code repeats its words: each counts once.

    Related languages share many words, so only those that one of two has and the other has not decide between them.
    """
    languages_of = _languages_of()
    listed = [languages_of[word] for word in words if word in languages_of]
    if len(listed) < MIN_WORDS:
        return ""
    votes = Counter(chain.from_iterable(listed))
    best = max(votes, key=votes.__getitem__)  # of two alike neither leads, whichever comes first here
    if votes[best] < MIN_WORDS:
        return ""
    shared = Counter(chain.from_iterable([languages for languages in listed if best in languages]))
    for other, count in votes.items():
        own, others = votes[best] - shared[other], count - shared[other]
        if other != best and own < max(1, MIN_LEAD * others):
            return ""
    return best


def _main_script(letters: str) -> tuple[str, float]:
    """The script, other than Latin, that most of the letters are of, and its share of them all."""
    weights = {language: weight * len(sign.findall(letters)) for language, weight, sign in _SCRIPTS}
    total = len(letters) + sum(weights[language] * (1 - 1 / weight) for language, weight, _ in _SCRIPTS)
    if weights["ja"] * 10 >= weights["zh"]:  # Japanese is written in Chinese signs too
        weights["ja"] += weights.pop("zh")
    script = max(weights, key=lambda language: weights[language])
    return script, weights[script] / total if weights[script] >= MIN_LETTERS else 0.0


def _within_script(language: str, letters: str) -> str:
    if language == "ru" and re.search("[іїє]", letters):
        return "uk"
    if language == "ar" and len(re.findall("[پچگژ]", letters)) * 100 >= len(letters):
        return "fa"
    return language


_TOLD_BY_LETTERS = {"uk": "ru", "fa": "ar"}


def other_languages(texts: Sequence[str]) -> list[tuple[int, str, str]]:
    """Texts that are in another language than a clear majority of three or more: (index, its language, the others').

    Languages are given by name. Those that are told apart by a few letters only, which a text may happen to lack,
    count as one.
    """
    found = [_TOLD_BY_LETTERS.get(language, language) for language in map(guess_language, texts)]
    known = Counter(language for language in found if language)
    if len(known) < 2:
        return []
    main, count = known.most_common(1)[0]
    if count < 3 or count < 0.6 * known.total():
        return []
    names = LANGUAGE_NAMES
    return [(index, names[one], names[main]) for index, one in enumerate(found) if one and one != main]
