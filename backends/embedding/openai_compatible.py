"""Embeddings from any server that speaks OpenAI's API (vLLM pooling, TEI, Ollama, the vendor)."""

import base64
from array import array
from typing import Any

import msgspec

from backends.capabilities import Embedded, EmbedRequest
from backends.errors import EngineFailed, Unsupported
from backends.refusals import refusal
from backends.transport import Transport

VENDORS_MODELS = "text-embedding-"


class Row(msgspec.Struct):
    index: int
    embedding: str | list[float]


class Rows(msgspec.Struct):
    data: list[Row]
    usage: dict[str, Any] = {}


decoder = msgspec.json.Decoder(Rows)


class OpenAICompatibleEmbed:
    """Implements `Embed`. Asks for base64, takes what comes: not every server knows it."""

    def __init__(self, transport: Transport, *, upstream_model: str) -> None:
        self._transport = transport
        self._upstream_model = upstream_model

    async def embed(self, request: EmbedRequest) -> Embedded:
        tokens_of_vendor = request.vocabulary and any(type(i) is list for i in request.inputs)
        if tokens_of_vendor and not self._upstream_model.startswith(VENDORS_MODELS):
            raise Unsupported(
                f"This name stands for {self._upstream_model}, which does not know the vendor's "
                "tokens: send text (in langchain: check_embedding_ctx_length=False).",
                param="input",
            )
        fields: dict[str, Any] = {
            "model": self._upstream_model,
            "input": request.inputs,
            "encoding_format": "base64",
        }
        if request.dimensions is not None:
            fields["dimensions"] = request.dimensions
        async with await self._transport.post("/embeddings", msgspec.json.encode(fields)) as answer:
            body = await answer.read()
        if answer.status != 200:
            raise refusal(answer.status, answer.headers, body, about="input")
        try:
            rows = decoder.decode(body)
            vectors = [vector(row.embedding) for row in sorted(rows.data, key=lambda r: r.index)]
        except (msgspec.DecodeError, ValueError) as error:
            raise EngineFailed("the engine answered with something that is no embedding") from error
        if len(vectors) != len(request.inputs) or len({len(v) for v in vectors}) != 1:
            raise EngineFailed("the engine answered with another number of vectors than asked for")
        tokens = rows.usage.get("prompt_tokens", 0)
        return Embedded(b"".join(vectors), len(vectors[0]) // 4, tokens)

    async def healthy(self) -> bool:
        return await self._transport.get_status("/models", timeout=2.0) == 200

    async def close(self) -> None:
        await self._transport.close()


def vector(value: str | list[float]) -> bytes:
    """float32 little endian. Raises `ValueError`."""
    raw = base64.b64decode(value, validate=True) if isinstance(value, str) else array("f", value)
    whole = bytes(raw)
    if not whole or len(whole) % 4:
        raise ValueError("an embedding is one or more whole floats")
    return whole
