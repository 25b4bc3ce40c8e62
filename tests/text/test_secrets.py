"""Secrets and personal data are found where they stand; examples are not."""

from __future__ import annotations

import pytest

from labgen.text.secrets import PERSONAL, SECRET, find_secrets

# Put together at run time, so that no scanner takes this file for a leak.
LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2dE3f"
SECRETS = {
    "GitHub token": "ghp_" + LETTERS[:36],
    "Hugging Face token": "hf_" + LETTERS[:34],
    "AWS access key": "AKIA" + "QZ7RT2LMX9PD4KWB",
    "password in an address": "postgres://admin:" + "tr0ub4dor@db.corp.net",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Google key": "AIza" + LETTERS[:35],
    "Stripe key": "sk_" + "live_" + LETTERS[:24],
    "Slack token": "xox" + "b-2210535565-abcdef",
    "JSON web token": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
    "OpenAI key": "sk-" + "proj-" + LETTERS + "T3BlbkFJ" + LETTERS,
}
PEOPLE = {
    "e-mail address": "jane.doe@mail.corp.net",
    "telephone number": "+49 30 901820",
    "card number": "4539 5787 6362 1486",
    "bank account (IBAN)": "DE44 5001 0517 5407 3249 31",
    "US social security number": "536-22-8726",
}


@pytest.mark.parametrize("category", SECRETS)
def test_secrets_are_found_with_their_place(category: str) -> None:
    """Category and span of the first finding are right, in the middle of other text."""
    text = f"Use this: {SECRETS[category]} and go on."
    [finding] = [found for found in find_secrets(text) if found.kind == SECRET]
    assert finding.category == category
    assert text[finding.start : finding.end].strip("/:@") in text[10:]
    assert finding.start >= 10


@pytest.mark.parametrize("category", PEOPLE)
def test_personal_data_is_found_with_its_place(category: str) -> None:
    """Category and exact span."""
    text = f"Reach me: {PEOPLE[category]}, please."
    [finding] = find_secrets(text)
    assert (finding.category, finding.kind) == (category, PERSONAL)
    assert text[finding.start : finding.end] == PEOPLE[category]


@pytest.mark.parametrize(
    "text",
    [
        "Write to someone@example.com or admin@mail.example.",
        "git clone git@github.com:owner/name",
        "Call +1 650-555-0123.",
        "Use 4111 1111 1111 1111 to test payments; 1234 5678 9012 3456 is no card.",
        "AKIAIOSFODNN7EXAMPLE is in every manual.",
        "git clone https://user:password@host/repo, https://user:<token>@host, postgres://me:pw@localhost",
        "ISBN 978-3-16-148410-0, version 1.2.3, 12+34 = 46, year 1999-12-2024, order 123-45-6789",
        "IBAN DE00 5001 0517 5407 3249 31 has wrong check digits.",
        "def f(a: int) -> None: return a @ b  # decorators @functools.cache",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "",
    ],
)
def test_examples_and_ordinary_text_are_no_finding(text: str) -> None:
    """What is reserved for documentation, fails its check digits, or only looks alike."""
    assert find_secrets(text) == []


def test_findings_come_by_position_and_hold_no_secret() -> None:
    """Several in one text, first to last; the words are not kept in the finding."""
    text = f"{PEOPLE['e-mail address']} {SECRETS['GitHub token']} {SECRETS['AWS access key']}"
    found = find_secrets(text)
    assert [finding.category for finding in found] == ["e-mail address", "GitHub token", "AWS access key"]
    assert LETTERS[:10] not in repr(found)
