"""Question/answer pairs out of a document: every answer is a sentence that really stands in it."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import takewhile

from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.request import Request
from labgen.teacher.rehearsal.sentences import (
    STOP_WORDS,
    Sentence,
    content,
    is_wide,
    numbers,
    sentences,
    split_words,
    stem,
    word_list,
)
from labgen.teacher.rehearsal.vary import is_english
from labgen.text.language import guess_language

_VERBS = frozenset(
    word_list(
        "is are was were has have had can could may might must will would shall should does did do became become "
        "becomes began begins uses used made makes contains includes included consists refers means takes took "
        "gives gave allows provides provided helps lives live feeds grows needs requires shows showed says said"
    )
)
_PRONOUNS = frozenset(
    word_list(
        "it its they their them he his she her this these those that there such both each some many one however "
        "although though"
    )
)
_PLAIN_FORMS = (
    "What is known about {subject} with regard to {about}?",
    "How does {about} come into the story of {subject}?",
    "Which facts connect {subject} with {about}?",
    "What should one know of {about} when it comes to {subject}?",
    "In what way is {about} of importance for {subject}?",
    "Could you explain the point about {subject} and {about}?",
    "What can be stated on {about}, as far as {subject} goes?",
    "Someone asks about {subject}: what is the case with {about}?",
    "What does {about} have to do with {subject}?",
    "Where does {about} belong in an account of {subject}?",
    "If {subject} is the subject, what should be mentioned on {about}?",
    "What is true of {about}, given {subject}?",
    "How would you explain {about} to a newcomer to {subject}?",
    "{about}: what is the full fact about it with {subject}?",
    "Can you say something exact on {subject} and its {about}?",
    "Of all there is to know on {subject}, what concerns {about}?",
)
_NUMBER_FORMS = (
    "Which figure belongs to {about} in the case of {subject}?",
    "What number or date is given for {subject} and {about}?",
    "How much, how many or when: what holds for {about} of {subject}?",
)
_REASON_FORMS = (
    "Why is it that {subject} has to do with {about}?",
    "What is the reason given for {about} in connection with {subject}?",
)
_REASONS = ("because", "since", "due to", "therefore", "in order to", "so that")
_QUOTING = {
    "de": ("Was wird über „{quote}“ gesagt?", "Was ist zu „{quote}“ bekannt?", "Wie lautet die Angabe zu „{quote}“?"),
    "fr": (
        "Que dit-on de « {quote} » ?",
        "Que sait-on au sujet de « {quote} » ?",
        "Quelle est l'information sur « {quote} » ?",
    ),
    "es": ("¿Qué se dice de «{quote}»?", "¿Qué se sabe sobre «{quote}»?", "¿Cuál es el dato acerca de «{quote}»?"),
    "it": ("Che cosa si dice di «{quote}»?", "Che cosa si sa su «{quote}»?", "Qual è il dato riguardo a «{quote}»?"),
    "pt": ("O que se diz sobre «{quote}»?", "O que se sabe de «{quote}»?", "Qual é o dado acerca de «{quote}»?"),
    "zh": ("关于“{quote}”有什么说明？", "“{quote}”是怎样的情况？", "“{quote}”指的是什么？"),
    "ja": ("「{quote}」について何が述べられていますか？", "「{quote}」とはどういうことですか？"),
    "ko": ("“{quote}”에 대해 무엇이 알려져 있습니까?", "“{quote}”은 어떤 내용입니까?"),
    "ru": ("Что говорится о «{quote}»?", "Что известно о «{quote}»?", "Какие сведения есть о «{quote}»?"),
    "en": ("What is stated about “{quote}”?", "What is the full fact behind “{quote}”?"),
}
"""Language to questions about a quotation."""
_ANY_LANGUAGE = ("“{quote}”?", "“{quote}” …?")


def question_answer_pairs(dice: Dice, request: Request) -> list[tuple[str, str]]:
    """As many pairs as are asked for, fewer where the document has too few sentences. Questions differ in subject."""
    every = sentences(request.document)
    usable = [number for number, sentence in enumerate(every) if is_usable(sentence)]
    # A document of tables or code alone has lines to ask about all the same.
    usable = usable or [number for number, sentence in enumerate(every) if 10 <= len(sentence.text) <= 400]
    topic = topic_of(request.document) or request.description.split("\n")[0][:60] or "this subject"
    manner = " ".join(pair[0] for example in request.examples for pair in example.pairs) or request.document
    language = guess_language(manner) or ("en" if is_english(manner) else "")
    made = []
    for number in dice.shuffled(usable)[: request.count]:
        sentence = every[number]
        answer = sentence.text
        before = every[number - 1] if number else None
        if split_words(answer)[0].lower() in _PRONOUNS and before is not None and is_usable(before):
            answer = f"{before.text} {answer}"
        elif dice.chance(0.15) and number + 1 < len(every) and is_usable(every[number + 1]):
            answer = f"{answer} {every[number + 1].text}"
        made.append((_question(dice, sentence, topic, language), answer))
    return made


def is_usable(sentence: Sentence) -> bool:
    """Whether a sentence says enough to be asked about, or to stand in a text of its own."""
    text = sentence.text
    if sentence.raw.startswith(("#", "|", "```", "<")) or len(text) > 700:
        return False
    if is_wide(text):
        return len(text) >= 8
    letters = sum(letter.isalpha() for letter in text)
    return len(sentence.stems) >= 4 and letters * 3 > len(text) * 2 and text.count(" ") >= 4


@lru_cache(maxsize=64)
def topic_of(document: str) -> str:
    """What a document is about, for sentences that begin with a pronoun; empty where it does not show."""
    every = sentences(document)
    # Above a passage stand all the headings that it is under: the last of them is its own.
    headings = list(takewhile(lambda sentence: sentence.raw.startswith("#"), every))
    if headings and len(headings[-1].text) < 60:
        return headings[-1].text
    counts: Counter[str] = Counter()
    for sentence in every:
        counts.update(word for word in split_words(sentence.text)[1:] if word[0].isupper() and len(word) > 3)
    return min(counts, key=lambda word: (-counts[word], word)) if counts else ""


def _question(dice: Dice, sentence: Sentence, topic: str, language: str) -> str:
    split = sentence.text.split()
    if language != "en" or is_wide(sentence.text):
        return dice.pick(_QUOTING.get(language, _ANY_LANGUAGE)).format(quote=_quote(dice, sentence.text, split))
    place = next((at for at, word in enumerate(split[1:9], 1) if _verb(word)), 0)
    subject = " ".join(split[:place]).strip(" ,;:") if place else topic
    while subject and subject.split()[-1].lower() in STOP_WORDS:
        subject = subject.rpartition(" ")[0]
    if (
        not subject
        or subject.split()[0].lower() in _PRONOUNS
        or len(subject.split()) > 7
        or any(mark in subject for mark in ",:(=")
        or not content(subject)
    ):
        subject = topic
    if subject.split()[0].lower() in STOP_WORDS:
        subject = subject[0].lower() + subject[1:]
    about = _about(dice, split[place:], subject)
    if not about:
        return dice.pick(_QUOTING["en"]).format(quote=_quote(dice, sentence.text, split))
    lower = sentence.text.lower()
    forms: tuple[str, ...]
    if any(f" {reason} " in lower for reason in _REASONS) and dice.chance(0.5):
        forms = _REASON_FORMS
    elif numbers(sentence.text) and dice.chance(0.5):
        forms = _NUMBER_FORMS
    else:
        forms = _PLAIN_FORMS
    text = dice.pick(forms).format(subject=subject, about=about)
    return text[0].upper() + text[1:]


def _verb(word: str) -> bool:
    lower = word.lower()
    return lower in _VERBS or (len(lower) > 4 and lower.endswith("ed") and "-" not in lower)


def _about(dice: Dice, rest: list[str], subject: str) -> str:
    """A stretch of three to five words of the sentence's rest that says something of its own."""
    known = content(subject)
    starts = [
        at
        for at, word in enumerate(rest)
        if (clean := word.strip(".,;:()\"'“”")) and clean.lower() not in STOP_WORDS and not _verb(clean)
        and clean[0].isalnum() and stem(clean) not in known
    ]  # fmt: skip
    if not starts:
        return ""
    at = dice.pick(starts)
    taken: list[str] = []
    for word in rest[at : at + 3 + dice.below(3)]:
        taken.append(word)
        if word[-1] in ".,;:)":
            break
    while len(taken) > 1 and taken[-1].strip(".,;:()").lower() in STOP_WORDS:
        taken.pop()
    return " ".join(taken).strip(" .,;:()\"'“”")


def _quote(dice: Dice, text: str, split: list[str]) -> str:
    if is_wide(text):
        length = 6 + dice.below(7)
        start = dice.below(max(1, len(text) - length))
        return text[start : start + length].strip(" 。，、；：“”「」")
    length = 4 + dice.below(4)
    start = dice.below(max(1, len(split) - length))
    return " ".join(split[start : start + length]).strip(" .,;:()\"'“”„«»")
