"""Requests for containers that are being migrated.

The cluster answers first. Its 404, which it gives to clients that may read any container of the account, has
the container created as it is at the source, and the request sent again.
"""

from __future__ import annotations

from collections.abc import Iterable

from swift.common.swob import HTTPConflict
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse

from s3_sync.cluster.newest import Deleted, NewestState
from s3_sync.errors import LocalError, NotFound, RemoteError, SyncError
from s3_sync.model.timestamps import Timestamp, iso_date_or_zero
from s3_sync.shunt.deleted_names import DeletedNames
from s3_sync.shunt.error_responses import error_response, try_later
from s3_sync.shunt.listings import Listings, is_allowed, remote_entries
from s3_sync.shunt.migrating_containers import MigratingContainers, mark_modified
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import TIMESTAMP, LocalResponse, Request, StartResponse, answer, deleted_at
from s3_sync.shunt.telemetry import SwiftLogger

#: names at a source that a client has deleted without a record of it, from which on their container counts as
#: one that is not empty
_MAX_HIDDEN = 1000


class ContainerRequests:
    """Handles containers of migrations. ``listings``: handles those that exist."""

    def __init__(
        self,
        containers: MigratingContainers,
        listings: Listings,
        proxyfs: ProxyFs,
        newest: NewestState,
        log: SwiftLogger,
    ) -> None:
        self._containers = containers
        self._listings = listings
        self._proxyfs = proxyfs
        self._newest = newest
        self._log = log

    def get(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._listings(request, start_response, lambda: self._create(request))
        except (RemoteError, LocalError) as error:
            return answer(self._failed(error, request), request, start_response)

    def head(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        local = request.ask_local()
        if local.status != 404:
            return local.send(start_response)
        local.buffer()
        return self._again(request, local, start_response)

    def post(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """A container that a client has changed is not deleted by the migration."""
        given_time = request.environ.get(TIMESTAMP)
        mark_modified(request)
        local = request.ask_local()
        if local.status != 404:
            return local.send(start_response)
        local.buffer()
        if given_time is None:  # set by the proxy, and older than the container will be
            request.environ.pop(TIMESTAMP, None)
        return self._again(request, local, start_response)

    def delete(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 409 while a listing shows anything that the source has; else delete the container in the
        cluster and then at the source, if that is a Swift, where it must be empty, too.

        A client that may not delete the container gets the cluster's refusal, and nothing is asked or done at
        the source.
        """
        environ = request.environ
        if not is_allowed(environ) or not self._is_ours(request):
            return request.app(environ, start_response)
        try:
            if self._containers.is_missing(request) and not self._create(request):
                return request.app(environ, start_response)
            conflict = self._shows_anything(request)
        except (RemoteError, LocalError) as error:
            return answer(self._failed(error, request), request, start_response)
        if conflict:
            return answer(HTTPConflict(request=SwobRequest(environ)), request, start_response)
        local = request.ask_local()
        if local.status // 100 == 2:
            local.buffer()
            self._delete_at_source(request)
        return local.send(start_response)

    def _again(
        self, request: Request, local: LocalResponse, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Create the container and send the request to the cluster again, if the source has it; else pass its
        first answer on."""
        try:
            created = self._create(request)
        except (RemoteError, LocalError) as error:
            return answer(self._failed(error, request), request, start_response)
        if not created:
            return local.send(start_response)
        if request.method == "POST":
            mark_modified(request)
        return request.app(request.environ, start_response)

    def _create(self, request: Request) -> bool:
        """Raises RemoteError, LocalError."""
        return self._is_ours(request) and self._containers.create(request)

    def _is_ours(self, request: Request) -> bool:
        return self._proxyfs.is_ours(request.environ, request.app, request.account)

    def _failed(self, error: RemoteError | LocalError, request: Request) -> SwobResponse:
        if isinstance(error, RemoteError):
            return error_response(error, request, self._log)
        return try_later(error, request, self._log)

    def _shows_anything(self, request: Request) -> bool:
        """Return whether a client can see anything that is at the source. Deletes that are not on record have
        tombstones. Raises RemoteError, LocalError."""
        for number, entry in enumerate(remote_entries(request, _MAX_HIDDEN), start=1):
            state = self._newest.of(request.account, request.container, entry.name)
            written = Timestamp.from_seconds(iso_date_or_zero(entry.record.get("last_modified")))
            hidden = isinstance(state, Deleted) and state.by_client and state.timestamp > written
            if not hidden or number >= _MAX_HIDDEN:
                return True
        return False

    def _delete_at_source(self, request: Request) -> None:
        """Delete the source. If it stays, the delete is put on record."""
        try:
            if not request.target.bucket.features.x_timestamp:
                DeletedNames(request, request.container).add_container(deleted_at(request))
                return
            self._containers.delete_at_source(request.target.mapping)
        except NotFound:
            return
        except SyncError as error:
            self._log.warning("DELETE %s is not done at the source: %s", request.path, error)
