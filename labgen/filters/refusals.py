"""Refusals: a reply that begins by declining, in the words that assistants decline in.

Only the beginning counts, and only with a verb of declining after it: "I cannot sleep" begins a poem, and "I'm sorry
for your loss" a letter.
"""

from __future__ import annotations

from labgen.lazy import re

_BEGINNINGS = (
    r"(?:i['’]?m|i am) (?:very |so |truly )?sorry[,.]? (?:but |however,? )?(?:i\b|as an?\b|this\b|that\b|there is no)",
    r"(?:i apologi[sz]e|my apologies|sorry)[,.]? (?:but|however,?) (?:i\b|as an?\b)",
    r"(?:i['’]?m|i am) (?:unable|not able|not allowed|not programmed) to\b",
    r"(?:i['’]?m|i am) (?:just |only )?an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b.{0,80}?\bi\b",
    r"i (?:can ?not|can['’]t|could not|couldn['’]t|will not|won['’]t|must decline to|decline to) (?:\w+ly )?(?:assist"
    r"|help|provide|answer|ful-?fill?|comply|generate|create|write|respond|discuss|engage|support|do that|complete"
    r"|access|browse|perform|offer|share|continue|give|process|see the|view|open|produce|recommend)\b",
    r"i (?:do not|don['’]t) have (?:\w+ )?(?:access to|personal|the ability|enough information|real-?time)",
    r"lo siento,? (?:pero )?(?:no puedo|como)",
    r"je (?:suis désolée?,?|ne peux pas) (?:mais )?(?:je|vous|répondre|fournir)",
    r"(?:es )?tut mir leid,? (?:aber )?(?:ich|als)",
    r"desculpe,? (?:mas )?(?:não|eu|como)",
    r"mi dispiace,? (?:ma )?(?:non posso|come)",
    r"(?:извините|простите|к сожалению),? (?:но )?я не могу",
    r"很?(?:抱歉|对不起|對不起)[,，。\s]*但?(?:我|作为)",
    r"(?:作为|身为)(?:一个|一款|一名)?(?:人工智能|AI|语言模型)",
    r"(?:大変)?申し訳(?:ありません|ございません)が",
    r"죄송(?:하지만|합니다만)",
)
_REFUSAL = re.compile(
    rf"(?:(?:unfortunately|well|hello|hi)\b[,!.]?\s+)?(?:{'|'.join(_BEGINNINGS)})", re.IGNORECASE | re.DOTALL
)


def find_refusal(text: str) -> str:
    """The words in which a text begins by declining (at most 200 characters), empty where it does not."""
    match = _REFUSAL.match(text.lstrip(" \t\n\"'“*"))
    return match.group()[:200] if match else ""
