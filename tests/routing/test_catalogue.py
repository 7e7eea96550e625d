from typing import Any

import pytest

from backends.engines import Deployment
from backends.errors import InvalidRequest, ModelNotFound
from routing.catalogue import Catalogue, Entry, UnknownAlias, entry


def model(name: str, capability: Any = "chat", quality: int = 1, **more: Any) -> Entry:
    deployment = Deployment(name, capability, "openai", "http://127.0.0.1:1/v1")
    return entry(deployment, owned_by="maker", created=1700000000, quality=quality, **more)


SMALL = model("small", names=["maker/Small-135M"])
BIG = model("big", quality=2)
BGE = model("bge", "embedding")
ALL = [SMALL, BIG, BGE]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("small", SMALL),
        ("maker/Small-135M", SMALL),
        ("gpt-4o-mini", SMALL),
        ("gpt-4o", BIG),
        ("gpt-4o-2024-08-06", BIG),
        ("chatgpt-4o-latest", BIG),
        ("gpt-3.5-turbo-0125", SMALL),
        ("text-embedding-3-large", BGE),
    ],
)
def test_names_and_the_vendors_names_for_them(name: str, found: Entry) -> None:
    assert Catalogue(ALL).find(name) is found


@pytest.mark.parametrize("name", ["", "Small", "gpt-4o-audio-preview", "whisper-1"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(ModelNotFound) as missing:
        Catalogue(ALL).find(name)
    assert missing.value.model == name


def test_no_embedding_model_means_no_stand_in_for_one() -> None:
    with pytest.raises(ModelNotFound):
        Catalogue([SMALL]).find("text-embedding-3-small")


def test_model_for_something_else_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="'gpt-4o' is for chat") as refused:
        Catalogue(ALL).find_for("embedding", "gpt-4o")
    assert refused.value.param == "model"
    assert Catalogue(ALL).find_for("chat", "gpt-4o") is BIG


def test_owners_aliases_come_first() -> None:
    catalogue = Catalogue(ALL, {"gpt-4o": "small", "house-model": "maker/Small-135M"})
    assert catalogue.find("gpt-4o") is SMALL
    assert catalogue.find("gpt-4o-2024-11-20") is SMALL
    assert catalogue.find("house-model") is SMALL
    assert catalogue.find("gpt-4-turbo") is BIG


def test_alias_of_nothing_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(UnknownAlias, match="'gpt-4o' stands for 'missing'"):
        Catalogue(ALL, {"gpt-4o": "missing"})


def test_real_model_of_the_vendors_name_is_itself_also_by_its_snapshots() -> None:
    vendor = model("gpt-4o", quality=10)
    catalogue = Catalogue([*ALL, vendor])
    assert catalogue.find("gpt-4o") is vendor
    assert catalogue.find("gpt-4o-2024-08-06") is vendor


def test_first_entry_of_a_name_counts() -> None:
    other = model("small", quality=9)
    assert Catalogue([SMALL, other]).find("small") is SMALL


def test_every_name_is_listed_once_models_first() -> None:
    listed = Catalogue([*ALL, model("gpt-4o", quality=10)], {"mine": "big"}).listed()
    names = [one.id for one in listed]
    assert names[:4] == ["small", "big", "bge", "gpt-4o"]
    assert len(names) == len(set(names))
    assert {"mine", "gpt-4o-mini", "text-embedding-3-small"} <= set(names)
    owners = {one.id: one.owned_by for one in listed}
    assert (owners["big"], owners["mine"]) == ("maker", "compat-server")


def test_every_listed_name_is_found() -> None:
    catalogue = Catalogue(ALL, {"mine": "big"})
    assert all(catalogue.find(one.id) is one.entry for one in catalogue.listed())


def test_nothing_at_all() -> None:
    assert Catalogue([]).listed() == []
