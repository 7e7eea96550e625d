"""The fake engine's answers, built once as bytes in OpenAI's wire format."""

import base64
import itertools
import json
import random
from dataclasses import dataclass
from typing import Any

# What a busy engine's socket carries at once: more than one chunk, less than a stream. It decides
# how often a gateway wakes up, so results are only comparable at the same value. (nginx sits on an
# edge here: when others use its core, it finds several writes at once and costs half as much.)
EVENTS_PER_WRITE = 4
EMBEDDING_FLOATS = 1536


@dataclass(frozen=True)
class Script:
    """How a model streams: the number of chunks, and their pace."""

    chunks: int
    pace: str  # "burst": as fast as it can; "tick": on the common tick; "delay": own timer


SCRIPTS = {
    "fake-plain": Script(20, "burst"),
    "fake-burst": Script(1000, "burst"),
    "fake-paced": Script(75, "tick"),
    "fake-first": Script(5, "delay"),
}
EMBEDDING_MODEL = "fake-embedding"

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
# Not always the same one: LiteLLM ends a stream that repeats a chunk a hundred times.
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "sleeps"]
TOKENS = {"prompt_tokens": 42, "completion_tokens": 20, "total_tokens": 62}


def answer(payload: dict[str, Any], status: str = "200 OK") -> bytes:
    """A whole JSON response, head and body."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def completion(model: str) -> bytes:
    """The response of a chat completion that does not stream."""
    message = {"role": "assistant", "content": " ".join(WORDS * 2)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion", "created": 1700000000}
    return answer({**head, "model": model, "choices": [choice], "usage": TOKENS})


def framed(event: bytes) -> bytes:
    """One server-sent event as one HTTP chunk, the way engines send it."""
    data = b"data: " + event + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunk(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    """One chat.completion.chunk, about 220 bytes with its choice."""
    head = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk"}
    payload = {**head, "created": 1700000000, "model": model, "choices": choices, **more}
    return framed(json.dumps(payload, separators=(",", ":")).encode())


def events(model: str, usage: bool) -> list[bytes]:
    """The events of one stream; `[DONE]` travels with the last."""

    def choice(delta: dict[str, str], finish: str | None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    words = [chunk(model, choice({"content": f" {word}"}, None)) for word in WORDS]
    middle = itertools.islice(itertools.cycle(words), SCRIPTS[model].chunks - 2)
    first = chunk(model, choice({"role": "assistant", "content": ""}, None))
    last = chunk(model, choice({}, "stop"))
    if usage:
        last += chunk(model, [], usage=TOKENS)
    last += framed(b"[DONE]") + b"0\r\n\r\n"
    return [first, *middle, last]


def slices(stream: list[bytes]) -> list[bytes]:
    """A stream cut into writes, as a busy engine's socket would carry it."""
    step = EVENTS_PER_WRITE
    return [b"".join(stream[i : i + step]) for i in range(0, len(stream), step)]


def embedding() -> bytes:
    """The response of an embedding in base64, always the same vector."""
    vector = base64.b64encode(random.Random(0).randbytes(4 * EMBEDDING_FLOATS)).decode()
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return answer({"object": "list", "data": data, "model": EMBEDDING_MODEL, "usage": usage})


MODELS = [{"id": model, "object": "model", "created": 1700000000, "owned_by": "bench"}
          for model in (*SCRIPTS, EMBEDDING_MODEL)]  # fmt: skip
FIXED = {
    (b"GET", b"/health"): answer({"status": "ok"}),
    (b"GET", b"/v1/models"): answer({"object": "list", "data": MODELS}),
    (b"POST", b"/v1/embeddings"): embedding(),
}
PLAIN = {model.encode(): completion(model) for model in SCRIPTS}
EVENTS = {(m.encode(), usage): events(m, usage) for m in SCRIPTS for usage in (False, True)}
SLICES = {key: slices(stream) for key, stream in EVENTS.items()}
ERROR = {"message": "unknown path or model", "type": "invalid_request_error"}
NOT_FOUND = answer({"error": {**ERROR, "param": None, "code": None}}, "404 Not Found")
