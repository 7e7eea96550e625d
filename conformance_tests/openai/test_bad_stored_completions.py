"""Stored completions: what is refused, and how."""

from typing import Any

import pytest

from conformance_tests.live_server import LiveServer
from conformance_tests.openai.refusal import Refused, as_refused, refused

CHAT = "/v1/chat/completions"
ABSENT = f"chatcmpl-{0:030x}"
STORED: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 1,
    "store": True,
}

BAD_METADATA = [
    ({str(number): "x" for number in range(17)}, "object_above_max_properties"),
    ({"k" * 65: "x"}, "string_above_max_length"),
    ({"k": "x" * 513}, "string_above_max_length"),
    ({"k": 5}, "invalid_type"),
    ({"k": None}, "invalid_type"),
    ({"k": {"deep": "er"}}, "invalid_type"),
    ({"k": "nul \0"}, "invalid_value"),
    ("text", "invalid_type"),
    (["k"], "invalid_type"),
]


@pytest.fixture(scope="module")
def stored(server: LiveServer) -> str:
    id: str = server.wire.post(CHAT, STORED).json()["id"]
    return id


@pytest.mark.parametrize(("metadata", "code"), BAD_METADATA)
@pytest.mark.parametrize("stream", [False, True])
def test_metadata(server: LiveServer, metadata: Any, code: str, stream: bool) -> None:
    error = refused(server, CHAT, {**STORED, "metadata": metadata, "stream": stream})
    assert (error.status, error.param, error.code) == (400, "metadata", code)


@pytest.mark.parametrize(("metadata", "code"), BAD_METADATA)
def test_new_metadata(server: LiveServer, stored: str, metadata: Any, code: str) -> None:
    error = refused(server, f"{CHAT}/{stored}", {"metadata": metadata})
    assert (error.status, error.param, error.code) == (400, "metadata", code)
    assert server.wire.get(f"{CHAT}/{stored}").json()["metadata"] == {}


def test_most_metadata(server: LiveServer) -> None:
    most = {f"{number:064}": "x" * 512 for number in range(16)}
    assert server.wire.post(CHAT, {**STORED, "metadata": most}).status == 200
    unstored = {**STORED, "store": False, "metadata": {"k": "x" * 513}}
    assert server.wire.post(CHAT, unstored).status == 200, "ignored unless it is stored"


@pytest.mark.parametrize(
    ("body", "param"), [({}, "metadata"), ({"model": "x"}, "metadata"), (b"[]", None), (b"{", None)]
)
def test_update(server: LiveServer, stored: str, body: Any, param: str | None) -> None:
    error = refused(server, f"{CHAT}/{stored}", body)
    assert (error.status, error.param) == (400, param)


def test_update_of_too_many_bytes(server: LiveServer, stored: str) -> None:
    assert refused(server, f"{CHAT}/{stored}", b" " * 1_000_001).status == 413


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("order=sideways", "order"),
        ("order=", "order"),
        ("model=%00", "model"),
        ("metadata[a]=%00", "metadata"),
        ("metadata=text", "metadata"),
    ],
)
def test_query(server: LiveServer, query: str, param: str) -> None:
    error = get(server, f"{CHAT}?{query}")
    assert (error.status, error.param, error.type) == (400, param, "invalid_request_error")


@pytest.mark.parametrize("query", ["", "model=", "after=", "%ff=%ff", "&&=", "unknown=1", "a[b]=c"])
def test_query_that_asks_for_nothing(server: LiveServer, query: str) -> None:
    assert server.wire.get(f"{CHAT}?{query}").status == 200


@pytest.mark.parametrize(
    "id", [ABSENT, "chatcmpl-x", "x" * 2000, "%00", "a%2Fb", "'; drop table x"]
)
def test_unknown(server: LiveServer, id: str) -> None:
    id = id.replace(" ", "%20")
    errors = [
        get(server, f"{CHAT}/{id}"),
        get(server, f"{CHAT}/{id}/messages"),
        refused(server, f"{CHAT}/{id}", {"metadata": {}}),
        as_refused(server.wire.send("DELETE", f"{CHAT}/{id}", None, {})),
    ]
    assert {error.status for error in errors} == {404}
    assert {error.type for error in errors} == {"invalid_request_error"}


@pytest.mark.parametrize("after", ["chatcmpl-x", "chatcmpl-" + "0" * 32, "%00"])
def test_unknown_place(server: LiveServer, stored: str, after: str) -> None:
    assert get(server, f"{CHAT}?after={after}").param == "after"
    assert get(server, f"{CHAT}/{stored}/messages?after={after}").param == "after"


def get(server: LiveServer, path: str) -> Refused:
    return as_refused(server.wire.get(path))
