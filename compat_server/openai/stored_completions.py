"""GET, POST and DELETE /chat/completions/{id}, its messages, and the list of all

https://platform.openai.com/docs/api-reference/chat/list
Those that were created with `store: true`, see `storing.py`.
"""

from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.datastructures import State as LitestarState
from litestar.params import FromPath
from msgspec import Struct, field

from backends.errors import NotFound
from compat_server.json_body import decode
from compat_server.openai.errors import missing_parameter
from compat_server.openai.metadata import checked
from compat_server.openai.models import PREFIXES, ours
from compat_server.openai.pages import Page, Paging, asked, page
from compat_server.state import State

Json = dict[str, Any]

PATHS = [f"{prefix}/chat/completions/{{completion_id:str}}" for prefix in PREFIXES]


class CompletionQuery(Paging):
    model: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class Deleted(Struct):
    id: str
    deleted: bool = True
    object: str = "chat.completion.deleted"


async def list_completions(query: bytes, state: State) -> bytes:
    """Shares its path with the creation, which is no handler of Litestar's."""
    wanted = asked(query, CompletionQuery)
    if wanted.after and not state.completions.is_id(wanted.after):
        raise not_found(wanted.after, "after")
    found = await state.completions.list(
        model=wanted.model,
        metadata=wanted.metadata,
        after=wanted.after,
        limit=wanted.limit + 1,
        order=wanted.order,
    )
    return msgspec.json.encode(page(found, wanted.limit, from_stored))


@get(PATHS)
async def retrieve_completion(state: LitestarState, completion_id: FromPath[str]) -> Json:
    completions = ours(state).completions
    found = await completions.get(completion_id) if completions.is_id(completion_id) else None
    if found is None:
        raise not_found(completion_id)
    return from_stored(found)


@post(PATHS, status_code=200)
async def update_completion(
    request: Request[Any, Any, Any], state: LitestarState, completion_id: FromPath[str]
) -> Json:
    """Only the metadata, which is replaced as a whole."""
    completions, limits = ours(state).completions, ours(state).settings.limits
    fields = decode(await request.body(), depth=limits.json_depth)
    if "metadata" not in fields:
        raise missing_parameter("metadata")
    metadata = checked(fields["metadata"])
    known = completions.is_id(completion_id)
    found = await completions.set_metadata(completion_id, metadata) if known else None
    if found is None:
        raise not_found(completion_id)
    return from_stored(found)


@delete(PATHS, status_code=200)
async def delete_completion(state: LitestarState, completion_id: FromPath[str]) -> Deleted:
    completions = ours(state).completions
    if not (completions.is_id(completion_id) and await completions.delete(completion_id)):
        raise not_found(completion_id)
    return Deleted(completion_id)


@get([f"{path}/messages" for path in PATHS])
async def list_messages(
    request: Request[Any, Any, Any], state: LitestarState, completion_id: FromPath[str]
) -> Page:
    """The request's, each with an id: the completion's and its number."""
    completions = ours(state).completions
    wanted = asked(request.scope["query_string"], Paging)
    known = completions.is_id(completion_id)
    messages = await completions.messages(completion_id) if known else None
    if messages is None:
        raise not_found(completion_id)
    found = [from_message(m, f"{completion_id}-{number}") for number, m in enumerate(messages)]
    if wanted.order == "desc":
        found.reverse()
    if wanted.after:
        ids = [message["id"] for message in found]
        if wanted.after not in ids:
            raise not_found(wanted.after, "after")
        found = found[ids.index(wanted.after) + 1 :]
    return page(found, wanted.limit, dict)


def from_stored(stored: Any) -> Json:
    return {**stored.completion, "metadata": stored.metadata}


def from_message(message: Json, id: str) -> Json:
    """Parts are given beside the text, which is null then."""
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    given = {"name": None, "refusal": None, **message}
    return {**given, "id": id, "content": None if parts else content, "content_parts": parts}


def not_found(id: str, param: str = "completion_id") -> NotFound:
    return NotFound(f"Chat completion with id '{id}' not found.", param=param)


ROUTES = [
    retrieve_completion,
    update_completion,
    delete_completion,
    list_messages,
]
