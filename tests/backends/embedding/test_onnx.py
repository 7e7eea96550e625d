"""The real small model: its meanings, its limits, and what it refuses."""

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.capabilities import EmbedRequest
from backends.embedding.onnx import OnnxEmbedding
from backends.errors import ContextTooLong, InvalidRequest
from backends.fetch import install
from backends.models import load_catalogue
from compat_server.config import load

MODEL = load_catalogue()["bge-small-en-v1.5"]


@pytest.fixture(scope="module")
def bge() -> OnnxEmbedding:
    return OnnxEmbedding(install(MODEL, load().models_dir), context=MODEL.context)


def vectors(bge: OnnxEmbedding, inputs: list[str] | list[list[int]]) -> NDArray[np.float32]:
    embedded = bge.embed(EmbedRequest(inputs))
    return np.frombuffer(embedded.vectors, "<f4").reshape(len(inputs), embedded.dimensions)


def test_rows_have_the_catalogues_width_and_unit_length(bge: OnnxEmbedding) -> None:
    made = vectors(bge, ["a cat", "the stock market fell", "x" * 50])
    assert made.shape == (3, MODEL.dimensions)
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_near_meanings_are_nearer_than_far_ones(bge: OnnxEmbedding) -> None:
    cat, kitten, market = vectors(bge, ["a cat sat", "a kitten was sitting", "stocks fell sharply"])
    assert cat @ kitten > cat @ market + 0.1


def test_order_of_a_batch_is_kept_though_the_longest_run_first(bge: OnnxEmbedding) -> None:
    texts = [f"number {n} " + "and more " * (n * 7 % 11 * 20) for n in range(12)]
    together = vectors(bge, texts)
    alone = np.concatenate([vectors(bge, [text]) for text in texts])
    assert (np.argmax(together @ alone.T, axis=1) == np.arange(12)).all()
    assert (np.sum(together * alone, axis=1) > 0.97).all(), "int8: a batch changes the rounding"


def test_tokens_are_the_same_as_their_text(bge: OnnxEmbedding) -> None:
    # 7592, 2088: `hello`, `world`; the model's own marks at the ends are added as for text.
    assert np.allclose(vectors(bge, [[7592, 2088]]), vectors(bge, ["hello world"]), atol=1e-5)


def test_tokens_are_counted_with_the_models_marks(bge: OnnxEmbedding) -> None:
    assert bge.embed(EmbedRequest(["hello world", "hello"])).tokens == 4 + 3


@pytest.mark.parametrize("token", [-1, 30522, 10**9])
def test_tokens_of_another_vocabulary_are_refused(bge: OnnxEmbedding, token: int) -> None:
    with pytest.raises(InvalidRequest, match="vocabulary") as refused:
        bge.embed(EmbedRequest([[7592], [7592, token]]))
    assert refused.value.param == "input[1]"


def test_longest_input_fits_and_one_more_token_does_not(bge: OnnxEmbedding) -> None:
    fits = [7592] * (MODEL.context - 2)
    assert vectors(bge, [fits]).shape == (1, MODEL.dimensions)
    with pytest.raises(ContextTooLong, match=f"{MODEL.context} tokens, however") as refused:
        bge.embed(EmbedRequest([[*fits, 7592]]))
    assert (refused.value.param, refused.value.code) == ("input", "context_length_exceeded")
    with pytest.raises(ContextTooLong):
        bge.embed(EmbedRequest(["short", "hello " * 600]))


def test_dimensions_of_a_model_that_has_only_one_width(bge: OnnxEmbedding) -> None:
    assert bge.embed(EmbedRequest(["a"], dimensions=MODEL.dimensions)).dimensions == 384
    with pytest.raises(InvalidRequest) as refused:
        bge.embed(EmbedRequest(["a"], dimensions=256))
    assert refused.value.param == "dimensions"


@pytest.mark.parametrize("text", [" ", "\n", "\0", "\U0001f600", "日本語", "a\ud7ff"])
def test_odd_texts_have_vectors_like_any_other(bge: OnnxEmbedding, text: str) -> None:
    assert np.isfinite(vectors(bge, [text])).all()


def test_nothing_is_refused(bge: OnnxEmbedding) -> None:
    with pytest.raises(InvalidRequest):
        bge.embed(EmbedRequest([]))
