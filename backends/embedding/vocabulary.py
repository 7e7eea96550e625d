"""A vendor's tokens as text, for clients that send tokens instead of text.

langchain's OpenAI embeddings do so unless told otherwise. Only decoding is needed here, which is a
table: one line per token in tiktoken's files, its bytes in base64 and its number.
"""

import base64
from pathlib import Path

from backends.errors import InvalidRequest

FILES = {"cl100k_base": Path("cl100k-base/cl100k_base.tiktoken")}
"""Below the models' folder: `cl100k_base` is what all of OpenAI's embedding models use."""


class Vocabulary:
    """Ten megabytes, and a tenth of a second to load."""

    def __init__(self, path: Path) -> None:
        self._bytes: dict[int, bytes] = {}
        for line in path.read_bytes().splitlines():
            text, number = line.split()
            self._bytes[int(number)] = base64.b64decode(text)

    def text(self, tokens: list[int], where: str) -> str:
        """Raises `InvalidRequest` (param `where`) for numbers that are no tokens."""
        try:
            return b"".join([self._bytes[token] for token in tokens]).decode(errors="replace")
        except KeyError as error:
            raise InvalidRequest(
                f"Invalid '{where}': {error} is no token of the model asked for.", param=where
            ) from error
