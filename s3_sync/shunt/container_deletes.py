"""DELETE of a container whose objects were moved: empty in the cluster, but not to its clients."""

from __future__ import annotations

from collections.abc import Iterable

from swift.common.swob import HTTPConflict
from swift.common.swob import Request as SwobRequest

from s3_sync.errors import RemoteError
from s3_sync.shunt.error_responses import error_response
from s3_sync.shunt.listings import is_allowed, shows_anything
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Request, StartResponse
from s3_sync.shunt.telemetry import SwiftLogger


class ContainerDeletes:
    """Handles DELETE of mapped containers."""

    def __init__(self, proxyfs: ProxyFs, log: SwiftLogger) -> None:
        self._proxyfs = proxyfs
        self._log = log

    def delete(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """With ``protect_containers``, answer 409 while a listing shows anything that is in the bucket.

        The bucket is checked first, because a delete in the cluster cannot be undone. A client that may not
        delete the container gets the cluster's refusal and learns nothing about the bucket.
        """
        mapping, environ = request.target.mapping, request.environ
        if (
            not (mapping.profile.protect_containers and mapping.profile.merge_namespaces)
            or not is_allowed(environ)
            or not self._proxyfs.is_ours(environ, request.app, request.account)
        ):
            return request.app(environ, start_response)
        try:
            answer = HTTPConflict(request=SwobRequest(environ)) if shows_anything(request) else None
        except RemoteError as error:
            answer = error_response(error, request, self._log)
        respond = request.app if answer is None else answer
        given: Iterable[bytes] = respond(environ, start_response)
        return given
