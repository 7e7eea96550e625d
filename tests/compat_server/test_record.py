import json
import re

import httpx
import pytest

from compat_server.config import Settings
from tests.fakes.fake_openai_engine import FakeEngine, completion, text_stream

ASK = {"model": "chatty", "messages": [{"role": "user", "content": "a secret prompt"}]}


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The log's lines."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def metrics(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics")).text


def sample(text: str, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    total = 0.0
    for line in text.splitlines():
        if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


async def test_every_answer_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    paths = ["/v1/models", "/v1/models", "/v1/nothing", "/health/live", "/metrics"]
    answers = [await client.get(path) for path in paths]
    answers.append(await client.get("/v1/models", headers={"host": "evil.example"}))
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", id_) for id_ in ids)
    assert len(set(ids)) == len(ids)
    assert all(answer.headers["openai-processing-ms"].isdecimal() for answer in answers)


async def test_line_says_who_answered_and_nothing_of_what_was_said(
    client: httpx.AsyncClient, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answers(completion("a secret answer"))
    headers = {"authorization": "Bearer sk-secret-key"}
    answer = await client.post("/v1/chat/completions", json=ASK, headers=headers)
    (fields,) = told(capsys)
    assert fields["id"] == answer.headers["x-request-id"]
    assert (fields["path"], fields["status"], fields["model"]) == (
        "/v1/chat/completions",
        200,
        "chatty",
    )
    assert fields["event"] == "request"
    assert "secret" not in str(fields)


async def test_stream_that_failed_says_so(
    client: httpx.AsyncClient, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.streams(text_stream("Hello")[:2], "cut")
    await client.post("/v1/chat/completions", json={**ASK, "stream": True})
    (fields,) = told(capsys)
    assert "failed" in fields


async def test_requests_are_counted_by_operation_model_and_status(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    labels = {"operation": "/v1/chat/completions", "model": "chatty", "status": "200"}
    before = await metrics(client)
    engine.answers(completion())
    await client.post("/v1/chat/completions", json=ASK)
    engine.streams(text_stream("Hello"))
    await client.post("/v1/chat/completions", json={**ASK, "stream": True})
    after = await metrics(client)
    name = "compat_requests_total"
    assert sample(after, name, **labels) - sample(before, name, **labels) == 2
    name = "compat_first_event_seconds_count"
    assert sample(after, name, model="chatty") - sample(before, name, model="chatty") == 1
    assert "compat_requests_in_flight 1.0" in after, "the one that asks for the metrics"


async def test_probes_are_neither_logged_nor_counted(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.get("/health/live")
    text = await metrics(client)
    assert "/health" not in text
    assert told(capsys) == []


def labels_of(text: str) -> set[str]:
    return set(re.findall(r'operation="([^"]*)"', text))


async def test_paths_of_strangers_make_no_metrics_of_their_own(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    async def knock(round_: str) -> set[str]:
        for number in range(5):
            path = f"/{round_}/{number}"
            await client.get(path)
            await client.get(path, headers={"host": "evil.example"})
            await client.get(f"/v1/models{path}")
            await client.delete(f"/v1/chat/completions{path}")
            await client.put(f"/openai/deployments/{round_}-{number}/embeddings")
            body = {**ASK, "model": f"{round_}-{number}"}
            await client.post("/v1/chat/completions", json=body)
        text = await metrics(client)
        assert round_ not in text
        return labels_of(text)

    assert await knock("first-stranger") == await knock("second-stranger")


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE compat_requests_total counter" in answer.text


async def test_health(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    answer = await client.get("/health/ready")
    assert answer.status_code == 503, "there is no database here"
    assert answer.json() == {
        "status": "not ready",
        "capabilities": {
            "chat": {"ready": True, "models": {"chatty": True}},
            "embedding": {"ready": True, "models": {"vectors": True}},
            "database": {"ready": False, "models": {"database": False}},
        },
    }
    assert json.loads(answer.content)
