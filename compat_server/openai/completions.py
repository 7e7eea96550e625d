"""POST /completions (legacy)

https://platform.openai.com/docs/api-reference/completions/create
"""

from typing import Annotated

from msgspec import Meta, Struct

from backends.capabilities import ChatRequest
from backends.errors import InvalidRequest
from compat_server.openai.body import read
from compat_server.openai.chat import (
    LogitBias,
    Penalty,
    Stop,
    StreamOptions,
    answered,
    check_stream_options,
)
from compat_server.relay import Call, Reply
from compat_server.state import State

Token = Annotated[int, Meta(ge=0)]


class CompletionRequest(Struct):
    """Only what is looked at here; other fields go to the engine or are ignored."""

    model: Annotated[str, Meta(min_length=1)]
    prompt: str | list[str | int | list[Token]]
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    echo: bool | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: LogitBias | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    presence_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stop = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


async def create(call: Call, state: State) -> Reply:
    """The whole answer, or its events."""
    wanted, fields = read(call, state, CompletionRequest)
    check_stream_options(wanted.stream, wanted.stream_options)
    if isinstance(wanted.prompt, list):
        check_prompts(wanted.prompt)
    return await answered(ChatRequest("completions", wanted.model, fields), state)


def check_prompts(prompts: list[str | int | list[int]]) -> None:
    """Texts, tokens, or lists of tokens: one of them, and not nothing."""
    if not prompts or any(p == [] for p in prompts):
        raise InvalidRequest("Invalid 'prompt': empty array.", param="prompt", code="empty_array")
    if any(isinstance(p, int) and p < 0 for p in prompts):
        raise InvalidRequest("Invalid 'prompt': a token is negative.", param="prompt")
    if len({type(p) for p in prompts}) != 1:
        raise InvalidRequest(
            "Invalid type for 'prompt': expected a string, an array of strings, an array of "
            "integers or an array of integer arrays.",
            param="prompt",
            code="invalid_type",
        )
