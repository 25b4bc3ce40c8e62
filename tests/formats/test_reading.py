# ruff: noqa: E501 - tables of replies are easier to read on one line each
"""What teachers reply is read tolerantly, or not at all; never wrongly, and never with an exception."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labgen.formats.reading import read_blocks, read_fields, read_json, read_score, read_yes_no

# A reasoning model's closing tag inside a string would be taken for the end of its reasoning.
plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=12,
)
JUDGE = {
    "answerable": "yes_no",
    "claims": "list",
    "score": "score3",
    "safe": "yes_no",
    "hazard": "text?",
    "reason": "text?",
}
near_json = st.lists(
    st.sampled_from(['{', '}', '[', ']', '"', "'", ":", ",", "a", "yes", "3", "\\", "\n", "```", "“", "<think>", "</think>", " "])
).map("".join)  # fmt: skip


@example(text='{"\\')
@given(st.text() | near_json)
def test_no_text_makes_the_readers_fail(text):
    """Any text at all gets an answer or None."""
    read_json(text)
    assert read_yes_no(text) in (True, False, None)
    assert read_score(text, low=1, high=3) in (1, 2, 3, None)
    read_fields(text, JUDGE)
    assert all(isinstance(block, str) for block in read_blocks(text, "question"))


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 20_000, '{"a": "' * 20_000, "{a " * 50_000, "<question" * 20_000,
                                  "yes " * 30_000, "score: " * 30_000, '{"a": /*' * 10_000, "1. " * 20_000])  # fmt: skip
@pytest.mark.timeout(60)  # quadratic time would be minutes
def test_hostile_replies_are_read_in_bounded_time(text):
    """Walls of brackets, tags or labels neither overflow the stack nor take quadratic time."""
    read_json(text), read_yes_no(text), read_score(text, low=1, high=3), read_fields(text, JUDGE)
    read_blocks(text, "question")


@given(values.filter(lambda value: isinstance(value, dict | list)))
def test_strict_json_is_never_reinterpreted(value):
    """What a correct reply says is what is read."""
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False, indent=2)) == value


@given(st.dictionaries(plain, values, min_size=1, max_size=4))
def test_an_object_is_found_in_fences_and_prose(value):
    """A code fence and sentences around an object change nothing."""
    assert read_json(f"Sure! Here it is:\n```json\n{json.dumps(value)}\n```\nHope this helps.") == value
    assert read_json(f"I think so. {json.dumps(value)}") == value


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.booleans() | st.integers(0, 99) | st.none(), min_size=1
    )
)
def test_python_literals_are_read(value):
    """A dict as Python prints it is an object."""
    assert read_json(repr(value)) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"score": 3, "reason": "good",}', {"score": 3, "reason": "good"}),
        ("{'safe': True, 'hazard': None}", {"safe": True, "hazard": None}),
        ("{“score”: 2, “reason”: “it’s right”}", {"score": 2, "reason": "it’s right"}),
        ('{"reason": "it said "yes" twice", "score": 1}', {"reason": 'it said "yes" twice', "score": 1}),
        ("{'reason': 'it's wrong', 'score': 1}", {"reason": "it's wrong", "score": 1}),
        ('{"score": 3, "reason": "cut off in the mid', {"score": 3, "reason": "cut off in the mid"}),
        ('{"verdicts": [{"id": 1, "safe": "yes"}, {"id": 2', {"verdicts": [{"id": 1, "safe": "yes"}, {"id": 2}]}),
        ("{score: 3/3, safe: yes}", {"score": "3/3", "safe": "yes"}),
        ('{"a": 1\n "b": 2}', {"a": 1, "b": 2}),
        ('{"a": "x"\n "b": 2}', {"a": "x", "b": 2}),
        ('{"a": 1, // one\n "b": 2}', {"a": 1, "b": 2}),
        ('As [1] and {1, 2} show: {"a": 1}', {"a": 1}),
        ('The form {"score": 1} is filled in: {"score": 3}', {"score": 3}),
        ('{"id": 1}\n{"id": 2}', [{"id": 1}, {"id": 2}]),
        ('Here: [{"id": 1}, {"id": 2}] and [3]', [{"id": 1}, {"id": 2}]),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ("no object here", None),
        ("a lone { in prose", None),
        ("", None),
    ],
)
def test_json_as_models_write_it(text, value):
    """The usual slips of language models are read through."""
    assert read_json(text) == value


YES = """
Yes|yes|YES.|**Yes**|"Yes"|Yes!|- Yes|Yes, it is supported by the text.|Yes: the passage says so|Yes - clearly|true|True|Y
Yes the answer follows from the passage.|Answer: yes|The answer is yes.|Final answer: **Yes**|Supported: Yes|(yes)|✅ Yes
oui|Oui, tout à fait.|ja|Ja.|Ja, das stimmt.|да|Да.|sí|Sí, claro|sì|sim|tak|ano|はい|はい。|是|是的。|是的,因为文中提到|네|예.|evet|हाँ|हाँ।
ใช่|نعم|بله|כן|vâng|kyllä|igen|ναι|Yes\\nThe passage names the year.|[Yes]|`yes`|> yes|Yes; no doubt about it.
""".replace("\n", "|").split("|")  # fmt: skip
NO = (
    """
No|no.|NO|**No**|"no"|No!|No, because the text is silent on that.|No. The year is wrong.|No - it is not|false|False|N|no: unsupported
Answer: no|The answer is no.|Verdict – No|No, it is not correct.|No it is not.|non|Nein.|Nein, das steht nicht da.|нет|Нет.|não|nie|ne
いいえ|いいえ。|不是|否|아니요|hayır|नहीं|ไม่|ไม่ใช่|لا|خیر|לא|không|tidak|nem|όχι|No\\nThe passage says otherwise.|nope
""".replace("\n", "|")
    .replace("Verdict – No", "Verdict: No")
    .split("|")
)
NEITHER = """
not sure|Not sure.|nothing|know|north|Nobody says so|noted|yesterday|Yesterday, it rained.|Yes and no|yes or no|Yes/No|yes, no|No doubt.
no-one|No. 5|no idea|no problem|No problems found.|maybe|Unclear|N/A|partially|Yes, partially.|Yes, but only in part|?|Yes?|unknown|none|None
是否|不知道|I can't say|It depends|Well, yes and no.|No. Wait, actually: yes|yesno|noyes|The text says no such thing|Jakarta|dates|nonsense|"yes" or "no"
siempre|Is it yes?|42|3|...|perhaps yes|The candidate says yes to war
""".replace("\n", "|").split("|")  # fmt: skip


@pytest.mark.parametrize("text", [text.replace("\\n", "\n") for text in YES if text])
def test_yes_is_read_in_many_forms(text):
    """A yes is a yes with full stops, markdown, labels, explanations, and in other languages."""
    assert read_yes_no(text) is True


@pytest.mark.parametrize("text", [text.replace("\\n", "\n") for text in NO if text])
def test_no_is_read_in_many_forms(text):
    """A no is a no with full stops, markdown, labels, explanations, and in other languages."""
    assert read_yes_no(text) is False


@pytest.mark.parametrize("text", [text for text in NEITHER if text])
def test_what_is_neither_yes_nor_no_is_not_guessed(text):
    """Hedges, both at once, and "no" inside other words are no answers."""
    assert read_yes_no(text) is None


@pytest.mark.parametrize("value, answer", [(True, True), (False, False), (1, True), (0, False), (2, None), (None, None),
                                           (["yes"], True), (["yes", "no"], None), ({}, None), (0.5, None)])  # fmt: skip
def test_json_values_are_read_as_yes_or_no(value, answer):
    """Booleans, 1 and 0 are what they say; other values are unreadable."""
    assert read_yes_no(value) is answer


@given(
    st.sampled_from(["yes", "no", "oui", "nein", "да", "нет", "はい", "いいえ"]),
    st.text("bcdfghjklmpqrtvwxz", min_size=1),
)
def test_an_answer_inside_a_word_is_never_read(word, letters):
    """Letters directly before or after make another word of it."""
    assert read_yes_no(letters + word) is None
    assert read_yes_no(word + letters) is None


@pytest.mark.parametrize(
    "value, score",
    [
        (3, 3), (2.0, 2), ("3", 3), ("Score: 3", 3), ("3/3", 3), ("3 out of 3", 3), ("**2**", 2), ("2.", 2), ("Score: **2**/3", 2),
        ("score = 1", 1), ("Score (1-3): 2", 2), ("Rating: 3 points", 3), ("I would give it a 2.", 2), ("two", 2), ("Score: three", 3),
        ("3 - complete and well put", 3), ("2\nIt is bare.", 2), ("The score is 1 because 4 claims are wrong.", 1), ("3", 3),
        ("评分:3", 3), ("оценка: 2", 2), ("3分", 3), ("Note : 2 sur 3", 2), ("Bewertung: 1 von 3", 1), ("- 3", 3), (["2"], 2), ("2.0", 2),
        ("Score: 2, since 1 of 3 facts is missing.", 2), ("3.", 3), ("(3)", 3), ('"3"', 3),
        ("between 2 and 3", None), ("2-3", None), ("2 or 3", None), ("2.5", None), (2.5, None), ("4", None), (0, None), ("0", None),
        ("2/5", None), ("8/10", None), ("-1", None), ("-2", None), (True, None), (None, None), ("", None), ("good", None), ("30", None),
        ("1,000", None), ("Score 1: bad. Score: 3", None), ("There are 3 errors in it.", None), ("1. wrong year\n2. wrong place", None),
        ("3%", None), ("Score: between 1 and 2", None), ("Score: 2 to 3", None), (float("nan"), None), ("Score: 13", None), ({}, None),
        ("v3", None), ("2024", None), ("Score: 2.5", None),
    ],
)  # fmt: skip
def test_scores_on_the_three_point_scale(value, score):
    """A score is read where exactly one on the scale is given, in whatever words; anything else is None."""
    assert read_score(value, low=1, high=3) == score


@given(st.integers(-50, 50), st.sampled_from(["{}", "Score: {}", "**{}**", "{}/3", "Score: {} out of 3", "{}."]))
def test_scores_outside_the_scale_are_never_read(number, form):
    """Round trip: what is on the scale is read, what is not is None."""
    assert read_score(form.format(number), low=1, high=3) == (number if 1 <= number <= 3 else None)


GOOD = {
    "answerable": True,
    "claims": [{"claim": "c", "supported": "yes"}],
    "score": 3,
    "safe": True,
    "hazard": "none",
    "reason": "fine",
}


@pytest.mark.parametrize(
    "text",
    [
        '{"answerable": "yes", "claims": [{"claim": "c", "supported": "yes"}], "score": 3, "safe": "yes", "hazard": "none", "reason": "fine"}',
        '```json\n{"Answerable": "Yes.", "Claims": [{"claim": "c", "supported": "yes"}], "Score": "3/3", "SAFE": true, "hazard": "none", "reason": "fine"}\n```',
        '{"verdict": {"answerable": true, "claims": [{"claim": "c", "supported": "yes"}], "score": 3, "safe": 1, "hazard": "none", "reason": "fine"}}',
        '[{"answerable": "yes", "claims": {"claim": "c", "supported": "yes"}, "score": "3", "safe": "yes", "hazard": "none", "reason": "fine"}]',
        '- **Answerable:** Yes\n- **Claims:** [{"claim": "c", "supported": "yes"}]\n- **Score:** 3/3\n- **Safe**: yes.\n- Hazard: none\n- Reason: fine',
        'answerable: yes\nclaims: {"claim": "c", "supported": "yes"}\nscore - 3\nsafe = yes\nhazard: none\nreason: fine',
        '<answerable>Yes<claims>[{"claim": "c", "supported": "yes"}]</claims><score>3</score><safe>yes</safe><hazard>none<reason>fine',
    ],
)  # fmt: skip
def test_a_judge_s_fields_are_read_in_all_its_habits(text):
    """JSON, labelled lines and half-closed tags give the same fields."""
    assert read_fields(text, JUDGE) == GOOD


def test_fields_that_cannot_be_read_are_not_invented():
    """A required field that is missing, hedged or contradicted makes the reply unreadable; an optional one is None."""
    fields = {"on_task": "yes_no", "hazard": "text?"}
    assert read_fields("On task: yes", fields) == {"on_task": True, "hazard": None}
    assert read_fields("On-Task: yes\nHazard: none", fields) == {"on_task": True, "hazard": "none"}
    assert read_fields('{"on_task": "maybe"}', fields) is None
    assert read_fields("On task: yes\nOn task: no", fields) is None
    assert read_fields("Hazard: none", fields) is None
    assert read_fields("The text is on task.", fields) is None
    assert read_fields("Yes.", {"supported": "yes_no"}) == {"supported": True}
    assert read_fields("**Score:** 2\n\nIt is right but bare.", {"score": "score3"}) == {"score": 2}
    with pytest.raises(ValueError, match="unknown kind"):
        read_fields("x", {"a": "number"})


def test_lists_are_read_from_bullets_too():
    """A list of lines is a list; "none" is an empty one."""
    assert read_fields("Claims:\n- The sky is blue\n2. It rains", {"claims": "list"}) == {
        "claims": ["The sky is blue", "It rains"]
    }
    assert read_fields("Claims: none", {"claims": "list"}) == {"claims": []}
    assert read_fields('{"claims": null}', {"claims": "list"}) == {"claims": []}


@given(
    st.sampled_from(["yes", "no"]), st.integers(1, 3), st.text(st.characters(categories=["L", "Zs"]), max_size=20),
    st.sampled_from(["json", "lines", "tags"]),
)  # fmt: skip
def test_fields_round_trip(safe, score, reason, form):
    """What was written in any of the forms is what is read."""
    given_values = {"reason": reason, "score": score, "safe": safe}
    if form == "json":
        text = json.dumps(given_values)
    elif form == "lines":
        text = "\n".join(f"{name}: {value}" for name, value in given_values.items())
    else:
        text = "".join(f"<{name}>{value}</{name}>" for name, value in given_values.items())
    fields = {"reason": "text", "score": "score3", "safe": "yes_no"}
    assert read_fields(text, fields) == {"reason": reason.strip(), "score": score, "safe": safe == "yes"}


no_tags = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<>"), max_size=40)


@given(st.lists(no_tags, max_size=5), st.sampled_from(["question", "Question", "ANSWER"]))
def test_blocks_round_trip(contents, tag):
    """Contents come back in order, outer white space removed, whatever the case of the tag."""
    text = "\n".join(f"<{tag}>{content}</{tag.upper()}>" for content in contents)
    assert read_blocks("Here:\n" + text, tag.lower()) == [content.strip() for content in contents]


@given(st.lists(no_tags, min_size=1, max_size=5))
def test_blocks_that_never_close_end_at_the_next(contents):
    """A missing closing tag loses nothing."""
    assert read_blocks("".join(f"<question>{content}" for content in contents), "question") == [
        c.strip() for c in contents
    ]


def test_blocks_with_slips():
    """Attributes, spaces, crossed and half-written tags are read as meant."""
    assert read_blocks('<pair id="1">a</pair><pair >b< / pair>', "pair") == ["a", "b"]
    assert read_blocks("<question>Q<answer>A</answer>", "question") == ["Q"]
    assert read_blocks("<question>Q</answer><answer>A", "answer") == ["A"]
    assert read_blocks("<question>Q</question", "question") == ["Q"]
    assert read_blocks("<pair><question>Is a <b>b</b>?</question></pair>", "question") == ["Is a <b>b</b>?"]
    assert read_blocks("<questions>no</questions>", "question") == []
    assert read_blocks("<question>a < b and <i>c</i>", "question") == ["a < b and <i>c</i>"]
