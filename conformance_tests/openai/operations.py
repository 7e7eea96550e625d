"""Every operation of the installed OpenAI SDK, read from the SDK itself.

Resources are properties of the client and of one another; an operation is a method that sends a
request of its own (`self._post("/embeddings", …)`) or opens a WebSocket. Methods that only call
others (`create_and_poll`, `parse`) are left out.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import openai
from openai._resource import SyncAPIResource

from conformance_tests.operation import Operation

SENDS = {
    "_get": "GET",
    "_get_api_list": "GET",
    "_post": "POST",
    "_put": "PUT",
    "_patch": "PATCH",
    "_delete": "DELETE",
}


def operations() -> list[Operation]:
    """In the SDK's own order of resources and methods."""
    return list(below(openai.OpenAI(api_key="unused"), (), set()))


def below(parent: Any, path: tuple[str, ...], seen: set[type]) -> Iterator[Operation]:
    """`seen`: resources that were met before; `beta.chat` is `chat` under its old name."""
    for name, member in public(type(parent)).items():
        if isinstance(member, cached_property | property):
            resource = getattr(parent, name)
            if isinstance(resource, SyncAPIResource) and type(resource) not in seen:
                seen.add(type(resource))
                yield from below(resource, (*path, name), seen)
        elif path and inspect.isfunction(member) and (sent := request_of(member)):
            yield Operation(".".join((*path, name)), *sent)


def public(kind: type) -> dict[str, Any]:
    """Own and inherited members, in the order in which they are written."""
    found: dict[str, Any] = {}
    for each in kind.__mro__:
        if each is openai.OpenAI or issubclass(each, SyncAPIResource):
            found = {**found, **{name: m for name, m in vars(each).items() if name not in found}}
    return {name: m for name, m in found.items() if not name.startswith(("_", "with_"))}


def request_of(method: Any) -> tuple[str, str] | None:
    """HTTP method and path of the request that a method sends, or None if it sends none."""
    if method.__name__ == "connect":
        return "WebSocket", socket_path(method)
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(method)))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            verb = SENDS.get(node.func.attr)
            if verb and isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                if "method" in given:
                    verb = str(ast.literal_eval(given["method"])).upper()
                return verb, path_in(node.args[0] if node.args else given["path"])
    return None


def path_in(node: ast.expr) -> str:
    """Of `"/models"` or `path_template("/models/{model}", …)`, without a query."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and "/" in each.value:
            return each.value.partition("?")[0]
    return ""


def socket_path(connect: Any) -> str:
    """What the method's connection adds to the base URL, for which there is no common helper."""
    source = inspect.getsource(sys.modules[connect.__module__])
    found = re.search(r'merge_raw_path = .*?"(/[^"]+)"', source, re.S)
    return found[1] if found else ""
