import json

import httpx
import pytest

from compat_server.config import ConfigError, Settings
from compat_server.guard import check_binding

KEY = "a-long-enough-key"


async def status(client: httpx.AsyncClient, path: str = "/v1/models", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await client.get(path, headers=named)).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost"},
        {"host": "localhost:8000"},
        {"host": "LOCALHOST:8000"},
        {"host": "127.0.0.1:8000"},
        {"host": "[::1]:8000"},
        {"host": "localhost", "origin": "http://localhost:3000"},
        {"host": "localhost", "origin": "https://127.0.0.1"},
    ],
)
async def test_programs_on_this_machine(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert await status(client, **headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "169.254.169.254"},
        {"host": ""},
        {"host": "[::1"},
        {"host": "localhost", "origin": "http://evil.example"},
        {"host": "localhost", "origin": "http://localhost@evil.example"},
        {"host": "localhost", "origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/health/ready", "/metrics"])
async def test_web_pages_of_others(
    client: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    refused = await client.get(path, headers=headers)
    assert refused.status_code == 403
    assert "allowed_hosts" in refused.json()["error"]["message"]


class TestWithNamesOfItsOwn:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        settings.allowed_hosts, settings.host = ["house"], "127.0.0.2"
        return settings

    @pytest.mark.parametrize(
        ("host", "expected"),
        [("house:8000", 200), ("127.0.0.2", 200), ("localhost", 200), ("elsewhere", 403)],
    )
    async def test_host(self, client: httpx.AsyncClient, host: str, expected: int) -> None:
        assert await status(client, host=host) == expected


class TestWithKeys:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        settings.api_keys = [KEY, "schlüssel-für-zwei"]
        return settings

    @pytest.mark.parametrize(
        "headers",
        [
            {"authorization": f"Bearer {KEY}"},
            {"authorization": f"bearer {KEY}"},
            {"api_key": KEY},
            {"api_key": KEY, "host": "anything.example"},
        ],
    )
    async def test_known_key(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        assert await status(client, **headers) == 200

    async def test_key_that_is_not_ascii(self, client: httpx.AsyncClient) -> None:
        key = b"Bearer " + "schlüssel-für-zwei".encode()
        answer = await client.get("/v1/models", headers=[(b"authorization", key)])
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"authorization": "Bearer wrong-but-long-enough"},
            {"authorization": f"Bearer {KEY}x"},
            {"authorization": "Bearer "},
            {"authorization": f"Basic {KEY}"},
            {"api_key": ""},
        ],
    )
    async def test_wrong_key(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        refused = await client.post("/v1/chat/completions", headers=named, content=b"{")
        error = refused.json()["error"]
        assert refused.status_code == 401
        assert error["code"] == "invalid_api_key"
        assert KEY not in json.dumps(error)

    async def test_no_key(self, client: httpx.AsyncClient) -> None:
        refused = await client.get("/v1/models")
        assert refused.status_code == 401
        assert "didn't provide an API key" in refused.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("path", "expected"),
        [("/health/live", 200), ("/health/ready", 503), ("/metrics", 401), ("/health/other", 401)],
    )
    async def test_only_health_is_open(
        self, client: httpx.AsyncClient, path: str, expected: int
    ) -> None:
        assert await status(client, path) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_serving_this_machine_needs_no_key(host: str) -> None:
    check_binding(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "example.com", ""])
def test_serving_other_machines_needs_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match="api_keys"):
        check_binding(Settings(host=host))
    check_binding(Settings(host=host, api_keys=[KEY]))
