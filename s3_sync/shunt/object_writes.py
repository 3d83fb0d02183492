"""DELETE and POST of objects that the local cluster does not have.

The local cluster answers first here, too: it has said 404 by the time that the remote store is asked, and
with that, that this client may write here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from swift.common.swob import (
    HTTPAccepted,
    HTTPBadRequest,
    HTTPConflict,
    HTTPNoContent,
    HTTPServiceUnavailable,
)
from swift.common.swob import Request as SwobRequest

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
from s3_sync.model.headers import USER_PREFIX
from s3_sync.model.objects import MARKS, STORED_HEADERS, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.limits import check_limits
from s3_sync.shunt.error_responses import failure
from s3_sync.shunt.headers import cross_origin, is_deleted, is_expired, written_at
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import SOURCE, Local, Request, StartResponse, to_text
from s3_sync.shunt.versions import names_another

_TIMESTAMP = "HTTP_X_TIMESTAMP"


class Changes:
    """Answers for all mapped containers."""

    def __init__(self, newest: NewestState, proxyfs: ProxyFs, log: Any) -> None:
        self._newest = newest
        self._proxyfs = proxyfs
        self._log = log

    # DELETE

    def delete(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """With ``propagate_delete`` the copy is deleted, and the client hears that it was.

        Swift has written a tombstone for its 404, from which the daemon would do the same some time later.
        So a remote store that cannot be reached now changes nothing about the delete.
        """
        params = SwobRequest(request.environ).params
        if not request.target.mapping.profile.propagate_delete or names_another(request, params):
            return request.app(request.environ, start_response)
        if params.get("multipart-manifest") == "delete" and self._is_absent(request):
            # slo would look for the manifest in vain, and no tombstone would be written
            left = {key: value for key, value in params.items() if key not in ("multipart-manifest", "async")}
            request.environ["QUERY_STRING"] = urlencode(left, encoding="latin-1")
        local = request.ask_local()
        if local.status != 404 or not self._proxyfs.covers(request):
            return local.give(start_response)
        local.read()
        answer = self._delete_copy(request) or local
        if isinstance(answer, Local):
            return answer.give(start_response)
        answer.headers.update(cross_origin(local.headers))
        given: Iterable[bytes] = answer(request.environ, start_response)
        return given

    def _delete_copy(self, request: Request) -> Any:
        """A response, or None for Swift's own."""
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
                bucket.delete_object(name)
                self._log.increment("deletes")
            elif not isinstance(state, Present):  # that would be a new object, which the daemon copies
                self._log.warning("DELETE %s is left to the daemon: no proof of a tombstone", request.path)
        except (LocalUnavailable, RemoteError) as error:
            self._log.warning("DELETE %s is left to the daemon: %s", request.path, error)
        return HTTPNoContent(request=swob_request)

    def _is_absent(self, request: Request) -> bool:
        writer = SubrequestWriter(request.app, request.environ, request.account, SOURCE)
        try:
            return writer.find(request.container, request.name) is None
        except SyncError:
            return False

    # POST

    def post(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """With ``propagate_post`` the copy gets the new metadata.

        Then the local cluster is asked again: the object may have come back meanwhile, with the old one.
        (Who restores it looks at the copy after that, so one of the two sees what the other one did.)
        """
        if not request.target.mapping.profile.propagate_post:
            return request.app(request.environ, start_response)
        given_time = request.environ.get(_TIMESTAMP)
        local = request.ask_local()
        if local.status != 404 or not self._proxyfs.covers(request):
            return local.give(start_response)
        local.read()
        try:
            answer = self._post_copy(request)
        except NotFound:
            return local.give(start_response)
        except RemoteError as error:
            answer = failure(error, request, self._log)
        except LocalUnavailable as error:
            self._log.error("POST %s: %s", request.path, error)
            answer = HTTPServiceUnavailable(
                request=SwobRequest(request.environ), headers={"Retry-After": "1"}
            )
        except ObjectRefused as error:
            answer = HTTPBadRequest(
                request=SwobRequest(request.environ), body=f"{error}\n", content_type="text/plain"
            )
        else:
            if given_time is None:  # the proxy has set it, and what came back may be newer
                request.environ.pop(_TIMESTAMP, None)
            again = request.ask_local()
            if again.status // 100 == 2:
                return again.give(start_response)
            again.drop()
        answer.headers.update(cross_origin(local.headers))
        given: Iterable[bytes] = answer(request.environ, start_response)
        return given

    def _post_copy(self, request: Request) -> Any:
        bucket = request.target.bucket
        for attempt in (1, 2):
            info = bucket.head_object(request.name)
            self._check_visible(request, info)
            meta = _new_meta(request, info)
            check_limits(bucket, info.name, meta, info.size)
            try:
                bucket.post_object(info.name, meta, info.etag or None)
                break
            except PreconditionFailed:  # somebody else was faster
                if attempt == 2:
                    raise
        self._log.increment("posts")
        return HTTPAccepted(request=SwobRequest(request.environ))

    def _check_visible(self, request: Request, info: ObjectInfo) -> None:
        """New metadata would make the copy newer than a delete, or than a symlink that has expired, which
        would then be undone.

        Raises NotFound, LocalUnavailable.
        """
        if is_expired(info):
            raise NotFound(f"{info.name} has expired", status=404)
        state = self._newest.of(request.account, request.container, request.name)
        if isinstance(state, Present) and state.expired:
            raise NotFound(f"{info.name} has expired in the cluster", status=404)
        if isinstance(state, Deleted) and is_deleted(request.target.mapping, info, state.timestamp):
            raise NotFound(f"{info.name} was deleted", status=404)


def _new_meta(request: Request, info: ObjectInfo) -> ObjectMeta:
    """What Swift's object server makes of a POST: everything is replaced but the content type.

    Raises ObjectRefused.
    """
    assert info.meta is not None
    stored: dict[str, str] = {}
    user: dict[str, str] = {}
    sent = {name.lower(): value for name, value in SwobRequest(request.environ).headers.items()}
    for name, value in sent.items():
        if name in STORED_HEADERS and value:
            stored[name] = _utf8(name, value)
        elif name.startswith(USER_PREFIX) and value and name[len(USER_PREFIX) :] not in MARKS:
            user[_utf8(name, name[len(USER_PREFIX) :])] = _utf8(name, value)
    stored.setdefault("content-type", info.meta.content_type)
    now = Timestamp.from_seconds(time.time())
    marks = {name: value for name, value in info.meta.marks.items() if name != "x-delete-at"}
    marks["swift-timestamp"] = now.internal
    if info.md5 is not None and info.md5 != info.etag:
        marks["swift-etag"] = info.md5
    if "x-delete-at" in sent:  # Swift has checked it, and made it of X-Delete-After
        marks["x-delete-at"] = sent["x-delete-at"]
    return replace(info.meta, headers=stored, user=user, marks=marks)


def _utf8(header: str, value: str) -> str:
    """The value of a header as text. Raises ObjectRefused."""
    try:
        return to_text(value)
    except UnicodeDecodeError as error:
        raise ObjectRefused("metadata_encoding", f"{header.title()} is not UTF-8") from error
