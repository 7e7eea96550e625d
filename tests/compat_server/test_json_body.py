import pytest

from backends.errors import InvalidRequest
from compat_server.json_body import decode


def refused(body: bytes, depth: int = 64) -> str:
    with pytest.raises(InvalidRequest) as error:
        decode(body, depth=depth)
    assert error.value.message.startswith("We could not parse the JSON body of your request")
    assert error.value.param is None
    return error.value.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it is empty"),
        (b" ", ""),
        (b"{", ""),
        (b'{"model": "x"', ""),
        (b'{"a": 1,}', ""),
        (b"{'a': 1}", ""),
        (b'{"a": NaN}', ""),
        (b'{"a": 1}{', ""),
        (b'{"a": "\xff"}', ""),
        (b'{"a": "\\ud800"}', ""),
        (b"\xff\xfe{\x00}\x00", ""),
        (b"model=x&prompt=y", ""),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"5", "not an object"),
        (b"null", "not an object"),
    ],
)
def test_what_is_no_json_object(body: bytes, said: str) -> None:
    assert said in refused(body)


def test_object() -> None:
    assert decode(b' {"a": [1, {"b": "\\u00e9"}]} ', depth=64) == {"a": [1, {"b": "é"}]}


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_counted_to_the_level(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    fits = b'{"x":' + opening * 9 + b"1" + closing * 9 + b"}"
    assert "x" in decode(fits, depth=10)
    deeper = b'{"x":' + opening * 10 + b"1" + closing * 10 + b"}"
    assert "nested deeper than 10 levels" in refused(deeper, depth=10)


def test_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    text = b'{"a": "' + b"[{" * 500 + b'\\"[[[' + b'", "b": [' + b"[]," * 500 + b"[]]}"
    assert len(decode(text, depth=4)["b"]) == 501


@pytest.mark.parametrize("count", [100_000, 1_000_000])
def test_deep_bodies_break_nothing(count: int) -> None:
    assert "nested deeper" in refused(b"[" * count)
    assert "nested deeper" in refused(b'{"a":' * count)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "ending", [b'\\"' * 1_000_000, b'"' * 2_000_000, b"\\" * 2_000_000, b'"\\' * 1_000_000]
)
def test_string_without_an_end_is_looked_at_once(ending: bytes) -> None:
    """Not once for each of its quotes, which would take hours."""
    refused(b'{"a": [' + b"[]," * 100 + b'"' + ending)
