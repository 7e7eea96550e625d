"""Every model a caller can ask for: local ones, backends by URL, and aliases of either."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from backends.capabilities import Capability
from backends.engines import Backend, Deployment, connect
from backends.errors import InvalidRequest, ModelNotFound
from routing.aliases import STANDINS, Standin, undated


class Entry(Struct, kw_only=True):
    """One model. `names`: everything it answers to, its id first. `created`: unix seconds."""

    id: str
    capability: Capability
    names: tuple[str, ...]
    owned_by: str
    created: int
    context: int
    quality: int
    backend: Backend
    local: bool = True


class Listed(Struct):
    """A name as `/v1/models` shows it."""

    id: str
    created: int
    owned_by: str
    entry: Entry


class Catalogue:
    """Looks models up by any of their names."""

    def __init__(self, entries: Iterable[Entry], aliases: Mapping[str, str] | None = None) -> None:
        self.entries = list(entries)
        self._by_name: dict[str, Entry] = {}
        for entry in self.entries:
            for name in entry.names:
                self._by_name.setdefault(name, entry)
        standins = self._standins()
        self._aliases: dict[str, Entry] = {
            name: standins[kind]
            for name, kind in STANDINS.items()
            if kind in standins and name not in self._by_name
        }
        for alias, model in (aliases or {}).items():
            if model not in self._by_name:
                raise UnknownAlias(
                    f"alias {alias!r} stands for {model!r}, which is not a model here"
                )
            self._aliases[alias] = self._by_name[model]

    def find(self, name: str) -> Entry:
        """Raises `ModelNotFound`."""
        for known in (name, undated(name)):
            entry = self._aliases.get(known) or self._by_name.get(known)
            if entry is not None:
                return entry
        raise ModelNotFound(name)

    def find_for(self, capability: Capability, name: str) -> Entry:
        """Raises `ModelNotFound`, or `InvalidRequest` if the model is there for something else."""
        entry = self.find(name)
        if entry.capability != capability:
            raise InvalidRequest(
                f"The model '{name}' is for {entry.capability} and cannot be used here.",
                param="model",
                code="model_not_supported",
            )
        return entry

    def listed(self) -> list[Listed]:
        """Every name once: models by their ids, then aliases."""
        models = [Listed(e.id, e.created, e.owned_by, e) for e in self.entries]
        aliases = [Listed(name, e.created, "compat-server", e) for name, e in self._aliases.items()]
        return models + aliases

    def _standins(self) -> dict[Standin, Entry]:
        chat = [e for e in self.entries if e.capability == "chat"]
        embedding = [e for e in self.entries if e.capability == "embedding"]
        standins: dict[Standin, Entry] = {}
        if chat:
            standins["small chat"] = min(chat, key=lambda e: e.quality)
            standins["best chat"] = max(chat, key=lambda e: e.quality)
        if embedding:
            standins["embedding"] = max(embedding, key=lambda e: e.quality)
        return standins


class UnknownAlias(Exception):
    """The configuration maps a name to a model that does not exist."""


def entry(
    deployment: Deployment,
    *,
    names: Iterable[str] = (),
    owned_by: str,
    created: int,
    quality: int = 1,
    local: bool = True,
) -> Entry:
    """The catalogue's entry for one deployment."""
    return Entry(
        id=deployment.model,
        capability=deployment.capability,
        names=(deployment.model, *names),
        owned_by=owned_by,
        created=created,
        context=deployment.context,
        quality=quality,
        backend=connect(deployment),
        local=local,
    )
