"""What is measured: the request, the answer that is right, and the rhythm."""

import json
from dataclasses import dataclass

from bench.answers import EMBEDDING_FLOATS, EMBEDDING_MODEL, SCRIPTS
from bench.load import Spec
from bench.targets import EMBEDDINGS, RENAME, RENAMED_MODEL

CHAT = "/v1/chat/completions"
DONE = "data: [DONE]\n\n"
SYSTEM = "You are a helpful assistant. Answer briefly, in the language of the question."
QUESTION = "Which animal does the quick brown fox jump over, and what does that say about dogs?"


@dataclass(frozen=True)
class Measure:
    """One row of the table. CPU is counted per unit: a chunk of a stream, else an answer."""

    title: str
    goal: str  # from the project's performance goals; a ratio to nginx unless it has a unit
    model: str
    path: str = CHAT
    units: int = 1
    connections: int = 16
    window_s: float = 2.0
    every_s: float = 0.0
    needs: str | None = None  # the ability a target must have
    quantile: float | None = None  # then added time in ms is measured, instead of CPU
    against: str | None = None  # nginx's row to compare with, if not this one

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream of chunks."""
        return self.units > 1

    def spec(self, url: str, pids: tuple[int, ...]) -> Spec:
        """The load for a target at `url`."""
        marker = f'"model":\\s*"{self.model}"'
        if self.path == CHAT:
            roles = {"system": SYSTEM, "user": QUESTION}
            messages = [{"role": role, "content": text} for role, text in roles.items()]
            body = {"messages": messages, "temperature": 0.7, "max_tokens": 2000}
        else:
            base64_length = EMBEDDING_FLOATS * 4 * 4 // 3
            marker = f'"embedding":\\s*"[A-Za-z0-9+/]{{{base64_length}}}"'
            body = {"input": QUESTION, "encoding_format": "base64"}
        return Spec(
            url=url + self.path,
            body=json.dumps({"model": self.model, "stream": self.streams, **body}),
            marker=marker,
            units=self.units,
            tail=DONE if self.streams else "}",
            connections=self.connections,
            window_s=self.window_s,
            every_s=self.every_s,
            pids=pids,
        )


BURST = SCRIPTS["fake-burst"].chunks
MEASURES = (
    Measure("plain chat, CPU µs per request", "<= 12x", "fake-plain"),
    Measure("SSE burst, CPU µs per chunk", "<= 4x", "fake-burst", units=BURST, connections=4),
    Measure(
        "SSE burst, model renamed, CPU µs per chunk",
        "<= 4x",
        RENAMED_MODEL,
        units=BURST,
        connections=4,
        needs=RENAME,
        against="SSE burst, CPU µs per chunk",
    ),
    # One stream per connection: the window ends long before the first of them does. The starts
    # are spread over the time between two chunks, so that only some chunks share a tick.
    Measure(
        "SSE paced, CPU µs per chunk",
        "<= 3.5x",
        "fake-paced",
        units=SCRIPTS["fake-paced"].chunks,
        connections=40,
        window_s=0.04,
        every_s=0.04,
    ),
    Measure(
        "embeddings, CPU µs per request", "-", EMBEDDING_MODEL, "/v1/embeddings", needs=EMBEDDINGS
    ),
    Measure(
        "plain chat at 20/s, added ms (p10)",
        "<= vllm-router",
        "fake-plain",
        connections=4,
        window_s=3.0,
        every_s=0.2,
        quantile=0.1,
    ),
    Measure(
        "first chunk at 20/s, added ms (p50)",
        "<= 2 ms",
        "fake-first",
        units=SCRIPTS["fake-first"].chunks,
        connections=4,
        window_s=3.0,
        every_s=0.2,
        quantile=0.5,
    ),
)
