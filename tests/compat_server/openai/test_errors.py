"""Every complaint of msgspec in the vendor's words, every error of ours in the vendor's form."""

import json
from typing import Any

import httpx
import msgspec
import pytest

from backends import errors as ours
from compat_server.openai.chat import ChatCompletionRequest
from compat_server.openai.errors import event, found, invalid, render

HI: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def complaint(fields: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(fields, ChatCompletionRequest)
    said = invalid(error.value, fields)
    return said.message, said.param, said.code


COMPLAINTS = [
    ({"model": None}, "Invalid type for 'model': expected a string, but got null instead."),
    ({"n": "2"}, "Invalid type for 'n': expected an integer, but got a string instead."),
    ({"n": 1.5}, "Invalid type for 'n': expected an integer, but got a number instead."),
    ({"top_p": True}, "Invalid type for 'top_p': expected a number, but got a boolean instead."),
    ({"stream": 1}, "Invalid type for 'stream': expected a boolean, but got an integer instead."),
    (
        {"messages": {}},
        "Invalid type for 'messages': expected an array, but got an object instead.",
    ),
    (
        {"stop": 5},
        "Invalid type for 'stop': expected a string or an array, but got an integer instead.",
    ),
    (
        {"response_format": "json"},
        "Invalid type for 'response_format': expected an object, but got a string instead.",
    ),
    (
        {"temperature": 2.5},
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.0, "
        "but got 2.5 instead.",
    ),
    (
        {"n": 0},
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ),
    (
        {"messages": []},
        "Invalid 'messages': empty array. Expected an array with minimum length 1, "
        "but got an array with length 0 instead.",
    ),
    (
        {"stop": ["a"] * 5},
        "Invalid 'stop': array too long. Expected an array with maximum length 4, "
        "but got an array with length 5 instead.",
    ),
    (
        {"model": ""},
        "Invalid 'model': empty string. Expected a string with minimum length 1, "
        "but got a string with length 0 instead.",
    ),
]
CODES = {
    "Invalid type": "invalid_type",
    "decimal above": "decimal_above_max_value",
    "integer below": "integer_below_min_value",
    "empty array": "empty_array",
    "array too long": "array_above_max_length",
    "empty string": "empty_string",
}


@pytest.mark.parametrize(("wrong", "text"), COMPLAINTS, ids=lambda value: str(value)[:24])
def test_vendors_words_param_and_code(wrong: dict[str, Any], text: str) -> None:
    (field,) = wrong
    code = next(code for words, code in CODES.items() if words in text)
    assert complaint({**HI, **wrong}) == (text, field, code)


def test_missing_field_is_named_with_its_place() -> None:
    text = "Missing required parameter: 'messages[0].role'."
    fields = {"model": "m", "messages": [{"content": "x"}]}
    assert complaint(fields) == (text, "messages[0].role", "missing_required_parameter")
    text = "Missing required parameter: 'messages'."
    assert complaint({"model": "m"}) == (text, "messages", "missing_required_parameter")


def test_place_in_a_list_is_named() -> None:
    fields = {"model": "m", "messages": [HI["messages"][0], {"role": "user", "content": 5}]}
    assert complaint(fields)[1] == "messages[1].content"


def test_value_that_is_none_of_the_choices() -> None:
    fields = {**HI, "messages": [{"role": "narrator", "content": "x"}]}
    text, param, code = complaint(fields)
    assert text.startswith("Invalid value: 'narrator'.")
    assert (param, code) == ("messages[0].role", "invalid_value")


def test_pattern() -> None:
    tool = {"type": "function", "function": {"name": "two words"}}
    text, param, code = complaint({**HI, "tools": [tool]})
    assert text.startswith("Invalid 'tools[0].function.name'")
    assert (param, code) == ("tools[0].function.name", "invalid_value")


def test_value_in_a_map_names_the_map_and_shows_no_dots() -> None:
    text, param, code = complaint({**HI, "logit_bias": {"50256": 500}})
    assert param == "logit_bias"
    assert "[...]" not in text
    assert "500 instead" in text
    assert code == "decimal_above_max_value"


def test_body_that_is_no_object_has_no_param() -> None:
    assert complaint([1])[1] in (None, "")


@pytest.mark.parametrize(
    ("param", "value"),
    [("messages[0].role", "user"), ("model", "m"), ("messages[7].role", None), ("model.x", None)],
)
def test_found(param: str, value: Any) -> None:
    assert found(HI, param) == value


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (ours.InvalidRequest("x"), 400, "invalid_request_error", None),
        (ours.InvalidRequest("x", code="c"), 400, "invalid_request_error", "c"),
        (ours.ContextTooLong("x", code="c"), 400, "invalid_request_error", "c"),
        (ours.Unsupported("x"), 400, "invalid_request_error", None),
        (ours.TooLarge("x"), 413, "invalid_request_error", None),
        (ours.Unauthenticated("x"), 401, "invalid_request_error", "invalid_api_key"),
        (ours.Forbidden("x"), 403, "invalid_request_error", None),
        (ours.NotFound("x"), 404, "invalid_request_error", None),
        (ours.ModelNotFound("m"), 404, "invalid_request_error", "model_not_found"),
        (ours.RouteNotFound("x"), 404, "invalid_request_error", "unknown_url"),
        (ours.MethodNotAllowed("x"), 405, "invalid_request_error", "method_not_supported"),
        (ours.RateLimited("x", retry_after=0.2), 429, "requests", "rate_limit_exceeded"),
        (ours.Overloaded("x", retry_after=2), 503, "server_error", None),
        (ours.EngineFailed("x"), 500, "server_error", None),
        (ours.CompatError("x"), 500, "server_error", None),
    ],
)
def test_envelope(error: ours.CompatError, status: int, kind: str, code: str | None) -> None:
    rendered, headers, body = render(error)
    envelope = json.loads(body)["error"]
    assert rendered == status
    assert envelope.keys() == {"message", "type", "param", "code"}
    assert (envelope["type"], envelope["code"]) == (kind, code)
    waits = {"RateLimited": b"1", "Overloaded": b"2"}.get(type(error).__name__)
    assert dict(headers).get(b"retry-after") == waits
    assert event(error) == b"data: " + body + b"\n\n"


def test_every_error_of_ours_has_a_form() -> None:
    kinds = [
        k for k in vars(ours).values() if isinstance(k, type) and k.__module__ == ours.__name__
    ]
    assert len(kinds) > 12
    for kind in kinds:
        made = kind.__new__(kind)
        made.__dict__.update(message="x", param=None, code=None, retry_after=1, model="m")
        assert 400 <= render(made)[0] <= 599


def test_unknown_model_in_the_vendors_words() -> None:
    message = json.loads(render(ours.ModelNotFound("gpt-9"))[2])["error"]["message"]
    assert message == "The model `gpt-9` does not exist or you do not have access to it."


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/nothing", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("DELETE", "/v1/chat/completions", 405, "method_not_supported"),
        ("PUT", "/v1/embeddings", 405, "method_not_supported"),
        ("POST", "/v1/models", 405, "method_not_supported"),
        ("GET", "/v1/models/gpt-9", 404, "model_not_found"),
        ("GET", "/v1/models/org/gpt-9", 404, "model_not_found"),
        ("DELETE", "/v1/models/chatty", 403, None),
        ("POST", "/openai/deployments/gpt-9/chat/completions", 400, None),
    ],
)
async def test_routes_answer_in_the_vendors_form(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str | None
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    if code == "unknown_url":
        assert error["message"] == f"Invalid URL ({method} {path})"
