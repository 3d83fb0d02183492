"""Errors of stores that are reached by our own HTTP client: what is the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RemoteError,
    RemoteUnavailable,
    Throttled,
)
from s3_sync.http.pool import HttpError, Response

#: ``code`` of a NotFound whose bucket is missing, in every store
NO_SUCH_BUCKET = "NoSuchBucket"
#: the errors for statuses that mean the same in every store; only a 401 tells less at an S3 store
BY_STATUS: dict[int, type[RemoteError]] = {
    304: PreconditionFailed,
    401: CredentialsRefused,
    403: AccessDenied,
    404: NotFound,
    405: NotSupported,
    408: RemoteUnavailable,
    412: PreconditionFailed,
    429: Throttled,
    501: NotSupported,
}
#: maximum characters quoted of a network error, and of what was asked for: keys can be long
_MAX_MESSAGE, _MAX_WHAT = 200, 150


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate network errors into errors whose message begins with ``what``."""
    try:
        yield
    except HttpError as error:
        raise RemoteUnavailable(f"{shortened(what)}: {str(error)[:_MAX_MESSAGE]}") from error


def shortened(what: str) -> str:
    return what if len(what) <= _MAX_WHAT else f"{what[:_MAX_WHAT]}..."


def first_bytes(response: Response, limit: int) -> bytes:
    """At most ``limit`` bytes of the body of an error; what has come before the connection broke."""
    pieces: list[bytes] = []
    try:
        while limit > 0 and (piece := response.read(limit)):
            pieces.append(piece)
            limit -= len(piece)
    except HttpError:
        pass  # the status tells enough
    return b"".join(pieces)
