"""Responses for clients when the remote store fails.

Never 401 or 403 because the store refuses *our* credentials: a user who may read the object would be told
otherwise. Never 404 unless the store says that the object does not exist.
"""

from __future__ import annotations

from typing import Protocol

from swift.common.swob import (
    HTTPBadGateway,
    HTTPConflict,
    HTTPForbidden,
    HTTPNotImplemented,
    HTTPServiceUnavailable,
)
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse

from s3_sync.errors import Archived, NotSupported, ObjectLocked, PreconditionFailed, RemoteError, SyncError
from s3_sync.providers.wrappers.bulkhead import CIRCUIT_OPEN
from s3_sync.shunt.request import Environ
from s3_sync.shunt.retrievals import BeingRetrieved
from s3_sync.shunt.telemetry import SwiftLogger

_ARCHIVED = (
    "This object is in an archive storage class of its remote store. Restore it there before reading it.\n"
)
_RETRIEVING = (
    "This object is in an archive storage class of its remote store, which is retrieving it; try later.\n"
)
_LOCKED = "This object is locked at its remote store, and cannot be changed now.\n"
_UNAVAILABLE = "The remote store of this container is not available. Try again later.\n"
_NOT_SUPPORTED = "The remote store of this container does not support this operation for this object.\n"
_REFUSED = "The remote store of this container refused the request.\n"


class Logged(Protocol):
    """What is needed of a request. ``path``: as log lines show it."""

    @property
    def environ(self) -> Environ: ...

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


def error_response(error: RemoteError, request: Logged, log: SwiftLogger) -> SwobResponse:
    """Log the error for the operator, and return the response for the client."""
    swob_request = SwobRequest(request.environ)
    plain = {"Content-Type": "text/plain"}
    if isinstance(error, Archived):
        log.increment("archived")
        if isinstance(error, BeingRetrieved):
            headers = {**plain, "Retry-After": _seconds(error)}
            return HTTPServiceUnavailable(request=swob_request, body=_RETRIEVING, headers=headers)
        return HTTPForbidden(request=swob_request, body=_ARCHIVED, headers=plain)
    if isinstance(error, ObjectLocked):
        return HTTPConflict(request=swob_request, body=_LOCKED, headers=plain)
    log.increment("errors")
    if error.code != CIRCUIT_OPEN:  # the circuit breaker has logged that once
        log.error("%s %s: %s", request.method, request.path, error)
    if isinstance(error, NotSupported):
        return HTTPNotImplemented(request=swob_request, body=_NOT_SUPPORTED, headers=plain)
    if error.transient or isinstance(error, PreconditionFailed):
        headers = {**plain, "Retry-After": _seconds(error)}
        return HTTPServiceUnavailable(request=swob_request, body=_UNAVAILABLE, headers=headers)
    return HTTPBadGateway(request=swob_request, body=_REFUSED, headers=plain)


def try_later(error: SyncError, request: Logged, log: SwiftLogger) -> SwobResponse:
    """Log a failure of the cluster, and return the response for the client."""
    log.error("%s %s: %s", request.method, request.path, error)
    return HTTPServiceUnavailable(request=SwobRequest(request.environ), headers={"Retry-After": "1"})


def _seconds(error: RemoteError) -> str:
    return str(max(1, round(error.retry_after or 1.0)))
