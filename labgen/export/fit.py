"""Rows that a trainer need not cut: how long a row is to it, and passages that leave room for the whole answer.

A trainer that is given a longer row than its limit keeps the beginning. What is asked stands there, and with it all
passages, so what is lost is the answer: the one part that is learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labgen.config.dataset import MixConfig
from labgen.errors import ConfigError
from labgen.formats.chat import ChatFormat
from labgen.formats.template_files import read_template
from labgen.lazy.dataclasses import dataclass
from labgen.records import Message
from labgen.text.sentences import sentence_spans
from labgen.text.token_count import ESTIMATE, TokenCounter, load_token_counter

TURN_TOKENS = 8
"""Tokens that a chat template is reckoned to write around a turn, where it is not known."""
CONVERSATION_TOKENS = 24
"""The same around a conversation: its beginning, its end, and a system prompt that a template adds by itself."""

Turns = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class RowLength:
    """How many tokens a trainer makes of a row.

    Attributes:
        max_tokens: that a row may have; None for any number.
        count: tokens of a text. template: of the model in training; None where it is not known.
    """

    max_tokens: int | None
    count: TokenCounter
    template: ChatFormat | None = None

    @classmethod
    def of(cls, mix: MixConfig) -> RowLength:
        """That of a mix, or of a trainer's own tokenizer.

        `mix.tokenizer` is `estimate`, a tokenizer.json, or the folder of a model with one. A chat template beside it is
        applied, as the trainer will.

        Raises: ConfigError: it can't be read.
        """
        return cls.by(mix.tokenizer, mix.max_tokens)

    @classmethod
    def by(cls, tokenizer: str, max_tokens: int | None) -> RowLength:
        """The same by its parts. Raises: ConfigError: the tokenizer can't be read."""
        path = Path(tokenizer)
        if tokenizer == ESTIMATE:
            return cls(max_tokens, load_token_counter(ESTIMATE))
        folder = path if path.is_dir() else path.parent
        file = path / "tokenizer.json" if path.is_dir() else path
        return cls(max_tokens, load_token_counter(str(file)), _template(folder))

    def tokens(self, turns: Turns) -> int:
        """Tokens of a whole row, with all that a chat template writes around its turns."""
        if self.template is not None:
            text = self.template.render([Message(turn["role"], turn["content"]) for turn in turns], bos=True,
                                        add_generation_prompt=False)  # fmt: skip
            return self.count(text) + 1  # some trainers add the end of the sequence once more
        return CONVERSATION_TOKENS + sum(TURN_TOKENS + self.count(turn["content"]) for turn in turns)

    def fits(self, turns: Turns) -> bool:
        """Whether a trainer takes the row whole."""
        return self.max_tokens is None or self.tokens(turns) <= self.max_tokens

    def room(self, turns: Turns) -> int:
        """Tokens that a row leaves for what is shown with it; below 0 where it is too long by itself."""
        assert self.max_tokens is not None, "there is room for anything"
        return self.max_tokens - self.tokens(turns)


def conversations_of(row: Mapping[str, Any]) -> list[Turns]:
    """What a trainer makes tokens of: a row's turns; of a pair or a judged response, the prompt with each side."""
    if "messages" in row:
        return [row["messages"]]
    sides = [row[name] for name in ("chosen", "rejected", "completion") if row.get(name)]
    return [[*row["prompt"], *side] for side in sides] or [row["prompt"]]


def _template(folder: Path) -> ChatFormat | None:
    """The chat template in a model's folder; None where there is none."""
    if not any((folder / name).is_file() for name in ("chat_template.jinja", "tokenizer_config.json")):
        return None
    try:
        return read_template(folder)
    except ConfigError as error:
        if "has no `chat_template`" in str(error):
            return None  # a base model's
        raise


def excerpt(passage: str, keep: tuple[int, int], max_tokens: int, count: TokenCounter) -> str | None:
    """As much of a passage as fits, in whole sentences; None where not even the part to keep does.

    Args:
        keep: characters (start, exclusive end) that must be in it; sentences are added around it, by turns before and
            after. (0, 0) keeps the beginning.
        max_tokens: tokens it may have, as `count` counts.
    """
    spans = sentence_spans(passage) or [(0, len(passage))]
    inside = [place for place, (start, end) in enumerate(spans) if start < keep[1] and end > keep[0]]
    first, last = (inside[0], inside[-1]) if inside else (0, 0)

    def text(first: int, last: int) -> str:
        start, end = spans[first][0] if first else 0, len(passage) if last == len(spans) - 1 else spans[last][1]
        return passage[min(start, keep[0]) if inside else start : max(end, keep[1])].strip()

    if count(text(first, last)) > max_tokens:
        return None
    grows = {"before": True, "after": True}
    while any(grows.values()):
        for side in grows:
            wider = (first - 1, last) if side == "before" else (first, last + 1)
            grows[side] = wider[0] >= 0 and wider[1] < len(spans) and count(text(*wider)) <= max_tokens
            if grows[side]:
                first, last = wider
    return text(first, last)


def evidence_span(row: Mapping[str, Any]) -> tuple[int, int]:
    """The characters of a row's `context` from the first to the last of its evidence; (0, 0) for none."""
    pieces = [piece for verdict in row["verdicts"] for piece in verdict["evidence"] or () if piece["start"] >= 0]
    inside = [(piece["start"], piece["end"]) for piece in pieces if piece["end"] <= len(row["context"] or "")]
    return (min(start for start, _ in inside), max(end for _, end in inside)) if inside else (0, 0)


def shrink_to_fit(write: Callable[[int], str | None], fits: Callable[[str], bool], room: int) -> str | None:
    """What `write` makes of the room, in tokens, with less and less until it fits: tokens of parts don't quite add up.

    Returns: None where nothing fits.
    """
    for _ in range(6):
        text = write(room)
        if text is None or fits(text):
            return text
        room -= max(4, room // 16)
    return None
