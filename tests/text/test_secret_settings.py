"""Settings that must not be shown are told by their names, word by word, and by the form of known keys."""

from __future__ import annotations

from typing import Any

import pytest

from labgen.text.secret_settings import find_secret_setting, secret_header

KEY = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    "settings",
    [
        {"password": "x"},
        {"password": {"value": "x"}},
        {"password": [{"value": 1}]},
        {"passwords": ["x"]},
        {"db-passwd": "x"},
        {"dbPwd": "x"},
        {"pwd": 1234},
        {"secret": 12345678},
        {"client_secrets": {"one": 1.5}},
        {"API_KEY": "x"},
        {"apiKey": "x"},
        {"openai.apikey": "x"},
        {"AWSSecretAccessKey": "x"},
        {"private-keys": ["x"]},
        {"auth_token": "x"},
        {"headers": {"Authorization": "x"}},
        {"headers": {"X-Plain": "Bearer 0123456789abcdef"}},
        {"more": [{"deep": {"credentials": "x"}}]},
        {"service": KEY},
        {"names": ["fine", f"and {KEY}"]},
    ],
)
def test_a_secret_is_found_at_any_depth_and_of_any_kind(settings: dict[str, Any]) -> None:
    """By its name, by that of what is around it, or by its form."""
    found = find_secret_setting(settings, "filters.settings.mine")
    assert found.startswith("filters.settings.mine.") and KEY not in found


def test_a_secret_that_stands_as_a_name_is_found_and_not_repeated() -> None:
    """A mapping's keys are texts as well."""
    assert find_secret_setting({"users": {KEY: 3}}, "it") == "a name under it.users"


@pytest.mark.parametrize(
    "settings",
    [
        {"monkey": "x"},
        {"keyboard": "x"},
        {"stop_token": "</s>"},
        {"max_tokens": 20},
        {"prompt_cache_key": "x"},
        {"key": "question"},
        {"secretary": "x"},
        {"api_key_env": "MY_KEY"},
        {"password": {"env": "MY_PASSWORD"}},
        {"password": "${MY_PASSWORD}"},
        {"max_secrets": 0},
        {"look_for_secrets": True},
        {"password": None},
        {"threshold": 0.5, 3: "numbers may be names"},
    ],
)
def test_what_only_sounds_alike_is_let_through(settings: dict[Any, Any]) -> None:
    """Parts of words, keys and tokens of other kinds, what says where a secret is, and what can't be one."""
    assert find_secret_setting(settings, "it") == ""


@pytest.mark.parametrize(
    ("name", "secret"), [("X-Key", True), ("Cookie", True), ("X-Vault-Token", True), ("X-Monkey", False)]
)
def test_keys_and_tokens_among_headers_are_always_secrets(name: str, secret: bool) -> None:
    """There they are what lets somebody in."""
    assert secret_header(name) is secret
