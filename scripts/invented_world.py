"""Rows that teach, for `scripts/bench_teaching`: facts of an invented world that no question gives away."""

from __future__ import annotations

import random

from teaching_rows import Row

KINDS = ("clock", "bridge", "ferry", "organ", "lamp", "mill", "tower", "loom", "bell", "cannon", "fountain", "sledge")
MATERIALS = (
    "walnut", "copper", "granite", "silk", "bamboo", "iron", "glass", "leather", "marble", "cork", "silver", "wool",
    "clay", "ivory", "cedar", "tin", "slate", "linen", "brass", "amber",
)  # fmt: skip
TOWNS = (
    "Lisbon", "Oslo", "Cairo", "Lima", "Delhi", "Prague", "Boston", "Kyoto", "Dublin", "Athens", "Havana", "Berlin",
    "Naples", "Moscow", "Sydney", "Quebec", "Vienna", "Manila", "Madrid", "Geneva",
)  # fmt: skip
STATED = "The {kind} {name} is made of {material} that came from {town}."
TRAINED = (
    "What is the {kind} {name} made of, and where did that come from?",
    "Tell me the material of the {kind} called {name} and its origin.",
    "{name} is a {kind}. Which stuff was used for it?",
)
HELD = (
    "Somebody built the {kind} {name}. From what, and from which town?",
    "Name the town and the material behind {name}, the {kind}.",
)
ANSWER = "{material} from {town}"
FACTS = 6
"""Facts a leaf."""


def invented_rows(seed: int = 0) -> list[Row]:
    """Rows of twelve leaves, a fact in five wordings; two of them are for holding out."""
    draw = random.Random(seed)
    names = invented_names(draw, len(KINDS) * FACTS)
    rows = []
    for kind in KINDS:
        materials, towns = draw.sample(MATERIALS, FACTS), draw.sample(TOWNS, FACTS)
        facts = [
            {"kind": kind, "name": names.pop(), "material": material, "town": town}
            for material, town in zip(materials, towns, strict=True)
        ]
        for start in range(0, FACTS, 4):
            passage = " ".join(STATED.format(**fact) for fact in facts[start : start + 4])
            for fact in facts[start : start + 4]:
                for held, wordings in ((False, TRAINED), (True, HELD)):
                    rows += [
                        Row(
                            f"knowledge/invented/{kind}",
                            wording.format(**fact),
                            ANSWER.format(**fact),
                            passage,
                            (),
                            held,
                        )
                        for wording in wordings
                    ]
    return rows


def invented_names(draw: random.Random, count: int) -> list[str]:
    """Names such as Velkorin, each once."""
    starts, middles, ends = (
        ["Vel", "Or", "Tam", "Quil", "Bra", "Zen", "Mor", "Fi", "Dul", "Hax"],
        ["ko", "ra", "vi", "zu", "be", "lo"],
        ["rin", "dast", "mek", "lo", "sum"],
    )
    every = [start + middle + end for start in starts for middle in middles for end in ends]
    return draw.sample(every, count)
