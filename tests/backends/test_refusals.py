import json
from typing import Any

import pytest

from backends.errors import (
    CompatError,
    ContextTooLong,
    EngineFailed,
    InvalidRequest,
    Overloaded,
    RateLimited,
    Unsupported,
)
from backends.refusals import refusal


def refused(status: int, body: Any, **headers: str) -> CompatError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(status, named, data)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "too hot", "type": "x", "param": None, "code": 400}}, "too hot"),
        ({"error": "too hot"}, "too hot"),
        ({"error": "too hot", "error_type": "validation"}, "too hot"),
        ({"detail": "too hot"}, "too hot"),
        ({"message": "too hot"}, "too hot"),
        ({"object": "error", "message": "too hot", "type": "BadRequestError"}, "too hot"),
        ({"detail": [{"loc": ["body"], "msg": "too hot"}]}, '[{"loc":["body"],"msg":"too hot"}]'),
        (b"<html>400</html>", "the engine refused the request"),
        (b"", "the engine refused the request"),
        ([1], "the engine refused the request"),
        ({"error": 5}, "the engine refused the request"),
        ({"error": {"message": None}}, "the engine refused the request"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_message_is_found_wherever_the_server_put_it(body: Any, message: str) -> None:
    error = refused(400, body)
    assert type(error) is InvalidRequest
    assert error.message == message


def test_param_and_code_are_kept_if_they_are_text() -> None:
    said = {"message": "m", "param": "top_p", "code": "bad_value"}
    error = refused(400, {"error": said})
    assert (error.param, error.code) == ("top_p", "bad_value")
    error = refused(400, {"error": {**said, "param": ["a"], "code": 400}})
    assert (error.param, error.code) == (None, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (401, EngineFailed),
        (403, EngineFailed),
        (404, EngineFailed),
        (429, RateLimited),
        (503, Overloaded),
        (500, EngineFailed),
        (502, EngineFailed),
        (301, EngineFailed),
    ],
)
def test_status(status: int, kind: type[CompatError]) -> None:
    assert type(refused(status, {"error": {"message": "x"}})) is kind


def test_refused_key_of_ours_is_neither_the_callers_fault_nor_shown() -> None:
    error = refused(401, {"error": {"message": "Incorrect API key provided: sk-secret"}})
    assert "secret" not in error.message


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "-3"}, 0),
        ({"retry_after": "Wed, 21 Oct 2037 07:28:00 GMT"}, 1),
        ({}, 1),
    ],
)
def test_retry_after(status: int, given: dict[str, str], seconds: float) -> None:
    error = refused(status, {"error": "busy"}, **given)
    assert isinstance(error, RateLimited | Overloaded)
    assert error.retry_after == seconds


@pytest.mark.parametrize("given", ["inf", "nan", "1e400"])
def test_retry_after_that_is_no_number_of_seconds(given: str) -> None:
    error = refused(429, {"error": "busy"}, retry_after=given)
    assert isinstance(error, RateLimited)
    assert 0 <= error.retry_after <= 3600


def test_context_of_llama_cpp_in_the_vendors_words() -> None:
    said = "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing"
    error = refused(400, {"error": {"code": 400, "message": said}})
    assert type(error) is ContextTooLong
    assert error.message == (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "9000 tokens. Please reduce the length of the messages."
    )
    assert (error.param, error.code) == ("messages", "context_length_exceeded")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, {"message": "This model's maximum context length is 10 tokens, you asked for 20"}),
        (400, {"message": "x", "code": "context_length_exceeded"}),
        (500, {"message": "the request exceeds the available context size"}),
        (422, {"message": "the input length exceeds the context length"}),
    ],
)
def test_context_of_other_engines_whatever_the_status(status: int, said: dict[str, str]) -> None:
    error = refused(status, {"error": said})
    assert type(error) is ContextTooLong
    assert error.code == "context_length_exceeded"


def test_image_for_a_model_that_reads_text_only() -> None:
    said = "image input is not supported - hint: if this is unexpected, provide the mmproj"
    assert type(refused(500, {"error": {"message": said}})) is Unsupported


@pytest.mark.parametrize("said", ["JSON schema error at x: bad", "failed to parse grammar"])
def test_schema_that_the_engine_cannot_follow(said: str) -> None:
    error = refused(400, {"error": {"message": said}})
    assert type(error) is InvalidRequest
    assert error.param == "response_format"
