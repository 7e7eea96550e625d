"""Models: listing, looking one up, and the names that stand for another."""

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI, PermissionDeniedError

from conformance_tests.live_server import LiveServer

CHAT = "smollm2-135m-instruct"
REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.operation("models.list")
def test_list(client: OpenAI) -> None:
    models = list(client.models.list())
    ids = [model.id for model in models]
    assert {CHAT, "bge-small-en-v1.5", "gpt-4o", "text-embedding-3-small"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(model.object == "model" and model.owned_by for model in models)
    assert all(model.created > 1_700_000_000 for model in models)


async def test_list_async(client: OpenAI, async_client: AsyncOpenAI) -> None:
    assert [m async for m in async_client.models.list()] == list(client.models.list())


@pytest.mark.operation("models.retrieve")
@pytest.mark.parametrize(
    "name", [CHAT, REPOSITORY, "gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-3.5-turbo"]
)
def test_retrieve(client: OpenAI, name: str) -> None:
    model = client.models.retrieve(name)
    assert model.id == name
    assert model.object == "model"


def test_slash_is_accepted_unencoded(server: LiveServer) -> None:
    """The SDK sends `%2F`; curl users write the slash as it is."""
    answer = server.wire.get(f"/v1/models/{REPOSITORY}")
    assert answer.status == 200
    assert answer.json()["id"] == REPOSITORY


def test_retrieved_is_the_listed(client: OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    for name in (CHAT, "gpt-4o", "text-embedding-3-small"):
        assert client.models.retrieve(name) == listed[name]


@pytest.mark.parametrize("name", [CHAT, REPOSITORY, "gpt-4o-2024-08-06", "o1-mini"])
def test_answer_has_the_name_that_was_asked_for(client: OpenAI, name: str) -> None:
    answer = client.chat.completions.create(
        model=name, messages=[{"role": "user", "content": "Hi"}], max_completion_tokens=2
    )
    assert answer.model == name


@pytest.mark.parametrize("name", ["gpt-9", "org/none", "ünknown model"])
def test_unknown(client: OpenAI, name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.models.retrieve(name)
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"
    assert f"The model `{name}` does not exist" in caught.value.message
    assert caught.value.request_id


@pytest.mark.operation("models.delete", partly="refused: models are removed by their owner")
def test_delete_is_refused(client: OpenAI) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        client.models.delete(CHAT)
    assert caught.value.param == "model"
    assert client.models.retrieve(CHAT).id == CHAT
    with pytest.raises(NotFoundError):
        client.models.delete("ft:gpt-9:none")
