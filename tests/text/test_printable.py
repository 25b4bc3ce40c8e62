"""Strangers' text is shown and never obeyed, and credentials are not shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.printable import indented, one_line, plain, shown, without_credentials


def test_control_characters_reach_no_terminal() -> None:
    """They are written out, and so are direction marks and halves of characters; lines stay lines."""
    assert plain("\x1b[2J\u202e\udc80\ta\nb") == "\\u001b[2J\\u202e\\udc80\ta\nb"


@given(st.text())
def test_a_message_holds_what_can_be_printed_only(text: str) -> None:
    """And no more than it has room for."""
    for line in (one_line(text), shown(text)):
        assert line.isprintable()
        assert len(line) <= 200


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://jo:pw@host.org/x?token=1", "https://***@host.org/x?***"),
        ("git clone ssh://jo@host.org:22/x", "git clone ssh://***@host.org:22/x"),
        ("jo:pw@host.org:x", "jo:***@host.org:x"),
        ("git@host.org:owner/name", "git@host.org:owner/name"),
    ],
)
def test_addresses_are_shown_without_credentials(address: str, safe: str) -> None:
    """User, password and query go; what says where it is stays."""
    assert without_credentials(address) == shown(address) == safe


def test_long_text_is_cut_and_lines_are_indented() -> None:
    """With a mark that there was more."""
    assert one_line("a\tb\n c", 4) == "a b…"
    assert indented("a\nb") == "    a\n    b"
