from pathlib import Path

import pytest

from compat_server.config import ConfigError, Settings, load

FULL = """
host = "127.0.0.2"
port = 9000
workers = 2
models = ["bge-small-en-v1.5"]
api_keys = ["a-long-enough-key"]
allowed_hosts = ["house"]
home = "/srv/state"
models_dir = "/srv/models"
database_url = "postgresql://u@h/d"

[aliases]
"gpt-4o" = "big"

[limits]
body_bytes = 1000

[[backend]]
model = "big"
capability = "chat"
url = "http://gpu:8000/v1"
upstream_model = "org/Big"
api_key_env = "GPU_KEY"
"""


def written(folder: Path, text: str, **environment: str) -> dict[str, str]:
    file = folder / "compat.toml"
    file.write_text(text)
    return {"COMPAT_CONFIG": str(file), **environment}


def test_defaults_serve_this_machine_only() -> None:
    settings = load({})
    assert (settings.host, settings.port, settings.url) == (
        "127.0.0.1",
        8000,
        "http://localhost:8000",
    )
    assert settings.models is None
    assert settings.home.is_absolute()
    assert settings.models_dir.is_absolute()
    assert settings.database_url is None


def test_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, FULL))
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.2", 9000, 2)
    assert settings.home == Path("/srv/state")
    assert settings.models_dir == Path("/srv/models")
    assert settings.database_url == "postgresql://u@h/d"
    assert settings.aliases == {"gpt-4o": "big"}
    assert settings.limits.body_bytes == 1000
    assert settings.limits.json_depth == 64
    (backend,) = settings.backend
    assert (backend.url, backend.upstream_model) == ("http://gpu:8000/v1", "org/Big")


def test_environment_comes_before_the_file(tmp_path: Path) -> None:
    environment = {
        "COMPAT_HOST": "localhost",
        "COMPAT_PORT": "9001",
        "COMPAT_HOME": "relative",
        "COMPAT_MODELS": "~/models",
        "DATABASE_URL": "postgresql://other/d",
    }
    settings = load(written(tmp_path, FULL, **environment))
    assert (settings.host, settings.port) == ("localhost", 9001)
    assert settings.home == Path("relative").absolute()
    assert settings.models_dir == Path.home() / "models"
    assert settings.database_url == "postgresql://other/d"


def test_empty_variables_count_as_not_set(tmp_path: Path) -> None:
    names = ("COMPAT_HOST", "COMPAT_PORT", "COMPAT_HOME", "COMPAT_MODELS", "DATABASE_URL")
    assert load(written(tmp_path, FULL, **dict.fromkeys(names, ""))) == load(
        written(tmp_path, FULL)
    )
    assert load({"COMPAT_CONFIG": ""}) == load({})


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "8000 ", "8e3"])
def test_port_that_is_none(port: str) -> None:
    with pytest.raises(ConfigError, match="COMPAT_PORT"):
        load({"COMPAT_PORT": port})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 99999", "port"),
        ("port = '8000'", "port"),
        ("workers = 0", "workers"),
        ('api_keys = [""]', "api_keys"),
        ("prot = 8000", "prot"),
        ("[limits]\nbody = 5", "body"),
        ("[limits]\nbody_bytes = 0", "body_bytes"),
        ("[limits]\njson_depth = 0", "json_depth"),
        ('[[backend]]\nmodel = "m"\ncapability = "chat"', "url"),
        ('[[backend]]\nmodel = "m"\ncapability = "smell"\nurl = "http://h/v1"', "capability"),
        ('[[backend]]\nmodel = "m"\ncapability = "chat"\nurl = "h:8000/v1"', "url"),
        ('[[backend]]\nmodel = ""\ncapability = "chat"\nurl = "http://h/v1"', "model"),
        ("port = ", ""),
        ("\ud800", ""),
    ],
)
def test_mistake_in_the_file_is_named_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    environment = written(tmp_path, "")
    Path(environment["COMPAT_CONFIG"]).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match=f"compat.toml.*{said}"):
        load(environment)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="COMPAT_CONFIG"):
        load({"COMPAT_CONFIG": str(tmp_path / "missing.toml")})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:8000"),
        ("::1", "http://localhost:8000"),
        ("10.0.0.5", "http://10.0.0.5:8000"),
        ("fd00::5", "http://[fd00::5]:8000"),
    ],
)
def test_address_to_show(host: str, url: str) -> None:
    assert Settings(host=host).url == url
