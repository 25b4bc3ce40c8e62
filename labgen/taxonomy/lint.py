"""Comments that switch lint off, as yamllint reads them: `# yamllint disable rule:trailing-spaces`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from labgen.lazy import re

LINT_NAMES = {
    "LG102": "key-duplicates",
    "LG402": "trailing-spaces",
    "LG403": "empty-lines",
    "LG404": "new-line-at-end-of-file",
    "LG407": "trailing-spaces",
}
"""Our rules to the names that such comments use."""

_DIRECTIVE = re.compile(r"# yamllint (disable|enable|disable-line)((?: rule:\S+)*)\s*$")


class LintSwitches:
    """Which lines of a file have which lint rules switched off.

    Args:
        text: the file.
        comments: (line, column) of every comment, 1-based; a `#` inside a text is none.
    """

    def __init__(self, text: str, comments: Iterable[tuple[int, int]]) -> None:
        lines = text.splitlines()
        self._whole_file = bool(lines) and re.fullmatch(r"# yamllint disable-file\s*", lines[0]) is not None
        self._lines: dict[int, set[str]] = {}
        self._changes: list[tuple[int, bool, tuple[str, ...]]] = []
        self._of_rule: dict[str, tuple[list[int], list[bool]]] = {}
        for line, column in comments:
            found = _DIRECTIVE.match(lines[line - 1], column - 1)
            if not found:
                continue
            names = tuple(name.removeprefix("rule:") for name in found[2].split())
            if found[1] == "disable-line":
                # On a line of its own the comment speaks of the next line.
                target = line if lines[line - 1][: column - 1].strip() else line + 1
                self._lines.setdefault(target, set()).update(names or ("*",))
            else:
                self._changes.append((line, found[1] == "disable", names))

    def off(self, code: str, line: int) -> bool:
        """Whether the rule of this code is switched off in a line."""
        name = LINT_NAMES.get(code)
        if name is None:
            return False
        if self._whole_file or {name, "*"} & self._lines.get(line, set()):
            return True
        if name not in self._of_rule:
            changes = [(at, disable) for at, disable, names in self._changes if not names or name in names]
            self._of_rule[name] = [at for at, _ in changes], [disable for _, disable in changes]
        lines, off = self._of_rule[name]
        place = bisect_right(lines, line)
        return place > 0 and off[place - 1]
