"""DELETE and POST of objects that the local cluster does not have.

The local cluster answers first here, too: its 404 precedes every request to the remote store, and shows that
this client may write here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from swift.common.swob import (
    HTTPAccepted,
    HTTPBadRequest,
    HTTPConflict,
    HTTPNoContent,
)
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse

from s3_sync.cluster.newest import Deleted, NewestState, Present
from s3_sync.cluster.subrequest import SubrequestWriter
from s3_sync.errors import (
    LocalUnavailable,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
    RemoteError,
    SyncError,
)
from s3_sync.model.headers import USER_PREFIX, looks_like_mark
from s3_sync.model.objects import STORED_HEADERS, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.limits import check_limits
from s3_sync.runtime.concurrency import GreenPool, Pool
from s3_sync.shunt.archived_links import redirect, target_of
from s3_sync.shunt.error_responses import error_response, try_later
from s3_sync.shunt.headers import cross_origin, is_deleted, is_expired, written_at
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import SOURCE, TIMESTAMP, LocalResponse, Request, StartResponse, to_text
from s3_sync.shunt.telemetry import SwiftLogger
from s3_sync.shunt.versions import names_local_version
from s3_sync.transfer.decide import has_manifest_mark
from s3_sync.transfer.prolonging import prolong_segments

#: concurrent requests about segments for all POSTs of a proxy worker
SEGMENT_REQUESTS = 8
#: a POST that has taken longer than this is answered with 503
MAX_SECONDS = 50.0


class ObjectWrites:
    """Handles DELETE and POST of objects in mapped containers."""

    def __init__(self, newest: NewestState, proxyfs: ProxyFs, log: SwiftLogger) -> None:
        self._newest = newest
        self._proxyfs = proxyfs
        self._log = log
        self._pool: Pool = GreenPool(SEGMENT_REQUESTS)

    # DELETE

    def delete(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """With ``propagate_delete``, delete the copy, and confirm that to the client.

        Swift has written a tombstone before its 404, from which the daemon would do the same later. So a
        remote store that is unreachable now does not affect the delete.
        """
        params = SwobRequest(request.environ).params
        if not request.target.mapping.profile.propagate_delete or names_local_version(request, params):
            return request.app(request.environ, start_response)
        have_tombstone_written(request, params)
        local = request.ask_local()
        if local.status != 404 or not self._proxyfs.covers(request):
            return local.send(start_response)
        local.buffer()
        answer = self._delete_copy(request) or local
        if isinstance(answer, LocalResponse):
            return answer.send(start_response)
        answer.headers.update(cross_origin(local.headers))
        given: Iterable[bytes] = answer(request.environ, start_response)
        return given

    def _delete_copy(self, request: Request) -> SwobResponse | None:
        """Return the response, or None for Swift's own."""
        bucket, name = request.target.bucket, request.name
        try:
            info = bucket.head_object(name)
        except NotFound:
            return None
        except RemoteError as error:
            self._log.warning("DELETE %s is left to the daemon: %s", request.path, error)
            return None
        if is_expired(info):
            return None
        swob_request = SwobRequest(request.environ)
        try:
            state = self._newest.of(request.account, request.container, name)
            if isinstance(state, Deleted) and state.by_client:
                if state.timestamp < written_at(info):
                    return HTTPConflict(request=swob_request)
                if bucket.features.native_large_objects and has_manifest_mark(info):
                    self._log.info("DELETE %s is left to the daemon: it has segments", request.path)
                else:
                    bucket.delete_object(name, state.timestamp)
                    self._log.increment("deletes")
            elif not isinstance(state, Present):  # a new object, which the daemon copies
                self._log.warning("DELETE %s is left to the daemon: no tombstone was found", request.path)
        except (LocalUnavailable, RemoteError) as error:
            self._log.warning("DELETE %s is left to the daemon: %s", request.path, error)
        return HTTPNoContent(request=swob_request)

    # POST

    def post(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """With ``propagate_post``, update the copy's metadata.

        Afterwards the POST is sent to the local cluster again: the object may have been restored meanwhile
        with the old metadata. (A restore checks the copy after it has written, so one of the two sees the
        other's change.)
        """
        if not request.target.mapping.profile.propagate_post:
            return request.app(request.environ, start_response)
        given_time = request.environ.get(TIMESTAMP)
        local = request.ask_local()
        if local.status != 404 or not self._proxyfs.covers(request):
            return local.send(start_response)
        local.buffer()
        try:
            answer = self._post_copy(request)
        except NotFound:
            return local.send(start_response)
        except RemoteError as error:
            answer = error_response(error, request, self._log)
        except LocalUnavailable as error:
            answer = try_later(error, request, self._log)
        except ObjectRefused as error:
            answer = HTTPBadRequest(
                request=SwobRequest(request.environ), body=f"{error}\n", content_type="text/plain"
            )
        else:
            if given_time is None:  # set by the proxy; the restored object may be newer
                request.environ.pop(TIMESTAMP, None)
            again = request.ask_local()
            if again.status // 100 == 2:
                return again.send(start_response)
            again.discard()
        answer.headers.update(cross_origin(local.headers))
        given: Iterable[bytes] = answer(request.environ, start_response)
        return given

    def _post_copy(self, request: Request) -> SwobResponse:
        bucket, lifetime = request.target.bucket, request.target.mapping.lifetime
        until = time.monotonic() + MAX_SECONDS
        for attempt in (1, 2):
            info = bucket.head_object(request.name)
            self._check_visible(request, info)
            meta = _new_meta(request, info)
            check_limits(bucket, info.name, meta, info.size)
            try:
                if bucket.features.native_large_objects and has_manifest_mark(info):
                    prolong_segments(bucket, info, meta, lifetime, self._pool, until)
                bucket.post_object(info.name, meta, info.etag or None)
                break
            except PreconditionFailed:  # a concurrent write came first
                if attempt == 2:
                    raise
        self._log.increment("posts")
        if info.meta.link is not None:
            return redirect(request, target_of(info))
        return HTTPAccepted(request=SwobRequest(request.environ))

    def _check_visible(self, request: Request, info: ObjectInfo) -> None:
        """Check that clients may see the copy: new metadata would make it newer than a delete, or than an
        expired symlink, and so undo them.

        Raises NotFound, LocalUnavailable.
        """
        if is_expired(info):
            raise NotFound(f"{info.name} has expired", status=404)
        state = self._newest.of(request.account, request.container, request.name)
        if isinstance(state, Present) and state.expired:
            raise NotFound(f"{info.name} has expired in the cluster", status=404)
        if isinstance(state, Deleted) and is_deleted(request.target.mapping, info, state.timestamp):
            raise NotFound(f"{info.name} was deleted", status=404)


def have_tombstone_written(request: Request, params: Mapping[str, str]) -> None:
    """Make an ordinary delete of one of an SLO that the cluster does not have: slo would not find the
    manifest, and no tombstone would be written."""
    if params.get("multipart-manifest") == "delete" and _is_absent(request):
        left = {key: value for key, value in params.items() if key not in ("multipart-manifest", "async")}
        request.environ["QUERY_STRING"] = urlencode(left, encoding="latin-1")


def _is_absent(request: Request) -> bool:
    writer = SubrequestWriter(request.app, request.environ, request.account, SOURCE)
    try:
        return writer.find(request.container, request.name) is None
    except SyncError:
        return False


def _new_meta(request: Request, info: ObjectInfo) -> ObjectMeta:
    """Return the metadata that Swift's object server would store for this POST: it replaces everything except
    the content type.

    Raises ObjectRefused.
    """
    stored: dict[str, str] = {}
    user: dict[str, str] = {}
    sent = {name.lower(): value for name, value in SwobRequest(request.environ).headers.items()}
    for name, value in sent.items():
        if name in STORED_HEADERS and value:
            stored[name] = _utf8(name, value)
        elif name.startswith(USER_PREFIX) and value and not looks_like_mark(name[len(USER_PREFIX) :]):
            user[_utf8(name, name[len(USER_PREFIX) :])] = _utf8(name, value)
    stored.setdefault("content-type", info.meta.content_type)
    now = Timestamp.from_seconds(time.time())
    marks = {name: value for name, value in info.meta.marks.items() if name != "x-delete-at"}
    marks["swift-timestamp"] = now.internal
    if info.md5 is not None and info.md5 != info.etag:
        marks["swift-etag"] = info.md5
    if "x-delete-at" in sent:  # validated by Swift, or computed from X-Delete-After
        marks["x-delete-at"] = sent["x-delete-at"]
    return replace(info.meta, headers=stored, user=user, marks=marks)


def _utf8(header: str, value: str) -> str:
    """Return a header's value as text. Raises ObjectRefused."""
    try:
        return to_text(value)
    except UnicodeDecodeError as error:
        raise ObjectRefused("metadata_encoding", f"{header.title()} is not UTF-8") from error
