"""What is wrong with a request is said with its place, before any engine is asked."""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.fake_openai_engine import FakeEngine, completion, text_stream

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def said(**message: Any) -> dict[str, Any]:
    return {"messages": [*HI, message]}


def parts(*content: Any) -> dict[str, Any]:
    return said(role="user", content=[*content])


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"model": "gpt-9"}, "model", "model_not_found"),
    ({"model": "vectors"}, "model", "model_not_supported"),
    ({"model": None}, "model", "invalid_type"),
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": []}, "messages", "empty_array"),
    (said(role="narrator", content="x"), "messages[1].role", "invalid_value"),
    (said(role="user"), "messages[1].content", None),
    (said(role="user", content=None), "messages[1].content", None),
    (said(role="user", content=[]), "messages[1].content", "empty_array"),
    (said(role="assistant", content=None), "messages[1].content", None),
    (said(role="assistant", tool_calls=[{}]), "messages[1].tool_calls[0].id", None),
    (said(role="tool", content="x"), "messages[1].tool_call_id", None),
    (said(role="function", content="x", name="f"), "messages[1].role", None),
    (parts({"type": "hologram"}), "messages[1].content[0].type", "invalid_value"),
    (parts({"type": "text"}), "messages[1].content[0].text", None),
    (parts({"type": "text", "text": 5}), "messages[1].content[0].text", "invalid_type"),
    (parts("text"), "messages[1].content[0]", "invalid_type"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"top_p": "high"}, "top_p", "invalid_type"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 129}, "n", "integer_above_max_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_completion_tokens": -1}, "max_completion_tokens", "integer_below_min_value"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ({"seed": 2**63}, "seed", "integer_above_max_value"),
    ({"seed": 1.5}, "seed", "invalid_type"),
    ({"logprobs": 1}, "logprobs", "invalid_type"),
    ({"top_logprobs": 2}, "top_logprobs", None),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ({"stream": True, "stream_options": 5}, "stream_options", "invalid_type"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", None),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
        "missing_required_parameter",
    ),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [TOOL, {"type": "custom"}]}, "tools[1].type", None),
    ({"tools": [TOOL] * 129}, "tools", "array_above_max_length"),
    ({"tool_choice": "required"}, "tool_choice", None),
    ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice", "invalid_value"),
    ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function", None),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
        None,
    ),
    ({"functions": [{"name": "f"}]}, "functions", None),
    ({"function_call": "auto"}, "function_call", None),
    ({"modalities": ["text", "audio"]}, "modalities", None),
    ({"audio": {"voice": "a"}}, "audio", None),
    ({"web_search_options": {"user_location": None}}, "web_search_options", None),
]


@pytest.mark.parametrize(
    ("wrong", "param", "code"), REFUSED, ids=lambda value: str(value)[:40] if value else "-"
)
async def test_refused_by_its_place_and_never_sent(
    client: httpx.AsyncClient, engine: FakeEngine, wrong: Any, param: str, code: str | None
) -> None:
    body = {"model": "chatty", "messages": HI, **wrong}
    answer = await client.post("/v1/chat/completions", json=body)
    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "model_not_found" else 400), error
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert not engine.received


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0, "top_p": 1, "n": 1, "seed": -5, "stop": "x", "user": "me"},
        dict.fromkeys(("stop", "tools", "tool_choice", "n", "seed", "response_format")),
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tool_choice": "none"},
        {"messages": [*HI, {"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        {"messages": [*HI, {"role": "tool", "tool_call_id": "c", "content": ""}]},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}]}]},
        {"modalities": ["text"], "metadata": {"a": "b"}, "store": False, "service_tier": "auto"},
        {"logprobs": True, "top_logprobs": 0, "logit_bias": {"5": -100}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
    ],
    ids=lambda value: ",".join(value)[:40] if isinstance(value, dict) else str(value),
)
async def test_what_the_vendor_takes_is_taken(
    client: httpx.AsyncClient, engine: FakeEngine, more: dict[str, Any], stream: bool
) -> None:
    if "schema" in str(more.get("response_format")):
        more = json.loads(json.dumps(more).replace('"schema": {}', '"schema": {"type": "object"}'))
    engine.streams(text_stream("Hi")) if stream else engine.answers(completion())
    body = {"model": "chatty", "messages": HI, "stream": stream, **more}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert engine.last.json == {**body, "model": "upstream"}


@pytest.mark.parametrize(
    "path", ["/openai/deployments/chatty/chat/completions", "/openai/v1/chat/completions"]
)
async def test_azures_path_names_the_model(
    client: httpx.AsyncClient, engine: FakeEngine, path: str
) -> None:
    engine.answers(completion())
    body = {"messages": HI} if "deployments" in path else {"messages": HI, "model": "chatty"}
    answer = await client.post(path, json=body, params={"api-version": "2024-10-21"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "chatty"


async def test_alias_is_the_name_in_the_answer(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.answers(completion())
    body = {"model": "gpt-4o", "messages": HI}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.json()["model"] == "gpt-4o"
    assert answer.headers["x-compat-model"] == "chatty"
    assert answer.headers["x-compat-route"] == "backend"
