"""Secrets are found where they stand; examples are not."""

from __future__ import annotations

import pytest

from labgen.text.secrets import find_secrets, find_sensitive
from labgen.text.sensitive_span import SECRET

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


@pytest.mark.parametrize("category", SECRETS)
def test_secrets_are_found_with_their_place(category: str) -> None:
    """Category and span of the first finding are right, in the middle of other text."""
    text = f"Use this: {SECRETS[category]} and go on."
    [span] = find_secrets(text)
    assert (span.category, span.kind) == (category, SECRET)
    assert text[span.start : span.end].strip("/:@") in text[10:]
    assert span.start >= 10


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:owner/name",
        "AKIAIOSFODNN7EXAMPLE is in every manual.",
        "git clone https://user:password@host/repo, https://user:<token>@host, postgres://me:pw@localhost",
        "ISBN 978-3-16-148410-0, version 1.2.3, 12+34 = 46, year 1999-12-2024, order 123-45-6789",
        "def f(a: int) -> None: return a @ b  # decorators @functools.cache",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "assert x@y.shape == (3,) and x@y.mean",
        "aws: the token moved at commit 'da39a3ee5e6b4b0d3255bfef95601890afd80709'",
        "12 +44 2079460958, 12 +44 2071838750, (3) +1 6506364884",
        "ssh ubuntu@node.front.corp.net and scp -r <root@node.corp.net>",
        "curl https://\\<username\\>:\\<password\\>@host",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nVGhpcyBpcyBubyBrZXkgYXQgYWxsLCBvbmx5IHdvcmRzLg==\n-----END PRIVATE KEY-----",
        "",
    ],
)
def test_examples_and_ordinary_text_are_no_secret(text: str) -> None:
    """What is reserved for documentation, fails its check digits, or only looks alike."""
    assert find_sensitive(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "write to x@y.shapes.com or jane@size.net",
        "aws_secret_key = 'wJalrXUtnFEMIK7MDENGbPxRfiCYzzqzzpzzKEYb'",
        "Tel. 12 +44 2071838750",
        "Reach us: +44 20 7183 8750",
        "ssh is down, says jane.doe@mail.corp.net",
        "https://admin:Tr0ub4dor3@host",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_what_is_real_is_found_beside_what_only_looks_like_it(text: str) -> None:
    """Each is the neighbour of a false alarm that is not told."""
    assert find_sensitive(text)


def test_spans_come_by_position_and_hold_no_secret() -> None:
    """Secrets and personal data of one text, first to last; the words are not kept in a span."""
    text = f"jane.doe@mail.corp.net {SECRETS['GitHub token']} {SECRETS['AWS access key']}"
    found = find_sensitive(text)
    assert [span.category for span in found] == ["e-mail address", "GitHub token", "AWS access key"]
    assert LETTERS[:10] not in repr(found)
