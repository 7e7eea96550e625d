"""Settings: defaults, then the TOML file named by `COMPAT_CONFIG`, then the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import platformdirs
from msgspec import Meta, Struct, field

from backends.capabilities import Capability


class ConfigError(Exception):
    """The configuration cannot be used; the message names file and key."""


class BackendByUrl(Struct, forbid_unknown_fields=True):
    """Any OpenAI-shaped server, as one more model.

    `url` ends in `/v1` as a rule. `upstream_model`: the server's own name for it, if it differs.
    `api_key_env`: the environment variable that holds the server's key.
    """

    model: Annotated[str, Meta(min_length=1)]
    capability: Capability
    url: Annotated[str, Meta(pattern="^https?://")]
    upstream_model: str = ""
    api_key_env: str = ""
    context: int = 0
    quality: int = 10
    owned_by: str = "backend"


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Applied before any work is done. `body_bytes`: of a JSON request."""

    body_bytes: Annotated[int, Meta(ge=1)] = 32 * 1024 * 1024
    json_depth: Annotated[int, Meta(ge=1)] = 64


class Settings(Struct, forbid_unknown_fields=True):
    """`models`: local models to run; None is every default and pulled one. `workers`: gateways."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8000
    workers: Annotated[int, Meta(ge=1)] = 1
    models: list[str] | None = None
    backend: list[BackendByUrl] = []
    aliases: dict[str, str] = {}
    api_keys: list[Annotated[str, Meta(min_length=8)]] = []
    allowed_hosts: list[str] = []
    limits: Limits = Limits()
    home: Path = field(default_factory=lambda: default_home())
    models_dir: Path = field(default_factory=lambda: default_models())
    database_url: str | None = None

    @property
    def url(self) -> str:
        host = "localhost" if self.host in ("127.0.0.1", "::1") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises `ConfigError`."""
    settings = from_file(environment.get("COMPAT_CONFIG"))
    settings.host = environment.get("COMPAT_HOST") or settings.host
    if port := environment.get("COMPAT_PORT"):
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(f"COMPAT_PORT must be a port number, not {port!r}")
        settings.port = int(port)
    settings.home = absolute(environment.get("COMPAT_HOME") or settings.home)
    settings.models_dir = absolute(environment.get("COMPAT_MODELS") or settings.models_dir)
    settings.database_url = environment.get("DATABASE_URL") or settings.database_url
    return settings


def from_file(path: str | None) -> Settings:
    if not path:
        return Settings()
    try:
        return msgspec.toml.decode(Path(path).read_bytes(), type=Settings, dec_hook=to_path)
    except OSError as error:
        raise ConfigError(f"COMPAT_CONFIG: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()


def to_path(kind: type, value: object) -> object:
    """For msgspec: TOML has no paths."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected a path, got {value!r}")


def default_home() -> Path:
    """State. Root's is outside its home: the database's unprivileged user has to get there."""
    if os.geteuid() == 0:
        return Path("/var/lib/compat-server")
    return Path(platformdirs.user_data_dir("compat-server"))


def default_models() -> Path:
    """Models, shared by every clone and home of this user."""
    return Path(platformdirs.user_cache_dir("compat-server")) / "models"
