import base64
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from backends.capabilities import EmbedRequest
from backends.embedding.openai_compatible import OpenAICompatibleEmbed
from backends.errors import CompatError, ContextTooLong, EngineFailed, InvalidRequest, RateLimited
from backends.transport import Transport
from tests.fakes.fake_openai_engine import FakeEngine

TWO = EmbedRequest(["a", "b"])


def row(index: int, *values: float, as_text: bool = True) -> dict[str, Any]:
    packed = base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    return {"object": "embedding", "index": index, "embedding": packed if as_text else [*values]}


def rows(*data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [*data], "model": "m", "usage": {"prompt_tokens": 7}, **more}


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as fake:
        yield fake


@pytest.fixture
async def embed(engine: FakeEngine) -> AsyncIterator[OpenAICompatibleEmbed]:
    backend = OpenAICompatibleEmbed(
        Transport(engine.url, engine="fake"), upstream_model="org/embedder"
    )
    yield backend
    await backend.close()


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (TWO, {"input": ["a", "b"]}),
        (EmbedRequest([[1, 2], [3]]), {"input": [[1, 2], [3]]}),
        (EmbedRequest(["a", "b"], dimensions=2), {"input": ["a", "b"], "dimensions": 2}),
    ],
)
async def test_what_is_sent(
    engine: FakeEngine, embed: OpenAICompatibleEmbed, request_: EmbedRequest, sent: dict[str, Any]
) -> None:
    engine.answers(rows(row(0, 1, 0), row(1, 0, 1)))
    await embed.embed(request_)
    assert engine.last.json == {"model": "org/embedder", "encoding_format": "base64", **sent}
    assert engine.last.path == "/v1/embeddings"


@pytest.mark.parametrize("as_text", [True, False], ids=["base64", "server without base64"])
async def test_vectors_come_in_the_order_of_their_index(
    engine: FakeEngine, embed: OpenAICompatibleEmbed, as_text: bool
) -> None:
    engine.answers(rows(row(1, 0, 1, as_text=as_text), row(0, 0.5, -1, as_text=as_text)))
    embedded = await embed.embed(TWO)
    assert struct.unpack("<4f", embedded.vectors) == (0.5, -1, 0, 1)
    assert embedded.dimensions == 2
    assert embedded.tokens == 7


async def test_server_that_counts_no_tokens(
    engine: FakeEngine, embed: OpenAICompatibleEmbed
) -> None:
    engine.answers({"data": [row(0, 1), row(1, 1)]})
    assert (await embed.embed(TWO)).tokens == 0


HALF = base64.b64encode(b"12345").decode()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        {},
        {"error": {"message": "no"}},
        rows(),
        rows(row(0, 1)),
        rows(row(0, 1), row(1, 1, 0)),
        rows({"index": 0, "embedding": "%%"}, row(1, 1)),
        rows({"index": 0, "embedding": HALF}, {"index": 1, "embedding": HALF}),
        rows({"index": 0, "embedding": []}, {"index": 1, "embedding": []}),
    ],
    ids=[
        *("html", "empty", "error with status 200", "no rows", "too few", "unequal", "no base64"),
        *("not whole floats", "no numbers"),
    ],
)
async def test_answer_that_is_no_embedding(
    engine: FakeEngine, embed: OpenAICompatibleEmbed, body: Any
) -> None:
    engine.answers(body)
    with pytest.raises(EngineFailed):
        await embed.embed(TWO)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, {"message": "dimensions is not supported", "param": "dimensions"}, InvalidRequest),
        (400, {"message": "This model's maximum context length is 512 tokens"}, ContextTooLong),
        (429, {"message": "slow down"}, RateLimited),
        (500, {"message": "boom"}, EngineFailed),
    ],
)
async def test_refusals(
    engine: FakeEngine,
    embed: OpenAICompatibleEmbed,
    status: int,
    said: dict[str, str],
    kind: type[CompatError],
) -> None:
    engine.answers({"error": said}, status)
    with pytest.raises(kind) as refused:
        await embed.embed(TWO)
    if kind is ContextTooLong:
        assert refused.value.param == "input"


async def test_healthy_while_it_lists_its_models(
    engine: FakeEngine, embed: OpenAICompatibleEmbed
) -> None:
    assert await embed.healthy()
