"""Which path answers what. Azure's form names the model in the path."""

from litestar.handlers import ASGIRouteHandler
from litestar.handlers.http_handlers.base import HTTPRouteHandler

from compat_server.openai import chat, completions, embeddings, stored_completions
from compat_server.openai.models import delete_model, list_models, retrieve_model
from compat_server.relay import Handler, Query, hot, hot_by_model

HOT: dict[str, Handler] = {
    "/chat/completions": chat.create,
    "/completions": completions.create,
    "/embeddings": embeddings.create,
}

QUERIES: dict[str, Query] = {"/chat/completions": stored_completions.list_completions}
"""What GET answers on a hot path."""

ROUTES: list[ASGIRouteHandler | HTTPRouteHandler] = [
    *(
        hot([f"/v1{path}", f"/openai/v1{path}"], handler, QUERIES.get(path))
        for path, handler in HOT.items()
    ),
    hot_by_model("/openai/deployments", HOT),
    list_models,
    retrieve_model,
    delete_model,
    *stored_completions.ROUTES,
]
