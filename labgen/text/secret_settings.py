"""Secrets among settings: told by the name that they stand under, or by the form of a known key, wherever it stands.

A name is taken apart into words. `password`, `db.passwd` or `clientSecrets` say that a secret follows, whatever its
kind; `key` and `token` do so only in company (`api_key`, `authToken`), since most keys and tokens are none. What is
said *about* a secret (`api_key_env`, `max_secrets`) holds none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from labgen.lazy import re
from labgen.text.secrets import find_secrets

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_SAYING_SO_TEXT = """
password passwords passwd passwds pwd pwds passphrase passphrases secret secrets credential credentials authorization
authorizations apikey apikeys accesskey accesskeys secretkey privatekey accesstoken authtoken bearertoken apitoken
"""
_ABOUT_TEXT = """
env variable variables var max min most least count number length chars size limit pattern policy
"""
_SECRET = frozenset(_SAYING_SO_TEXT.split())
_ABOUT = frozenset(_ABOUT_TEXT.split())
"""Words that make a name one that says something about secrets: where they are, how long, how many."""
_OF_KEY = frozenset(("api", "access", "secret", "private", "auth", "account", "subscription", "signing", "encryption"))
_OF_TOKEN = frozenset(("api", "access", "auth", "bearer", "refresh", "oauth"))
_KEYS = frozenset(("key", "keys"))
_TOKENS = frozenset(("token", "tokens"))

_CREDENTIAL = re.compile(r"(?:bearer|basic)[ \t]+[\w.~+/=-]{8,}", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{\w+\}")


def secret_name(name: str) -> bool:
    """Whether a setting's own name says that what stands under it must not be shown."""
    words = _words(name)
    if _ABOUT.intersection(words):
        return False
    if _SECRET.intersection(words):
        return True
    return any(
        (word in _KEYS and before in _OF_KEY) or (word in _TOKENS and before in _OF_TOKEN)
        for before, word in pairwise(words)
    )


def secret_header(name: str) -> bool:
    """The same of a header, or of a part of an address: there a key or a token is always one that lets somebody in."""
    words = _words(name)
    return secret_name(name) or (bool(words) and words[-1] in _KEYS | _TOKENS | {"cookie", "signature", "sig"})


def secret_text(text: str) -> bool:
    """Whether a text holds a key, a token or a password by its form."""
    return bool(_CREDENTIAL.fullmatch(text.strip()) or find_secrets(text))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def find_secret_setting(value: Any, where: str) -> str:
    """Look through nested settings for the first that must not be shown.

    Args:
        value: what is set, mappings and lists of any depth.
        where: its dotted name.
    Returns: the dotted name of what was found, without anything secret in it; empty where there is nothing.
    """
    return next(_secrets(value, where, named=False), "")


def _secrets(value: Any, where: str, *, named: bool) -> Iterator[str]:
    """`named`: whether something around the value is called a secret, as in `password: {value: ...}`."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            text = str(name)
            if secret_text(text):
                yield f"a name under {where}"
                continue
            still = named and not _ABOUT.intersection(_words(text))
            yield from _secrets(each, f"{where}.{text}", named=still or secret_name(text))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _secrets(each, where, named=named)
    elif isinstance(value, bool) or value is None or value == "":
        return  # nothing that could be a secret
    elif isinstance(value, str) and _VARIABLE.fullmatch(value.strip()):
        return  # the name of a variable
    elif named or secret_text(str(value)):
        yield where
