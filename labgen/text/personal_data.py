"""Personal data in examples: e-mail addresses, telephone numbers, card numbers. Made-up ones for examples pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

_EMAIL = re.compile(
    r"(?<![\w.+/:-])[\w.+-]{1,64}@(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?P<end>[A-Za-z]{2,24}))(?![\w@:])"
)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[-.]\d{3}[-.]\d{4})(?![\w-])"
)
_CARD = re.compile(
    r"(?<![\w.-])[3-6]\d{3}(?P<gap>[ -]?)(?:\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}|\d{6}(?P=gap)\d{5})(?![\w-])"
)
_EXAMPLE_HOSTS = re.compile(
    r"(?:.*\.)?(?:example(?:\.\w+)+|(?:your|my|some)?-?_?(?:company|domain|email|host|organi[sz]ation|website|mail)\.\w+"
    r"|test\.\w+|sample\.\w+|xyz\.\w+|abc\.\w+|acme\.\w+|\w*(?:company|corp|example|domain)\w*\.\w+|localhost\.\w+)",
    re.IGNORECASE,
)
_RESERVED_ENDS = ("test", "invalid", "localhost", "example", "local", "png", "jpg", "md", "py", "txt", "git")


def find_personal_data(text: str) -> Iterator[tuple[str, str]]:
    """(what it is, the words) for each finding, in no particular order."""
    if "@" in text:
        for found in _EMAIL.finditer(text):
            if not _EXAMPLE_HOSTS.fullmatch(found["host"]) and found["end"].lower() not in _RESERVED_ENDS:
                yield "an e-mail address", found[0]
    if not any(char.isdigit() for char in text):
        return
    cards = [found for found in _CARD.finditer(text) if luhn(found[0])]
    for found in cards:
        yield "a card number", found[0]
    for found in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        # 555 numbers are kept for fiction; runs such as 123-456-7890 are nobody's.
        made_up = "555" in digits[-10:] or "1234567" in digits or len(set(digits[-7:])) <= 2
        if 9 <= len(digits) <= 15 and not made_up and not any(found[0] in card[0] for card in cards):
            yield "a telephone number", found[0]


def luhn(number: str) -> bool:
    """Whether a card number's check digit is right (and not all digits are the same); other characters are ignored."""
    digits = [int(char) for char in number if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 3:
        return False
    doubled = [digit if number % 2 == 0 else digit * 2 for number, digit in enumerate(reversed(digits))]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0
