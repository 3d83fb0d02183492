"""GET and HEAD of an object that the local cluster does not have.

The local cluster always answers first, and only its 404 leads any further: by then it has checked that
this client may read this object, with the container's ACL and whatever stands left of us. So what a
user may not read locally is never asked of the remote store. Of large objects it has not checked who may
read the segments, which is done here (``shunt/rights.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from swift.common.request_helpers import resolve_etag_is_at_header
from swift.common.swob import HTTPBadRequest, HTTPException
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse
from swift.common.utils import drain_and_close
from swift.common.wsgi import make_subrequest

from s3_sync.errors import InvalidRequest, NotFound, PreconditionFailed, RemoteError
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import GetResult
from s3_sync.shunt.error_responses import failure
from s3_sync.shunt.headers import MANIFEST_ETAG, S3_ETAG, answer_headers, cross_origin
from s3_sync.shunt.legacy_dlo import is_bare, joined
from s3_sync.shunt.manifest_cache import Etags, LargeObjects, is_dynamic, is_large, named_places
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import SOURCE, Environ, Local, Request, StartResponse
from s3_sync.shunt.response_body import BodyObserver, Remote, ResponseBody
from s3_sync.shunt.rights import Refused, check_bytes, check_listing, may_restore
from s3_sync.shunt.symlinks import Find, check_link, followed, kept
from s3_sync.shunt.versions import NULL, names_another, names_null
from s3_sync.shunt.visibility import Visibility
from s3_sync.shunt.wanted import Wanted
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body
from s3_sync.transfer.restore import promised
from s3_sync.transfer.resuming import ResumingBody, open_range, read_range

#: what a remote store cannot be asked, because only a whole description answers it
_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
#: how s3api calls the requests that it makes of its clients'
_S3API = "S3"

#: restores an object that a client is about to read; gives a listener to the bytes, or None. Whether the
#: client reads the whole
Restore = Callable[[Wanted, ObjectInfo, bool], BodyObserver | None]


class Objects:
    """Answers for all mapped containers. ``find``: the target of another container, for symlinks."""

    #: whether whole objects are hashed on their way to a client
    verifies = True

    def __init__(
        self,
        find: Find,
        proxyfs: ProxyFs,
        large: LargeObjects,
        visibility: Visibility,
        restore: Restore,
        log: Any,
    ) -> None:
        self._find = find
        self._proxyfs = proxyfs
        self._large = large
        self._visibility = visibility
        self._restore = restore
        self._log = log

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        asked = Timestamp.from_seconds(time.time())
        local = request.ask_local()
        if not is_missing(local, request):
            return local.give(start_response)
        wanted = self._wanted(request, local, asked)
        if wanted is None:
            return local.give(start_response)
        local.read()  # so that nothing of the local cluster is held while the remote one is asked
        answer: Iterable[bytes]
        try:
            answer = self._answer_twice(wanted)(request.environ, start_response)
            self._log.increment("hits")
        except NotFound as error:
            self._log.increment("misses")
            if error.code != "NoSuchBucket":
                return local.give(start_response)
            answer = failure(error, request, self._log)(request.environ, start_response)
        except RemoteError as error:
            answer = failure(error, request, self._log)(request.environ, start_response)
        except HTTPException as refusal:
            answer = refusal(request.environ, start_response)
        except Refused as refused:
            answer = refused.response(request.environ, start_response)
        return answer

    def _wanted(self, request: Request, local: Local, asked: Timestamp) -> Wanted | None:
        params = SwobRequest(request.environ).params
        if names_another(request, params) or not self._proxyfs.covers(request):
            return None
        there = followed(request, local, self._find)
        if there is None or (there is not request and not self._proxyfs.covers(there)):
            return None
        return Wanted(request, local, there.target, there.container, there.name, asked, params)

    def _answer_twice(self, wanted: Wanted) -> Any:
        try:
            return self._answer(wanted)
        except PreconditionFailed:  # it was replaced between two requests
            return self._answer(wanted)

    def _answer(self, wanted: Wanted) -> Any:
        """A response for the client. Raises RemoteError."""
        get = wanted.request.method == "GET"
        needs_description = (
            not get
            or "multipart-manifest" in wanted.params
            or "part-number" in wanted.params
            or any(name in wanted.environ for name in _CONDITIONS)
        )
        byte_range = None if needs_description else _single_range(wanted.environ)
        if needs_description or byte_range is _DIFFICULT:
            return self._described(wanted)
        assert not isinstance(byte_range, str)
        try:
            result = wanted.bucket.get_object(wanted.name, GetOptions(byte_range))
        except InvalidRequest as error:
            if error.status != 416:
                raise
            return self._described(wanted)
        return self._opened(wanted, result)

    def _opened(self, wanted: Wanted, result: GetResult) -> Any:
        """The answer made of an open read: one request to the store did it all."""
        info, part = result.info, result.byte_range
        first, last = part or (0, info.size - 1)
        try:
            self._visibility.check(wanted, info)
            if is_bare(info):
                result.__exit__(None, None, None)
                return self._bare(wanted, info)
            if is_large(info) and not self._large.knows(wanted.target, info):
                # not while the read is open: whoever holds one place must not wait for a second one
                result.__exit__(None, None, None)
                self._check_rights(wanted, info)
                result = open_range(wanted.bucket, info, first, last)
            else:
                self._check_rights(wanted, info)
            check_link(wanted, self._etags(wanted, info).swift)
            response = self._response(wanted, info)
            if part is None:
                return self._whole(wanted, info, response, result)
            body = ResponseBody(ResumingBody(wanted.bucket, info, first, last, result), self._log)
            self._listener(wanted, info, whole=False)
            _partial(response, first, last, info.size, body)
        except BaseException:
            result.__exit__(None, None, None)
            raise
        return response

    def _check_rights(self, wanted: Wanted, info: ObjectInfo) -> None:
        """Before bytes of it are sent. Raises Refused, RemoteError."""
        if is_large(info):
            places = self._large.places(wanted.target, info)
            check_listing(wanted, info, places)
            check_bytes(wanted, places)

    def _whole(self, wanted: Wanted, info: ObjectInfo, response: Any, result: GetResult) -> Any:
        body: Body = ResumingBody(wanted.bucket, info, 0, info.size - 1, result)
        if self.verifies and _is_vouched_for(info):
            body = promised(info, None, body)
        pieces = ResponseBody(body, self._log)
        pieces.listener = self._listener(wanted, info)
        response.app_iter = pieces
        response.content_length = info.size  # swob forgets it with each new body
        return response

    def _listener(self, wanted: Wanted, info: ObjectInfo, whole: bool = True) -> BodyObserver | None:
        """Begin a restore, if so configured. Of less than the ``whole`` nobody is to hear."""
        profile = wanted.target.mapping.profile
        whole = whole and "HTTP_RANGE" not in wanted.environ
        if not profile.restore_object or not (whole or profile.restore_on_range):
            return None
        places = (
            self._large.places(wanted.target, info) if is_large(info) and not is_bare(info) else frozenset()
        )
        if not may_restore(wanted, info, places):
            return None
        listener = self._restore(wanted, info, whole)
        return listener if whole else None

    def _described(self, wanted: Wanted) -> Any:
        """The answer made of a description, which tells what has to be read, if anything."""
        info = wanted.bucket.head_object(wanted.name)
        self._visibility.check(wanted, info)
        if is_bare(info):
            return self._bare(wanted, info)
        large = is_large(info)
        if is_dynamic(info):
            check_listing(wanted, info, self._large.places(wanted.target, info))
        if large and wanted.params.get("multipart-manifest") == "get":
            return self._manifest(wanted, info)
        check_link(wanted, self._etags(wanted, info).swift)
        response = self._response(wanted, info)
        assert info.meta is not None
        if "part-number" in wanted.params and "x-static-large-object" in info.meta.marks:
            part = self._part(wanted, info, response)
            if part is not None:
                return part
        response.conditional_response = True
        response.app_iter = Remote(wanted.bucket, info, self._log, lambda: self._check_rights(wanted, info))
        response.content_length = info.size
        response.fix_conditional_response()
        if response.status_int == 200 and wanted.request.method == "GET":
            self._check_rights(wanted, info)
            result = open_range(wanted.bucket, info, 0, info.size - 1)
            response = self._response(wanted, info)
            return self._whole(wanted, info, response, result)
        if response.status_int == 206:
            self._listener(wanted, info, whole=False)
        return response

    def _bare(self, wanted: Wanted, info: ObjectInfo) -> Any:
        if "multipart-manifest" not in wanted.params:
            check_listing(wanted, info, named_places(info))
        if wanted.request.method == "GET" and "multipart-manifest" not in wanted.params:
            listener = self._listener(wanted, info)
            if listener is not None:
                listener.end()  # there are no bytes to wait for
        response = self._response(wanted, info)
        response.body = b""
        return joined(wanted, response)

    def _manifest(self, wanted: Wanted, info: ObjectInfo) -> Any:
        """``?multipart-manifest=get``, in the words of Swift's slo middleware."""
        manifest = self._large.manifest(wanted.target, info)
        if manifest is None:
            raise NotFound(f"no manifest of {info.name}", status=404)
        response = self._response(wanted, info)
        body = manifest.raw
        if wanted.params.get("format") == "raw":
            body = manifest.to_put()
        else:
            response.headers["Content-Type"] = "application/json; charset=utf-8"
        response.headers["Etag"] = md5_hex(body)
        response.headers.pop(MANIFEST_ETAG, None)
        response.headers.pop("X-Object-Manifest", None)
        response.headers["X-Static-Large-Object"] = "True"  # what it is when it is restored
        response.conditional_response = True
        response.body = body
        return response

    def _part(self, wanted: Wanted, info: ObjectInfo, response: Any) -> Any:
        """``?part-number=``: one segment, as Swift's slo middleware answers; None = not known here."""
        number = _part_number(wanted)
        manifest = self._large.manifest(wanted.target, info)
        if manifest is None:
            return None
        response.headers["X-Parts-Count"] = str(len(manifest.segments))
        if number > len(manifest.segments):
            response.status = 416
            response.content_range = f"bytes */{info.size}"
            get = wanted.request.method == "GET"
            response.body = b"The requested part number is not satisfiable" if get else b""
            return response
        first = sum(segment.size for segment in manifest.segments[: number - 1])
        size = manifest.segments[number - 1].size
        body = None
        if wanted.request.method == "GET":
            self._check_rights(wanted, info)
            body = ResponseBody(read_range(wanted.bucket, info, first, first + size - 1), self._log)
            self._listener(wanted, info, whole=False)
        _partial(response, first, first + size - 1, info.size, body)
        return response

    def _response(self, wanted: Wanted, info: ObjectInfo) -> Any:
        etags = self._etags(wanted, info)
        headers = answer_headers(info, etags.swift, is_large(info))
        headers += cross_origin(wanted.local.headers, headers)
        if etags.manifest and not is_dynamic(info):
            headers.append((MANIFEST_ETAG, etags.manifest))
        if etags.s3 and wanted.environ.get("swift.source") == _S3API:
            headers.append((S3_ETAG.title(), etags.s3))
        headers += kept(wanted.local)
        if names_null(wanted.params):
            headers.append(("X-Object-Version-Id", NULL))
        request = SwobRequest(wanted.environ)
        response = SwobResponse(
            request=request,
            headers=headers,
            conditional_etag=resolve_etag_is_at_header(request, dict(headers)),
        )
        response.content_length = info.size
        return response

    def _etags(self, wanted: Wanted, info: ObjectInfo) -> Etags:
        return self._large.etags(wanted.target, info) if is_large(info) else Etags(info.md5 or info.etag)


def _is_vouched_for(info: ObjectInfo) -> bool:
    """Whether the MD5 is that of the bytes for certain. The daemon has seen it when it wrote the copy; what
    others wrote may have an ETag that only looks like one."""
    return info.md5 is not None and info.meta is not None and info.meta.swift_timestamp is not None


def _part_number(wanted: Wanted) -> int:
    """As ``swift.common.request_helpers.get_valid_part_num``, which older Swifts do not have."""
    try:
        number = int(wanted.params["part-number"])
    except ValueError:
        number = 0
    if number <= 0:
        reason = "Part number must be an integer greater than 0"
    elif "HTTP_RANGE" in wanted.environ:
        reason = "Range requests are not supported with part number queries"
    else:
        return number
    raise HTTPBadRequest(request=SwobRequest(wanted.environ), body=reason, content_type="text/plain")


def _partial(response: Any, first: int, last: int, size: int, body: ResponseBody | None) -> None:
    response.status = 206
    response.content_range = f"bytes {first}-{last}/{size}"
    response.app_iter = body
    response.content_length = last - first + 1


_DIFFICULT = "difficult"


def _single_range(environ: Environ) -> ByteRange | None | str:
    """The one range that is asked for, None for no range at all; DIFFICULT for anything that takes the
    object's size to be understood."""
    if "HTTP_RANGE" not in environ:
        return None
    found = SwobRequest(environ).range
    if found is None:  # nonsense, to be ignored
        return None
    if len(found.ranges) != 1 or found.ranges[0][0] is None:
        return _DIFFICULT
    first, last = found.ranges[0]
    return ByteRange(first, last)


def is_missing(local: Local, request: Request) -> bool:
    """Whether the local cluster has no such object, as far as this client may know."""
    if local.status != 412 or "*" not in request.environ.get("HTTP_IF_MATCH", ""):
        return local.status == 404
    # An object that is not there does not match If-Match: *. One that is there may fail another condition.
    path = SwobRequest(request.environ).path
    unconditional = make_subrequest(request.environ, "HEAD", path, swift_source=SOURCE)
    answer = unconditional.get_response(request.app)
    drain_and_close(answer)
    return bool(answer.status_int == 404)
