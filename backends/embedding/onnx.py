"""Sentence embeddings on onnxruntime: BERT-like encoders with CLS pooling (bge, e5, gte).

Needs a folder with `model.onnx` and `tokenizer.json`. bge-small int8: 34 MB on disk, 150 to 400 MB
of memory, some 3,800 tokens a second on two cores.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from backends.capabilities import Embedded, EmbedRequest
from backends.embedding.vocabulary import FILES, Vocabulary
from backends.errors import ContextTooLong, InvalidRequest

BATCH_TOKENS = 8192
"""Tokens (padding included) that go through the model at once: bounds memory, not throughput."""


class OnnxEmbedding:
    """Implements `Embed`, blocking: the engine host runs it in a thread."""

    def __init__(self, folder: Path, *, context: int, threads: int = 0) -> None:
        self._models = folder.parent
        self._vocabularies: dict[str, Vocabulary] = {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would otherwise spin between requests and take the cores from other engines.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._context = context
        self._known_tokens = self._tokenizer.get_vocab_size()

    def embed(self, request: EmbedRequest) -> Embedded:
        rows = [self._tokens(item, n, request) for n, item in enumerate(request.inputs)]
        # Longest first: rows of a batch are padded to the same length.
        order = sorted(range(len(rows)), key=lambda n: len(rows[n]), reverse=True)
        vectors: NDArray[np.float32] | None = None
        start = 0
        while start < len(order):
            size = max(1, BATCH_TOKENS // len(rows[order[start]]))
            batch = order[start : start + size]
            part = self._run([rows[n] for n in batch])
            if vectors is None:
                vectors = np.empty((len(rows), part.shape[1]), dtype=np.float32)
            vectors[batch] = part
            start += size
        if vectors is None:
            raise InvalidRequest("'input' must not be empty.", param="input")
        width = vectors.shape[1]
        if request.dimensions not in (None, width):
            raise InvalidRequest(
                f"This model does not support 'dimensions': its vectors have {width}.",
                param="dimensions",
            )
        return Embedded(vectors.tobytes(), width, sum(len(row) for row in rows))

    def _tokens(self, item: str | list[int], number: int, request: EmbedRequest) -> list[int]:
        where = "input" if len(request.inputs) == 1 else f"input[{number}]"
        if request.vocabulary and not isinstance(item, str):
            item = self._vocabulary_of(request.vocabulary).text(item, where)
        if isinstance(item, str):
            ids: list[int] = self._tokenizer.encode(item).ids
        else:
            if any(not 0 <= token < self._known_tokens for token in item):
                raise InvalidRequest(
                    f"'{where}' holds tokens that this model does not know "
                    f"(its vocabulary has {self._known_tokens}). Send text instead.",
                    param=where,
                )
            around: list[int] = self._tokenizer.encode("").ids
            ids = [around[0], *item, around[-1]] if len(around) == 2 else item
        if len(ids) > self._context:
            raise ContextTooLong(
                f"This model's maximum context length is {self._context} tokens, however you "
                f"requested {len(ids)} tokens in '{where}'. Please reduce your input.",
                param="input",
                code="context_length_exceeded",
            )
        return ids

    def _vocabulary_of(self, name: str) -> Vocabulary:
        if name not in self._vocabularies:
            self._vocabularies[name] = Vocabulary(self._models / FILES[name])
        return self._vocabularies[name]

    def _run(self, rows: list[list[int]]) -> NDArray[np.float32]:
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden, *_) = self._session.run(
            None, {name: value for name, value in feed.items() if name in self._inputs}
        )
        first = hidden[:, 0] if hidden.ndim == 3 else hidden
        norm = np.linalg.norm(first, axis=1, keepdims=True)
        return np.asarray(first / np.maximum(norm, 1e-12), dtype=np.float32)
