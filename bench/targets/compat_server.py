"""compat-server, relaying to the fake engine without any local engine."""

import importlib.metadata
import importlib.util
import json
import signal
import sys
import tempfile
from pathlib import Path

from bench.answers import EMBEDDING_MODEL, SCRIPTS
from bench.targets import EMBEDDINGS, RENAME, RENAMED_MODEL, Running, UnavailableError
from bench.targets.child import Child, free_port

BACKEND = """
[[backend]]
model = "{model}"
capability = "{capability}"
url = "{url}/v1"
"""


class CompatServer:
    """Started as its users start it; its home folder is kept from one start to the next."""

    name = "compat-server"
    abilities = frozenset({EMBEDDINGS, RENAME})

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        # Under root, the database runs as another user, who must get to its files.
        Path(self.folder.name).chmod(0o755)

    def version(self) -> str:
        if importlib.util.find_spec("compat_server") is None:
            raise UnavailableError(
                "compat_server cannot be imported: run this in the project's root."
            )
        try:
            return importlib.metadata.version("compat-server")
        except importlib.metadata.PackageNotFoundError:
            return "working tree"

    def start(self, engine_url: str) -> Running:
        home = Path(self.folder.name)
        port = free_port()
        config = home / "bench.toml"
        config.write_text(configuration(engine_url))
        env = {
            "COMPAT_HOST": "127.0.0.1",
            "COMPAT_PORT": str(port),
            "COMPAT_HOME": str(home),
            "COMPAT_CONFIG": str(config),
            "DATABASE_URL": "",  # never the user's own database
        }
        # Left by the start before, it would name processes that are gone.
        (home / "server.json").unlink(missing_ok=True)
        self.child = Child([sys.executable, "-m", "compat_server", "serve"], home / "log", env)
        self.child.wait_ready(port, "/health/ready", 60)
        state = json.loads((home / "server.json").read_text())
        return Running(f"http://127.0.0.1:{port}", tuple(state["gateways"]))

    def stop(self) -> None:
        self.child.stop(signal.SIGINT)


def configuration(engine_url: str) -> str:
    """One backend per fake model, and one that renames the model it asks."""
    chat = [BACKEND.format(model=m, capability="chat", url=engine_url) for m in SCRIPTS]
    embed = BACKEND.format(model=EMBEDDING_MODEL, capability="embedding", url=engine_url)
    renamed = BACKEND.format(model=RENAMED_MODEL, capability="chat", url=engine_url)
    return "".join(["models = []\n", *chat, embed, renamed, 'upstream_model = "fake-burst"\n'])
