"""The dozen ways in which a request can fail, before any vendor's words are put on them.

Backends and routing raise these; each dialect's `errors.py` turns them into its vendor's envelope,
status and headers, and nothing else in the code base knows those envelopes.
"""


class CompatError(Exception):
    """Base of everything a caller may be told. `message` is shown to the caller as it is."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class InvalidRequest(CompatError):
    """The request is wrong; `param` names the field as the vendor would (`messages[0].role`)."""


class ContextTooLong(InvalidRequest):
    """The input does not fit the model's context."""


class Unsupported(InvalidRequest):
    """The vendor offers this, we do not; the message says what to do instead."""


class TooLarge(CompatError):
    """The body, or something in it, is over a size limit."""


class Unauthenticated(CompatError):
    """No key, or not one of ours."""


class Forbidden(CompatError):
    """The caller is known but may not do this (key's scope, Host or Origin not allowed)."""


class NotFound(CompatError):
    """The object does not exist for this tenant."""


class ModelNotFound(NotFound):
    """No model or alias of that name; `model` is what was asked for."""

    def __init__(self, model: str) -> None:
        super().__init__(f"no model named {model!r}", param="model", code="model_not_found")
        self.model = model


class RouteNotFound(NotFound):
    """No such path in this dialect; the message names method and path."""


class MethodNotAllowed(CompatError):
    """The path exists, the method does not."""


class RateLimited(CompatError):
    """The caller has used up a limit. `retry_after`: seconds until it is worth trying again."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(CompatError):
    """The engine is there but cannot take this now. `retry_after`: seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseUnavailable(CompatError):
    """Nothing can be kept or looked up now: nobody answers at the database's address."""


class EngineFailed(CompatError):
    """The engine broke, went away or answered with something that is no answer."""
