"""`store: true` in front of a fake engine, without a database and with one that takes anything."""

import json
from typing import Any

import httpx
import pytest
from litestar.types import ASGIApp

from backends.storage.completions import Completions
from tests.fakes.fake_openai_engine import FakeEngine, completion, text_stream

BODY: dict[str, Any] = {
    "model": "chatty",
    "messages": [{"role": "user", "content": "Hi"}],
    "store": True,
    "metadata": {"a": "b"},
}
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be in the database: completion, messages, metadata."""
    calls: list[Any] = []

    async def add(_: Completions, completion: bytes, messages: bytes, metadata: Any) -> None:
        calls.append((json.loads(completion), json.loads(messages), metadata))

    monkeypatch.setattr(Completions, "add", add)
    return calls


async def test_whole_answer_is_stored_as_it_is_sent(
    client: httpx.AsyncClient, engine: FakeEngine, added: list[Any]
) -> None:
    engine.answers(completion())
    answer = await client.post("/v1/chat/completions", json=BODY)
    assert answer.status_code == 200
    assert added == [(answer.json(), BODY["messages"], {"a": "b"})]
    assert answer.json()["id"] != "chatcmpl-1", "engines give the same id twice"
    assert not engine.last.json.keys() & {"store", "metadata"}, "kept here and nowhere else"


@pytest.mark.parametrize("at_once", [False, True])
async def test_stream_is_stored_whole(
    client: httpx.AsyncClient, engine: FakeEngine, added: list[Any], at_once: bool
) -> None:
    events = text_stream("Hel", "lo")
    engine.streams([b"".join(events)] if at_once else events)
    answer = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert answer.content.endswith(DONE)
    assert answer.content.count(DONE) == 1
    ((kept, messages, metadata),) = added
    assert kept["choices"][0]["message"]["content"] == "Hello"
    assert f'"id":"{kept["id"]}"' in answer.text
    assert 'chatcmpl-1"' not in answer.text
    assert (messages, metadata) == (BODY["messages"], {"a": "b"})


async def test_stream_that_breaks_off_is_not_stored(
    client: httpx.AsyncClient, engine: FakeEngine, added: list[Any]
) -> None:
    engine.streams(text_stream("Hello")[:2], "cut")
    answer = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert b'"error"' in answer.content
    assert added == []


async def test_nothing_is_claimed_without_a_database(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.answers(completion())
    answer = await client.post("/v1/chat/completions", json=BODY)
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "server_error"


async def test_no_stream_ends_well_without_a_database(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.streams(text_stream("Hello"))
    answer = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert answer.status_code == 200
    assert b"Hello" in answer.content
    assert DONE not in answer.content
    last = answer.content.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["type"] == "server_error"


@pytest.mark.parametrize("store", [False, None])
async def test_others_need_no_database(
    client: httpx.AsyncClient, engine: FakeEngine, store: bool | None
) -> None:
    engine.answers(completion())
    answer = await client.post("/v1/chat/completions", json={**BODY, "store": store})
    assert answer.status_code == 200
    assert answer.json()["id"] == "chatcmpl-1"
    assert engine.last.json == {**BODY, "store": store, "model": "upstream"}


@pytest.mark.parametrize("path", ["", f"/chatcmpl-{0:030x}", f"/chatcmpl-{0:030x}/messages"])
async def test_nothing_is_found_without_a_database(
    app: ASGIApp, client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(f"/v1/chat/completions{path}")
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "server_error"
