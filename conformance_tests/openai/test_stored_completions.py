"""Chat completions that are kept: stored, found again, changed, listed, deleted."""

import os
import signal
import time
from typing import Any
from uuid import uuid4

import pytest
from openai import AsyncOpenAI, LengthFinishReasonError, NotFoundError, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from conformance_tests.live_server import LiveServer, eventually

MODEL = "gpt-4o-mini"
HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Say hello."},
]
TOOL: Any = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
NOW: Any = {
    "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "now"}},
}  # fmt: skip


def ask(client: OpenAI, run: str = "", **more: Any) -> ChatCompletion:
    """A stored completion. `run`: finds those of one test again, whatever others store."""
    metadata = {"run": run, **more.pop("metadata", {})}
    fields = {"model": MODEL, "messages": HELLO, "max_tokens": 3, **more}
    answer: ChatCompletion = client.chat.completions.create(**fields, store=True, metadata=metadata)
    return answer


def assembled(client: OpenAI, **more: Any) -> ChatCompletion:
    """What the SDK's own accumulator makes of a stored stream."""
    with client.chat.completions.stream(model=MODEL, messages=HELLO, store=True, **more) as stream:
        for _ in stream:
            pass
        return ChatCompletion.model_validate(stream.current_completion_snapshot.to_dict())


@pytest.fixture
def run() -> str:
    return uuid4().hex


@pytest.mark.operation("chat.completions.create")
@pytest.mark.operation("chat.completions.retrieve")
def test_retrieve(client: OpenAI, run: str) -> None:
    answer = ask(client, run, logprobs=True, n=2)
    kept = client.chat.completions.retrieve(answer.id)
    assert kept.metadata == {"run": run}
    assert kept.to_dict() == {**answer.to_dict(), "metadata": {"run": run}}


async def test_async(async_client: AsyncOpenAI, run: str) -> None:
    answer = await async_client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=2, store=True, metadata={"run": run}
    )
    listed = [kept.id async for kept in async_client.chat.completions.list(metadata={"run": run})]
    assert listed == [answer.id]


@pytest.mark.operation("chat.completions.create")
@pytest.mark.parametrize(
    "more",
    [
        {"stop": "o"},
        {"stop": "o", "stream_options": {"include_usage": True}},
        {"stop": "o", "logprobs": True, "top_logprobs": 2},
        {"tools": [TOOL], "tool_choice": "required", "max_tokens": 60},
        {**NOW, "max_tokens": 60},
    ],
    ids=lambda more: ",".join(more),
)
def test_stream_is_stored_as_the_sdk_assembles_it(client: OpenAI, more: dict[str, Any]) -> None:
    try:
        whole = assembled(client, temperature=0, **more)
    except LengthFinishReasonError as error:
        # The accumulator refuses what was cut short; what it had so far is what counts here.
        whole = error.completion
    kept = client.chat.completions.retrieve(whole.id)
    assert kept.metadata == {}
    assert kept.usage == whole.usage
    assert (kept.created, kept.model) == (whole.created, whole.model)
    for ours, theirs in zip(kept.choices, whole.choices, strict=True):
        assert (ours.index, ours.finish_reason) == (theirs.index, theirs.finish_reason)
        assert ours.message.content == theirs.message.content
        assert ours.message.refusal == theirs.message.refusal
        assert plain(ours.message.tool_calls) == plain(theirs.message.tool_calls)
        assert (ours.logprobs and ours.logprobs.content) == (
            theirs.logprobs and theirs.logprobs.content
        )


def plain(calls: Any) -> list[Any]:
    return [(c.id, c.type, c.function.name, c.function.arguments) for c in calls or ()]


def test_choices_of_a_stream(client: OpenAI) -> None:
    """The SDK's accumulator fails unless the first choice is the first to say something."""
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=HELLO, n=3, max_tokens=4, stream=True, store=True
        )
    )
    kept = client.chat.completions.retrieve(chunks[0].id)
    said = ["", "", ""]
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] += choice.delta.content or ""
    assert [choice.message.content for choice in kept.choices] == said
    assert [choice.index for choice in kept.choices] == [0, 1, 2]


@pytest.mark.operation("chat.completions.update")
def test_update(client: OpenAI, run: str) -> None:
    answer = ask(client, run)
    new = {"reviewed": "yes", "grüße": "\U0001f30d" * 512}
    changed = client.chat.completions.update(answer.id, metadata=new)
    assert changed.to_dict() == {**answer.to_dict(), "metadata": new}
    assert client.chat.completions.retrieve(answer.id).metadata == new
    assert client.chat.completions.update(answer.id, metadata=None).metadata == {}


@pytest.mark.operation("chat.completions.delete")
def test_delete(client: OpenAI) -> None:
    answer = ask(client)
    deleted = client.chat.completions.delete(answer.id)
    assert (deleted.id, deleted.deleted) == (answer.id, True)
    assert deleted.object == "chat.completion.deleted"
    for call in (
        client.chat.completions.retrieve,
        client.chat.completions.delete,
        client.chat.completions.messages.list,
    ):
        with pytest.raises(NotFoundError):
            call(answer.id)


@pytest.mark.operation("chat.completions.list")
def test_list(client: OpenAI, run: str) -> None:
    ids = [ask(client, run, max_tokens=1).id for _ in range(5)]
    completions = client.chat.completions
    page = completions.list(metadata={"run": run}, limit=2)
    assert [kept.id for kept in page.data] == ids[:2]
    assert page.has_more is True
    assert page.to_dict()["object"] == "list"
    assert (page.to_dict()["first_id"], page.to_dict()["last_id"]) == (ids[0], ids[1])
    assert [kept.id for kept in completions.list(metadata={"run": run}, limit=2)] == ids
    backwards = completions.list(metadata={"run": run}, limit=3, order="desc")
    assert [kept.id for kept in backwards] == ids[::-1]
    after = completions.list(metadata={"run": run}, after=ids[3])
    assert [kept.id for kept in after.data] == ids[4:]
    assert after.has_more is False
    assert completions.list(metadata={"run": run}, after=ids[4]).data == []


def test_filters(client: OpenAI, run: str) -> None:
    one = ask(client, run, model="gpt-4o-mini", metadata={"kind": "a=b&c"})
    two = ask(client, run, model="gpt-4o", metadata={"kind": ""})

    def listed(**filters: Any) -> list[str]:
        own = {"run": run, **filters.pop("metadata", {})}
        return [kept.id for kept in client.chat.completions.list(metadata=own, **filters)]

    assert listed() == [one.id, two.id]
    assert listed(model="gpt-4o") == [two.id]
    assert listed(model="gpt-5") == []
    assert listed(metadata={"kind": "a=b&c"}) == [one.id]
    assert listed(metadata={"kind": ""}) == [two.id]
    assert listed(model="gpt-4o", metadata={"kind": "a=b&c"}) == []
    assert one.id in [kept.id for kept in client.chat.completions.list(order="desc").data]


def test_deleting_while_listing(client: OpenAI, run: str) -> None:
    for _ in range(5):
        ask(client, run, max_tokens=1)
    for kept in client.chat.completions.list(metadata={"run": run}, limit=2):
        client.chat.completions.delete(kept.id)
    assert client.chat.completions.list(metadata={"run": run}).data == []


@pytest.mark.operation("chat.completions.messages.list")
def test_messages(lenient_client: OpenAI) -> None:
    """The SDK's type of a stored message has the role `assistant` only: not checked."""
    said: Any = [
        *HELLO,
        {"role": "user", "content": [{"type": "text", "text": "nul \0 and \U0001f30d"}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "name": "ann", "content": "Again."},
    ]
    id = ask(lenient_client, messages=said).id
    listing = lenient_client.chat.completions.messages
    page = listing.list(id)
    assert [message.id for message in page.data] == [f"{id}-{number}" for number in range(5)]
    assert page.has_more is False
    assert [message.role for message in page.data] == [each["role"] for each in said]
    assert page.data[1].content == "Say hello."
    assert page.data[1].content_parts is None
    assert page.data[2].content is None
    parts = page.to_dict()["data"][2]["content_parts"]
    assert parts == said[2]["content"]
    assert page.to_dict()["data"][4]["name"] == "ann"
    every = [message.id for message in page.data]
    assert [m.id for m in listing.list(id, limit=2)] == every
    assert [m.id for m in listing.list(id, limit=2, order="desc")] == every[::-1]
    assert [m.id for m in listing.list(id, after=every[2]).data] == every[3:]
    assert [m.id for m in listing.list(id, after=every[2], order="desc").data] == every[1::-1]


def test_messages_of_an_assistant_are_as_the_sdk_has_them(client: OpenAI) -> None:
    id = ask(client, messages=[*HELLO[1:], {"role": "assistant", "content": "Hello."}]).id
    page = client.chat.completions.messages.list(id, after=f"{id}-0")
    assert page.data[0].content == "Hello."


def test_only_what_was_stored(client: OpenAI, run: str) -> None:
    for store in (False, None):
        answer = client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=2, store=store, metadata={"run": run}
        )
        with pytest.raises(NotFoundError) as refused:
            client.chat.completions.retrieve(answer.id)
        assert answer.id in refused.value.message
    assert client.chat.completions.list(metadata={"run": run}).data == []


@pytest.mark.parametrize("stream", [False, True])
def test_survives_the_death_of_the_database(
    server: LiveServer, client: OpenAI, stream: bool, run: str
) -> None:
    answer: Any = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=3, store=True, metadata={"run": run}, stream=stream
    )
    id = [chunk.id for chunk in answer][-1] if stream else answer.id
    first = server.described()["postgres"]
    os.kill(first, signal.SIGKILL)
    try:
        eventually(lambda: server.described()["postgres"] not in (None, first), 60)
    finally:
        eventually(server.ready, 60)
    assert client.chat.completions.retrieve(id).metadata == {"run": run}
    assert [kept.id for kept in client.chat.completions.list(metadata={"run": run})] == [id]


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_paths(server: LiveServer, client: OpenAI, run: str, prefix: str) -> None:
    id = ask(client, run).id
    base = f"{prefix}/chat/completions"
    query = f"?metadata[run]={run}&limit=1&order=asc"
    listed = server.wire.get(base + query)
    assert listed.headers["content-type"] == "application/json"
    assert listed.headers["x-request-id"].startswith("req_")
    assert set(listed.json()) == {"object", "data", "first_id", "last_id", "has_more"}
    kept = server.wire.get(f"{base}/{id}")
    assert kept.json() == listed.json()["data"][0]
    assert server.wire.get(f"{base}/{id}/messages").json()["data"][0]["id"] == f"{id}-0"
    assert server.wire.send("DELETE", f"{base}/{id}", None, {}).status == 200
    assert server.wire.send("DELETE", base, None, {}).status == 405
    empty = server.wire.get(base + query).json()
    assert empty == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False,
    }  # fmt: skip


def test_costs_little(client: OpenAI) -> None:
    """Storing is one commit: far below what the smallest answer takes."""
    started = time.perf_counter()
    for _ in range(10):
        ask(client, max_tokens=1)
    assert time.perf_counter() - started < 20
