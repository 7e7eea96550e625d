"""POST /embeddings

https://platform.openai.com/docs/api-reference/embeddings/create
The Python SDK asks for base64 unless told otherwise: little-endian float32.
"""

import base64
from array import array
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from backends.capabilities import Embedded, EmbedRequest
from backends.errors import InvalidRequest
from compat_server.openai.body import read
from compat_server.relay import Call, Reply
from compat_server.state import State
from routing.aliases import STANDINS, undated

MOST_INPUTS = 2048
VENDORS_VOCABULARY = "cl100k_base"


class EmbeddingRequest(Struct):
    model: Annotated[str, Meta(min_length=1)]
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None


class Embedding(Struct):
    object: str
    index: int
    embedding: str | list[float]


class Usage(Struct):
    prompt_tokens: int
    total_tokens: int


class EmbeddingResponse(Struct):
    object: str
    data: list[Embedding]
    model: str
    usage: Usage


encode = msgspec.json.Encoder().encode


async def create(call: Call, state: State) -> Reply:
    wanted, _ = read(call, state, EmbeddingRequest)
    # Tokens sent to a vendor's model are the vendor's, whichever model stands in for it here.
    vendors = STANDINS.get(undated(wanted.model)) == "embedding"
    vocabulary = VENDORS_VOCABULARY if vendors else ""
    request = EmbedRequest(to_inputs(wanted.input), wanted.dimensions, vocabulary)
    entry, embedded = await state.dispatch.embed(wanted.model, request)
    return Reply(encode(from_embedded(embedded, wanted)), entry)


def to_inputs(given: str | list[Any]) -> list[str | list[int]]:
    """The four forms of `input` as a list of texts or of token lists. Raises `InvalidRequest`."""
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]
    kinds = {str if isinstance(item, str) else list for item in given}
    integers = all(
        type(t) is int and 0 <= t < 2**31 for item in given if isinstance(item, list) for t in item
    )
    if len(kinds) > 1 or not integers or any(isinstance(item, int) for item in given):
        raise InvalidRequest(
            "Invalid type for 'input': expected a string, an array of strings, an array of "
            "integers or an array of integer arrays.",
            param="input",
            code="invalid_type",
        )
    if not given or any(len(item) == 0 for item in given):
        raise InvalidRequest("'input' must not be empty.", param="input", code="empty_input")
    if len(given) > MOST_INPUTS:
        raise InvalidRequest(
            f"Invalid 'input': array too long. Expected an array with maximum length "
            f"{MOST_INPUTS}, but got an array with length {len(given)} instead.",
            param="input",
            code="array_above_max_length",
        )
    return given


def is_token(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31


def from_embedded(embedded: Embedded, wanted: EmbeddingRequest) -> EmbeddingResponse:
    width = embedded.dimensions * 4
    rows = [
        embedded.vectors[start : start + width] for start in range(0, len(embedded.vectors), width)
    ]
    if wanted.encoding_format == "base64":
        values: list[Any] = [base64.b64encode(row).decode("ascii") for row in rows]
    else:
        values = [array("f", row).tolist() for row in rows]
    data = [Embedding("embedding", index, value) for index, value in enumerate(values)]
    return EmbeddingResponse("list", data, wanted.model, Usage(embedded.tokens, embedded.tokens))
