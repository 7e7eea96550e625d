"""Bad input to chat and to the server as a whole: the vendor's 4xx, naming what is wrong."""

from typing import Any

import pytest

from conformance_tests.live_server import LiveServer
from conformance_tests.openai.refusal import Refused, refused

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]
GOOD: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 2}
GONE: Any = object()
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
SMELLY = {
    "type": "function",
    "function": {"name": "f", "parameters": {"properties": {"a": {"type": "smell"}}}},
}
RESULT = {"role": "tool", "content": "x"}
LONG = [{"role": "user", "content": "word " * 9000}]
UNBALANCED = {"type": "string", "pattern": "^($"}


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def schema(value: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    # what is wrong, the fields that make it so, `param`
    ("no model", {"model": GONE}, "model"),
    ("empty model", {"model": ""}, "model"),
    ("no messages", {"messages": GONE}, "messages"),
    ("messages empty", {"messages": []}, "messages"),
    ("no role", {"messages": [{"content": "Hi"}]}, "messages[0].role"),
    ("unknown role", {"messages": [{"role": "x", "content": "Hi"}]}, "messages[0].role"),
    ("no content", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("number as content", {"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    ("second message", {"messages": [*HI, {"role": "user", "content": 1}]}, "messages[1].content"),
    ("no parts", {"messages": user()}, "messages[0].content"),
    ("unknown part", {"messages": user({"type": "smell"})}, "messages[0].content[0].type"),
    ("text without text", {"messages": user({"type": "text"})}, "messages[0].content[0].text"),
    (
        "image for a text model",
        {"messages": user({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}})},
        "messages[0].content[0].type",
    ),
    (
        "result of no call",
        {"messages": [{"role": "tool", "content": "x"}]},
        "messages[0].tool_call_id",
    ),
    (
        "too long for the context",
        {"messages": user({"type": "text", "text": "word " * 9000})},
        "messages",
    ),
    ("temperature below", {"temperature": -1}, "temperature"),
    ("temperature above", {"temperature": 2.5}, "temperature"),
    ("top_p above", {"top_p": 1.5}, "top_p"),
    ("penalty above", {"presence_penalty": 3}, "presence_penalty"),
    ("penalty below", {"frequency_penalty": -3}, "frequency_penalty"),
    ("max_tokens zero", {"max_tokens": 0}, "max_tokens"),
    ("limit negative", {"max_completion_tokens": -1}, "max_completion_tokens"),
    ("n zero", {"n": 0}, "n"),
    ("n above", {"n": 129}, "n"),
    ("five stops", {"stop": list("abcde")}, "stop"),
    ("top_logprobs above", {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ("top_logprobs alone", {"top_logprobs": 2}, "top_logprobs"),
    ("bias above", {"logit_bias": {"1": 101}}, "logit_bias"),
    ("bias of no token", {"logit_bias": {"x": 1}}, "logit_bias"),
    ("stream_options alone", {"stream_options": {"include_usage": True}}, "stream_options"),
    ("speech", {"modalities": ["text", "audio"]}, "modalities"),
    ("tool_choice alone", {"tool_choice": "required"}, "tool_choice"),
    ("unknown choice", {"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
    (
        "choice of another tool",
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "then"}}},
        "tool_choice",
    ),
    ("tool without function", {"tools": [{"type": "function"}]}, "tools[0].function"),
    (
        "tool without name",
        {"tools": [{"type": "function", "function": {}}]},
        "tools[0].function.name",
    ),
    (
        "tool with a bad name",
        {"tools": [{"type": "function", "function": {"name": "a b"}}]},
        "tools[0].function.name",
    ),
    ("tool with a bad schema", {"tools": [SMELLY], "tool_choice": "required"}, "tools[0]"),
    ("unknown format", {"response_format": {"type": "yaml"}}, "response_format.type"),
    ("no schema", {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ("bad type in the schema", {"response_format": schema({"type": "smell"})}, "response_format"),
    ("dangling reference", {"response_format": schema({"$ref": "#/$defs/x"})}, "response_format"),
    (
        "bad pattern",
        {"response_format": schema({"type": "string", "pattern": "^($"})},
        "response_format",
    ),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("fields", "param"), [pytest.param(f, p, id=i) for i, f, p in FIELDS])
def test_field(server: LiveServer, fields: dict[str, Any], param: str, stream: bool) -> None:
    """A stream is refused as a whole answer is: with a status, before it begins."""
    body = {k: v for k, v in {**GOOD, **fields, "stream": stream}.items() if v is not GONE}
    if "stream_options" in fields:
        body.pop("stream")
    error = refused(server, CHAT, body)
    assert error.status == 400
    assert error.type == "invalid_request_error"
    assert named(error, param), error


def named(error: Refused, param: str) -> bool:
    """Something deeper within the field names it as well."""
    return error.param == param or (error.param or "").startswith((f"{param}.", f"{param}["))


WRONG_TYPES = {
    "model": 1, "messages": "Hi", "temperature": "hot", "top_p": [], "n": "2", "stop": 5,
    "stream": "yes", "max_tokens": 1.5, "max_completion_tokens": "9", "seed": "x", "tools": {},
    "tool_choice": 3, "response_format": "json", "logprobs": 3, "top_logprobs": True,
    "logit_bias": [], "presence_penalty": "x", "frequency_penalty": {}, "stream_options": [],
}  # fmt: skip


@pytest.mark.parametrize("field", WRONG_TYPES)
def test_wrong_type(server: LiveServer, field: str) -> None:
    error = refused(server, CHAT, {**GOOD, field: WRONG_TYPES[field]})
    assert (error.status, error.param) == (400, field)
    assert f"'{field}'" in error.message
    assert error.code == "invalid_type"


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings"])
def test_unknown_model(server: LiveServer, path: str) -> None:
    error = refused(server, path, {**GOOD, "model": "gpt-9", "prompt": "x", "input": "x"})
    assert (error.status, error.code) == (404, "model_not_found")
    assert error.message == "The model `gpt-9` does not exist or you do not have access to it."


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_model_for_something_else(server: LiveServer, path: str) -> None:
    error = refused(server, path, {**GOOD, "prompt": "x", "model": "text-embedding-3-small"})
    assert (error.status, error.param) == (400, "model")


def test_context_says_how_long_it_may_be(server: LiveServer) -> None:
    error = refused(server, CHAT, {**GOOD, "messages": LONG})
    assert error.code == "context_length_exceeded"
    assert "maximum context length is 8192 tokens" in error.message
