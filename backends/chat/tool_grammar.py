"""Tool calls that must happen: `tool_choice` required or by name, on engines that ignore it.

The tools' parameters become one JSON schema that the engine is held to by grammar, so that the text
it writes *is* the call; the text is then given its vendor's form. Any model produces valid calls
this way, however small, and arguments stream as they are written.
"""

import re
from typing import Any

from backends.chat.specification import Json, new_call_id

HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"arguments"\s*:\s*')
"""How a call among several tools begins: the grammar fixes names and order, not the spaces."""


class ForcedCall:
    """A `Step`: turns the content of every choice into one tool call."""

    def __init__(self, tools: list[Json], choice: str | Json) -> None:
        functions = [tool["function"] for tool in tools]
        if isinstance(choice, dict):
            functions = [f for f in functions if f["name"] == choice["function"]["name"]]
        number = tools.index(next(t for t in tools if t["function"] is functions[0]))
        self.param = f"tools[{number}].function.parameters"
        """Where the schema comes from, for messages about it; of several, the first."""
        self._functions = functions
        self._only: str | None = functions[0]["name"] if len(functions) == 1 else None
        self._streams: dict[int, CallStream] = {}

    def response_format(self) -> Json:
        """The `response_format` that holds the engine to it."""
        schema = arguments_schema(self._functions[0]) if self._only else self._any_call()
        return {"type": "json_schema", "json_schema": {"name": "tool_call", "schema": schema}}

    def answer(self, answer: Json) -> Json:
        for choice in answer["choices"]:
            message = choice["message"]
            stream = CallStream(self._only)
            name, arguments = None, ""
            for function in [*stream.feed(message.get("content") or ""), *stream.end()]:
                name = function.get("name", name)
                arguments += function.get("arguments", "")
            if name is not None:
                call = {"id": stream.id, "function": {"name": name, "arguments": arguments}}
                message["tool_calls"] = [call]
            message["content"] = None
            choice["logprobs"] = None
        return answer

    def chunk(self, chunk: Json) -> list[Json]:
        for choice in chunk["choices"]:
            index = choice.get("index", 0)
            stream = self._streams.setdefault(index, CallStream(self._only))
            delta = choice.get("delta") or {}
            pieces = stream.feed(delta.get("content") or "")
            if choice.get("finish_reason"):
                pieces += stream.end()
            choice["logprobs"] = None
            choice["delta"] = {}
            if pieces:
                choice["delta"]["tool_calls"] = [stream.merged(pieces)]
        # A piece that is still being held back makes a chunk with nothing in it: not sent.
        chunk["choices"] = [c for c in chunk["choices"] if c["delta"] or c.get("finish_reason")]
        return [chunk] if chunk["choices"] or chunk.get("usage") else []

    def _any_call(self) -> Json:
        definitions: Json = {}
        calls = []
        for number, function in enumerate(self._functions):
            key = f"arguments_{number}"
            definitions[key] = rebased(arguments_schema(function), f"#/$defs/{key}")
            calls.append(
                {
                    "type": "object",
                    "properties": {
                        "name": {"const": function["name"]},
                        "arguments": {"$ref": f"#/$defs/{key}"},
                    },
                    "required": ["name", "arguments"],
                    "additionalProperties": False,
                }
            )
        return {"anyOf": calls, "$defs": definitions}


class CallStream:
    """One call as it is written: text in, pieces of `function` out."""

    def __init__(self, only: str | None) -> None:
        self.id = new_call_id()
        self._only = only
        self._named = False
        self._held = ""

    def feed(self, text: str) -> list[Json]:
        self._held += text
        pieces: list[Json] = []
        if not self._named:
            name = self._only
            if name is None:
                head = HEAD.match(self._held)
                if head is None:
                    return []
                name = head.group(1)
                self._held = self._held[head.end() :]
            elif not text:
                return []
            self._named = True
            pieces.append({"name": name, "arguments": ""})
        # Among several tools the call's own closing brace follows its arguments; whatever might be
        # that brace waits until it is known not to be.
        keep = 0 if self._only else len(self._held) - len(self._held.rstrip(" \t\r\n}"))
        ready, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        if ready:
            pieces.append({"arguments": ready})
        return pieces

    def end(self) -> list[Json]:
        tail = self._held.rstrip()
        self._held = ""
        if self._only is None and tail.endswith("}"):
            tail = tail[:-1].rstrip()
        return [{"arguments": tail}] if tail and self._named else []

    def merged(self, pieces: list[Json]) -> Json:
        """Several pieces as one delta of `tool_calls`."""
        function: Json = {"arguments": "".join(piece["arguments"] for piece in pieces)}
        if "name" in pieces[0]:
            return {"index": 0, "id": self.id, "function": {"name": pieces[0]["name"], **function}}
        return {"index": 0, "function": function}


def arguments_schema(function: Json) -> Json:
    """The function's parameters as a schema of an object; none given means none taken."""
    parameters = function.get("parameters")
    if not parameters:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return {**parameters, "type": "object"}


def rebased(schema: Any, root: str) -> Any:
    """The schema with its local references (`#/$defs/X`) resolved below `root`."""
    if isinstance(schema, dict):
        return {
            key: root + value[1:]
            if key == "$ref" and isinstance(value, str) and value.startswith("#")
            else rebased(value, root)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [rebased(item, root) for item in schema]
    return schema
