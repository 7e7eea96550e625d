"""The vendors' model names, and which kind of local model stands in for each.

Existing code asks for `gpt-4o`; it should run as it is. Names are matched without their date or
channel (`gpt-4o-2024-08-06`, `chatgpt-4o-latest`). An owner's own `[aliases]` come first.
"""

import re
from typing import Literal

Standin = Literal["small chat", "best chat", "embedding"]

SMALL = (
    "gpt-3.5-turbo gpt-3.5-turbo-16k gpt-3.5-turbo-instruct babbage-002 davinci-002 "
    "gpt-4o-mini gpt-4.1-mini gpt-4.1-nano gpt-5-mini gpt-5-nano o1-mini o3-mini o4-mini"
)
BEST = (
    "gpt-4 gpt-4-32k gpt-4-turbo gpt-4o chatgpt-4o gpt-4.1 gpt-4.5 gpt-5 gpt-5-chat gpt-5.1 "
    "o1 o1-pro o3 o3-pro"
)
EMBEDDING = "text-embedding-3-small text-embedding-3-large text-embedding-ada-002"

STANDINS: dict[str, Standin] = {
    **dict.fromkeys(SMALL.split(), "small chat"),
    **dict.fromkeys(BEST.split(), "best chat"),
    **dict.fromkeys(EMBEDDING.split(), "embedding"),
}

VERSION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest|preview|\d{4}-preview)$")


def undated(name: str) -> str:
    """The name without the snapshot it asks for."""
    while name not in STANDINS and (shorter := VERSION.sub("", name)) != name:
        name = shorter
    return name
