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


@pytest.mark.operation("embeddings.create")
def test_answer(client: OpenAI) -> None:
    """The SDK asks for base64 and decodes it."""
    answer = client.embeddings.create(model=MODEL, input=CAT)
    assert answer.object == "list"
    assert answer.model == MODEL
    (one,) = answer.data
    assert (one.object, one.index, len(one.embedding)) == ("embedding", 0, 384)
    assert math.sqrt(similarity(one.embedding, one.embedding)) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 3


async def test_async(async_client: AsyncOpenAI) -> None:
    answer = await async_client.embeddings.create(model=MODEL, input=[CAT, TAX])
    assert [len(each.embedding) for each in answer.data] == [384, 384]


@pytest.mark.operation("embeddings.create")
def test_float_is_the_same(client: OpenAI) -> None:
    packed = client.embeddings.create(model=MODEL, input=CAT)
    plain = client.embeddings.create(model=MODEL, input=CAT, encoding_format="float")
    assert packed.data[0].embedding == plain.data[0].embedding


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
    together = client.embeddings.create(model=MODEL, input=texts)
    assert [each.index for each in together.data] == [0, 1, 2, 3, 4]
    for text, each in zip(texts, together.data, strict=True):
        alone = client.embeddings.create(model=MODEL, input=text).data[0].embedding
        assert similarity(alone, each.embedding) > 0.99


def test_related_texts_are_closer(client: OpenAI) -> None:
    data = client.embeddings.create(model=MODEL, input=[CAT, KITTEN, TAX]).data
    cat, kitten, tax = (each.embedding for each in data)
    assert similarity(cat, kitten) > similarity(cat, tax) + 0.1


def test_tokens(client: OpenAI) -> None:
    """As langchain sends them. 7592 and 2088 are `hello` and `world` in this vocabulary."""
    text = client.embeddings.create(model=MODEL, input="hello world").data[0].embedding
    one = client.embeddings.create(model=MODEL, input=[7592, 2088]).data
    two = client.embeddings.create(model=MODEL, input=[[2088], [7592, 2088]]).data
    assert len(one) == 1 and len(two) == 2
    assert similarity(one[0].embedding, text) > 0.999
    assert similarity(two[1].embedding, text) > 0.999
    assert similarity(two[0].embedding, text) < 0.99


def test_many(client: OpenAI) -> None:
    texts = [f"Sentence number {n}." for n in range(100)]
    answer = client.embeddings.create(model=MODEL, input=texts)
    assert [each.index for each in answer.data] == list(range(100))
    assert len({tuple(each.embedding) for each in answer.data}) == 100
    assert answer.usage.prompt_tokens > 500


@pytest.mark.parametrize("text", ["\n", "日本語 \U0001f600", "word " * 400])
def test_any_text(client: OpenAI, text: str) -> None:
    (one,) = client.embeddings.create(model=MODEL, input=text).data
    assert math.isfinite(sum(one.embedding))
    assert similarity(one.embedding, one.embedding) == pytest.approx(1, abs=1e-5)


def test_own_width_may_be_asked_for(client: OpenAI) -> None:
    answer = client.embeddings.create(model="bge-small-en-v1.5", input=CAT, dimensions=384)
    assert len(answer.data[0].embedding) == 384
