"""Which path answers what. Azure's form names the model in the path."""

from litestar.handlers import ASGIRouteHandler
from litestar.handlers.http_handlers.base import HTTPRouteHandler

from compat_server.openai import chat, completions, embeddings
from compat_server.openai.models import delete_model, list_models, retrieve_model
from compat_server.relay import Handler, hot, hot_by_model

HOT: dict[str, Handler] = {
    "/chat/completions": chat.create,
    "/completions": completions.create,
    "/embeddings": embeddings.create,
}

ROUTES: list[ASGIRouteHandler | HTTPRouteHandler] = [
    *(hot([f"/v1{path}", f"/openai/v1{path}"], handler) for path, handler in HOT.items()),
    hot_by_model("/openai/deployments", HOT),
    list_models,
    retrieve_model,
    delete_model,
]
