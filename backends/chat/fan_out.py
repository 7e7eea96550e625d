"""Several choices from an engine that is best asked for one at a time.

llama.cpp counts the tokens of one choice only, refuses more choices than it has slots, and numbers
the choices of several prompts as it likes. One request per choice gives the exact usage, any `n`
and the vendor's order; the engine's prompt cache keeps the repeated prompt cheap.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from backends.chat.events import DONE, decode_chunk, event, frames, payloads
from backends.chat.specification import Json

Ask = Callable[[Json], Awaitable[Json]]
Open = Callable[[Json], AsyncIterator[bytes]]


class FanOut:
    """One request as one request per choice, in the order of the choices' indices."""

    def __init__(self, fields: Json) -> None:
        self._copies = fields.get("n") or 1
        prompt = fields.get("prompt")
        several = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
        prompts = prompt if several else [prompt]
        self._requests: list[Json] = []
        for each in prompts or ():
            for copy in range(self._copies):
                request = {**fields, "n": 1}
                if each is not None:
                    request["prompt"] = each
                if fields.get("seed") is not None:
                    # The same seed would give the same text n times.
                    request["seed"] = fields["seed"] + copy
                self._requests.append(request)

    def __len__(self) -> int:
        return len(self._requests)

    async def whole(self, ask: Ask) -> Json:
        """One answer out of all of them. The first failure ends the others."""
        tasks = [asyncio.ensure_future(ask(request)) for request in self._requests]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        choices = [
            {**choice, "index": index}
            for index, answer in enumerate(answers)
            for choice in answer["choices"]
        ]
        usage = self._summed([answer.get("usage") or {} for answer in answers])
        return {**answers[0], "choices": choices, "usage": usage}

    async def streamed(self, open_stream: Open) -> AsyncIterator[bytes]:
        """The events of all of them as they come, and one usage at the end."""
        queue: asyncio.Queue[tuple[int, Json | Exception | None]] = asyncio.Queue(maxsize=64)

        async def pump(index: int, request: Json) -> None:
            try:
                async for events in frames(open_stream(request)):
                    for data in payloads(events):
                        if data != b"[DONE]":
                            await queue.put((index, decode_chunk(data)))
                await queue.put((index, None))
            except Exception as error:  # noqa: BLE001  # raised again by whoever reads the queue
                await queue.put((index, error))

        tasks = [asyncio.create_task(pump(*each)) for each in enumerate(self._requests)]
        usages: list[Json] = [{} for _ in tasks]
        running = len(tasks)
        last: Json = {}
        try:
            while running:
                index, item = await queue.get()
                if item is None:
                    running -= 1
                    continue
                if isinstance(item, Exception):
                    raise item
                usages[index] = item.pop("usage", None) or usages[index]
                if not last and "prompt" not in self._requests[0]:
                    # Every choice begins in its order: the SDK's accumulator counts on it.
                    for opening in range(len(tasks)):
                        yield event({**item, "choices": [{"index": opening, "delta": {}}]})
                last = item
                for choice in item["choices"]:
                    choice["index"] = index
                if item["choices"]:
                    yield event(item)
            yield event({**last, "choices": [], "usage": self._summed(usages)}) + DONE
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _summed(self, usages: list[Json]) -> Json:
        """Completion tokens of every choice; a prompt counts once, however often answered."""
        prompts = usages[:: self._copies]
        cached = sum(
            (u.get("prompt_tokens_details") or {}).get("cached_tokens", 0) for u in prompts
        )
        return {
            "prompt_tokens": sum(u.get("prompt_tokens", 0) for u in prompts),
            "completion_tokens": sum(u.get("completion_tokens", 0) for u in usages),
            "prompt_tokens_details": {"cached_tokens": cached},
        }
