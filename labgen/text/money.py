"""Sums of money in words."""

from __future__ import annotations


def money(amount: float, currency: str) -> str:
    """A sum with its ISO 4217 code, such as `USD 1,204.50`; below one unit in ten-thousandths: `USD 0.0042`."""
    return f"{currency} {amount:,.{2 if amount >= 1.0 or not amount else 4}f}"
