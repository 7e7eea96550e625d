"""A stream's chunks put together again to the completion that they amount to."""

from typing import Any

import msgspec

Json = dict[str, Any]

decode = msgspec.json.Decoder().decode
ENVELOPE = ("id", "created", "model", "service_tier", "system_fingerprint", "moderation")


class Assembled:
    """Takes the events of one stream as they pass. The first to name something names it."""

    def __init__(self) -> None:
        self._envelope: Json = {}
        self._choices: dict[int, Json] = {}
        self._usage: Json | None = None

    def add(self, events: bytes) -> None:
        """Complete events, any number of them."""
        for line in events.split(b"\n"):
            if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
                self._chunk(decode(data))

    def completion(self) -> Json:
        """What was said so far."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        whole = {**self._envelope, "object": "chat.completion", "choices": choices}
        return {**whole, "usage": self._usage} if self._usage else whole

    def _chunk(self, chunk: Json) -> None:
        self._usage = chunk.get("usage") or self._usage
        for name in ENVELOPE:
            if (value := chunk.get(name)) is not None:
                self._envelope.setdefault(name, value)
        for piece in chunk["choices"]:
            self._choice(piece)

    def _choice(self, piece: Json) -> None:
        index = piece["index"]
        choice = self._choices.get(index)
        if choice is None:
            message = {"role": "assistant", "content": None, "refusal": None}
            choice = {"index": index, "message": message, "logprobs": None, "finish_reason": None}
            self._choices[index] = choice
        say(choice["message"], piece.get("delta") or {})
        if logprobs := piece.get("logprobs"):
            found = choice["logprobs"] = choice["logprobs"] or {"content": None, "refusal": None}
            for name, tokens in logprobs.items():
                if tokens is not None:
                    found[name] = [*(found.get(name) or ()), *tokens]
        choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]


def say(message: Json, delta: Json) -> None:
    """Adds a delta to its message: texts are continued, whatever they are called."""
    for name, value in delta.items():
        if name == "tool_calls":
            for call in value or ():
                call_on(message.setdefault("tool_calls", []), call)
        elif name != "role" and value is not None:
            said = message.get(name)
            both = isinstance(said, str) and isinstance(value, str)
            message[name] = said + value if both else value


def call_on(calls: list[Json], piece: Json) -> None:
    """Adds a piece of a tool call to the calls so far; pieces of several may come in any order."""
    position = piece.get("index", 0)
    while len(calls) <= position:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[position], piece.get("function") or {}
    call["id"] = call["id"] or piece.get("id") or ""
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""
