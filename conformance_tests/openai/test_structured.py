"""JSON answers: `json_schema`, which the engine is held to by grammar, and `json_object`."""

import json
from typing import Any, Literal

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import BaseModel, ConfigDict, Field

MODEL = "gpt-4o-mini"
ASK: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Ann, 34, and Bob, 7, live in Paris. Describe them as JSON."}
]


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(max_length=12)
    age: int
    kind: Literal["adult", "child"]


class Household(BaseModel):
    """Nested, with `$defs` and `$ref` in its schema."""

    model_config = ConfigDict(extra="forbid", strict=True)
    city: str = Field(max_length=12)
    people: list[Person] = Field(min_length=1, max_length=2)
    pet: Literal["cat", "dog"] | None


class Step(BaseModel):
    """Refers to itself."""

    model_config = ConfigDict(extra="forbid", strict=True)
    title: str = Field(max_length=8)
    then: list["Step"] = Field(max_length=1)


def as_format(model: type[BaseModel]) -> ResponseFormatJSONSchema:
    schema: dict[str, Any] = model.model_json_schema()
    return {
        "type": "json_schema",
        "json_schema": {"name": model.__name__, "strict": True, "schema": schema},
    }


@pytest.mark.parametrize(
    ("model", "temperature"),
    [(Person, 0), (Person, 1.5), (Household, 0), (Household, 1.5), (Step, 0)],
)
def test_conforms(client: OpenAI, model: type[BaseModel], temperature: float) -> None:
    """Also when the model is made to say unlikely things."""
    answer = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        response_format=as_format(model),
        temperature=temperature,
        seed=5,
        max_tokens=400,
    )
    assert answer.choices[0].finish_reason == "stop"
    assert model.model_validate_json(answer.choices[0].message.content or "")


def test_streamed(client: OpenAI) -> None:
    chunks = client.chat.completions.create(
        model=MODEL, messages=ASK, response_format=as_format(Household), max_tokens=400, stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert Household.model_validate_json(text).people


@pytest.mark.operation("chat.completions.create")
def test_parse(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL, messages=ASK, response_format=Household, max_tokens=400
    )
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Household)
    assert 1 <= len(parsed.people) <= 2


async def test_parse_async(async_client: AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.parse(
        model=MODEL, messages=ASK, response_format=Person, max_tokens=400
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_stream_helper_parses(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=ASK, response_format=Person, max_tokens=400
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Person)


def test_enumeration_at_the_top(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Is water wet?"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": {"enum": ["yes", "no"]}},
        },
    )
    assert json.loads(answer.choices[0].message.content or "") in ("yes", "no")


def test_json_object(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": 'Answer with JSON like {"ok": true}'}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=300,
    )
    text = answer.choices[0].message.content or ""
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)
    else:
        assert text.lstrip().startswith("{")
