"""The SDK's clients. They check every answer against the SDK's own types."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from conformance_tests.live_server import LiveServer


def options(server: LiveServer) -> dict[str, Any]:
    return {"base_url": f"{server.url}/v1", "api_key": "unused", "max_retries": 0, "timeout": 120}


@pytest.fixture(scope="session")
def client(server: LiveServer) -> Iterator[OpenAI]:
    with OpenAI(**options(server), _strict_response_validation=True) as made:
        yield made


@pytest.fixture
async def async_client(server: LiveServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(**options(server), _strict_response_validation=True) as made:
        yield made


@pytest.fixture(scope="session")
def lenient_client(server: LiveServer) -> Iterator[OpenAI]:
    """Where the SDK's own types are wrong: embeddings in base64 are checked before it decodes them,
    and the vendor's streams of legacy completions have `finish_reason: null` until their end.
    """
    with OpenAI(**options(server)) as made:
        yield made
