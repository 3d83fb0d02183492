"""What a client is told when the remote store does not give what was asked for.

Never a 401 or 403 because *our* credentials are refused: that would tell a user who may read the object
that he may not. Never a 404 unless the store says that nothing is there.
"""

from __future__ import annotations

from typing import Any

from swift.common.swob import HTTPBadGateway, HTTPForbidden, HTTPNotImplemented, HTTPServiceUnavailable
from swift.common.swob import Request as SwobRequest

from s3_sync.errors import Archived, NotSupported, PreconditionFailed, RemoteError
from s3_sync.providers.wrappers.bulkhead import CIRCUIT_OPEN
from s3_sync.shunt.request import Request

_ARCHIVED = (
    "This object is in an archive storage class of its remote store. "
    "It can be read after it has been restored there.\n"
)
_UNAVAILABLE = "The remote store of this container does not answer. Try again later.\n"
_NOT_SUPPORTED = "The remote store of this container cannot do that with this object.\n"
_REFUSED = "The remote store of this container refuses to give the object.\n"


def failure(error: RemoteError, request: Request, log: Any) -> Any:
    """A response for the client, and a line for the operator."""
    swob_request = SwobRequest(request.environ)
    plain = {"Content-Type": "text/plain"}
    if isinstance(error, Archived):
        log.increment("archived")
        return HTTPForbidden(request=swob_request, body=_ARCHIVED, headers=plain)
    log.increment("errors")
    if error.code != CIRCUIT_OPEN:  # which the log has been told of, once
        log.error("%s %s: %s", request.method, request.path, error)
    if isinstance(error, NotSupported):
        return HTTPNotImplemented(request=swob_request, body=_NOT_SUPPORTED, headers=plain)
    if error.transient or isinstance(error, PreconditionFailed):
        wait = str(max(1, round(error.retry_after or 1.0)))
        headers = {**plain, "Retry-After": wait}
        return HTTPServiceUnavailable(request=swob_request, body=_UNAVAILABLE, headers=headers)
    return HTTPBadGateway(request=swob_request, body=_REFUSED, headers=plain)
