"""Secrets in texts: what must not be learned by a model or released in a dataset.

They are found by the token formats that `detect-secrets` keeps (only its exact formats: its entropy and key-word
guesses call half of all code a secret), and by a few formats younger than its last release. What is reserved for
examples (`AKIA…EXAMPLE`, `user:password@`) is no finding.
"""

from __future__ import annotations

import base64
import importlib
from functools import cache

from labgen.lazy import re
from labgen.text.personal_data import find_personal_data
from labgen.text.sensitive_span import SECRET, SensitiveSpan, without_overlaps


def find_sensitive(text: str) -> list[SensitiveSpan]:
    """All secrets and all personal data in `text`, by position; a secret may overlap personal data.

    Costs some 50 µs for a thousand characters.
    """
    return without_overlaps([*find_secrets(text), *find_personal_data(text)])


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
    # The library's own patterns for these three take quadratic time on a text that repeats their first letters.
    (r"/:_authToken=[ \t]{0,5}(?:npm_[A-Za-z0-9_]{20,100}|[A-Fa-f0-9-]{36})", "npm token", ("_authToken",)),
    (r"\bsk-[A-Za-z0-9_-]{20,140}T3BlbkFJ[A-Za-z0-9]{20}", "OpenAI key", ("T3BlbkFJ",)),
    (r"\beyJ[A-Za-z0-9_=-]{8,2000}\.[A-Za-z0-9_=-]{8,4000}\.[A-Za-z0-9_=-]+", "JSON web token", ("eyJ",)),
    (r"\bhf_[A-Za-z0-9]{34,40}\b", "Hugging Face token", ("hf_",)),
    (r"\bgithub_pat_[A-Za-z0-9_]{60,90}\b", "GitHub token", ("github_pat_",)),
    (r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200}", "OpenAI key", ("sk-",)),
    (r"\bsk-ant-[A-Za-z0-9_-]{40,200}", "Anthropic key", ("sk-ant-",)),
    (r"\bAIza[0-9A-Za-z_-]{35}", "Google key", ("AIza",)),
)

_PLACEHOLDER = re.compile(r"example|your|placeholder|changeme|redacted|\*{3}|\.{3}|x{6}|0{8}|1234567890", re.IGNORECASE)
_COMMON_PASSWORD = re.compile(
    r":(?:pass|password|passwd|pwd|secret|token|key|\\?[<{$\[].{0,200}|\w{1,3})@$", re.IGNORECASE
)
_HASH = re.compile(r"['\"][0-9a-f]{40}['\"]$")
"""A commit in quotes, near the letters `aws`: Amazon's keys use all letters and are never all hexadecimal."""
_KEY_BODY = re.compile(r"[A-Z ]*-----\s*([A-Za-z0-9+/\s]{0,400})(.{0,8})")


_Hints = tuple[str, ...]


@cache
def _patterns() -> list[tuple[_Hints, str, list[re.Pattern[str]]]]:
    """Hints, category and patterns: the patterns are tried only where a hint occurs, or there are none."""
    known: list[tuple[_Hints, str, list[re.Pattern[str]]]] = []
    for module, name, category, hints in _PLUGINS:
        plugin = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        known.append((hints, category, list(plugin.denylist)))
    return known + [(hints, category, [re.compile(pattern)]) for pattern, category, hints in _YOUNGER]


def find_secrets(text: str) -> list[SensitiveSpan]:
    """All tokens, keys and passwords in `text`, by position and without overlaps."""
    found = []
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
                if _PLACEHOLDER.search(words) or _COMMON_PASSWORD.search(words) or _HASH.search(words):
                    continue
                if category != "private key" or not _is_key_for_show(text, match.end()):
                    found.append(SensitiveSpan(category, match.start(), match.end(), SECRET))
    return without_overlaps(found)


def _is_key_for_show(text: str, end: int) -> bool:
    """Whether what follows the first words of a private key is none: dots, an end at once, or a text in base 64."""
    body = _KEY_BODY.match(text, end)
    if not body:
        return False
    chars = "".join(body[1].split())
    if len(chars) < _SHORTEST_KEY_CHARS and body[2].startswith(("...", "…", "-----END", "[", "<")):
        return True
    whole = chars[: len(chars) // 4 * 4]
    return len(whole) >= 16 and all(32 <= byte < 127 or byte in b"\n\r\t" for byte in base64.b64decode(whole))


_SHORTEST_KEY_CHARS = 60
"""Base 64 digits of the shortest keys, those of Ed25519."""
