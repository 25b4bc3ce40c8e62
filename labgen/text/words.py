"""Words of a text, for the rules that compare texts by their words."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

_LISTED = {
    "en": """the of and to in is it that was for on are as with his they be at this have from or had by but what all
    were we when your can said there use an each which she do how their if will up other about out many then them these
    so some her would make like him into has more not you a i who where why does did than its""",
    "de": """der die das und ist nicht ein eine einer eines den dem des mit für von auf im zu sich auch es an als wie
    wird sind oder aber wenn dass kann hat bei nach aus welche warum was wer einen einem über""",
    "fr": """le la les de des du et est un une dans que qui pour sur pas avec ce cette ces il elle sont au aux par plus
    ou mais comme quelle quel quels quelles pourquoi où être nous vous leur""",
    "es": """el la los las de del y es un una en que por para con no se su al lo como más pero sus le ya o este sí
    porque esta entre cuando muy sin sobre qué cuál cómo dónde son está""",
    "it": """il lo la gli le di del della dei delle e è un una in che per con non si da al alla sono come più ma anche o
    questo questa qual quale cosa perché dove nel nella""",
    "pt": """o a os as de do da dos das e é um uma em que por para com não se no na ao mais como mas foi são ou qual
    quais porque onde você seu sua isso este esta""",
    "nl": """de het een en van is dat in op te niet zijn voor met die aan er om als ook maar bij naar wat waarom welke
    door wordt worden heeft hoe je""",
}
STOP_WORDS = {language: frozenset(listed.split()) for language, listed in _LISTED.items()}
"""The commonest words of some languages, by two-letter code."""

_ENGLISH = STOP_WORDS["en"]


def words(text: str) -> list[str]:
    """Lower-case words in order, in any script that writes spaces."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Words that say something: numbers, and words of four letters or more that English does not strew everywhere."""
    return [word for word in words(text) if word[0].isdigit() or (len(word) > 3 and word not in _ENGLISH)]


def normalised(text: str) -> str:
    """Text without what case, punctuation and white space add, for telling repeats."""
    return " ".join(words(text)) or " ".join(text.split())
