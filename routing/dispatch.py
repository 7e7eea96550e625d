"""From a model's name to an answer: the one place that decides who answers.

Today each model has one deployment. Retries, fallback and cooling down belong here only.
"""

from backends.capabilities import ChatRequest, Embedded, EmbedRequest, Events
from routing.catalogue import Catalogue, Entry


class Dispatch:
    """Every method returns who answered along with the answer."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    async def complete(self, request: ChatRequest) -> tuple[Entry, bytes]:
        """Raises a `CompatError`."""
        entry = self.catalogue.find_for("chat", request.model)
        return entry, await entry.backend.complete(request)

    async def stream(self, request: ChatRequest) -> tuple[Entry, Events]:
        """Raises a `CompatError`, also while iterating."""
        entry = self.catalogue.find_for("chat", request.model)
        return entry, await entry.backend.stream(request)

    async def embed(self, model: str, request: EmbedRequest) -> tuple[Entry, Embedded]:
        """Raises a `CompatError`."""
        entry = self.catalogue.find_for("embedding", model)
        return entry, await entry.backend.embed(request)
