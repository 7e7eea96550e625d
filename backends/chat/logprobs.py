"""Log probabilities in the vendor's two shapes, from the shapes that engines write."""

from typing import Any

Json = dict[str, Any]

LEAST_LOGPROB = -9999.0
"""What the vendor writes for a token that could not have been chosen; JSON has no infinity."""


def chat_logprobs(logprobs: Json | None, alternatives: int) -> Json | None:
    """`{"content": [...], "refusal": null}`, with at most `alternatives` to each token."""
    if not logprobs or logprobs.get("content") is None:
        return None
    content = [token_logprob(token, alternatives) for token in logprobs["content"]]
    return {"content": content, "refusal": None}


def token_logprob(token: Json, alternatives: int) -> Json:
    logprob = logprob_of(token)
    top = [logprob_of(other) for other in (token.get("top_logprobs") or ())[:alternatives]]
    return {**logprob, "top_logprobs": top}


def logprob_of(token: Json) -> Json:
    """`token`, `logprob` and `bytes`, and nothing of the engine's own."""
    text, logprob = token["token"], token.get("logprob")
    return {
        "token": text,
        "logprob": LEAST_LOGPROB if logprob is None else logprob,
        "bytes": token.get("bytes") or list(text.encode()),
    }


def legacy_logprobs(logprobs: Json, offset: int, alternatives: int) -> tuple[Json, int]:
    """Chat's logprobs in the four parallel lists of legacy completions, and the next offset."""
    tokens = [token_logprob(token, alternatives) for token in logprobs["content"]]
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token["token"])
    return {
        "tokens": [t["token"] for t in tokens],
        "token_logprobs": [t["logprob"] for t in tokens],
        "top_logprobs": [{a["token"]: a["logprob"] for a in t["top_logprobs"]} for t in tokens],
        "text_offset": offsets,
    }, offset
