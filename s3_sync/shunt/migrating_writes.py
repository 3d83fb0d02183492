"""PUT, POST and DELETE of objects whose container is being migrated.

The cluster decides who may write, and its answer comes before any change at the source. A container that the
migration has not reached is created first: without one, Swift stores neither an object nor a tombstone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from swift.common.swob import HTTPConflict, HTTPNoContent, HTTPNotImplemented
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse

from s3_sync.cluster.newest import Deleted, NewestState
from s3_sync.errors import (
    AccessDenied,
    LocalChanged,
    LocalError,
    NotFound,
    PreconditionFailed,
    RemoteError,
    SyncError,
)
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.shunt.deleted_names import DeletedNames
from s3_sync.shunt.error_responses import error_response, try_later
from s3_sync.shunt.headers import cross_origin, written_at
from s3_sync.shunt.listings import is_allowed
from s3_sync.shunt.migrated_objects import can_migrate
from s3_sync.shunt.migrating_containers import MigratingContainers
from s3_sync.shunt.object_writes import have_tombstone_written
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import (
    TIMESTAMP,
    LocalResponse,
    RemoteLookup,
    Request,
    StartResponse,
    answer,
    deleted_at,
)
from s3_sync.shunt.telemetry import SwiftLogger
from s3_sync.shunt.versions import names_local_version
from s3_sync.shunt.visibility import Visibility

_NOT_YET = "This object cannot be changed before it has been migrated.\n"
#: copies an object into the cluster now
Copy = Callable[[RemoteLookup, ObjectInfo], None]


class MigratingWrites:
    """Handles PUT, POST and DELETE of objects in containers that are migrated. ``copy``: a restore that the
    client waits for."""

    def __init__(
        self,
        containers: MigratingContainers,
        proxyfs: ProxyFs,
        newest: NewestState,
        copy: Copy,
        log: SwiftLogger,
    ) -> None:
        self._containers = containers
        self._proxyfs = proxyfs
        self._newest = newest
        self._visibility = Visibility(newest)
        self._copy = copy
        self._log = log

    def put(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Create the container if it is missing, before a byte of the object is read, and let the cluster
        answer: it gets the request once, whatever its body is sent like."""
        return answer(self._prepare(request) or request.app, request, start_response)

    def _prepare(self, request: Request) -> SwobResponse | None:
        """Create the container if it is missing and the client may write into it: without an ACL, only those
        who may write anywhere in the account. Returns the response if that failed."""
        try:
            if (
                self._containers.is_missing(request)
                and is_allowed(request.environ)
                and self._proxyfs.covers(request)
            ):
                self._containers.create(request)
        except RemoteError as error:
            return error_response(error, request, self._log)
        except LocalError as error:
            return try_later(error, request, self._log)
        return None

    # DELETE

    def delete(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Delete the object in the cluster, and then at the source, if that is a Swift.

        Any other source keeps it, and the delete is put on record (``cluster/delete_record.py``). Until then,
        and if that fails, the cluster's tombstone hides the object. The answer is the cluster's, unless that
        is 404 and the source had the object.
        """
        params = SwobRequest(request.environ).params
        failed = self._prepare(request)
        if failed is not None:
            return answer(failed, request, start_response)
        if names_local_version(request, params):
            return request.app(request.environ, start_response)
        have_tombstone_written(request, params)
        local = request.ask_local()
        if local.status // 100 != 2 and local.status != 404:
            return local.send(start_response)
        local.buffer()
        response = self._delete_at_source(request, local)
        if response is None:
            return local.send(start_response)
        response.headers.update(cross_origin(local.headers))
        return answer(response, request, start_response)

    def _delete_at_source(self, request: Request, local: LocalResponse) -> SwobResponse | None:
        """Return the response, or None for the cluster's own."""
        missing = local.status == 404
        try:
            if not self._proxyfs.covers(request):
                return None
            if request.target.bucket.features.x_timestamp:
                return self._delete_in_swift(request, missing)
            return self._hide(request, missing)
        except NotFound:
            return None
        except (RemoteError, LocalError) as error:
            if not missing:  # the tombstone is there
                self._log.warning("DELETE %s is not done at the source: %s", request.path, error)
                self._put_on_record(request, deleted_at(request))
                return None
            if isinstance(error, RemoteError):
                return error_response(error, request, self._log)
            return try_later(error, request, self._log)

    def _delete_in_swift(self, request: Request, missing: bool) -> SwobResponse | None:
        """Raises NotFound, RemoteError, LocalError."""
        swob_request = SwobRequest(request.environ)
        try:
            found = request.target.bucket.delete_object(request.name, deleted_at(request))
        except PreconditionFailed:  # it is younger than the delete
            return HTTPConflict(request=swob_request) if missing else None
        except AccessDenied as error:
            self._log.warning("DELETE %s is not done at the source: %s", request.path, error)
            return self._hide(request, missing)
        if found:
            self._log.increment("deletes")
        return HTTPNoContent(request=swob_request) if found and missing else None

    def _hide(self, request: Request, missing: bool) -> SwobResponse | None:
        """Return the response for an object that the source keeps. Raises NotFound, RemoteError,
        LocalError."""
        info = request.target.bucket.head_object(request.name)
        moment = deleted_at(request)
        if missing:
            state = self._newest.of(request.account, request.container, request.name)
            if not isinstance(state, Deleted) or state.timestamp <= written_at(info):
                return HTTPConflict(request=SwobRequest(request.environ))
            moment = state.timestamp
        self._put_on_record(request, moment)
        self._log.increment("deletes")
        return HTTPNoContent(request=SwobRequest(request.environ)) if missing else None

    def _put_on_record(self, request: Request, moment: Timestamp) -> None:
        try:
            DeletedNames(request, request.container).add(request.name, moment)
        except SyncError as error:
            self._log.warning("DELETE %s holds until its tombstone is reclaimed: %s", request.path, error)

    # POST

    def post(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Copy the object into the cluster, if the source has it, and then send the POST there again: from
        then on the object is the client's. The source is not changed."""
        failed = self._prepare(request)
        if failed is not None:
            return answer(failed, request, start_response)
        given_time, asked_at = request.environ.get(TIMESTAMP), Timestamp.from_seconds(time.time())
        local = request.ask_local()
        if local.status != 404:
            return local.send(start_response)
        local.buffer()
        try:
            response = self._copy_from_source(request, local, asked_at)
        except NotFound:
            return local.send(start_response)
        except RemoteError as error:
            response = error_response(error, request, self._log)
        except SyncError as error:
            response = try_later(error, request, self._log)
        if response is None:
            if given_time is None:  # set by the proxy for the first attempt
                request.environ.pop(TIMESTAMP, None)
            return request.app(request.environ, start_response)
        response.headers.update(cross_origin(local.headers))
        return answer(response, request, start_response)

    def _copy_from_source(
        self, request: Request, local: LocalResponse, asked_at: Timestamp
    ) -> SwobResponse | None:
        """Return None once the object is in the cluster. Raises NotFound, SyncError."""
        if not self._proxyfs.covers(request):
            raise NotFound("it is not migrated", status=404)
        info = request.target.bucket.head_object(request.name)
        lookup = RemoteLookup(request, local, request.target, request.container, request.name, asked_at, {})
        self._visibility.check(lookup, info)
        if not can_migrate(request.target, info):
            return HTTPNotImplemented(
                request=SwobRequest(request.environ), body=_NOT_YET, content_type="text/plain"
            )
        try:
            self._copy(lookup, info)
        except LocalChanged as error:  # it has arrived meanwhile
            self._log.info("POST %s: %s", request.path, error)
        return None
