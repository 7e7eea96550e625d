import base64
import struct
from typing import Any

import httpx
import pytest

from backends.errors import InvalidRequest
from compat_server.openai.embeddings import MOST_INPUTS, to_inputs
from tests.fakes.fake_openai_engine import FakeEngine


def vectors(*rows: list[float]) -> dict[str, Any]:
    data = [{"index": n, "embedding": row} for n, row in enumerate(rows)]
    return {"data": data, "usage": {"prompt_tokens": 7}}


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("text", ["text"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ([0], [[0]]),
        (["a"] * MOST_INPUTS, ["a"] * MOST_INPUTS),
    ],
    ids=["text", "texts", "tokens", "lists of tokens", "token 0", "as many as may be"],
)
def test_four_forms_of_input(given: Any, inputs: list[Any]) -> None:
    assert to_inputs(given) == inputs


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "empty_input"),
        ([], "empty_input"),
        (["a", ""], "empty_input"),
        ([[]], "empty_input"),
        ([[1], []], "empty_input"),
        (["a", 1], "invalid_type"),
        ([1, "a"], "invalid_type"),
        (["a", [1]], "invalid_type"),
        ([[1], 2], "invalid_type"),
        ([1, [2]], "invalid_type"),
        ([[True]], "invalid_type"),
        ([True], "invalid_type"),
        (["a"] * (MOST_INPUTS + 1), "array_above_max_length"),
    ],
    ids=str,
)
def test_other_inputs(given: Any, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_inputs(given)
    assert (refused.value.param, refused.value.code) == ("input", code)


@pytest.mark.parametrize(
    ("wrong", "param", "code"),
    [
        ({"model": "gpt-9"}, "model", "model_not_found"),
        ({"model": "chatty"}, "model", "model_not_supported"),
        ({"input": None}, "input", "invalid_type"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": {"text": "a"}}, "input", "invalid_type"),
        ({"input": [None]}, "input[0]", "invalid_type"),
        ({"input": [1.5]}, "input[0]", "invalid_type"),
        ({"input": [["a"]]}, "input[0][0]", "invalid_type"),
        ({"input": ""}, "input", "empty_input"),
        ({"dimensions": 0}, "dimensions", "integer_below_min_value"),
        ({"dimensions": "many"}, "dimensions", "invalid_type"),
        ({"encoding_format": "hex"}, "encoding_format", "invalid_value"),
    ],
    ids=str,
)
async def test_refused_by_its_place_and_never_sent(
    client: httpx.AsyncClient, engine: FakeEngine, wrong: Any, param: str, code: str
) -> None:
    body = {"model": "vectors", "input": "a", **wrong}
    answer = await client.post("/v1/embeddings", json=body)
    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "model_not_found" else 400), error
    assert (error["param"], error["code"]) == (param, code)
    assert not engine.received


@pytest.mark.parametrize("form", ["float", None, "absent"])
async def test_numbers_unless_told_otherwise(
    client: httpx.AsyncClient, engine: FakeEngine, form: str | None
) -> None:
    engine.answers(vectors([0.5, -1.0], [0.25, 2.0]))
    body: dict[str, Any] = {"model": "vectors", "input": ["a", "b"], "encoding_format": form}
    if form == "absent":
        del body["encoding_format"]
    answer = (await client.post("/v1/embeddings", json=body)).json()
    assert answer == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [0.25, 2.0]},
        ],
        "model": "vectors",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


async def test_base64_is_float32_little_endian(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.answers(vectors([0.5, -1.0]))
    body = {"model": "text-embedding-3-small", "input": "a", "encoding_format": "base64"}
    answer = (await client.post("/v1/embeddings", json=body)).json()
    assert answer["model"] == "text-embedding-3-small"
    assert base64.b64decode(answer["data"][0]["embedding"]) == struct.pack("<2f", 0.5, -1.0)


@pytest.mark.parametrize("number", ["NaN", "1e999"])
async def test_vector_that_json_cannot_say_is_a_failure(
    client: httpx.AsyncClient, engine: FakeEngine, number: str
) -> None:
    engine.answers(b'{"data": [{"index": 0, "embedding": [%s]}]}' % number.encode())
    answer = await client.post("/v1/embeddings", json={"model": "vectors", "input": "a"})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
