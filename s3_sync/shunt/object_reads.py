"""GET and HEAD of objects that the local cluster does not have.

The local cluster always answers first, and only its 404 leads to the remote store: by then it has checked
that this client may read the object, with the container's ACL and the filters to our left. So an object that
a user may not read locally is never requested remotely. For large objects it has not checked who may read the
segments; that is done here (``shunt/rights.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import NoReturn

from swift.common.request_helpers import resolve_etag_is_at_header
from swift.common.swob import HTTPBadRequest, HTTPException
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse

from s3_sync.errors import Archived, InvalidRequest, NotFound, PreconditionFailed, RemoteError
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import GetResult
from s3_sync.shunt.archived_links import bound_etag, link_headers, respond_for_target
from s3_sync.shunt.error_responses import error_response
from s3_sync.shunt.headers import MANIFEST_ETAG, S3_ETAG, answer_headers, cross_origin
from s3_sync.shunt.legacy_dlo import Answer, is_bare, joined
from s3_sync.shunt.manifest_cache import Etags, LargeObjects, is_dynamic, is_large, named_places
from s3_sync.shunt.migrated_objects import can_migrate
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Environ, LocalResponse, RemoteLookup, Request, StartResponse, is_missing
from s3_sync.shunt.response_body import BodyObserver, RangeReader, ResponseBody
from s3_sync.shunt.retrievals import Retrievals
from s3_sync.shunt.rights import Refused, check_bytes, check_listing, may_restore
from s3_sync.shunt.symlinks import Find, check_link, followed, symlink_headers
from s3_sync.shunt.telemetry import SwiftLogger
from s3_sync.shunt.versions import NULL, names_local_version, names_null_version
from s3_sync.shunt.visibility import Visibility
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body
from s3_sync.transfer.restore import verified
from s3_sync.transfer.resuming import ResumingBody, open_range, read_range

#: conditions that only the complete metadata can decide, so they are not sent to the remote store
_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
#: ``swift.source`` of s3api's requests
_S3API = "S3"

#: starts the restore of an object that a client is about to read; the last argument: whether the client reads
#: all of it. Returns an observer for the bytes, or None
Restore = Callable[[RemoteLookup, ObjectInfo, bool], BodyObserver | None]


class ObjectReads:
    """Handles GET and HEAD of objects in mapped containers. ``find``: as ``MappingTable.find``."""

    #: whether whole objects are hashed on their way to the client
    verifies = True

    def __init__(
        self,
        find: Find,
        proxyfs: ProxyFs,
        large: LargeObjects,
        visibility: Visibility,
        restore: Restore,
        log: SwiftLogger,
    ) -> None:
        self._find = find
        self._proxyfs = proxyfs
        self._large = large
        self._visibility = visibility
        self._restore = restore
        self._retrievals = Retrievals(log)
        self._log = log

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        asked_at = Timestamp.from_seconds(time.time())
        local = request.ask_local()
        if not is_missing(local, request):
            return local.send(start_response)
        answer: Iterable[bytes]
        try:
            lookup = self._remote_lookup(request, local, asked_at)
            if lookup is None:
                return local.send(start_response)
            local.buffer()  # hold no local connection during the remote request
            answer = self._answer_with_retry(lookup)(request.environ, start_response)
            self._log.increment("hits")
        except NotFound as error:
            self._log.increment("misses")
            if error.code != "NoSuchBucket":
                return local.send(start_response)
            answer = error_response(error, request, self._log)(request.environ, start_response)
        except RemoteError as error:
            answer = error_response(error, request, self._log)(request.environ, start_response)
        except HTTPException as refusal:
            answer = refusal(request.environ, start_response)
        except Refused as refused:
            answer = refused.response(request.environ, start_response)
        return answer

    def _remote_lookup(
        self, request: Request, local: LocalResponse, asked_at: Timestamp
    ) -> RemoteLookup | None:
        params = SwobRequest(request.environ).params
        if names_local_version(request, params) or not self._proxyfs.covers(request):
            return None
        final = followed(request, local, self._find)
        if final is None or (final is not request and not self._proxyfs.covers(final)):
            return None
        return RemoteLookup(
            request,
            local,
            final.target,
            final.container,
            final.name,
            asked_at,
            params,
        )

    def _answer_with_retry(self, lookup: RemoteLookup) -> Answer:
        try:
            try:
                return self._answer(lookup)
            except PreconditionFailed:  # the object was replaced between two requests
                return self._answer(lookup)
        except Archived:
            if lookup.request.method == "GET" and lookup.target.mapping.profile.archive_restore is not None:
                self._retrieve(lookup)
            raise

    def _retrieve(self, lookup: RemoteLookup) -> NoReturn:
        """Have the store retrieve an object in an archive class, if the client may read it. Raises what a
        read of it does, else BeingRetrieved or Archived."""
        info = lookup.bucket.head_object(lookup.name)
        self._visibility.check(lookup, info)
        self._check_rights(lookup, info)
        check_link(lookup, self._etags(lookup, info).swift)
        self._retrievals.begin(lookup, info)

    def _answer(self, lookup: RemoteLookup) -> Answer:
        """Return the response for the client. Raises RemoteError."""
        get = lookup.request.method == "GET"
        needs_head = (
            not get
            or "multipart-manifest" in lookup.params
            or "part-number" in lookup.params
            or any(name in lookup.environ for name in _CONDITIONS)
        )
        byte_range = None if needs_head else _single_range(lookup.environ)
        if needs_head or byte_range is _Range.NEEDS_SIZE:
            return self._respond_from_head(lookup)
        try:
            result = lookup.bucket.get_object(lookup.name, GetOptions(byte_range))
        except InvalidRequest as error:
            if error.status != 416:
                raise
            return self._respond_from_head(lookup)
        return self._respond_from_read(lookup, result)

    def _respond_from_read(self, lookup: RemoteLookup, result: GetResult) -> Answer:
        """Return the response made from an open read: a single request to the store."""
        info, part = result.info, result.byte_range
        first, last = part or (0, info.size - 1)
        try:
            self._visibility.check(lookup, info)
            if info.meta.link is not None:
                result.close()
                return self._respond_link(lookup, info)
            if is_bare(info):
                result.close()
                return self._respond_legacy_dlo(lookup, info)
            if is_large(info) and not self._large.knows(lookup.target, info):
                # not while the read is open: a request that holds one connection must not wait for a second
                # one
                result.close()
                self._check_rights(lookup, info)
                result = open_range(lookup.bucket, info, first, last)
            else:
                self._check_rights(lookup, info)
            check_link(lookup, self._etags(lookup, info).swift)
            response = self._response(lookup, info)
            if part is None:
                return self._respond_whole(lookup, info, response, result)
            body = ResponseBody(ResumingBody(lookup.bucket, info, first, last, result), self._log)
            self._start_restore(lookup, info, whole=False)
            _partial(response, first, last, info.size, body)
        except BaseException:
            result.close()
            raise
        return response

    def _respond_link(self, lookup: RemoteLookup, info: ObjectInfo) -> SwobResponse:
        """Respond for a symlink: with its target, or with ``?symlink=get`` for itself."""
        check_link(lookup, bound_etag(info))
        if lookup.params.get("symlink") != "get":
            return respond_for_target(lookup, info)
        response = self._response(lookup, info)
        response.headers.update(link_headers(info))
        return response

    def _check_rights(self, lookup: RemoteLookup, info: ObjectInfo) -> None:
        """Check the client's rights before any byte is sent. Raises Refused, RemoteError."""
        if is_large(info):
            places = self._large.places(lookup.target, info)
            check_listing(lookup, info, places)
            check_bytes(lookup, places)

    def _respond_whole(
        self, lookup: RemoteLookup, info: ObjectInfo, response: SwobResponse, result: GetResult
    ) -> SwobResponse:
        body: Body = ResumingBody(lookup.bucket, info, 0, info.size - 1, result)
        if self.verifies and _has_verified_md5(info):
            body = verified(info, None, body)
        response_body = ResponseBody(body, self._log)
        response_body.listener = self._start_restore(lookup, info)
        response.app_iter = response_body
        response.content_length = info.size  # swob resets it with each new body
        return response

    def _start_restore(
        self, lookup: RemoteLookup, info: ObjectInfo, whole: bool = True
    ) -> BodyObserver | None:
        """Start a restore, if configured. Returns an observer only if the client reads the ``whole``
        object."""
        profile = lookup.target.mapping.profile
        whole = whole and "HTTP_RANGE" not in lookup.environ
        wanted = profile.restore_object and (whole or profile.restore_on_range)
        if not wanted or not can_migrate(lookup.target, info):
            return None
        places = (
            self._large.places(lookup.target, info) if is_large(info) and not is_bare(info) else frozenset()
        )
        if not may_restore(lookup, info, places):
            return None
        listener = self._restore(lookup, info, whole)
        return listener if whole else None

    def _respond_from_head(self, lookup: RemoteLookup) -> Answer:
        """Return the response made from a HEAD, which determines what is read, if anything."""
        info = lookup.bucket.head_object(lookup.name)
        self._visibility.check(lookup, info)
        if info.meta.link is not None:
            return self._respond_link(lookup, info)
        if is_bare(info):
            return self._respond_legacy_dlo(lookup, info)
        large = is_large(info)
        if is_dynamic(info):
            check_listing(lookup, info, self._large.places(lookup.target, info))
        if large and lookup.params.get("multipart-manifest") == "get":
            return self._respond_manifest(lookup, info)
        check_link(lookup, self._etags(lookup, info).swift)
        response = self._response(lookup, info)
        if "part-number" in lookup.params and "x-static-large-object" in info.meta.marks:
            part = self._respond_part(lookup, info, response)
            if part is not None:
                return part
        response.conditional_response = True
        response.app_iter = RangeReader(
            lookup.bucket, info, self._log, lambda: self._check_rights(lookup, info)
        )
        response.content_length = info.size
        response.fix_conditional_response()
        if response.status_int == 200 and lookup.request.method == "GET":
            self._check_rights(lookup, info)
            result = open_range(lookup.bucket, info, 0, info.size - 1)
            response = self._response(lookup, info)
            return self._respond_whole(lookup, info, response, result)
        if response.status_int == 206:
            self._start_restore(lookup, info, whole=False)
        return response

    def _respond_legacy_dlo(self, lookup: RemoteLookup, info: ObjectInfo) -> Answer:
        if "multipart-manifest" not in lookup.params:
            check_listing(lookup, info, named_places(info))
        if lookup.request.method == "GET" and "multipart-manifest" not in lookup.params:
            listener = self._start_restore(lookup, info)
            if listener is not None:
                listener.close_feed()  # there are no bytes
        response = self._response(lookup, info)
        response.body = b""
        return joined(lookup, response)

    def _respond_manifest(self, lookup: RemoteLookup, info: ObjectInfo) -> SwobResponse:
        """Answer ``?multipart-manifest=get`` as Swift's slo middleware does."""
        manifest = self._large.manifest(lookup.target, info)
        if manifest is None:
            raise NotFound(f"no manifest of {info.name}", status=404)
        response = self._response(lookup, info)
        body = manifest.raw
        if lookup.params.get("format") == "raw":
            body = manifest.to_put()
        else:
            response.headers["Content-Type"] = "application/json; charset=utf-8"
        response.headers["Etag"] = md5_hex(body)
        response.headers.pop(MANIFEST_ETAG, None)
        response.headers.pop("X-Object-Manifest", None)
        response.headers["X-Static-Large-Object"] = "True"  # as after a restore
        response.conditional_response = True
        response.body = body
        return response

    def _respond_part(
        self, lookup: RemoteLookup, info: ObjectInfo, response: SwobResponse
    ) -> SwobResponse | None:
        """Answer ``?part-number=`` with one segment, as Swift's slo middleware does; None if the segments are
        unknown."""
        number = _part_number(lookup)
        manifest = self._large.manifest(lookup.target, info)
        if manifest is None:
            return None
        response.headers["X-Parts-Count"] = str(len(manifest.segments))
        if number > len(manifest.segments):
            response.status = 416
            response.content_range = f"bytes */{info.size}"
            get = lookup.request.method == "GET"
            response.body = b"The requested part number is not satisfiable" if get else b""
            return response
        first = sum(segment.size for segment in manifest.segments[: number - 1])
        size = manifest.segments[number - 1].size
        body = None
        if lookup.request.method == "GET":
            self._check_rights(lookup, info)
            body = ResponseBody(read_range(lookup.bucket, info, first, first + size - 1), self._log)
            self._start_restore(lookup, info, whole=False)
        _partial(response, first, first + size - 1, info.size, body)
        return response

    def _response(self, lookup: RemoteLookup, info: ObjectInfo) -> SwobResponse:
        etags = self._etags(lookup, info)
        headers = answer_headers(info, etags.swift, is_large(info))
        headers += cross_origin(lookup.local.headers, headers)
        if etags.manifest and not is_dynamic(info):
            headers.append((MANIFEST_ETAG, etags.manifest))
        if etags.s3 and lookup.environ.get("swift.source") == _S3API:
            headers.append((S3_ETAG.title(), etags.s3))
        headers += symlink_headers(lookup.local)
        if names_null_version(lookup.params):
            headers.append(("X-Object-Version-Id", NULL))
        request = SwobRequest(lookup.environ)
        response = SwobResponse(
            request=request,
            headers=headers,
            conditional_etag=resolve_etag_is_at_header(request, dict(headers)),
        )
        response.content_length = info.size
        return response

    def _etags(self, lookup: RemoteLookup, info: ObjectInfo) -> Etags:
        return self._large.etags(lookup.target, info) if is_large(info) else Etags(info.md5 or info.etag)


def _has_verified_md5(info: ObjectInfo) -> bool:
    """Return whether the MD5 is certainly that of the bytes. For copies with our timestamp the daemon has
    verified it, for others a Swift; the ETag of any other object may only look like an MD5."""
    return info.md5 is not None and (info.meta.swift_timestamp or info.x_timestamp) is not None


def _part_number(lookup: RemoteLookup) -> int:
    """Return the part number, as ``swift.common.request_helpers.get_valid_part_num``, which older Swifts
    lack."""
    try:
        number = int(lookup.params["part-number"])
    except ValueError:
        number = 0
    if number <= 0:
        reason = "Part number must be an integer greater than 0"
    elif "HTTP_RANGE" in lookup.environ:
        reason = "Range requests are not supported with part number queries"
    else:
        return number
    raise HTTPBadRequest(request=SwobRequest(lookup.environ), body=reason, content_type="text/plain")


def _partial(response: SwobResponse, first: int, last: int, size: int, body: ResponseBody | None) -> None:
    response.status = 206
    response.content_range = f"bytes {first}-{last}/{size}"
    response.app_iter = body
    response.content_length = last - first + 1


class _Range(Enum):
    """``NEEDS_SIZE``: a Range header that only the object's size resolves (a suffix, or several ranges)."""

    NEEDS_SIZE = auto()


def _single_range(environ: Environ) -> ByteRange | _Range | None:
    """Return the only range requested; None for no range, or for a malformed one, which is ignored."""
    if "HTTP_RANGE" not in environ:
        return None
    found = SwobRequest(environ).range
    if found is None:
        return None
    if len(found.ranges) != 1 or found.ranges[0][0] is None:
        return _Range.NEEDS_SIZE
    first, last = found.ranges[0]
    return ByteRange(first, last)
