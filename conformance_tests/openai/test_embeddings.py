"""Embeddings in both encodings, from every form of input."""

import math
import struct
from base64 import b64decode

import pytest
from openai import AsyncOpenAI, OpenAI

from conformance_tests.live_server import LiveServer

MODEL = "text-embedding-3-small"
CAT, KITTEN, TAX = "A cat sleeps.", "The kitten is asleep.", "Form 1040 is due in April."


def similarity(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def embed(
    client: OpenAI, texts: str | list[str] | list[int] | list[list[int]], model: str = MODEL
) -> list[list[float]]:
    answer = client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return [each.embedding for each in answer.data]


@pytest.mark.operation("embeddings.create")
def test_answer(client: OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL, input=CAT, encoding_format="float")
    assert answer.object == "list"
    assert answer.model == MODEL
    (one,) = answer.data
    assert (one.object, one.index, len(one.embedding)) == ("embedding", 0, 384)
    assert math.sqrt(similarity(one.embedding, one.embedding)) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 3


async def test_async(async_client: AsyncOpenAI) -> None:
    answer = await async_client.embeddings.create(
        model=MODEL, input=[CAT, TAX], encoding_format="float"
    )
    assert [len(each.embedding) for each in answer.data] == [384, 384]


@pytest.mark.operation("embeddings.create")
def test_base64_is_the_same(client: OpenAI, lenient_client: OpenAI) -> None:
    """Left alone, the SDK asks for base64, and decodes it after its strict check."""
    packed = lenient_client.embeddings.create(model=MODEL, input=[CAT, TAX])
    assert [each.embedding for each in packed.data] == embed(client, [CAT, TAX])
    assert packed.usage.prompt_tokens > 6


def test_on_the_wire(server: LiveServer) -> None:
    """Base64 is of little-endian float32; without a wish the answer is numbers."""

    def embedding(**fields: str) -> str | list[float]:
        answer = server.wire.post("/v1/embeddings", {"model": MODEL, "input": CAT, **fields})
        assert answer.status == 200
        value: str | list[float] = answer.json()["data"][0]["embedding"]
        return value

    packed, plain = embedding(encoding_format="base64"), embedding()
    assert isinstance(packed, str) and isinstance(plain, list)
    assert list(struct.unpack("<384f", b64decode(packed))) == pytest.approx(plain, abs=1e-7)


def test_order_is_kept(client: OpenAI) -> None:
    """Texts of different lengths go through the model together and come back in their order."""
    texts = [CAT * n for n in (9, 1, 30, 2, 5)]
    for text, together in zip(texts, embed(client, texts), strict=True):
        [alone] = embed(client, text)
        assert similarity(alone, together) > 0.99


def test_related_texts_are_closer(client: OpenAI) -> None:
    cat, kitten, tax = embed(client, [CAT, KITTEN, TAX])
    assert similarity(cat, kitten) > similarity(cat, tax) + 0.1


def test_vendors_tokens(client: OpenAI) -> None:
    """As langchain sends them: `hello` and ` world` in the vocabulary of the vendor's models."""
    [text] = embed(client, "hello world")
    assert embed(client, [15339, 1917]) == [text]
    world, same = embed(client, [[1917], [15339, 1917]])
    assert same == pytest.approx(text, abs=0.05)
    assert similarity(world, text) < 0.98


def test_models_own_tokens(client: OpenAI) -> None:
    """Sent to the local model by its own name, tokens are its own: `hello` and `world`."""
    own = "bge-small-en-v1.5"
    [text] = embed(client, "hello world")
    [one] = embed(client, [7592, 2088], model=own)
    other, same = embed(client, [[2088], [7592, 2088]], model=own)
    for vector in (one, same):
        assert similarity(vector, text) > 0.98
        assert similarity(vector, text) > similarity(other, text) + 0.02


def test_many(client: OpenAI) -> None:
    vectors = embed(client, [f"Sentence number {n}." for n in range(100)])
    assert len({tuple(vector) for vector in vectors}) == 100


@pytest.mark.parametrize("text", ["\n", "日本語 \U0001f600", "word " * 400])
def test_any_text(client: OpenAI, text: str) -> None:
    [vector] = embed(client, text)
    assert math.isfinite(sum(vector))
    assert similarity(vector, vector) == pytest.approx(1, abs=1e-5)


def test_own_width_may_be_asked_for(client: OpenAI) -> None:
    answer = client.embeddings.create(
        model="bge-small-en-v1.5", input=CAT, dimensions=384, encoding_format="float"
    )
    assert len(answer.data[0].embedding) == 384
