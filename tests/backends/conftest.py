"""Models made up for a test, and a small web server to fetch them from."""

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.models import Archive, Model, ModelFile, Source
from tests.quiet_server import QuietServer


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_model(files: dict[str, bytes], *sources: Source, id: str = "tiny") -> Model:
    return Model(
        id=id,
        capability="chat",
        engine="llama.cpp",
        repository=f"maker/{id}",
        licence="MIT",
        files=[ModelFile(name, len(data), sha256(data)) for name, data in files.items()],
        sources=list(sources),
    )


class Site:
    """A web server on loopback. `pages`: what each path answers; `asked`: every request's line.

    A request for a path in `held` waits until `release` is set.
    """

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.held: set[str] = set()
        self.reached = threading.Event()
        self.release = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                site.asked.append(f"{self.command} {path}")
                if path in site.held and self.command == "GET":
                    site.reached.set()
                    site.release.wait(20)
                body = site.pages.get(path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                for name, value in site.headers.get(path, {}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    try:
                        self.wfile.write(body or b"")
                    except OSError:
                        pass

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def add_wheel(self, package: str, files: dict[str, bytes]) -> Archive:
        """Publish version 1.0 of a package as pip expects it. Members map to "model.bin"."""
        info = f"{package}-1.0.dist-info"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as wheel:
            for name, data in files.items():
                wheel.writestr(name, data)
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        return self._add(package, f"/files/{package}-1.0-py3-none-any.whl", buffer, files)

    def add_tarball(self, package: str, files: dict[str, bytes], tarball: str = "") -> Archive:
        """Publish version 1.0 of a package as npm expects it."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            link = tarfile.TarInfo("package/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
            archive.addfile(link)
        path = f"/{package.replace('/', '-')}.tgz"
        tarball = tarball or self.url + path
        page = msgspec.json.encode({"dist": {"tarball": tarball}})
        self.pages[f"/{package.replace('/', '%2F')}/1.0"] = page
        return self._add(package, path, buffer, files)

    def _add(self, package: str, path: str, data: io.BytesIO, files: dict[str, bytes]) -> Archive:
        content = data.getvalue()
        self.pages[path] = content
        self.pages[f"/simple/{package}/"] = f'<a href="{path}">{Path(path).name}</a>'.encode()
        self.headers[f"/simple/{package}/"] = {"Content-Type": "text/html"}
        members = dict.fromkeys(files, "model.bin")
        return Archive(package, "1.0", sha256(content), members, len(content))


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def index(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that pip takes for its only index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return site


@pytest.fixture
def model() -> Callable[..., Model]:
    return make_model


@pytest.fixture(autouse=True)
def _no_folder_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPAT_MODELS_FROM", raising=False)
