"""Who may talk to this server at all, before anything is read.

Without keys only programs on this machine may, and no web page: a page can make a browser send
requests to localhost (by DNS rebinding even read the answers), but not without its own Host or
Origin. With keys, each request needs one.
"""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from backends.errors import CompatError, Forbidden, Unauthenticated
from compat_server import errors
from compat_server.config import ConfigError, Settings

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
OPEN_PATHS = ("/health/live", "/health/ready")


class Guard:
    """ASGI layer: refuses in the vendor's form."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = [key.encode() for key in settings.api_keys]
        self._names = {*LOCAL_NAMES, settings.host, *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and (error := self._refusal(scope)):
            await errors.respond(error, scope, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> CompatError | None:
        host = origin = key = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                scheme, _, secret = value.partition(b" ")
                key = secret if scheme.lower() == b"bearer" else b""
            elif name == b"api-key":
                key = value
        if self._keys:
            if scope["path"] in OPEN_PATHS:
                return None
            if key is None:
                return Unauthenticated("You didn't provide an API key.")
            # Every key is compared, so that the time taken tells nothing.
            if not sum(hmac.compare_digest(key, known) for known in self._keys):
                return Unauthenticated("Incorrect API key provided.")
            return None
        for claimed in (host, origin):
            if claimed is not None and hostname(claimed) not in self._names:
                return Forbidden(
                    "This server has no keys configured and serves only programs on its own "
                    f"machine. {claimed.decode('latin-1')!r} is not a name of it: see "
                    "allowed_hosts and api_keys in the configuration."
                )
        return None


def hostname(value: bytes) -> str:
    """Of a Host (`localhost:8000`) or an Origin (`http://localhost:3000`) header."""
    text = value.decode("latin-1")
    try:
        return urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""


def check_binding(settings: Settings) -> None:
    """Raises `ConfigError` if other machines could reach a server that has no keys."""
    if settings.api_keys or settings.host == "localhost":
        return
    try:
        loopback = ip_address(settings.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"COMPAT_HOST={settings.host} would serve other machines without asking for a key. Set "
            'api_keys = ["…"] in the file named by COMPAT_CONFIG, or serve 127.0.0.1.'
        )
