"""POST /chat/completions

https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from backends.capabilities import ChatRequest
from backends.errors import InvalidRequest, Unsupported
from compat_server.openai import storing
from compat_server.openai.body import read
from compat_server.openai.errors import missing_parameter
from compat_server.relay import Call, Reply
from compat_server.state import State

Role = Literal["developer", "system", "user", "assistant", "tool", "function"]

PARTS = ("text", "refusal", "image_url", "input_audio", "file")

NOT_OFFERED = {
    "audio": "Spoken answers are not offered here. Ask for text, then use /v1/audio/speech.",
    "functions": "'functions' was replaced by 'tools', which is offered here.",
    "function_call": "'function_call' was replaced by 'tool_choice', which is offered here.",
    "web_search_options": "Web search is not offered here.",
}
"""Fields whose absence from the answer would change its meaning: refused rather than ignored."""


class Part(Struct):
    type: str
    text: str | None = None


class Function(Struct):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct):
    type: Literal["function", "custom"]
    function: Function | None = None


class NamedFunction(Struct):
    name: str


class NamedTool(Struct):
    type: Literal["function", "custom", "allowed_tools"]
    function: NamedFunction | None = None


class Called(Struct):
    name: str
    arguments: str


class ToolCall(Struct):
    id: str
    function: Called
    type: Literal["function"] = "function"


class Message(Struct):
    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class JsonSchema(Struct):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


TokenId = Annotated[str, Meta(pattern="^[0-9]{1,9}$")]
LogitBias = dict[TokenId, Annotated[float, Meta(ge=-100, le=100)]]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Stop = str | Annotated[list[str], Meta(max_length=4)] | None


class ChatCompletionRequest(Struct):
    """Only what is looked at here; other fields go to the engine or are ignored."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    frequency_penalty: Penalty | None = None
    logit_bias: LogitBias | None = None
    logprobs: bool | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    modalities: list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: Penalty | None = None
    response_format: ResponseFormat | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stop = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


async def create(call: Call, state: State) -> Reply:
    """The whole answer, or its events."""
    wanted, fields = read(call, state, ChatCompletionRequest)
    check(wanted, fields)
    if wanted.store:
        return await storing.create(wanted.model, fields, state)
    return await answered(ChatRequest("chat/completions", wanted.model, fields), state)


async def answered(request: ChatRequest, state: State) -> Reply:
    """Whole or streamed, as asked for."""
    if request.fields.get("stream"):
        entry, events = await state.dispatch.stream(request)
        return Reply(events, entry)
    entry, body = await state.dispatch.complete(request)
    return Reply(body, entry)


def check(wanted: ChatCompletionRequest, fields: dict[str, Any]) -> None:
    """What types alone cannot say. Raises `InvalidRequest` naming the field."""
    for name, reason in NOT_OFFERED.items():
        if fields.get(name):
            raise Unsupported(f"Unsupported parameter: '{name}'. {reason}", param=name)
    if wanted.modalities and set(wanted.modalities) - {"text"}:
        raise Unsupported("Only 'text' is offered in 'modalities'.", param="modalities")
    check_stream_options(wanted.stream, wanted.stream_options)
    if wanted.top_logprobs is not None and not wanted.logprobs:
        raise InvalidRequest(
            "Invalid value: 'top_logprobs' may only be set when 'logprobs' is true.",
            param="top_logprobs",
        )
    for number, message in enumerate(wanted.messages):
        check_message(message, f"messages[{number}]")
    check_tools(wanted)
    form = wanted.response_format
    if (
        form
        and form.type == "json_schema"
        and (not form.json_schema or not form.json_schema.schema)
    ):
        missing = "response_format.json_schema" + (".schema" if form.json_schema else "")
        raise missing_parameter(missing)


def check_stream_options(stream: bool | None, options: StreamOptions | None) -> None:
    if options and not stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )


def check_message(message: Message, where: str) -> None:
    if message.role == "function":
        raise Unsupported(
            "Messages with role 'function' were replaced by role 'tool'.", param=f"{where}.role"
        )
    if message.role == "tool" and not message.tool_call_id:
        raise missing_parameter(f"{where}.tool_call_id")
    if message.content is None and not (message.role == "assistant" and message.tool_calls):
        raise InvalidRequest(
            f"Invalid value for '{where}.content': expected a string, got null.",
            param=f"{where}.content",
        )
    if not isinstance(message.content, list):
        return
    if not message.content:
        raise InvalidRequest(
            f"Invalid '{where}.content': empty array. Expected at least one content part.",
            param=f"{where}.content",
            code="empty_array",
        )
    for number, part in enumerate(message.content):
        at = f"{where}.content[{number}]"
        if part.type not in PARTS:
            supported = ", ".join(f"'{name}'" for name in PARTS)
            raise InvalidRequest(
                f"Invalid value: '{part.type}'. Supported values are: {supported}.",
                param=f"{at}.type",
                code="invalid_value",
            )
        if part.type == "text" and part.text is None:
            raise missing_parameter(f"{at}.text")


def check_tools(wanted: ChatCompletionRequest) -> None:
    names = []
    for number, tool in enumerate(wanted.tools or ()):
        if tool.type != "function":
            raise Unsupported(
                "Only tools of type 'function' are offered.", param=f"tools[{number}].type"
            )
        if tool.function is None:
            raise missing_parameter(f"tools[{number}].function")
        names.append(tool.function.name)
    choice = wanted.tool_choice
    if choice is None:
        return
    if not names and choice != "none":
        raise InvalidRequest(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.",
            param="tool_choice",
        )
    if isinstance(choice, NamedTool):
        if choice.type != "function":
            raise Unsupported("Only 'function' is offered here.", param="tool_choice.type")
        if choice.function is None:
            raise missing_parameter("tool_choice.function")
        if choice.function.name not in names:
            raise InvalidRequest(
                f"Tool choice '{choice.function.name}' not found in 'tools' parameter.",
                param="tool_choice",
            )
