"""Callers who leave, and engines that die: nothing goes on for nobody, and all comes back."""

import socket
import time
from http.client import HTTPResponse
from typing import Any

import msgspec
import psutil
import pytest
from openai import APIError, APIStatusError, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from conformance_tests.live_server import LiveServer, eventually

MODEL = "smollm2-135m-instruct"
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell a long story."}]
ENDLESS: dict[str, Any] = {
    "model": MODEL,
    "messages": ASK,
    "max_tokens": 8000,
    # The tokens that would end the answer: without them it takes minutes.
    "logit_bias": {"0": -100, "1": -100, "2": -100},
}
PARALLEL = 4  # what the catalogue says of this model
LIMIT = 15.0
"""Seconds, far below what the answers above would take."""


def idle(engine: psutil.Process) -> bool:
    """Whether the engine computes nothing for a while."""

    def seconds() -> float:
        times = engine.cpu_times()
        return float(times.user + times.system)

    before = seconds()
    time.sleep(0.5)
    return seconds() - before < 0.1


def begin(server: LiveServer, *, stream: bool) -> socket.socket:
    """A request sent, its answer not read."""
    body = msgspec.json.encode({**ENDLESS, "stream": stream})
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def in_flight(server: LiveServer) -> int:
    """Requests being answered, without the one that asks."""
    return int(server.metric("compat_requests_in_flight")) - 1


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_stops_the_engine(server: LiveServer, client: OpenAI, stream: bool) -> None:
    """As many at once as the engine answers at a time, so that none could be left over."""
    engine = server.engine(MODEL)
    connections = [begin(server, stream=stream) for _ in range(PARALLEL)]
    try:
        eventually(lambda: in_flight(server) == PARALLEL, 30)
        if stream:
            for connection in connections:
                assert connection.recv(12) == b"HTTP/1.1 200"
        eventually(lambda: not idle(engine), 30)
    finally:
        for connection in connections:
            connection.close()
    eventually(lambda: in_flight(server) == 0, LIMIT)
    eventually(lambda: idle(engine), LIMIT)
    answer = client.with_options(timeout=LIMIT).chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=2
    )
    assert answer.choices[0].finish_reason == "length"


def test_sdk_stream_closed_early(server: LiveServer, client: OpenAI) -> None:
    with client.chat.completions.create(**ENDLESS, stream=True) as stream:
        assert next(iter(stream)).choices[0].delta.role == "assistant"
    eventually(lambda: in_flight(server) == 0, LIMIT)
    eventually(lambda: idle(server.engine(MODEL)), LIMIT)


def test_leaving_before_the_body_is_sent(server: LiveServer) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999\r\n\r\n{"
    )
    eventually(lambda: in_flight(server) == 1, LIMIT)
    connection.close()
    eventually(lambda: in_flight(server) == 0, LIMIT)
    assert server.ready()


def answers(server: LiveServer) -> bool:
    body = {"model": MODEL, "messages": ASK, "max_tokens": 2}
    return server.wire.post("/v1/chat/completions", body).status == 200


def test_engine_killed_in_mid_stream(server: LiveServer, client: OpenAI) -> None:
    """The stream ends in an error event; afterwards the engine is back by itself."""
    before = server.engine(MODEL)
    seen = []
    with pytest.raises(APIError) as caught:
        for chunk in client.chat.completions.create(**ENDLESS, stream=True):
            seen.append(chunk)
            if len(seen) == 5:
                before.kill()
    assert len(seen) >= 5
    assert not isinstance(caught.value, APIStatusError), "it broke off after status 200"
    assert caught.value.type == "server_error"
    assert caught.value.message
    eventually(lambda: answers(server), 60)
    assert server.ready()
    assert server.engine(MODEL).pid != before.pid


def test_engine_killed_in_mid_answer(server: LiveServer) -> None:
    """Before the first byte it is a plain error, with a status that clients retry."""
    engine = server.engine(MODEL)
    with begin(server, stream=False) as connection:
        eventually(lambda: in_flight(server) == 1, LIMIT)
        eventually(lambda: not idle(engine), LIMIT)
        engine.kill()
        answer = HTTPResponse(connection)
        answer.begin()
        error = msgspec.json.decode(answer.read())["error"]
    assert answer.status in (500, 502, 503)
    assert error["type"] == "server_error"
    eventually(lambda: answers(server), 60)
