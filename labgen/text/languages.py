"""Which languages a dataset is in: a light guess by script and by frequent words, for the card."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain

_SCRIPTS = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u05d0-\u05ea]")),
    ("ar", re.compile("[\u0620-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("bn", re.compile("[\u0980-\u09ff]")),
    ("ta", re.compile("[\u0b80-\u0bff]")),
    ("te", re.compile("[\u0c00-\u0c7f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("ka", re.compile("[\u10a0-\u10ff]")),
    ("hy", re.compile("[\u0530-\u058f]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)
"""Scripts, each under the language that is most often written in it. Japanese before Chinese, whose signs it shares."""

_SCRIPT_SHARE = 0.2
"""Share of letters from which a script decides: below it, a text quotes another language rather than being in it."""

_WORDS = {
    "en": "the of and to is in that it for was are with as be this on by from which or an at have has not you your how "
    "what does do can will would their they its these when who why where write give list if",
    "de": "der die das und ist nicht ein eine mit den von zu im für auf dem sich des als auch wie wird sind werden was "
    "bei oder einer einem einen aus nach wurde kann haben hat ich sie welche welcher warum",
    "fr": "le la les des et est un une du que qui dans pour par sur pas plus avec au aux ce cette sont il elle ou mais "
    "comme quel quelle quels comment pourquoi ont être dont leur était nous vous",
    "es": "el la los las de y que en un una es por con para del se al lo como más su sus son pero qué cuál cómo fue "
    "este esta entre también sobre hay puede donde cuando está muy",
    "it": "il lo la gli le di e che un una è per con del della dei delle nel nella sono come più anche si non da al "
    "alla quale quali perché cosa questo questa essere ha stato",
    "pt": "o os as de e que um uma é para com do da dos das em no na não por mais como ao se são foi qual quais você "
    "também pelo pela seu sua ser está isso mas quando onde",
    "nl": "de het een en van is dat niet in op te zijn voor met die er aan om ook als bij door naar wordt werd worden "
    "wat welke hoe waarom dit deze maar uit heeft",
    "sv": "och att det som en är på för av med den till inte ett har de om var vad kan från eller hur när också där "
    "vilka vilken varför blir",
    "da": "og at det som en er på for af med den til ikke et har de om var hvad kan fra eller hvordan når også der "
    "hvilke hvilken hvorfor bliver blev",
    "nb": "og å det som en er på for av med den til ikke et har de om var hva kan fra eller hvordan når også der "
    "hvilke hvilken hvorfor blir ble",
    "fi": "ja on ei että se oli joka ovat mutta tai kun hän niin kuin myös mikä mitä miten miksi voi sen tämä ovatko",
    "pl": "i w na z do się nie jest to że jak o co dla od przez po są oraz ale czy który która które jego być był może",
    "cs": "a v na se je že s z do o to jako pro za by jsou ale který která které byl co jak proč nebo také může",
    "ro": "și în de la a cu pe este că nu un o din pentru care mai sunt se sau ce cum fi fost prin dar ca",
    "hu": "a az és hogy nem is egy van volt ez mint de meg csak vagy el mi milyen hogyan miért lehet",
    "tr": "ve bir bu da de için ile ne olarak daha çok gibi olan ise mi en kadar sonra nasıl neden hangi değil var",
    "id": "yang dan di dari ini untuk dengan pada adalah tidak dalam ke itu akan atau juga oleh sebagai apa bagaimana "
    "mengapa dapat bisa mereka karena",
    "vi": "và của là có trong được cho không một các những này với để người khi đã từ như về nào gì thế",
}
_LANGUAGES_OF: dict[str, list[str]] = {}
for _language, _words in _WORDS.items():
    for _word in set(_words.split()):
        _LANGUAGES_OF.setdefault(_word, []).append(_language)

_LETTERS = re.compile(r"[^\W\d_]+")
_ASCII_LETTERS = re.compile("[a-z]+")  # twice as fast
MIN_WORDS = 3
"""Frequent words that a text must have for a guess; fewer (a bare number, a name, code) leave it undecided."""

SAMPLE_CHARS = 1500
"""Characters of a text that are looked at."""


def guess_language(text: str) -> str:
    """The language of a text as a two-letter code (ISO 639-1), or '' where it is too short or too mixed to say.

    First by script, where a fifth of the letters are not Latin; Ukrainian, Urdu and others that share a script are
    counted under the commonest language of that script, but for Ukrainian (`і`, `ї`, `є`) and Persian (`پ`, `چ`, `گ`).
    Then by frequent words: the language most of whose words occur, if it leads.
    """
    sample = text[:SAMPLE_CHARS].lower()
    words = (_ASCII_LETTERS if sample.isascii() else _LETTERS).findall(sample)
    joined = "".join(words)
    letters = len(joined)
    if not joined.isascii():
        for language, pattern in _SCRIPTS:
            if len(pattern.findall(joined)) >= _SCRIPT_SHARE * letters:
                return _within_script(language, joined)
    votes = Counter(chain.from_iterable([_LANGUAGES_OF[word] for word in words if word in _LANGUAGES_OF]))
    ranked = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    if not ranked or ranked[0][1] < MIN_WORDS or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return ""
    return ranked[0][0]


def _within_script(language: str, letters: str) -> str:
    if language == "ru" and re.search("[іїє]", letters):
        return "uk"
    if language == "ar" and len(re.findall("[پچگژ]", letters)) * 100 >= len(letters):
        return "fa"
    return language
