"""Yes, no and scores as language models say them, in many languages. Ambiguity is never an answer."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import islice

from labgen.lazy import re

_YES = """
yes yep yeah y true correct affirmative yea aye
oui ouais si sí sì sim ja jawohl jes da так да tak ano áno igen evet kyllä joo jah jā taip ναι po ya iya oo ndiyo
vâng có đúng иә ha bəli はい ええ 是 是的 对 對 對的 对的 能 可以 네 예 हाँ हां ใช่ ได้ نعم أجل بله بلی آره ہاں כן
হ্যাঁ ஆம் అవును ಹೌದು അതെ હા ਹਾਂ այո კი
"""
_NO = """
no nope n false nay nah
non nein nee nej nei não nao nem nie ne ні не нет nu hayır ei nē όχι ikke tidak bukan nggak hindi hapana
không жоқ yo'q xeyr いいえ いや 否 不 不是 不是的 不能 不对 不對 아니요 아니오 아뇨 아니 नहीं ไม่ ไม่ใช่ لا كلا خیر نه نہیں
לא না இல்லை కాదు ಇಲ್ಲ അല്ല ના ਨਹੀਂ ոչ არა
"""


def _table() -> dict[str, bool]:
    table = {unicodedata.normalize("NFKC", word).casefold(): True for word in _YES.split()}
    table.update({unicodedata.normalize("NFKC", word).casefold(): False for word in _NO.split()})
    return table


_WORDS = _table()
_LONGEST_WORD = max(map(len, _WORDS))
_DECORATION = re.compile(r"[*_`#~\[\](){}<>|\"'“”„‘’«»]+")
_LABEL = re.compile(
    r"(?:the |my )?(?:final |short |overall )?(?:answer|verdict|judge?ment|conclusion|decision)"
    r"(?: is| would be)\s*[:：]?\s*"
    r"|[^\W\d][^.!?\n:：=]{0,40}?\s*[:：=]\s*"
)
_STOPS = ",.;:!…—–-(\n。，！、；：।،؛"
_CONNECTED = r"(?:\W|_)*(?:(?:and|or|und|oder|et|ou|y|o)\b\W*)?"
_HEDGE = re.compile(
    rf"{_CONNECTED}(?:but|aber|mais|pero|partial\w*|part(?:ly)?|somewhat|most(?:ly)?|maybe|perhaps|possibly"
    r"|probably not|sort of|kind of|not sure|not entirely|not quite|unsure|unclear|it depends|depends|in part)\b"
)
_NEXT_WORD = re.compile(rf"{_CONNECTED}(\w+)(?=\W*(?:$|[,.;!?\n]))")
_AFTER_BARE_NO = re.compile(r"\s(?:it|this|that|he|she|they|we|the|because|since|as|not)\b")


def read_yes_no(value: object) -> bool | None:
    """Yes is True, no is False, anything else (hedges, both, neither, silence) is None. Never raises.

    Takes booleans, 1 and 0, and text such as `**Yes.**`, `No, because ...`, `Answer: oui`, `はい。`. "no" inside a
    word, "not sure", "no doubt", "No. 5" or "yes and no" are no answers.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, list | tuple) and len(value) == 1:
        return read_yes_no(value[0])
    if not isinstance(value, str):
        return None
    return _read_word(value) if len(value) <= _LONGEST_WORD else _read_text(value)


@lru_cache(maxsize=256)
def _read_word(word: str) -> bool | None:
    # Nearly every verdict is one of very few words.
    return _read_text(word)


def _read_text(text: str) -> bool | None:
    text = _plain(text)
    answer = _leading_answer(text)
    label = _LABEL.match(text) if answer is None else None
    if label:
        answer = _leading_answer(text[label.end() :].lstrip())
    return answer if _ending_answer(text) in (None, answer) else None


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text[:20_000]).casefold()
    text = _DECORATION.sub(" ", text).replace("\u00a0", " ")
    return re.sub(r"^[^\w?]+", "", re.sub(r"[ \t]+", " ", text)).rstrip()


def _leading_answer(text: str) -> bool | None:
    """The yes or no that a text begins with, if what follows lets it stand as the answer."""
    for length in range(min(_LONGEST_WORD, len(text)), 0, -1):
        answer = _WORDS.get(text[:length])
        if answer is None or _continues_word(text, length):
            continue
        rest = text[length:]
        if not rest.strip():
            return answer
        if _HEDGE.match(rest) or _opposed(rest, answer):
            return None
        after = rest.lstrip(" ")
        if after[0] in _STOPS:
            return None if re.match(r"[.:]?\s*\d|\?", after) else answer
        if answer:
            return answer if rest[0] == " " and after[0].isalpha() and length > 1 else None
        return answer if _AFTER_BARE_NO.match(rest) else None
    return None


def _continues_word(text: str, at: int) -> bool:
    if at >= len(text):
        return False
    char = text[at]
    if char.isalnum() or unicodedata.category(char)[0] == "M" or char in "/&":
        return True
    following = text[at + 1 : at + 2]
    return char in "-'’." and following.isalnum()


def _opposed(rest: str, answer: bool) -> bool:
    """Whether the next word is the opposite answer ("yes / no", "yes, no")."""
    word = _NEXT_WORD.match(rest)
    found = _WORDS.get(word.group(1)) if word and len(word.group(1)) > 1 else None
    return found is not None and found is not answer


def _ending_answer(text: str) -> bool | None:
    """A yes or no that stands alone as the last sentence ("No. Wait: yes.")."""
    last = re.split(r"[.!?:\n。！：]", text.rstrip(" .!\n。！"))[-1].strip(" ,")
    return _WORDS.get(last)


_NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_N = r"(?P<n>(?<![\d.,/-])-?\d{1,6}(?:\.0)?|one|two|three|four|five)(?![^\W分点점]|%|\.\d|,\d)"
_OUT_OF = r"(?:\s{0,2}(?:/|out\s{1,2}of|of|von|sur|de|из|su|av|van|z|分中)\s{0,2}(?P<max>\d{1,6}))?"
_UNIT = r"\s{0,2}(?:points?|pts?|stars?|punkte?|баллa?|分|点|점)?"
_RANGE = r"(?!\s{0,2}(?:[-–—~/+]|to\b|or\b|and\b|bis\b|à\b|ou\b|oder\b|und\b|et\b)\s{0,2}(?:\d|one\b|two\b|three\b))"
_VALUE = _N + _OUT_OF + _UNIT + _RANGE
_SCORE_LABEL = (
    r"(?:scores?|scored|rating|rated?|grade|mark|verdict|answer|note|nota|punktzahl|punkte|bewertung|puntuación"
    r"|puntuacion|pontuação|punteggio|ocena|оценка|балл|评分|得分|分数|打分|スコア|評価|点数|점수|평점)"
)
_WHOLE = re.compile(rf"\W*{_VALUE}\W*")
_LEADING = re.compile(rf"{_VALUE}\s{{0,2}}(?:[.:;,)\n]|[-–—]\s)\s{{0,2}}(?=\D|$)")
_LABELLED = re.compile(
    rf"{_SCORE_LABEL}(?:\s{{0,2}}\([^)]{{0,30}}\))?"
    rf"(?:\s{{0,2}}(?:is|of|be|as|would be|should be|ist|est|es|[:：=\-–—>|])){{0,4}}"
    rf"\s{{0,2}}(?:an?\s{{1,2}})?{_VALUE}"
)
_GIVEN = re.compile(
    rf"\b(?:give|gave|giving|assign|award|deserves?|earns?|merits?|gets?)\w*(?:\s{{1,2}}\w+){{0,4}}?\s{{1,2}}{_VALUE}"
)
_LINES = re.compile(r"\n\s++")
_SPACES = re.compile(r"[^\S\n]++")
_ENUMERATED = re.compile(r"(?m)^[^\S\n]*+\d++[.)]\s")


def read_score(value: object, *, low: int, high: int) -> int | None:
    """A whole number from `low` to `high`, or None where it is absent, ambiguous or out of range. Never raises.

    Reads `3`, `"3"`, `3/3`, `3 out of 3`, `Score: 3`, `**2**`, `I give it a 2.`, `two`. "between 2 and 3", "2-3", "2.5"
    and `2/5` on a scale that ends at 3 are None.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return int(value) if value == value and low <= value <= high and value == int(value) else None
    if isinstance(value, list | tuple) and len(value) == 1:
        return read_score(value[0], low=low, high=high)
    if not isinstance(value, str):
        return None
    text = unicodedata.normalize("NFKC", value[:20_000]).casefold()
    text = re.sub(r"^\s*(?:[-•]\s+)?", "", re.sub(r"[*_`#~\"“”]+", "", text))
    text = _SPACES.sub(" ", _LINES.sub("\n", text))  # the patterns know no longer white space
    whole = _WHOLE.fullmatch(text)
    if whole:
        return _in_range(whole, low, high)
    found = [match for pattern in (_LABELLED, _GIVEN) for match in pattern.finditer(text)]
    if not found and len(list(islice(_ENUMERATED.finditer(text), 2))) < 2:
        leading = _LEADING.match(text)
        found = [leading] if leading else []
    readings = {_in_range(match, low, high) for match in found}
    return readings.pop() if len(readings) == 1 else None


def _in_range(match: re.Match[str], low: int, high: int) -> int | None:
    if match["max"] is not None and int(match["max"]) != high:
        return None
    digits = match["n"].removesuffix(".0")
    number = _NUMERALS.get(digits) or (int(digits) if digits not in _NUMERALS else 0)
    return number if low <= number <= high else None
