"""Bodies as Ray's vLLM engine takes them, and what it gives as bodies of the API; no engine runs here."""

import json

import pytest

from labgen.bulk.ray_engine import CHAT, COMPLETIONS, PASSED_ON, engine_line, engine_reply, engine_row, sampling_params

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def row(body, url=CHAT, custom_id="k"):
    """A row with a line of a batch input file."""
    return {"request": json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})}


def chat(**more):
    """A chat body."""
    return {"model": "m", "messages": [{"role": "user", "content": "hello"}], **more}


def answered(body, url=CHAT, *, context_tokens=None, **output):
    """The line for what the engine put out."""
    made = {"generated_text": "text", "num_input_tokens": 5, "num_generated_tokens": 3, **output}
    line = json.loads(engine_reply({**row(body, url), **made}, context_tokens=context_tokens)["line"])
    assert line["custom_id"] == "k" and line["response"]["status_code"] == 200
    return line["response"]["body"]


def test_every_row_has_the_same_parameters():
    """Ray fills a field that a row lacks with None, which the engine would not take."""
    plain, full = sampling_params(chat(), "k"), sampling_params(chat(temperature=0, top_p=0.5, seed=7, stop=["x"]), "k")
    assert plain.keys() == full.keys()
    assert {name: plain[name] for name in PASSED_ON} == {**PASSED_ON, "seed": plain["seed"]}
    assert (full["temperature"], full["top_p"], full["seed"], full["stop"]) == (0, 0.5, 7, ["x"])


@pytest.mark.parametrize("body", [chat(), chat(seed=7), chat(max_tokens=9), chat(seed=None), chat(logit_bias={"1": 2})])
def test_whole_numbers_stand_in_every_row(body):
    """Beside a row without one, Ray makes fractions of the others' seeds and limits, and vLLM's engine ends at them."""
    found = engine_row(row(body), api=CHAT)["sampling_params"]
    assert all(type(found[name]) is int for name in ("seed", "max_tokens", "top_k", "min_tokens"))


def test_bodies_without_a_seed_have_seeds_of_their_own():
    """The same request in the same file has the same one."""
    first, again, other = (sampling_params(chat(), key)["seed"] for key in ("a", "a", "b"))
    assert first == again != other


@pytest.mark.parametrize(
    ("given", "name", "taken"),
    [
        ({"stop": "end"}, "stop", ["end"]),
        ({"max_tokens": 9}, "max_tokens", 9),
        ({"max_completion_tokens": 9}, "max_tokens", 9),
        ({"response_format": {"type": "text"}}, "structured_outputs", None),
        ({"response_format": {"type": "json_object"}}, "structured_outputs", {"json": '{"type": "object"}'}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            "structured_outputs",
            {"json": json.dumps(SCHEMA)},
        ),
    ],
)
def test_what_a_body_asks_for_reaches_the_engine(given, name, taken):
    """A schema as text, so that Ray does not mix it with those of other rows."""
    assert sampling_params(chat(**given), "k")[name] == taken


def test_messages_or_a_prompt_go_along():
    """By the API of the file."""
    assert engine_row(row(chat()), api=CHAT)["messages"] == [{"role": "user", "content": "hello"}]
    assert engine_row(row({"model": "m", "prompt": "p"}, COMPLETIONS), api=COMPLETIONS)["prompt"] == "p"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (chat(n=2), "`n`"),
        (chat(logit_bias={"1": 2}), "`logit_bias`"),
        (chat(chat_template_kwargs={"enable_thinking": False}), "`chat_template_kwargs`"),
        (chat(response_format={"type": "grammar"}), "`grammar`"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "no text"),
        ({"model": "m"}, "messages"),
    ],
)
def test_what_the_engine_has_no_word_for_is_refused_and_not_left_out(body, words):
    """As an endpoint refuses, by a line of status 400; Ray's stages pass such a row by."""
    asked = engine_row(row(body), api=CHAT)
    line = json.loads(engine_line({**row(body), **asked})["line"])
    assert line["response"]["status_code"] == 400 and words in line["response"]["body"]["error"]["message"]


def test_a_file_holds_requests_of_one_api():
    """A stray one is refused."""
    asked = engine_row(row({"model": "m", "prompt": "p"}, COMPLETIONS), api=CHAT)
    assert "refused" in asked["__inference_error__"]


def test_a_reply_has_the_form_of_its_api():
    """With its usage."""
    body = answered(chat(max_tokens=9))
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "text"}
    assert body["choices"][0]["finish_reason"] == "stop" and body["model"] == "m"
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert answered({"model": "m", "prompt": "p"}, COMPLETIONS)["choices"][0]["text"] == "text"


def test_a_reply_that_has_all_its_tokens_counts_as_cut():
    """The engine does not say why it ended."""
    assert answered(chat(max_tokens=3))["choices"][0]["finish_reason"] == "length"
    assert answered(chat(), context_tokens=8)["choices"][0]["finish_reason"] == "length"
    assert answered(chat(), context_tokens=9)["choices"][0]["finish_reason"] == "stop"


def test_an_engines_error_is_no_refusal():
    """It says so without a response, so that it is asked again."""
    line = json.loads(engine_line({**row(chat()), "__inference_error__": "ValueError: too long"})["line"])
    assert line["response"] is None and line["error"] == {"code": "engine_error", "message": "ValueError: too long"}
    assert engine_line({"line": "as it is", "__inference_error__": ""}) == {"line": "as it is"}
