"""Texts that are stuck: the same words over and over, as language models fall into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from operator import eq

_LONGEST_PERIOD = 60  # tokens; a loop of longer paragraphs is rare and a judge sees it
_LEAST_REPEATS = 5
_LEAST_TOKENS = 16
_LEAST_SHARE = 0.4  # of the text; a chorus or a column of zeros inside a longer text is none


def repeats_itself(tokens: Sequence[str]) -> bool:
    """Whether one run of 1 to 60 tokens follows itself five times or more and fills two fifths of the text.

    Texts under 16 tokens never do ("no no no no no!").
    """
    count = len(tokens)
    # A loop that fills its share brings new tokens once and the rest of itself again: more distinct ones exclude it.
    most_distinct = count * (1 - _LEAST_SHARE * (1 - 1 / _LEAST_REPEATS))
    if count < _LEAST_TOKENS or len(set(tokens)) > most_distinct:
        return False
    for period in range(1, min(_LONGEST_PERIOD, count // _LEAST_REPEATS) + 1):
        needed = math.ceil(max(period * (_LEAST_REPEATS - 1), count * _LEAST_SHARE - period, _LEAST_TOKENS - period))
        # So long a run covers one of these places, of which there are about three.
        if not any(tokens[place] == tokens[place + period] for place in range(needed - 1, count - period, needed)):
            continue
        again = list(map(eq, tokens[period:], tokens))  # whether each token is the one a period before
        if sum(again) >= needed and any(same and len(list(run)) >= needed for same, run in groupby(again)):
            return True
    return False
