import pytest

from routing.aliases import STANDINS, undated


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gpt-4o", "best chat"),
        ("gpt-4o-mini", "small chat"),
        ("gpt-3.5-turbo-instruct", "small chat"),
        ("o3-mini", "small chat"),
        ("text-embedding-3-small", "embedding"),
        ("text-embedding-ada-002", "embedding"),
    ],
)
def test_vendors_names(name: str, kind: str) -> None:
    assert STANDINS[name] == kind


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4-1106-preview", "gpt-4"),
        ("gpt-4-turbo-2024-04-09", "gpt-4-turbo"),
        ("gpt-4-turbo-preview", "gpt-4-turbo"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("gpt-3.5-turbo-16k-0613", "gpt-3.5-turbo-16k"),
        ("chatgpt-4o-latest", "chatgpt-4o"),
        ("gpt-5-chat-latest", "gpt-5-chat"),
        ("o1-preview-2024-09-12", "o1"),
        ("o3-mini-2025-01-31", "o3-mini"),
    ],
)
def test_snapshots_stand_for_their_model(name: str, plain: str) -> None:
    assert undated(name) == plain
    assert plain in STANDINS


@pytest.mark.parametrize("name", ["gpt-4o-audio", "llama-3", "gpt-4o-mini-tts", "babbage-002", ""])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert undated(name) == name
