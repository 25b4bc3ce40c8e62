"""Which voice answers a leaf's instructions: by the kind of task that its path and its task description speak of.

Source: LAB section 3.2 has a precise persona for tasks with a right answer and a creative one for writing and
role-play, and lets the kind of task choose. A taxonomy has no field for the kind of task, so ours reads its words. A
leaf without any sign of creative writing is answered precisely.
"""

from __future__ import annotations

from typing import Literal

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import Leaf

CREATIVE, PRECISE = "creative", "precise"

PATH_WEIGHT, TASK_WEIGHT = 2, 1
"""What a word counts in the name of a folder, and in the task description: people file a leaf by its kind."""

_SIGNS = {
    CREATIVE: {
        "humour": "comedy comic dad funny humor humoristic humorous humour insult insults joke jokes parody pun puns "
        "sarcasm satire",
        "poetry": "alliterating alliteration ballad freeverse haiku haikus limerick lyric lyrics poem poems poetic "
        "poetry rap rhyme rhymes rhyming song songs sonnet verse verses",
        "fiction": "creature creatures dialogue dialogues fable fairy fiction fictional imaginative monologue "
        "monologues narrative novel novels plot plots prose screenplay stories story storytelling tale tales",
        "role-play": "act chitchat companion conversation conversational impersonate improv improvise persona pretend "
        "role roleplay roleplaying roles smalltalk",
        "writing for people": "advert advertisement advertising apology apologies blog blogs brainstorming caption "
        "captions condolence congratulation creative drafts essay essays facebook greeting greetings headline "
        "ideas instagram invitation invitations letter letters linkedin marketing media monologues persuasive "
        "proverb proverbs recommendation reddit slogan slogans social speech speeches tagline thank toast toasts "
        "twitter wedding",
    },
    PRECISE: {
        "extraction": "answerability answering citation entities evidence extract extracted extracting extraction "
        "filing inference information invoice metadata receipt",
        "science": "atoms biology chemistry equations health laws legal linear medical molecule ohms physics "
        "quantitative science scientific stem technical theory",
        "code": "ascii awk cli code coding commit computing csv docker functional git html json linux openshift "
        "openstack podman programming python regex sarif sed shell software sql terminal xml yaml",
        "reasoning": "addition algebra arithmetic aptitude calculate calculation calendar claim compare compute "
        "count counting counts determine determines logic logical math mathematical matrix numbers pattern patterns "
        "predict puzzle puzzles reason reasoning solve solver solving sort sorting subtraction units wordle",
        "working on a given text": "analyze capitalization classification classify convert converting conversion "
        "describe editing encode facts filter find format formatting grammar guidance identifies identify identifying "
        "interpret list lists palindrome plain provide report rewrite rewriting simplify spelling split summaries "
        "summarization summarize summarizing summary syllables table tables translate translates translating "
        "translation",
    },
}
_KINDS = {
    word: (voice, kind) for voice, kinds in _SIGNS.items() for kind, words in kinds.items() for word in words.split()
}
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Persona:
    """A voice: its `name`, `precise` or `creative`, and in words `why` it was chosen."""

    name: Literal["precise", "creative"]
    why: str


def persona_of(leaf: Leaf) -> Persona:
    """The voice for a leaf, and why. Knowledge and foundational skills have right answers."""
    if leaf.branch != "compositional_skills":
        return Persona("precise", f"the branch {leaf.branch}")
    weights = {CREATIVE: 0, PRECISE: 0}
    found: dict[str, list[str]] = {CREATIVE: [], PRECISE: []}
    folders = _words(leaf.path.split("/", 1)[1])
    for words, weight in ((folders, PATH_WEIGHT), (_words(leaf.task_description), TASK_WEIGHT)):
        for word in words:
            if word in _KINDS:
                voice, kind = _KINDS[word]
                weights[voice] += weight
                found[voice].append(f"{kind} (`{word}`)")
    if weights[CREATIVE] > weights[PRECISE]:
        return Persona("creative", found[CREATIVE][0])
    return Persona("precise", found[PRECISE][0] if found[PRECISE] else "no sign of creative writing")


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(_WORD.findall(text.lower())))
