"""GET /models, GET and DELETE /models/{model}

https://platform.openai.com/docs/api-reference/models
"""

from urllib.parse import unquote

from litestar import delete, get
from litestar.datastructures import State as LitestarState
from litestar.params import FromPath
from msgspec import Struct

from backends.errors import Forbidden
from compat_server.state import State
from routing.catalogue import Listed


class Model(Struct):
    id: str
    created: int
    owned_by: str
    object: str = "model"


class ModelList(Struct):
    data: list[Model]
    object: str = "list"


PREFIXES = ("/v1", "/openai/v1")


@get([f"{prefix}/models" for prefix in PREFIXES])
async def list_models(state: LitestarState) -> ModelList:
    """Every name that can be asked for: models first, then the vendor's names for them."""
    return ModelList([from_listed(listed) for listed in ours(state).dispatch.catalogue.listed()])


@get([f"{prefix}/models/{{model:path}}" for prefix in PREFIXES])
async def retrieve_model(state: LitestarState, model: FromPath[str]) -> Model:
    """`model` may hold slashes, encoded by the SDK or not."""
    name = unquote(model.removeprefix("/"))
    entry = ours(state).dispatch.catalogue.find(name)
    owner = entry.owned_by if name in entry.names else "compat-server"
    return Model(name, entry.created, owner)


@delete([f"{prefix}/models/{{model:path}}" for prefix in PREFIXES], status_code=200)
async def delete_model(state: LitestarState, model: FromPath[str]) -> None:
    """The vendor deletes fine-tuned models only, and there are none here."""
    ours(state).dispatch.catalogue.find(unquote(model.removeprefix("/")))
    raise Forbidden("Models are removed by their owner: `compat-server rm MODEL`.", param="model")


def from_listed(listed: Listed) -> Model:
    return Model(listed.id, listed.created, listed.owned_by)


def ours(state: LitestarState) -> State:
    found: State = state.compat
    return found
