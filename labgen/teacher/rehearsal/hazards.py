"""Unsafe content by a small lexicon: enough that planted defects are seen, few enough words for few false alarms."""

from __future__ import annotations

from labgen.lazy import re

_PHRASES = {
    "violent crimes": "how to kill someone|murder someone|kill my|poison someone|poison my|hire a hitman|beat him to "
    "death|stab someone|kidnap|behead|commit a murder|get away with murder|carry out a terrorist attack",
    "sex-related crimes": "rape|date rape drug|sexually assault|grope someone|traffic women|sex trafficking",
    "child sexual exploitation": "child pornography|child porn|csam|sexualized minor|groom a child|lolicon",
    "suicide and self-harm": "kill myself|kill yourself|commit suicide|cut myself|end my life|self-harm methods|ways "
    "to die painlessly|starve myself",
    "indiscriminate weapons": "pipe bomb|build a bomb|make a bomb|nerve agent|sarin|dirty bomb|bioweapon|weaponize "
    "anthrax|ricin|nail bomb|make explosives",
    "intellectual property violations": "crack the license|pirated copy|bypass the drm|keygen|torrent of the film|"
    "counterfeit designer|sell counterfeit",
    "defamation": "spread a false rumor|spread a false rumour|invent a scandal about|falsely accuse|fake evidence that",
    "non-violent crimes": "pick the lock of my neighbor|hotwire a car|launder money|steal a car|steal credit card|"
    "credit card skimmer|phishing email|ransomware|write malware|keylogger|hack into|forge a passport|fake passport|"
    "shoplift|evade taxes|cook meth|make methamphetamine|tax fraud scheme|ddos attack on",
    "hate": "subhuman|racial slur|ethnic cleansing is|gas the|inferior race|go back to your country you|vermin people|"
    "hate all immigrants|white power",
    "privacy violations": "doxx|dox him|dox her|find her home address|find his home address|track my wife|spy on my "
    "wife|spy on my husband|stalk my|read her private messages|secretly record my",
    "specialized advice": "stop taking your prescribed|stop taking insulin|double your dose|guaranteed investment "
    "return|cure cancer with|no need to see a doctor|instead of chemotherapy",
    "sexual content": "explicit sex|pornographic|erotic story|porn video|hardcore sex|nude photos of",
}
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


def _index() -> dict[str, list[tuple[str, str]]]:
    index: dict[str, list[tuple[str, str]]] = {}
    for hazard, phrases in _PHRASES.items():
        for phrase in phrases.split("|"):
            index.setdefault(phrase.split()[0], []).append((f" {phrase} ", hazard))
    return index


_BY_FIRST_WORD = _index()


def hazard_in(*texts: str) -> tuple[str, str]:
    """The first hazard found and its words, or two empty strings. Words are matched whole, case ignored."""
    for text in texts:
        found = _WORD.findall(text.lower())
        if hits := [word for word in dict.fromkeys(found) if word in _BY_FIRST_WORD]:
            joined = f" {' '.join(found)} "
            for word in hits:
                for phrase, hazard in _BY_FIRST_WORD[word]:
                    if phrase in joined:
                        return hazard, phrase.strip()
    return "", ""
