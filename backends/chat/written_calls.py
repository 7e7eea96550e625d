"""Tool calls that small models write as text: fenced JSON, bare JSON or `<tool_call>` tags.

Qwen2.5-Coder answers with a fenced block, though its template asks for tags; models whose template
has no tools at all are told about them in the system message (the Hermes form, which most small
models have seen in training). Text that turns out to be no call is passed on as the text it is.
"""

import re
from typing import Any

import msgspec

from backends.chat.specification import Json, new_call_id

OPENINGS = ("<tool_call>", "```json", "```", "{", "[")
CALL_TEXT = re.compile(
    r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)|```(?:json)?\s*(.*?)\s*(?:```|$)", re.S
)
CALL_HEAD = re.compile(r"(?:<tool_call>|```(?:json)?)?\s*(?:\[\s*)?(?:\{\s*)?")
FIRST_KEYS = ('"name"', '"arguments"')

RUNAWAY = "\n\n\n\n\n"
"""Qwen2.5-Coder may go on with empty lines after its call, up to the end of its context."""

INSTRUCTIONS = """

# Tools

You may call one or more functions to help with the user's request. Their signatures:
<tools>
{tools}
</tools>

To call a function, answer with its name and arguments as JSON inside tags, and nothing else:
<tool_call>
{{"name": "function name", "arguments": {{"argument": "value"}}}}
</tool_call>"""


class WrittenCalls:
    """A `Step`: holds a choice's text back for as long as it may be a call to one of `tools`."""

    def __init__(self, tools: list[Json]) -> None:
        self._names = {tool["function"]["name"] for tool in tools}
        self._held: dict[int, str | None] = {}

    def answer(self, answer: Json) -> Json:
        for choice in answer["choices"]:
            message = choice["message"]
            if calls := self._calls(message.get("content") or ""):
                message["tool_calls"] = calls
                message["content"] = None
                choice["logprobs"] = None
        return answer

    def chunk(self, chunk: Json) -> list[Json]:
        for choice in chunk["choices"]:
            index = choice.get("index", 0)
            delta = choice.get("delta") or {}
            held = self._held.setdefault(index, "")
            if held is None or delta.get("tool_calls"):
                self._held[index] = None
                if held:
                    delta["content"] = held + (delta.get("content") or "")
                continue
            held += delta.pop("content", None) or ""
            ended = choice.get("finish_reason")
            if not ended and may_be_call(held):
                self._held[index] = held
                continue
            self._held[index] = None
            calls = self._calls(held) if ended else []
            if calls:
                delta["tool_calls"] = [{"index": n, **call} for n, call in enumerate(calls)]
            elif held:
                delta["content"] = held
            choice["delta"] = delta
        # What is being held back makes a chunk with nothing in it: not sent.
        chunk["choices"] = [c for c in chunk["choices"] if c.get("delta") or c.get("finish_reason")]
        return [chunk] if chunk["choices"] or chunk.get("usage") else []

    def _calls(self, text: str) -> list[Json]:
        """The calls that make up `text`, or none if it is anything else."""
        found = [a or b for a, b in CALL_TEXT.findall(text)]
        if not text.lstrip().startswith(OPENINGS):
            return []
        calls = []
        for candidate in found or [text]:
            try:
                written: Any = msgspec.json.decode(candidate.strip())
            except msgspec.DecodeError:
                return []
            for call in written if isinstance(written, list) else [written]:
                if not isinstance(call, dict) or call.get("name") not in self._names:
                    return []
                arguments = call.get("arguments", call.get("parameters", {}))
                if not isinstance(arguments, str):
                    arguments = msgspec.json.encode(arguments).decode()
                function = {"name": call["name"], "arguments": arguments}
                calls.append({"id": new_call_id(), "type": "function", "function": function})
        return calls


def may_be_call(text: str) -> bool:
    """Whether more text could still make this a call."""
    text = text.lstrip()
    if any(opening.startswith(text) for opening in OPENINGS):
        return True
    head = CALL_HEAD.match(text)
    if head is None or not head.group():
        return False
    rest = text[head.end() :]
    return any(key.startswith(rest) or rest.startswith(key) for key in FIRST_KEYS)


def described(messages: list[Json], tools: list[Json]) -> list[Json]:
    """`messages` for a model whose template has no tools: signatures, calls and results as text."""
    told = [as_text(message) for message in messages]
    if not tools:
        return told
    signatures = "\n".join(msgspec.json.encode(tool["function"]).decode() for tool in tools)
    instructions = INSTRUCTIONS.format(tools=signatures)
    if told and told[0]["role"] == "system" and isinstance(told[0]["content"], str):
        return [{**told[0], "content": told[0]["content"] + instructions}, *told[1:]]
    return [{"role": "system", "content": instructions.strip()}, *told]


def as_text(message: Json) -> Json:
    if message["role"] == "tool":
        return {
            "role": "user",
            "content": f"<tool_response>\n{message['content']}\n</tool_response>",
        }
    calls = message.get("tool_calls")
    if not calls:
        return message
    written = [
        f'<tool_call>\n{{"name": "{call["function"]["name"]}", '
        f'"arguments": {call["function"]["arguments"]}}}\n</tool_call>'
        for call in calls
    ]
    text = message.get("content") or ""
    return {"role": "assistant", "content": "\n".join([*([text] if text else []), *written])}
