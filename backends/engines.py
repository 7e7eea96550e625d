"""Which engine is which: how the gateway talks to it and, for local ones, how its process starts.

A new engine is one file in `backends/<capability>/` and one entry in each table here.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from msgspec import Struct

from backends.capabilities import Capability, Chat, Embed, Health
from backends.chat.llama_cpp import LlamaCpp
from backends.chat.openai_compatible import OpenAICompatible
from backends.embedding.openai_compatible import OpenAICompatibleEmbed
from backends.hosted import HostedEmbed
from backends.models import Model
from backends.transport import Transport


class Deployment(Struct):
    """One engine that serves one model at one address (`unix:/…` or `http(s)://…`)."""

    model: str
    capability: Capability
    engine: str
    url: str
    upstream_model: str = ""
    context: int = 0
    tools: str = "prompted"
    headers: Mapping[str, str] = {}


class Backend(Chat, Embed, Health, Protocol):
    """What `connect` returns. Only the methods of the deployment's own capability are there."""


def connect(deployment: Deployment) -> Backend:
    """The adapter for a deployment. Opens no connection yet."""
    transport = Transport(deployment.url, engine=deployment.model, headers=deployment.headers)
    adapter = ADAPTERS[deployment.capability, deployment.engine](transport, deployment)
    return cast("Backend", adapter)


ADAPTERS: dict[tuple[Capability, str], Callable[[Transport, Deployment], object]] = {
    ("chat", "llama.cpp"): lambda t, d: LlamaCpp(t, tools=d.tools, context=d.context),
    ("chat", "openai"): lambda t, d: OpenAICompatible(t, upstream_model=d.upstream_model),
    ("embedding", "onnx"): lambda t, d: HostedEmbed(t),
    ("embedding", "openai"): lambda t, d: OpenAICompatibleEmbed(t, upstream_model=d.upstream_model),
}


def start_command(model: Model, folder: Path, socket: Path) -> list[str]:
    """The command line of the process that serves `model` on `socket`."""
    return [
        *(sys.executable, "-m", *PROCESSES[model.engine](model, folder)),
        *("--socket", str(socket), "--context", str(model.context)),
    ]


PROCESSES: dict[str, Callable[[Model, Path], Sequence[str]]] = {
    "llama.cpp": lambda model, folder: (
        *("backends.chat.llama_cpp_engine", "--model", str(folder / "model.gguf")),
        *("--slots", str(model.parallel)),
    ),
    "onnx": lambda _, folder: (
        *("backends.host", "--engine", "onnx", "--model-folder", str(folder)),
    ),
}
