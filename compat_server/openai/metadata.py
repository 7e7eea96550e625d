"""What callers attach to their objects: at most 16 short texts by name.

https://platform.openai.com/docs/api-reference/metadata
"""

from typing import Any

from backends.errors import InvalidRequest

MOST_PAIRS = 16
LONGEST_KEY = 64
LONGEST_VALUE = 512


def checked(given: Any) -> dict[str, str]:
    """`given` if it is metadata; none for null. Raises `InvalidRequest` for `metadata`."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise refused("expected an object of strings", "invalid_type")
    if len(given) > MOST_PAIRS:
        problem = f"too many properties. Expected at most {MOST_PAIRS}, but got {len(given)}"
        raise refused(problem, "object_above_max_properties")
    for key, value in given.items():
        if not isinstance(value, str):
            raise refused(f"the value of {key[:LONGEST_KEY]!r} is not a string", "invalid_type")
        check_length(key, LONGEST_KEY, "a key")
        check_length(value, LONGEST_VALUE, f"the value of {key!r}")
        if "\0" in key + value:
            raise refused(f"a null character in {key!r}", "invalid_value")
    return given


def check_length(text: str, most: int, what: str) -> None:
    if len(text) > most:
        problem = f"{what} is too long. Expected at most {most} characters, but got {len(text)}"
        raise refused(problem, "string_above_max_length")


def refused(problem: str, code: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid 'metadata': {problem}.", param="metadata", code=code)
