"""Superscripts and subscripts in plain text: 10⁶, H₂O, x^(n+k).

One form: Unicode's own characters where every character has one (digits, signs, round brackets, n and i), else `^(...)`
and `_(...)`. So an exponent is never taken for a digit of its base.
"""

from __future__ import annotations

_PLAIN = "0123456789+-=()"
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", _PLAIN + "ni", strict=True))
"""Unicode's superscripts to what they stand for."""
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙᵢ", _PLAIN + "ni", strict=True))
"""The same for subscripts."""

_MINUS_SIGNS = dict.fromkeys(map(ord, "−–‐‑"), "-")
_RAISED = {plain: raised for raised, plain in SUPERSCRIPTS.items()}
_LOWERED = {plain: lowered for lowered, plain in SUBSCRIPTS.items()}


def superscript(text: str) -> str:
    """`text` as a superscript; empty for white space alone."""
    return _scripted(text, _RAISED, "^")


def subscript(text: str) -> str:
    """`text` as a subscript; empty for white space alone."""
    return _scripted(text, _LOWERED, "_")


def _scripted(text: str, characters: dict[str, str], mark: str) -> str:
    words = text.translate(_MINUS_SIGNS).split()
    bare = "".join(words)
    if all(char in characters for char in bare):
        return "".join(characters[char] for char in bare)
    return f"{mark}({' '.join(words)})"
