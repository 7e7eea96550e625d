"""Engines behind TLS: the system's authorities (or `SSL_CERT_FILE`'s) are asked, and the name."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from backends.errors import Overloaded
from backends.transport import Transport

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
async def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server for `localhost` whose authority is trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_trusted(port: int) -> None:
    transport = Transport(f"https://localhost:{port}/v1", engine="far")
    async with await transport.post("/embeddings", b"") as answer:
        assert (answer.status, await answer.read()) == (200, b"ok")
    await transport.close()


async def test_other_name_is_refused(port: int) -> None:
    transport = Transport(f"https://127.0.0.1:{port}/v1", engine="far")
    with pytest.raises(Overloaded, match="not reachable"):
        await transport.post("/embeddings", b"")


async def test_unknown_authority_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    transport = Transport(f"https://localhost:{port}/v1", engine="far")
    with pytest.raises(Overloaded, match="not reachable"):
        await transport.post("/embeddings", b"")
