"""An engine's error answer as one of our errors.

vLLM, llama.cpp, TGI, Ollama and the vendor all say `{"error": {"message", ...}}`, `{"error": "…"}`,
`{"message": …}` or `{"detail": …}`, with statuses that do not always mean what they say.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.errors import (
    CompatError,
    ContextTooLong,
    EngineFailed,
    InvalidRequest,
    Overloaded,
    RateLimited,
    Unsupported,
)

LLAMA_CONTEXT = re.compile(r"request \((\d+) tokens\) exceeds the available context size \((\d+)")
CONTEXT = re.compile(
    r"maximum context length|exceeds? the (available )?context|context_length", re.I
)
LONGEST_WAIT = 3600.0
UNSUPPORTED_INPUT = re.compile(r"(image|audio|video) input is not supported")
CROWDED = re.compile("context size has been exceeded", re.IGNORECASE)
INVALID_TOKENS = re.compile(r"invalid tokens")
SCHEMA = re.compile(
    r"JSON schema (?:error|conversion failed)(?: at [^:]*)?:\s*(.*)|grammar|json_schema",
    re.DOTALL | re.IGNORECASE,
)


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, about: str = "messages"
) -> CompatError:
    """The error to raise for an answer whose status is not 200. `about`: the input's parameter."""
    message, param, code = _said(body)
    if status in (429, 503):
        wait = _seconds(headers.get("retry-after"))
        if status == 429:
            return RateLimited(message or "the engine is busy", retry_after=wait)
        return Overloaded(message or "the engine is not ready", retry_after=wait)
    if status >= 500 and CROWDED.search(message):
        return Overloaded("other conversations fill the engine's memory, try again shortly")
    if match := LLAMA_CONTEXT.search(message):
        asked, limit = match.groups()
        return ContextTooLong(
            f"This model's maximum context length is {limit} tokens. However, your {about} "
            f"resulted in {asked} tokens. Please reduce the length of the {about}.",
            param=about,
            code="context_length_exceeded",
        )
    if code == "context_length_exceeded" or CONTEXT.search(message):
        return ContextTooLong(message, param=about, code="context_length_exceeded")
    if UNSUPPORTED_INPUT.search(message):
        return Unsupported(f"This model does not take such input: {message}", param="messages")
    if status in (400, 422) and INVALID_TOKENS.search(message):
        return InvalidRequest(f"Invalid '{about}': {message}", param=about)
    if status in (400, 404, 413, 422) and (match := SCHEMA.search(message)):
        # llama.cpp wraps the reason in words about its chat template.
        return InvalidRequest(f"Invalid schema: {match[1] or message}", param="response_format")
    if status in (400, 413, 422):
        return InvalidRequest(message or "the engine refused the request", param=param, code=code)
    if status in (401, 403):
        return EngineFailed("the engine's own key in this server's configuration was refused")
    if status == 404:
        return EngineFailed(f"the engine does not know its model or this operation: {message}")
    return EngineFailed(message or f"the engine answered with status {status}")


def _said(body: bytes) -> tuple[str, str | None, str | None]:
    """Message, param and code, wherever the server put them."""
    try:
        answer: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "", None, None
    if not isinstance(answer, dict):
        return "", None, None
    error = answer.get("error", answer)
    if isinstance(error, str):
        return error, None, None
    if not isinstance(error, dict):
        return "", None, None
    message = error.get("message") or error.get("detail") or ""
    param, code = error.get("param"), error.get("code")
    return (
        message if isinstance(message, str) else msgspec.json.encode(message).decode(),
        param if isinstance(param, str) else None,
        code if isinstance(code, str) else None,
    )


def _seconds(value: str | None) -> float:
    try:
        return min(max(0.0, float(value or 1)), LONGEST_WAIT)
    except ValueError:
        return 1.0
