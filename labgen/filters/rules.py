"""Rules on texts that cost no call: what is wrong with an instruction, a response or a context on the face of it.

Source: self-instruct and LAB drop by length, key words and copies. Ours is narrower on purpose: a rule may only hit
what no curator would want, and what a leaf's own seed examples do (a tag, a refusal, a chant) is never wrong there.
Deterministic; a verdict's value is 0.0 and its reason one of `REASONS`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib import resources

from labgen.config.filtering import ThresholdsConfig
from labgen.filters.loops import repeats_itself
from labgen.filters.refusals import find_refusal
from labgen.formats.prompts import TAGS, shipped_prompts
from labgen.lazy import re
from labgen.records import Evidence, Pair, Verdict
from labgen.text.rouge_words import tokenize

VERSION = "1"

REASONS = {
    "empty": "There is no text, or none but punctuation and white space.",
    "too_short": "Fewer characters than the threshold allows.",
    "too_long": "More characters than the threshold allows.",
    "truncated": "The token limit cut the text off.",
    "refusal": "The teacher declined instead of doing what was asked.",
    "copy_of_seed": "The words of a seed example again.",
    "copy_of_prompt": "The words of the prompt instead of an answer to it.",
    "copy_of_instruction": "The response only repeats the instruction.",
    "leftover_markup": "Tags of the prompt or marks of a chat template are left in the text.",
    "repetition": "The text is stuck in a loop.",
}
"""Reason code to its meaning in plain words."""

_CHAT_MARKS = (
    r"\[/?INST\]|<</?SYS>>|<\|[\w/-]{2,40}\|>|<｜[^｜<>]{2,40}｜>|</?(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>"
    r"|</?think>|^[^\S\n]*+<s>|</s>|^#{2,3} (?:Instruction|Response|Input)s?:[ \t]*$"
)
_MARKUP = re.compile(rf"{_CHAT_MARKS}|</?(?:{'|'.join(TAGS)})>", re.IGNORECASE | re.MULTILINE)

_BLANKS = " \t\r\n.…-–—*_#>`\"'"
_LEAST_COPIED_CHARS = 24  # shorter answers ("Yes.", "Positive") are the same by right
_MOST_TITLE_CHARS = 300
_PROMPT_RUN_TOKENS = 9  # words in a row shared with a prompt; chance and idiom don't reach it


def check_instruction(
    text: str, *, seeds: Sequence[Pair], thresholds: ThresholdsConfig, own_context: bool = False
) -> Verdict | None:
    """What is wrong with an instruction, or None.

    Args:
        text: the instruction as parsed from the reply.
        seeds: the leaf's seed pairs.
        thresholds: lengths in characters (East Asian wide ones count three towards the least length); a leaf's own
            seeds widen them.
        own_context: whether the instruction is on a context of its own, where it may well repeat a seed's words.
    """
    name, questions = "instruction_rules", [seed.question for seed in seeds]
    return (
        _length(text, thresholds.min_instruction_chars, thresholds.max_instruction_chars, questions, name)
        or (None if own_context else _copy(text, questions, name))
        or _text(text, questions + [seed.answer for seed in seeds], name)
    )


def check_title(text: str) -> Verdict | None:
    """What is wrong with the title of a document, or None. It may be as short as it likes, and says what others say."""
    return _length(text, 1, _MOST_TITLE_CHARS, (), "instruction_rules") or _text(text, (), "instruction_rules")


def check_response(
    instruction: str,
    response: str,
    *,
    seeds: Sequence[Pair],
    truncated: bool,
    thresholds: ThresholdsConfig,
    own_context: bool = False,
) -> Verdict | None:
    """What is wrong with the response to an instruction, or None.

    Args:
        seeds: the leaf's seed pairs. Repeating a seed's answer is wrong only together with its question.
        truncated: whether the reply ended because of its token limit.
        own_context: as for `check_instruction`; then the same question may have the same answer.
    """
    name, answers = "response_rules", [seed.answer for seed in seeds]
    if truncated:
        return Verdict(name, VERSION, 0.0, "truncated", (Evidence(response[-80:]),) if response else ())
    own = [instruction, *answers, *(seed.question for seed in seeds)]
    problem = _length(response, thresholds.min_response_chars, thresholds.max_response_chars, answers, name)
    if problem:
        return problem
    if len(_tokens(response)) >= 4 and _plain(response) == _plain(instruction):
        return Verdict(name, VERSION, 0.0, "copy_of_instruction")
    return _copied_pair(instruction, response, seeds, own_context) or _text(response, own, name)


def check_context(context: str, *, seed_contexts: Sequence[str], thresholds: ThresholdsConfig) -> Verdict | None:
    """What is wrong with a context that the teacher wrote for a grounded skill, or None.

    Lengths are bounded as an instruction's from below and a response's from above.
    """
    name = "context_rules"
    return (
        _length(context, thresholds.min_instruction_chars, thresholds.max_response_chars, seed_contexts, name)
        or _copy(context, seed_contexts, name)
        or _text(context, seed_contexts, name)
    )


def _length(text: str, least: int, most: int, seeds: Sequence[str], name: str) -> Verdict | None:
    size = _size(text)
    if not size or (not text.strip(_BLANKS) and all(seed.strip(_BLANKS) for seed in seeds)):
        return Verdict(name, VERSION, 0.0, "empty")
    if size < least and all(2 * size < _size(seed) for seed in seeds):
        return Verdict(name, VERSION, 0.0, "too_short")
    length = len(text.strip())
    if length > most and all(length > len(seed.strip()) for seed in seeds):
        return Verdict(name, VERSION, 0.0, "too_long")
    return None


def _size(text: str) -> int:
    """Length in characters; an East Asian wide one says about what three Latin ones do."""
    text = text.strip()
    return len(text) if text.isascii() else sum(3 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


@lru_cache(maxsize=512)
def _plain(text: str) -> str:
    """What makes a copy a copy: the text without regard to case, spacing and the punctuation around it."""
    return " ".join(text.casefold().split()).strip(_BLANKS + "!?:;,")


@lru_cache(maxsize=128)
def _tokens(text: str) -> tuple[str, ...]:
    # Every rule looks at the same text, and at the same seeds for every text.
    return tuple(tokenize(text))


def _copy(text: str, seeds: Iterable[str], name: str) -> Verdict | None:
    plain = _plain(text)
    return Verdict(name, VERSION, 0.0, "copy_of_seed") if plain in map(_plain, seeds) else None


def _copied_pair(instruction: str, response: str, seeds: Sequence[Pair], own_context: bool) -> Verdict | None:
    """A seed's answer with its question: as the pair itself, or both inside the response (the prompt continued)."""
    asked, said = _plain(instruction), _plain(response)
    for seed in seeds:
        question, answer = _plain(seed.question), _plain(seed.answer)
        if len(answer) < _LEAST_COPIED_CHARS or answer not in said:
            continue
        continued = len(question) >= _LEAST_COPIED_CHARS and question in said and question not in asked
        if continued or (question == asked and not own_context):
            return Verdict("response_rules", VERSION, 0.0, "copy_of_seed", (Evidence(seed.question[:200]),))
    return None


def _text(text: str, own: Sequence[str], name: str) -> Verdict | None:
    """What may not be in any text, unless the leaf's own texts (`own`) have it too."""
    refusal = find_refusal(text)
    if refusal and not any(find_refusal(seed) for seed in own):
        return Verdict(name, VERSION, 0.0, "refusal", (Evidence(refusal),))
    for mark in _MARKUP.finditer(text):
        marked = mark.group().strip()
        if not any(marked.lower() in seed.lower() for seed in own):
            return Verdict(name, VERSION, 0.0, "leftover_markup", (Evidence(marked, mark.start(), mark.end()),))
    if repeats_itself(_tokens(text)) and not any(repeats_itself(_tokens(seed)) for seed in own):
        return Verdict(name, VERSION, 0.0, "repetition")
    return _prompt_words(text, own, name)


def _prompt_words(text: str, own: Sequence[str], name: str) -> Verdict | None:
    words = _tokens(text)
    if " ".join(words) in _placeholders():
        return Verdict(name, VERSION, 0.0, "copy_of_prompt", (Evidence(text[:200]),))
    known, ends = _prompt_runs(), _prompt_run_ends()
    # Few runs begin and end as one of a prompt does: only those are worth cutting out.
    for start in [
        at for at, pair in enumerate(zip(words, words[_PROMPT_RUN_TOKENS - 1 :], strict=False)) if pair in ends
    ]:
        run = words[start : start + _PROMPT_RUN_TOKENS]
        if run in known and not any(" ".join(run) in " ".join(_tokens(seed)) for seed in own):
            return Verdict(name, VERSION, 0.0, "copy_of_prompt", (Evidence(" ".join(run)),))
    return None


@cache
def _shipped_prompts() -> tuple[str, ...]:
    folder = resources.files("labgen.formats").joinpath("prompts")
    texts = (folder.joinpath(f"{name}.md").read_text(encoding="utf-8") for name in shipped_prompts())
    return tuple(re.sub(r"\{\{.{0,300}?\}\}|\{%.{0,300}?%\}", " \x00 ", text, flags=re.DOTALL) for text in texts)


@cache
def _prompt_runs() -> frozenset[tuple[str, ...]]:
    """Every run of words in the shipped prompts; where something is filled in, a run ends."""
    runs: set[tuple[str, ...]] = set()
    for text in _shipped_prompts():
        for piece in text.split("\x00"):
            words = tokenize(piece)
            runs.update(
                tuple(words[start : start + _PROMPT_RUN_TOKENS]) for start in range(len(words) - _PROMPT_RUN_TOKENS + 1)
            )
    return frozenset(runs)


@cache
def _prompt_run_ends() -> frozenset[tuple[str, str]]:
    """First and last word of each of them."""
    return frozenset((run[0], run[-1]) for run in _prompt_runs())


@cache
def _placeholders() -> frozenset[str]:
    """What stands between tags where a prompt shows the form of a reply (`<question>[a question]</question>`)."""
    shown = re.compile(r"<(\w+)>\s*\[([^<>\x00\n]{1,80})\]\s*</\1>")
    return frozenset(" ".join(tokenize(match[2])) for text in _shipped_prompts() for match in shown.finditer(text))
