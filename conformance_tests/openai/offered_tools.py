"""Tools to offer a model, and what may come back."""

from typing import Any, Literal

from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessage,
    ChatCompletionMessageFunctionToolCall,
)
from pydantic import BaseModel, ConfigDict, Field


class Weather(BaseModel):
    """The weather at a place."""

    model_config = ConfigDict(extra="forbid", strict=True)
    city: str = Field(max_length=12)
    unit: Literal["celsius", "fahrenheit"]


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    x: int = Field(ge=0, le=99)
    y: int = Field(ge=0, le=99)


class Draw(BaseModel):
    """Draws a line. Its schema has `$defs` and `$ref`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    start: Point
    end: Point


ARGUMENTS: dict[str, type[BaseModel]] = {"weather": Weather, "draw": Draw}


def tool(name: str) -> ChatCompletionFunctionToolParam:
    model = ARGUMENTS[name]
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": model.__doc__ or "",
            "parameters": model.model_json_schema(),
        },
    }


BOTH = [tool("weather"), tool("draw")]
NAMED: dict[str, Any] = {"type": "function", "function": {"name": "draw"}}


def only_call(message: ChatCompletionMessage) -> ChatCompletionMessageFunctionToolCall:
    """The one call that a message is expected to hold."""
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.id
    return call


def conforms(name: str, arguments: str) -> bool:
    """Raises `ValidationError` unless the arguments are what the tool's schema asks for."""
    return isinstance(ARGUMENTS[name].model_validate_json(arguments), BaseModel)
