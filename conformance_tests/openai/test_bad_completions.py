"""Bad input to legacy completions and embeddings."""

from typing import Any

import pytest

from conformance_tests.live_server import LiveServer
from conformance_tests.openai.refusal import refused

COMPLETIONS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "prompt"),
    ("null", {"prompt": None}, "prompt"),
    ("number", {"prompt": 1}, "prompt"),
    ("empty array", {"prompt": []}, "prompt"),
    ("empty tokens", {"prompt": [[]]}, "prompt"),
    ("mixed", {"prompt": ["a", 1]}, "prompt"),
    ("negative token", {"prompt": [-1]}, "prompt"),
    ("token out of vocabulary", {"prompt": [10_000_000]}, "prompt"),
    ("tokens out of vocabulary", {"prompt": [[1, 2], [10_000_000]]}, "prompt"),
    ("out of vocabulary, echoed", {"prompt": [10_000_000], "echo": True}, "prompt"),
    ("too long", {"prompt": "word " * 9000}, "prompt"),
    ("logprobs above", {"prompt": "a", "logprobs": 6}, "logprobs"),
    ("n above", {"prompt": "a", "n": 129}, "n"),
    ("best_of below n", {"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
    ("stream_options alone", {"prompt": "a", "stream_options": {}}, "stream_options"),
    ("suffix", {"prompt": "a", "suffix": "b"}, "suffix"),
    ("temperature above", {"prompt": "a", "temperature": 3}, "temperature"),
]

EMBEDDINGS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "input"),
    ("null", {"input": None}, "input"),
    ("number", {"input": 1}, "input"),
    ("empty text", {"input": ""}, "input"),
    ("empty list", {"input": []}, "input"),
    ("empty text in a list", {"input": ["a", ""]}, "input"),
    ("empty tokens", {"input": [[]]}, "input"),
    ("text and token", {"input": ["a", 1]}, "input"),
    ("token and text", {"input": [1, "a"]}, "input"),
    ("text and tokens", {"input": ["a", [1]]}, "input"),
    ("token and tokens", {"input": [1, [1]]}, "input"),
    ("fraction", {"input": [1.5]}, "input"),
    ("true", {"input": [True]}, "input"),
    ("objects", {"input": [{}]}, "input"),
    ("token out of vocabulary", {"input": [10_000_000]}, "input"),
    ("beyond 64 bits", {"input": [2**70]}, "input"),
    ("negative token", {"input": [[1], [-1]]}, "input"),
    ("too long", {"input": "word " * 600}, "input"),
    ("too many", {"input": ["a"] * 2049}, "input"),
    ("other width", {"input": "a", "dimensions": 64}, "dimensions"),
    ("no width", {"input": "a", "dimensions": 0}, "dimensions"),
    ("encoding", {"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ("no model", {"input": "a", "model": None}, "model"),
    ("chat model", {"input": "a", "model": "gpt-4o"}, "model"),
]


def cases(table: list[tuple[str, dict[str, Any], str]]) -> list[Any]:
    return [pytest.param(fields, param, id=name) for name, fields, param in table]


@pytest.mark.parametrize(("fields", "param"), cases(COMPLETIONS))
def test_completions(server: LiveServer, fields: dict[str, Any], param: str) -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "max_tokens": 2, **fields}
    error = refused(server, "/v1/completions", body)
    assert error.status == 400
    assert (error.param or "").partition("[")[0] == param, error


@pytest.mark.parametrize(("fields", "param"), cases(EMBEDDINGS))
def test_embeddings(server: LiveServer, fields: dict[str, Any], param: str) -> None:
    body = {"model": "text-embedding-3-small", **fields}
    error = refused(server, "/v1/embeddings", body)
    assert error.status == 400
    assert (error.param or "").partition("[")[0] == param, error


def test_the_one_that_is_wrong_is_named(server: LiveServer) -> None:
    body = {"model": "text-embedding-3-small", "input": ["a", "word " * 600]}
    error = refused(server, "/v1/embeddings", body)
    assert error.code == "context_length_exceeded"
    assert "'input[1]'" in error.message
