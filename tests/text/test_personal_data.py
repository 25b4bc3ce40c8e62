"""Personal data is found where it stands, examples are not, and a leaf is warned of what a row would be refused for."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import some
from workbench import Labgen, labgen, write_leaf  # noqa: F401 (a fixture)

from labgen.config.filtering import ThresholdsConfig
from labgen.filters.privacy import Privacy
from labgen.records import Candidate
from labgen.taxonomy.check import CheckOptions, check_source
from labgen.taxonomy.source import read_source
from labgen.text.personal_data import find_personal_data

FOUND = {
    "jane.doe@mail.corp.net": "e-mail address",
    "anna@fordmotorcompany.com": "e-mail address",
    "bob@mail.com": "e-mail address",
    "li.wei@163.com": "e-mail address",
    "ABC@abc.net.au": "e-mail address",
    "+49 30 901820": "telephone number",
    "+1 415-867-5309": "telephone number",
    "415-867-5309": "telephone number",
    "415.867.5309": "telephone number",
    "(415) 867-5309": "telephone number",
    "1-800-273-8255": "telephone number",
    "4539 5787 6362 1486": "card number",
    "4539578763621486": "card number",
    "3782-822463-10013": "card number",
    "DE44 5001 0517 5407 3249 31": "bank account (IBAN)",
    "NL02ABNA0123456789": "bank account (IBAN)",
    "536-22-8726": "US social security number",
}
"""What must be found, whole, and as what."""

MADE_UP = [
    "someone@example.com",
    "admin@mail.example",
    "x@shop.example.co.uk",
    "anna@mycompany.com",
    "info@your-company.co.uk",
    "support@company.com",
    "user@domain.com",
    "admin@MYDOMAIN.COM",
    "asmith@abc.com",
    "bjones@xyz.com",
    "john.doe@acme.inc",
    "foo@bar.com",
    "jo@localhost.localdomain",
    "+1 650-555-0123",
    "(212) 555-7788",
    "+44 20 7946 0958",
    "123-456-7890",
    "+49 123 4567890",
    "999-999-9999",
    "4111 1111 1111 1111",
    "1234 5678 9012 3456",
    "3782 822463 10005",
    "GB82 WEST 1234 5698 7654 32",
    "NL91ABNA0417164300",
    "123-45-6789",
    "111-22-3333",
]
"""What people write where none is meant."""

ORDINARY = [
    "git clone git@github.com:owner/name",
    "scp notes.txt root@host.firm.de:/srv",
    "ssh://deploy@host.firm.de/srv and https://jo:secret99@host.firm.de/",
    "icon@2x.png",
    "systemctl enable ceph-fuse@-mnt-mycephfs.service",
    "UID:6207e551ff6e4715b45220d0a9926046Back@www.timetable.cz",
    "def f(a: int) -> None: return a @ b  # decorators @functools.cache",
    "y = X.T@W.dot(z)",
    "ISBN 978-3-16-148410-0, version 1.2.3, 12+34 = 46, year 1999-12-2024, order 12-45-6789",
    "p = 0.5 + 14285714.286 x; +1980-02-29 01:02:03; (+0.000002296)",
    "2015-07-02T10:22:33+0200 and 192.168.100.2000",
    "sha 3b1f0a4e5d6c7b8a9f0e1d2c3b4a5f6e7d8c9b0a, id 588665495492014081, 2024010112345678",
    "115-244-2594 is no number that could be assigned, and +11-102-1092-7836 neither",
    "IBAN DE00 5001 0517 5407 3249 31 has wrong check digits, as has the card 4539 5787 6362 1487.",
    "",
]


@pytest.mark.parametrize("words", FOUND)
def test_personal_data_is_found_with_its_place(words: str) -> None:
    """Category and exact span, in the middle of other text and alone."""
    for before, after in (("Reach me: ", ", please."), ("", ""), ("| ", " |")):
        [span] = find_personal_data(before + words + after)
        assert span.category == FOUND[words]
        assert (before + words + after)[span.start : span.end] == words


@pytest.mark.parametrize("text", [*MADE_UP, *ORDINARY])
def test_made_up_data_and_ordinary_text_are_no_finding(text: str) -> None:
    """What is kept for examples, fails its check digits, or only looks alike."""
    assert find_personal_data(text) == []
    assert find_personal_data(f"It is {text}.") == []


def test_capitals_after_an_account_number_do_not_hide_it() -> None:
    """As on an invoice, where the bank's code comes next."""
    text = "Pay to BE71 0961 2345 6769 BIC GKCCBEBB"
    [span] = find_personal_data(text)
    assert text[span.start : span.end] == "BE71 0961 2345 6769"


def test_an_address_is_found_beside_what_is_no_part_of_it() -> None:
    """A link's scheme, a path, a colon, the end of a sentence."""
    for text in ("mailto:jo@firm.de", "/users/jo@firm.de/", "Mail:jo@firm.de: good", "Ask jo@firm.de."):
        [span] = find_personal_data(text)
        assert text[span.start : span.end] == "jo@firm.de"


def refused(text: str) -> set[str]:
    """Categories of personal data for which the filter finds a response unsafe."""
    scene = SimpleNamespace(thresholds=ThresholdsConfig())
    privacy = Privacy("pair")
    verdicts = asyncio.run(privacy(Candidate("leaf", 0, 0, "Why?", text), scene))  # type: ignore[arg-type]
    return {
        evidence.text
        for verdict in verdicts
        if verdict.filter == "personal_data" and privacy.decide(verdict, scene)  # type: ignore[arg-type]
        for evidence in verdict.evidence
    }


def warned(messages: list[str]) -> set[str]:
    """Categories of personal data that messages of `labgen check` name."""
    return {re.match(r"this looks like an? (.+?)(?: \(and |;)", message)[1] for message in messages}  # type: ignore[index]


def leaf_with(root: Path, text: str) -> Path:
    """A skill leaf whose first answer is a text."""
    seeds = [{"question": f"Question {number}?", "answer": text if not number else "None."} for number in range(5)]
    return write_leaf(root, "compositional_skills/notes", task_description="Answer.", seed_examples=seeds)


@pytest.mark.parametrize("text", [*FOUND, *MADE_UP, *ORDINARY])
def test_check_warns_of_what_the_filter_refuses(labgen: Labgen, text: str) -> None:  # noqa: F811
    """`labgen check` on a leaf and the filter on a row say the same of a text."""
    leaf_with(labgen.folder / "taxonomy", text)
    told = labgen("check", "--format", "json").json["violations"]
    found = warned([violation["message"] for violation in told if violation["code"] == "LG313"])
    assert found == refused(text) == ({FOUND[text]} if text in FOUND else set())


FRAGMENTS = st.one_of(
    st.sampled_from([*FOUND, *MADE_UP, *ORDINARY]),
    st.from_regex(r"[a-z.]{1,8}@[a-z-]{1,9}\.(com|de|example|py)[:/(=,]?", fullmatch=True),
    st.from_regex(r"[+(]?[0-9]{1,4}[ .)-]{0,2}[0-9]{2,4}[ .-]?[0-9]{3,7}", fullmatch=True),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=9),
    st.sampled_from([" ", "\n", ": ", "+", "-", "/", "IBAN "]),
)


@settings(max_examples=some(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, min_size=1, max_size=6).map("".join))
def test_check_and_filter_never_disagree(tmp_path: Path, text: str) -> None:
    """Whatever is put together of addresses, numbers and other characters."""
    file = leaf_with(tmp_path, text)
    answer = yaml.safe_load(file.read_text())["seed_examples"][0]["answer"]
    source = read_source(tmp_path, file)
    check_source(source, CheckOptions())
    found = warned([violation.message for violation in source.violations if violation.code == "LG313"])
    assert found == refused(answer)
