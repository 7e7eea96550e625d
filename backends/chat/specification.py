"""What OpenAI's specification says an answer looks like, applied to whatever an engine sent.

Engines leave fields out (`refusal`, `logprobs`, the first `role`), add their own (`timings`), write
logprobs in the wrong shape or end a stream without its usage. `Conformer` is the one place that
mends all of it, for whole answers and event by event. Fields that no specification knows
(`reasoning_content`) pass through: clients of those engines read them.

Source: the `ChatCompletion`, `ChatCompletionChunk` and `Completion` types of the official SDK.
"""

from time import time
from typing import Any
from uuid import uuid4

import msgspec

from backends.capabilities import ChatRequest
from backends.chat.logprobs import chat_logprobs, legacy_logprobs
from backends.errors import EngineFailed

Json = dict[str, Any]

ENGINE_FIELDS = (
    "timings",
    "prompt_token_ids",
    "prompt_logprobs",
    "kv_transfer_params",
    "__verbose",
)
FINISH_REASONS = {"max_tokens": "length", "model_length": "length"}
"""Engines' own reasons; any other that the vendor does not know is a kind of `stop`."""
VENDORS_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
GAVE_UP = ("abort", "error")
"""Reasons with which an engine says that its answer is none."""


class Conformer:
    """Makes one request's answer, or its stream of chunks, conform."""

    def __init__(self, request: ChatRequest) -> None:
        self._model = request.model
        self._legacy = request.operation == "completions"
        self._prefix = "cmpl-" if self._legacy else "chatcmpl-"
        self._id = request.id
        self._created: int | None = None
        fields = request.fields
        self.wants_usage = bool((fields.get("stream_options") or {}).get("include_usage"))
        # Usage goes into every chunk when it was asked for, logprobs have to be looked at, and a
        # second choice has to be opened with its role: such streams are mended event by event.
        self.plain_events = not (
            self._legacy or self.wants_usage or fields.get("logprobs") or (fields.get("n") or 1) > 1
        )
        # Legacy completions ask for the number directly, chat beside `logprobs: true`.
        asked = fields.get("logprobs") if self._legacy else fields.get("top_logprobs")
        self._alternatives: int = asked or 0
        named = isinstance(fields.get("tool_choice"), dict)
        # The vendor ends a call that was demanded by name with `stop`, any other with `tool_calls`.
        self._called = "stop" if named else "tool_calls"
        self._opened: set[int] = set()
        self._calls: set[tuple[int, int]] = set()
        self._offsets: dict[int, int] = {}

    def answer(self, answer: Json) -> Json:
        """A whole answer. Raises `EngineFailed` if it is none, whatever status it came with."""
        if not answer.get("choices"):
            raise EngineFailed(f"the engine failed: {answer.get('error') or 'its answer is empty'}")
        self._envelope(answer, "text_completion" if self._legacy else "chat.completion")
        for index, choice in enumerate(answer["choices"]):
            choice.setdefault("index", index)
            if self._legacy:
                self._legacy_choice(choice)
                continue
            message = choice.setdefault("message", {})
            message["role"] = "assistant"
            message.setdefault("content", None)
            message.setdefault("refusal", None)
            calls = message.get("tool_calls")
            if calls:
                message["tool_calls"] = [whole_call(call) for call in calls]
                message["content"] = message["content"] or None
            else:
                message.pop("tool_calls", None)
            choice["logprobs"] = chat_logprobs(choice.get("logprobs"), self._alternatives)
            choice["finish_reason"] = self._finish(choice.get("finish_reason") or "stop", calls)
        answer["usage"] = complete_usage(answer.get("usage") or {})
        return answer

    def chunk(self, chunk: Json) -> list[Json]:
        """One chunk, as the one or two (usage comes by itself) that the vendor would send."""
        self._envelope(chunk, "text_completion" if self._legacy else "chat.completion.chunk")
        usage = chunk.pop("usage", None)
        if self.wants_usage:
            chunk["usage"] = None
        for choice in chunk["choices"]:
            if self._legacy:
                self._legacy_choice(choice)
            else:
                self._delta(choice)
        chunks = [chunk] if chunk["choices"] else []
        if usage and self.wants_usage:
            chunks.append({**chunk, "choices": [], "usage": complete_usage(usage)})
        return chunks

    def _envelope(self, answer: Json, kind: str) -> None:
        for name in ENGINE_FIELDS:
            answer.pop(name, None)
        if self._created is None:
            theirs = answer.get("id")
            known = isinstance(theirs, str) and theirs.startswith(self._prefix)
            self._id = self._id or (str(theirs) if known else self._prefix + uuid4().hex)
            self._created = answer.get("created") or int(time())
        answer["id"] = self._id
        answer["created"] = self._created
        answer["object"] = kind
        answer["model"] = self._model
        answer.setdefault("choices", [])

    def _delta(self, choice: Json) -> None:
        index = choice.setdefault("index", 0)
        delta = choice["delta"] = choice.get("delta") or {}
        delta.pop("role", None)
        calls = delta.get("tool_calls")
        if not calls:
            delta.pop("tool_calls", None)
        if delta.get("content", "") is None:
            del delta["content"]
        if index not in self._opened:
            self._opened.add(index)
            opening: Json = {"role": "assistant", "content": None if calls else "", "refusal": None}
            choice["delta"] = delta = {**opening, **delta}
        for call in calls or ():
            self._call_delta(index, call)
        choice["logprobs"] = chat_logprobs(choice.get("logprobs"), self._alternatives)
        reason = choice.get("finish_reason")
        called = any(key[0] == index for key in self._calls)
        choice["finish_reason"] = self._finish(reason, called) if reason else None

    def _call_delta(self, index: int, call: Json) -> None:
        """`id`, `type` and `name` come once, with the first piece of a call."""
        key = (index, call.setdefault("index", 0))
        function = call.setdefault("function", {})
        if key not in self._calls:
            self._calls.add(key)
            call["id"] = call.get("id") or new_call_id()
            call["type"] = "function"
            function["arguments"] = as_text(function.get("arguments") or "")
            return
        call.pop("id", None)
        call.pop("type", None)
        function.pop("name", None)

    def _legacy_choice(self, choice: Json) -> None:
        index = choice.setdefault("index", 0)
        choice.setdefault("text", "")
        choice["finish_reason"] = self._finish(choice.get("finish_reason"), None)
        logprobs = choice.get("logprobs")
        if logprobs and "content" in logprobs:
            offset = self._offsets.get(index, 0)
            choice["logprobs"], self._offsets[index] = legacy_logprobs(
                logprobs, offset, self._alternatives
            )
        else:
            choice["logprobs"] = logprobs

    def _finish(self, reason: str | None, calls: object) -> str | None:
        if reason is None:
            return None
        if reason in GAVE_UP:
            raise EngineFailed("the engine gave up before its answer was whole")
        if reason not in VENDORS_REASONS:
            reason = FINISH_REASONS.get(reason, "stop")
        return self._called if calls and reason in ("stop", "tool_calls") else reason


def new_call_id() -> str:
    return f"call_{uuid4().hex[:24]}"


def whole_call(call: Json) -> Json:
    """A finished tool call with exactly the vendor's fields."""
    function = call.get("function") or {}
    return {
        "id": call.get("id") or new_call_id(),
        "type": "function",
        "function": {
            "name": function.get("name"),
            "arguments": as_text(function.get("arguments") or "{}"),
        },
    }


def as_text(arguments: object) -> str:
    """The vendor's arguments are JSON in a string; some engines send the object itself."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def complete_usage(usage: Json) -> Json:
    """Every count that the vendor sends; what an engine does not know is zero."""
    prompt = usage.get("prompt_tokens") or 0
    completion = usage.get("completion_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "audio_tokens": 0,
            **(usage.get("prompt_tokens_details") or {}),
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            **(usage.get("completion_tokens_details") or {}),
        },
    }
