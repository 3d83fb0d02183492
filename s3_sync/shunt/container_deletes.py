"""DELETE of a container whose objects were moved: in the cluster it is empty, to its clients it is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from swift.common.swob import HTTPConflict
from swift.common.swob import Request as SwobRequest

from s3_sync.errors import RemoteError
from s3_sync.shunt.error_responses import failure
from s3_sync.shunt.listings import is_allowed, shows_anything
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Request, StartResponse


class Containers:
    """Answers for all mapped containers."""

    def __init__(self, proxyfs: ProxyFs, log: Any) -> None:
        self._proxyfs = proxyfs
        self._log = log

    def delete(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """With ``protect_containers``, 409 as long as a listing shows something that is in the bucket.

        The bucket is asked first: what the cluster has deleted is gone. Who may not delete the container is
        refused by the cluster, and hears nothing of the bucket.
        """
        mapping, environ = request.target.mapping, request.environ
        if (
            not (mapping.profile.protect_containers and mapping.profile.merge_namespaces)
            or not is_allowed(environ)
            or not self._proxyfs.is_ours(environ, request.app, request.account)
        ):
            return request.app(environ, start_response)
        try:
            answer = HTTPConflict(request=SwobRequest(environ)) if shows_anything(request.target) else None
        except RemoteError as error:
            answer = failure(error, request, self._log)
        respond = request.app if answer is None else answer
        given: Iterable[bytes] = respond(environ, start_response)
        return given
