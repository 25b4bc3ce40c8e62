"""How many rows each leaf brings to its phases: temperature sampling between a floor and a ceiling, no repetition."""

from __future__ import annotations

from collections.abc import Mapping

from labgen.config.dataset import MixConfig
from labgen.errors import ConfigError


def allocate(sizes: Mapping[str, int], mix: MixConfig, *, total: int | None = None) -> dict[str, int]:
    """Say how many of each leaf's rows to draw, without replacement.

    A leaf of n rows gets c * n^(1/T), kept between floor and ceiling and never above n. Without `total`, c is such
    that a leaf of mean size keeps all its rows: T = 1 keeps everything, T towards infinity cuts every leaf to the
    mean. With `total`, c is such that the numbers sum to it. LAB (arXiv 2403.01081) samples its leaves evenly and
    does not say how it treats those that yield less; multilingual corpora are balanced as here, but by repeating
    small languages, which we never do.

    Args:
        sizes: leaf to the rows it has.
        mix: `balance_temperature`, `leaf_floor`, `leaf_ceiling`.
        total: rows wanted in all.
    Returns: leaf to rows, in the order of `sizes`; the same for the same input.
    Raises: ConfigError: a leaf, or all together, would have to bring more rows than there are, or fewer than the floor.
    """
    _check(sizes, mix, total)
    upper = {leaf: min(size, mix.leaf_ceiling or size) for leaf, size in sizes.items()}
    weights = {leaf: size ** (1 / mix.balance_temperature) for leaf, size in sizes.items()}
    if total is None:
        mean = sum(sizes.values()) / max(1, len(sizes))
        scale = mean ** (1 - 1 / mix.balance_temperature) if mean else 0.0
        shares = _clamped(weights, scale, mix.leaf_floor, upper)
        # A tiny excess over a whole number comes from floating point; T = 1 must keep exactly what there is.
        return {leaf: min(upper[leaf], max(mix.leaf_floor, int(share + 0.5))) for leaf, share in shares.items()}
    return _rounded(_solve(weights, mix.leaf_floor, upper, total), upper, total)


def _check(sizes: Mapping[str, int], mix: MixConfig, total: int | None) -> None:
    short = sorted((size, leaf) for leaf, size in sizes.items() if size < mix.leaf_floor)
    if short:
        size, leaf = short[0]
        more = f" (and {len(short) - 1} more leaves)" if len(short) > 1 else ""
        raise ConfigError(
            f"mix.leaf_floor is {mix.leaf_floor}, but leaf {leaf} has {size} rows{more}. No row is repeated: lower the "
            f"floor to {size}, or generate more rows (--samples)."
        )
    if total is None:
        return
    most = sum(min(size, mix.leaf_ceiling or size) for size in sizes.values())
    if total > most:
        raise ConfigError(
            f"mix.branch_rows asks for {total} rows, but the branch's leaves can bring {most} of them. No row is "
            f"repeated: ask for {most} or fewer, raise mix.leaf_ceiling where it is set, or generate more (--samples)."
        )
    least = mix.leaf_floor * len(sizes)
    if total < least:
        raise ConfigError(
            f"mix.branch_rows asks for {total} rows, but mix.leaf_floor makes {len(sizes)} leaves bring {least}. "
            "Raise the one or lower the other."
        )


def _clamped(weights: Mapping[str, float], scale: float, floor: int, upper: Mapping[str, int]) -> dict[str, float]:
    return {leaf: min(upper[leaf], max(floor, scale * weight)) for leaf, weight in weights.items()}


def _solve(weights: Mapping[str, float], floor: int, upper: Mapping[str, int], total: int) -> dict[str, float]:
    low, high = 0.0, max((upper[leaf] / weight for leaf, weight in weights.items() if weight), default=0.0)
    for _ in range(100):  # more halvings than a float has bits: the scale is as exact as it gets
        middle = (low + high) / 2
        if sum(_clamped(weights, middle, floor, upper).values()) <= total:
            low = middle
        else:
            high = middle
    return _clamped(weights, high if sum(upper.values()) == total else low, floor, upper)


def _rounded(shares: Mapping[str, float], upper: Mapping[str, int], total: int) -> dict[str, int]:
    """Largest remainder: whole numbers that sum to `total`, each next to its share and within its bound."""
    rows = {leaf: int(share + 1e-9) for leaf, share in shares.items()}
    missing = total - sum(rows.values())
    for leaf in sorted(shares, key=lambda leaf: (rows[leaf] - shares[leaf], leaf)):
        if missing <= 0:
            break
        if rows[leaf] < upper[leaf]:
            rows[leaf] += 1
            missing -= 1
    return rows
