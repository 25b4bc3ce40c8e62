"""LG102: keys that stand twice in a mapping, told from entries of a list that lack their dash."""

from __future__ import annotations

from labgen.text.yamltree import Node, Tree, walk

ENTRY_KEYS = ("question", "answer", "context")
"""Keys that an entry of a list of examples begins with."""


def find_repeats(tree: Tree) -> tuple[list[tuple[Node, Node]], list[Node]]:
    """(key, first of that name) for each repeated key, and the keys that a dash is missing before.

    Where a mapping's opening key comes again after another, a new entry begins there without its dash; the other keys
    that then come again are no slips of their own. A mapping that is no entry of a list lacks every dash: the list's
    own violation says so, and neither is given here.
    """
    if not tree.repeated or tree.root is None:
        return [], []
    nodes = list(walk(tree.root))
    entries = {id(item) for node in nodes for item in node.items}
    owners = {id(key): node for node in nodes for key, _ in node.entries}
    for key, first in reversed(tree.repeated):
        owners[id(first)] = owners.get(id(key), tree.root)
    again: dict[int, list[Node]] = {}
    for pair in tree.repeated:
        again.setdefault(id(owners.get(id(pair[0]), tree.root)), []).extend(pair)
    openings = {id(node): _opening_key(node, again[id(node)]) for node in nodes if id(node) in again}
    repeats, dashes = [], []
    for key, first in tree.repeated:
        owner = id(owners.get(id(key), tree.root))
        if not openings.get(owner):
            repeats.append((key, first))
        elif owner in entries and key.text == openings[owner]:
            dashes.append(key)
    return repeats, dashes


def _opening_key(mapping: Node, repeated: list[Node]) -> str:
    """The key that each entry of a list without dashes begins with; nothing where that is not what happened."""
    keys = sorted({key.start: key for key in [*(key for key, _ in mapping.entries), *repeated]}.items())
    names = [key.text for _, key in keys]
    if names[0] in ENTRY_KEYS and names[1] != names[0] and names[0] in names[2:]:
        return names[0]
    return ""
