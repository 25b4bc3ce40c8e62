"""Secrets and personal data in texts: what must not be learned by a model or released in a dataset.

Secrets are found by the token formats that `detect-secrets` keeps (only its exact formats: its entropy and key-word
guesses call half of all code a secret), and by a few formats younger than its last release. Personal data is what can
be told by form and checked: e-mail addresses, telephone numbers with a country code (`phonenumbers`), card numbers and
IBANs (check digits), US social security numbers. Names and street addresses can't be told by form and are not sought.
What is reserved for examples (`example.com`, 555-01xx, published test cards, `AKIA…EXAMPLE`) is no finding.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

SECRET = "secret"  # noqa: S105 - the kind of a finding, no password
PERSONAL = "personal data"


@dataclass(frozen=True, slots=True)
class Finding:
    """One span that should not be there: characters `start` (inclusive) to `end` (exclusive) of the text.

    `category` says what it is ("GitHub token"), `kind` is `SECRET` or `PERSONAL`. The words themselves are not kept.
    """

    category: str
    start: int
    end: int
    kind: str = SECRET


def find_secrets(text: str) -> list[Finding]:
    """All secrets and personal data in `text`, by position; overlapping findings of one kind are reported once.

    Costs some 50 µs for a thousand characters.
    """
    found = [finding for search in (_known_tokens, _personal) for finding in search(text)]
    found.sort(key=lambda finding: (finding.start, -finding.end, finding.category))
    kept: list[Finding] = []
    covered = {SECRET: 0, PERSONAL: 0}
    for finding in found:
        if finding.start >= covered[finding.kind]:
            kept.append(finding)
            covered[finding.kind] = finding.end
    return kept


_GITLAB = ("pat", "dt", "ft", "soat", "rt", "cbt", "imt", "ptt", "agent", "oas")

# module and class in detect_secrets.plugins, what to call it, and literals of which one must occur for the (slow)
# pattern to be worth trying. Left out are formats that ordinary capitals or hexadecimal digits match by chance.
_PLUGINS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("aws", "AWSKeyDetector", "AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws")),
    ("azure_storage_key", "AzureStorageKeyDetector", "Azure storage key", ("AccountKey=",)),
    ("basic_auth", "BasicAuthDetector", "password in an address", ("://",)),
    ("discord", "DiscordBotTokenDetector", "Discord token", ()),
    ("github_token", "GitHubTokenDetector", "GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    ("gitlab_token", "GitLabTokenDetector", "GitLab token", ("GR1348941", *(f"gl{kind}-" for kind in _GITLAB))),
    ("mailchimp", "MailchimpDetector", "Mailchimp key", ("-us",)),
    ("npm", "NpmDetector", "npm token", ("_authToken",)),
    ("openai", "OpenAIDetector", "OpenAI key", ("T3BlbkFJ",)),
    ("private_key", "PrivateKeyDetector", "private key", ("PRIVATE KEY", "PuTTY-User-Key")),
    ("pypi_token", "PypiTokenDetector", "PyPI token", ("pypi-",)),
    ("sendgrid", "SendGridDetector", "SendGrid key", ("SG.",)),
    ("slack", "SlackDetector", "Slack token", ("xox", "hooks.slack.com")),
    ("square_oauth", "SquareOAuthDetector", "Square secret", ("sq0csp-",)),
    ("stripe", "StripeDetector", "Stripe key", ("k_live_",)),
    ("telegram_token", "TelegramBotTokenDetector", "Telegram token", (":AA",)),
    ("twilio", "TwilioKeyDetector", "Twilio key", ("AC", "SK")),
)

_YOUNGER: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # Its own pattern takes quadratic time on a text that repeats its first letters.
    (r"\beyJ[A-Za-z0-9_=-]{8,2000}\.[A-Za-z0-9_=-]{8,4000}\.[A-Za-z0-9_=-]+", "JSON web token", ("eyJ",)),
    (r"\bhf_[A-Za-z0-9]{34,40}\b", "Hugging Face token", ("hf_",)),
    (r"\bgithub_pat_[A-Za-z0-9_]{60,90}\b", "GitHub token", ("github_pat_",)),
    (r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200}", "OpenAI key", ("sk-",)),
    (r"\bsk-ant-[A-Za-z0-9_-]{40,200}", "Anthropic key", ("sk-ant-",)),
    (r"\bAIza[0-9A-Za-z_-]{35}", "Google key", ("AIza",)),
)

_PLACEHOLDER = re.compile(r"example|your|placeholder|changeme|redacted|\*{3}|\.{3}|x{6}|0{8}|1234567890", re.IGNORECASE)
_COMMON_PASSWORD = re.compile(r":(?:pass|password|passwd|pwd|secret|token|key|[<{$\[].*|\w{1,3})@$", re.IGNORECASE)


_Hints = tuple[str, ...]


@cache
def _patterns() -> list[tuple[_Hints, str, list[re.Pattern[str]]]]:
    """Hints, category and patterns: the patterns are tried only where a hint occurs, or there are none."""
    known: list[tuple[_Hints, str, list[re.Pattern[str]]]] = []
    for module, name, category, hints in _PLUGINS:
        plugin = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        known.append((hints, category, list(plugin.denylist)))
    return known + [(hints, category, [re.compile(pattern)]) for pattern, category, hints in _YOUNGER]


def _known_tokens(text: str) -> Iterator[Finding]:
    for hints, category, patterns in _patterns():
        for hint in hints:
            if hint in text:
                break
        else:
            if hints:
                continue
        for pattern in patterns:
            for match in pattern.finditer(text):
                words = match[0]
                if not _PLACEHOLDER.search(words) and not _COMMON_PASSWORD.search(words):
                    yield Finding(category, match.start(), match.end())


_EMAIL = re.compile(r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_RESERVED_DOMAIN = re.compile(r"(?:^|[.@])(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local)$", re.I)
_LONG_NUMBER = re.compile(r"\d[ -]?\d{4}")  # what each of the next three has in it
_CARD = re.compile(r"(?<![\w.-])(?:[2-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?![\w-])")
_TEST_CARDS = (
    *("4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "5555555555554444"),
    *("5105105105105100", "378282246310005", "371449635398431", "6011111111111117", "6011000990139424"),
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_TEST_IBANS = frozenset(("GB82WEST12345698765432", "DE89370400440532013000", "GB29NWBK60161331926819"))
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_TEST_SSNS = frozenset(("078-05-1120", "219-09-9999", "123-45-6789"))


def _personal(text: str) -> Iterator[Finding]:
    def checked(pattern: re.Pattern[str], category: str, holds: Callable[[str], bool]) -> Iterator[Finding]:
        for match in pattern.finditer(text):
            if holds(match[0]):
                yield Finding(category, match.start(), match.end(), PERSONAL)

    if "@" in text:
        yield from checked(_EMAIL, "e-mail address", lambda words: not _RESERVED_DOMAIN.search(words))
    if _LONG_NUMBER.search(text):
        yield from checked(_CARD, "card number", _is_card)
        yield from checked(_IBAN, "bank account (IBAN)", _is_iban)
        yield from checked(_SSN, "US social security number", lambda words: words not in _TEST_SSNS)
    if re.search(r"\+\d", text):
        yield from _phones(text)


def _phones(text: str) -> Iterator[Finding]:
    import phonenumbers

    for match in phonenumbers.PhoneNumberMatcher(text, None):
        if not re.search(r"555\D?01\d\d$", match.raw_string):
            yield Finding("telephone number", match.start, match.end, PERSONAL)


def _is_card(words: str) -> bool:
    digits = re.sub(r"\D", "", words)
    if digits in _TEST_CARDS or len(set(digits)) < 3:
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_iban(words: str) -> bool:
    compact = words.replace(" ", "")
    if compact in _TEST_IBANS or not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1
