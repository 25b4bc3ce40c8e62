"""Personal data in texts, as `labgen check`, the filters and `labgen push` all see it.

It is what can be told by its form and be checked: e-mail addresses; telephone numbers that could be assigned
(`phonenumbers`), with a country code or written as in North America; card numbers and IBANs whose check digits are
right (`stdnum`); US social security numbers. Names and street addresses can't be told by form and are not sought.

What is made up for examples is no finding, since nobody is reached by it: domains that are reserved (`example.com`) or
whose name only says "a domain" (`yourcompany.com`, `mycompany.com`, `abc.com`), numbers kept for fiction (555, 020 7946
0xxx), runs of digits (123-456-7890), and the card numbers and IBANs that manuals print.
"""

from __future__ import annotations

from collections.abc import Iterator

from labgen.lazy import re
from labgen.text.sensitive_span import PERSONAL, SensitiveSpan, without_overlaps

_LONG_NUMBER = re.compile(r"\d[ .-]?\d{4}")  # what every number that is sought has in it, a country code apart


def find_personal_data(text: str) -> list[SensitiveSpan]:
    """All personal data in `text`, by position and without overlaps. Costs some 15 µs for a thousand characters."""
    found: list[SensitiveSpan] = []
    if "@" in text:
        found += _spans("e-mail address", _addresses(text))
    if _LONG_NUMBER.search(text):
        found += _spans("card number", _cards(text))
        found += _spans("bank account (IBAN)", _ibans(text))
        found += _spans("US social security number", _social_security_numbers(text))
        found += _spans("telephone number", _national_phones(text))
    if _PLUS.search(text):
        found += _spans("telephone number", _international_phones(text))
    return without_overlaps(found)


_Places = Iterator[tuple[int, int]]


def _spans(category: str, places: _Places) -> Iterator[SensitiveSpan]:
    return (SensitiveSpan(category, start, end, PERSONAL) for start, end in places)


# No login (`ssh://user@host`, `git@github.com`), copy's target (`root@host:/srv`), product (`a.T@b.dot(c)`) or setting.
_EMAIL = re.compile(
    r"(?<![\w.+-])(?<!//)(?!git@(?:git|bitbucket))[\w.+-]{1,64}@"
    r"(?P<host>(?:[\w-]{1,63}\.){1,8}(?P<end>[A-Za-z]{2,24}))(?!\.?[\w@]|:[\w/~]|[=(])"
)
# Before a password (`https://user:password@host`), or after a command that logs in somewhere.
_LOGIN = re.compile(r"://[^\s/@]*$|\b(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id)[ \t](?:-{1,2}[\w=-]+[ \t]){0,4}[<'\"]?$")
_NO_PUBLIC_ENDS = frozenset(
    (
        *("example", "test", "invalid", "localhost", "localdomain", "local", "internal", "lan", "hostname"),
        # What arrays are asked for after a product (`x@y.shape`).
        *(
            "shape",
            "size",
            "ndim",
            "dtype",
            "mean",
            "sum",
            "std",
            "var",
            "copy",
            "values",
            "reshape",
            "transpose",
            "flatten",
        ),
        *(
            "ravel",
            "astype",
            "grad",
            "device",
            "numpy",
            "inverse",
            "conj",
            "diagonal",
            "real",
            "imag",
            "flat",
            "nbytes",
        ),
        *("png", "jpg", "jpeg", "gif", "svg", "txt", "git", "service", "socket", "target", "timer", "mount"),
    )
)
_PLACEHOLDER_HOST = re.compile(
    r"www\..*"  # a machine's identifiers (`UID:6f2c@www.timetable.org`); no mail goes there
    r"|(?:[\w-]+\.)*(?:"
    r"[\w-]*example[\w-]*(?:\.\w+){1,2}"
    r"|(?:(?:your|my|our|some|any|the|abc|xyz|acme|sample|test|fake)[_-]?)?"
    r"(?:company|domain|organi[sz]ation|website|employer|email)(?:[_-]?name)?(?:\.com?|\.org)?\.[a-z]+"
    r"|(?:your|my|some)[_-]?(?:mail|host|server|site|business|firm|school|university|bank|store|shop|app|provider)\.[a-z]+"
    r"|acme(?:[_-]?(?:corp|inc|co))?\.[a-z]+"
    r"|(?:abc|xyz|foo|bar|baz|foobar|test|sample|placeholder|dummy)\.(?:com|org|net)"
    r")",
    re.IGNORECASE,
)


def _addresses(text: str) -> _Places:
    for match in _EMAIL.finditer(text):
        if match["end"].lower() in _NO_PUBLIC_ENDS or _PLACEHOLDER_HOST.fullmatch(match["host"]):
            continue
        if not _LOGIN.search(text, max(0, match.start() - 80), match.start()):
            yield match.span()


# The lengths that nearly all cards have; other lengths, and other first digits, are those of identifiers and times.
_CARD = re.compile(
    r"(?<![\w.-])(?:(?:[456]\d|2[2-7]|35)\d\d(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{4}"
    r"|3[47]\d\d(?P<gap2>[ -]?)\d{6}(?P=gap2)\d{5})(?![\w-])"
)
_TEST_CARDS = frozenset(
    (
        *("4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "5555555555554444"),
        *("5105105105105100", "5200828282828210", "2223003122003222", "378282246310005", "371449635398431"),
        *("6011111111111117", "6011000990139424", "3530111333300000", "3566002020360505"),
    )
)


def _cards(text: str) -> _Places:
    for match in _CARD.finditer(text):
        from stdnum import luhn

        digits = re.sub("[ -]", "", match[0])
        if luhn.is_valid(digits) and digits not in _TEST_CARDS and len(set(digits)) > 2:
            yield match.span()


_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_EXAMPLE_IBANS = frozenset(
    (
        *("GB82WEST12345698765432", "GB29NWBK60161331926819", "DE89370400440532013000", "AT611904300234573201"),
        *("CH9300762011623852957", "FR1420041010050500013M02606", "ES9121000418450200051332", "NL91ABNA0417164300"),
        *("IT60X0542811101000000123456", "BE68539007547034", "PT50000201231234567890154", "IE29AIBK93115212345678"),
        *("PL61109010140000071219812874", "SE4550000000058398257466", "DK5000400440116243", "NO9386011117947"),
    )
)
_SHORTEST_IBAN = 15


def _ibans(text: str) -> _Places:
    for match in _IBAN.finditer(text):
        from stdnum import iban

        words = match[0]
        # Capitals that follow (`... 7034 BIC`) may have been taken along.
        while not iban.is_valid(words) and len(words) > _SHORTEST_IBAN:
            words = words.rpartition(" ")[0]
        if len(words) >= _SHORTEST_IBAN and words.replace(" ", "") not in _EXAMPLE_IBANS:
            yield match.start(), match.start() + len(words)


_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_MADE_UP_SSN = re.compile(r"123-45-6789|(\d)\1\1-(\d)\2-(\d)\3{3}")


def _social_security_numbers(text: str) -> _Places:
    for match in _SSN.finditer(text):
        from stdnum.us import ssn

        if ssn.is_valid(match[0]) and not _MADE_UP_SSN.fullmatch(match[0]):
            yield match.span()


_PLUS = re.compile(r"\+\d")
_SUM = re.compile(r"(?:\d|\d[)\]])[ \t]*$")  # a number before the plus sign, as in `12 +44 2079460958`
_TELEPHONE = re.compile(
    r"\b(?:tel|phone|telephone|call|dial|fax|mobile|cell|whatsapp|contact|number|ext)\b", re.IGNORECASE
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.+/-])(?:1[ .-])?(?:\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}(?P<gap>[.-])\d{3}(?P=gap)\d{4})(?![\w-]|\.\d)"
)
_FICTION = re.compile(  # country code and national number
    r"1\d{3}555\d{4}"  # North America
    # The United Kingdom, where Ofcom keeps them for drama.
    r"|44(?:1(?:1[3-8]|[2-6]1)4960|1914980|1632960|2079460|2896496|2920180|7700900|8081570)\d{3}"
)
_RUNS = "01234567890123456789", "98765432109876543210"


def _international_phones(text: str) -> _Places:
    import phonenumbers

    for match in phonenumbers.PhoneNumberMatcher(text, None):
        # Without a plus sign right before a digit it is a sum (`+ 14285714.286`).
        plus = _PLUS.search(match.raw_string)
        if plus and not _made_up(match.number.country_code, match.number.national_number):
            before = text[max(0, match.start + plus.start() - 60) : match.start + plus.start()]
            if not _SUM.search(before) or _TELEPHONE.search(before):
                yield match.start, match.end


def _national_phones(text: str) -> _Places:
    for match in _NORTH_AMERICAN.finditer(text):
        import phonenumbers

        number = phonenumbers.parse(match[0], "US")
        if phonenumbers.is_valid_number(number) and not _made_up(1, number.national_number):
            yield match.span()


def _made_up(country_code: int | None, national_number: int | None) -> bool:
    digits = str(national_number)
    runs = any(digits[first : first + 7] in run for first in range(len(digits) - 6) for run in _RUNS)
    return runs or len(set(digits[-7:])) <= 2 or bool(_FICTION.fullmatch(f"{country_code}{digits}"))
