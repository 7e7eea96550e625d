"""llama.cpp, as `llama_cpp_engine.py` serves it: OpenAI's API with peculiarities.

Needs a GGUF file. Runs on any CPU; 0.9 to 2.7 GB of memory for the models of the catalogue.
What it gets wrong and is mended here: it ignores `tool_choice`, and `tools` where the template has
none; it writes calls as text; it takes fields of its own that callers have no business with; its
usage counts one choice (see `fan_out.py`); `echo` and `best_of` are not there.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from backends.capabilities import ChatRequest, Events
from backends.chat.events import EventRelay, Step, decode, encode
from backends.chat.fan_out import FanOut
from backends.chat.openai_compatible import (
    EventStream,
    OpenAICompatible,
    conformed,
    none_but_answers,
)
from backends.chat.specification import Conformer, Json
from backends.chat.tool_grammar import ForcedCall
from backends.chat.written_calls import RUNAWAY, WrittenCalls, described
from backends.errors import InvalidRequest, Unsupported
from backends.transport import Transport

SAMPLING = frozenset(
    {
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "stop", "seed"),
        *("logit_bias", "response_format"),
        *("top_k", "min_p", "repeat_penalty"),
    }
)
"""Passed on as they are; the last three are what callers add for local engines (`extra_body`)."""

LEGACY_MAX_TOKENS = 16
"""The vendor's default for legacy completions; the engine's would be its whole context."""


class LlamaCpp(OpenAICompatible):
    """Implements `Chat`. `tools`: `template` if the model's chat template knows tools."""

    health_path = "/health"
    prefix = "/v1"

    def __init__(self, transport: Transport, *, tools: str, context: int) -> None:
        super().__init__(transport, upstream_model="")
        self._tools_in_template = tools == "template"
        self._context = context

    async def complete(self, request: ChatRequest) -> bytes:
        fields, steps = self.prepare(request)

        async def ask(one: Json) -> Json:
            async with await self._send(request, one) as answer:
                body = await answer.read()
            return await self._echoed(request, one, decode(body))

        with none_but_answers(), naming_the_tool(steps):
            return conformed(request, await FanOut(fields).whole(ask), steps)

    async def stream(self, request: ChatRequest) -> Events:
        fields, steps = self.prepare(request)
        if request.fields.get("echo"):
            raise Unsupported("'echo' is not offered together with 'stream'.", param="echo")
        relay = EventRelay(Conformer(request), steps)
        fan_out = FanOut(fields)
        if len(fan_out) == 1 and request.operation == "chat/completions":
            with naming_the_tool(steps):
                answer = await self._send(request, fields)
            return EventStream(relay.relay(answer.chunks()), answer.aclose)

        async def open_stream(one: Json) -> AsyncIterator[bytes]:
            async with await self._send(request, one) as answer:
                async for chunk in answer.chunks():
                    yield chunk

        # The first event decides whether this is a stream or a refusal with a status.
        events = relay.relay(fan_out.streamed(open_stream))
        with naming_the_tool(steps):
            first = await anext(events)
        return EventStream(_resumed(first, events), events.aclose)

    def prepare(self, request: ChatRequest) -> tuple[Json, Sequence[Step]]:
        asked = request.fields
        fields: Json = {k: asked[k] for k in SAMPLING & asked.keys() if asked[k] is not None}
        fields["stream"] = bool(asked.get("stream"))
        fields["n"] = asked.get("n") or 1
        if "seed" in fields:
            fields["seed"] &= 0x3FFFFFFF
        if fields["stream"]:
            fields["stream_options"] = {"include_usage": True}
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
        if limit is not None:
            fields["max_tokens"] = min(limit, self._context)
        if request.operation == "completions":
            return self._legacy(asked, fields), ()
        if asked.get("logprobs"):
            fields["logprobs"] = True
            # Asked for none, the engine leaves the chosen token's own out, too.
            fields["top_logprobs"] = max(1, asked.get("top_logprobs") or 0)
        fields["messages"] = [
            plain_message(message, f"messages[{n}]") for n, message in enumerate(asked["messages"])
        ]
        return fields, self._tools(asked, fields)

    def _tools(self, asked: Json, fields: Json) -> Sequence[Step]:
        tools = asked.get("tools") or []
        if self._tools_in_template:
            if tools:
                fields["tools"] = tools
        else:
            fields["messages"] = described(fields["messages"], tools)
        choice = asked.get("tool_choice") or "auto"
        if not tools or choice == "none":
            fields.pop("tools", None)
            return ()
        if choice != "auto":
            forced = ForcedCall(tools, choice)
            fields["response_format"] = forced.response_format()
            return (forced,)
        stop = fields.get("stop") or []
        fields["stop"] = [*([stop] if isinstance(stop, str) else stop), RUNAWAY]
        return (WrittenCalls(tools),)

    def _legacy(self, asked: Json, fields: Json) -> Json:
        fields["prompt"] = asked["prompt"]
        fields.setdefault("max_tokens", LEGACY_MAX_TOKENS)
        if asked.get("max_tokens") == 0:
            raise Unsupported("'max_tokens' must be at least 1 for this model.", param="max_tokens")
        if asked.get("suffix"):
            raise Unsupported("This model does not insert text: 'suffix'.", param="suffix")
        if (asked.get("best_of") or fields["n"]) < fields["n"]:
            raise InvalidRequest("'best_of' must not be below 'n'.", param="best_of")
        if (asked.get("best_of") or 1) > fields["n"]:
            raise Unsupported("'best_of' above 'n' is not offered by this model.", param="best_of")
        if asked.get("logprobs") is not None:
            if asked.get("echo"):
                raise Unsupported("'echo' with 'logprobs' is not offered.", param="echo")
            # The engine counts 0 as "none"; the vendor as "the chosen token only".
            fields["logprobs"] = max(1, asked["logprobs"])
        return fields

    async def _echoed(self, request: ChatRequest, one: Json, answer: Json) -> Json:
        if request.operation == "completions" and request.fields.get("echo"):
            prompt = one["prompt"]
            text = prompt if isinstance(prompt, str) else await self._text(prompt)
            for choice in answer["choices"]:
                choice["text"] = text + choice["text"]
        return answer

    async def _text(self, tokens: list[int]) -> str:
        body = encode({"tokens": tokens})
        async with await self._transport.post("/detokenize", body) as answer:
            said = await answer.read()
        text = decode(said).get("content")
        if not isinstance(text, str):
            raise InvalidRequest(
                "Invalid 'prompt': it holds tokens that the model does not know.", param="prompt"
            )
        return text


def plain_message(message: Json, where: str) -> Json:
    """A message as every chat template takes it: text parts joined, `developer` as `system`.

    Raises `Unsupported` for parts that are not text; `where` names the message.
    """
    content = message.get("content")
    if isinstance(content, list):
        for number, part in enumerate(content):
            if part["type"] not in ("text", "refusal"):
                raise Unsupported(
                    f"This model takes text only, not '{part['type']}'. Use a model that does.",
                    param=f"{where}.content[{number}].type",
                )
        content = "".join(part.get("text") or part.get("refusal") or "" for part in content)
    role = "system" if message["role"] == "developer" else message["role"]
    return {**message, "role": role, "content": content}


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for events in rest:
        yield events


@contextmanager
def naming_the_tool(steps: Sequence[Step]) -> Iterator[None]:
    """A forced call's schema is made of the tools' parameters: those are what was wrong."""
    try:
        yield
    except InvalidRequest as error:
        for step in steps:
            if isinstance(step, ForcedCall) and error.param == "response_format":
                error.param = step.param
        raise
