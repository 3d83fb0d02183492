"""GET of a container: the local listing and the bucket's, merged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from swift.common import constraints
from swift.common.middleware.listing_formats import get_listing_content_type
from swift.common.request_helpers import constrain_req_limit, get_param
from swift.common.swob import HTTPException, HTTPServiceUnavailable
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse
from swift.common.utils import config_true_value

from s3_sync.config.settings import Mapping as ContainerMapping
from s3_sync.errors import InvalidRequest, NotSupported, RemoteError, RemoteUnavailable
from s3_sync.listing.entry import Entry
from s3_sync.listing.formats import FORMATS, as_json
from s3_sync.listing.merge import ListingMerger
from s3_sync.listing.prefetch import Prefetch
from s3_sync.listing.query import ListingQuery
from s3_sync.listing.walk import Page, Walk
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.shunt.deleted_names import shown_bucket
from s3_sync.shunt.headers import cross_origin
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Environ, Headers, LocalResponse, Request, StartResponse
from s3_sync.shunt.telemetry import SwiftLogger
from s3_sync.shunt.versions import NULL, has_versions, is_supported
from s3_sync.streams.small_files import parse_json

#: marks a listing whose remote part is missing
LOCAL_ONLY = ("X-Cloud-Sync-Shunt-Listing", "local-only")
#: requests to the bucket per listing; a full page takes ten, unless most of its entries are filtered out
MAX_LIST_REQUESTS = 3000
#: seconds per listing: a server does not notice that the client has gone before it responds
MAX_SECONDS = 300.0
_MAX_DELIMITERS = 1000
_PARAMETERS = ("marker", "end_marker", "prefix", "delimiter", "path")
#: set by Swift's listing_formats, which then expects JSON from the filters to its right
_FORMATTED = "swift.format_listing"
_UNAVAILABLE = "The remote part of this listing is not available now ({}). Try again later.\n"


class Listings:
    """Handles GET of mapped containers.

    The local part is one request to the rest of the pipeline, as the client sent it except for the format.
    The remote part is read at the same time if objects are not moved and the user is known to be allowed to
    list the container; else after the local 200. Requests that are not object listings, listings of versions
    where there are any, and every local status other than 200 pass through unchanged.
    """

    def __init__(self, proxyfs: ProxyFs, log: SwiftLogger) -> None:
        self._proxyfs = proxyfs
        self._log = log
        #: (store, delimiter) pairs for which the store is known not to roll names up
        self._no_rollup: set[tuple[str, str]] = set()
        #: mappings whose last remote listing failed
        self._failing: set[str] = set()

    def __call__(
        self, request: Request, start_response: StartResponse, create: Callable[[], bool] | None = None
    ) -> Iterable[bytes]:
        """``create``: creates the container after the cluster's 404, and returns whether it exists now."""
        environ = request.environ
        client_request = SwobRequest(dict(environ))
        try:
            content_type = get_listing_content_type(client_request)
            query = _query(client_request)
        except HTTPException:
            query = None  # Swift refuses the request in its own words
        if query is None or not self._proxyfs.is_ours(environ, request.app, request.account):
            return request.app(environ, start_response)
        versions = "versions" in client_request.params and is_supported()
        if versions and has_versions(request):
            return request.app(environ, start_response)
        mapping = request.target.mapping
        fetch = _Fetch(shown_bucket(request))
        pages = _pages(fetch, mapping, query, self._no_rollup)
        # A moved object is in the bucket before it leaves the cluster, so the bucket is read after the
        # cluster: in the other order, an object moved in between would be in neither listing.
        in_parallel = mapping.profile.retain_local and is_allowed(environ)
        remote = Prefetch(pages) if in_parallel else None
        try:
            local = _local_part(request, create)
            if local.records is None:
                return local.send(start_response)
            if remote is None:
                remote = Prefetch(pages)
            try:
                records = local.merged(remote, query, mapping.location)
                if versions:
                    records = [_only_version(record) for record in records]
            except RemoteError as error:
                if not self._is_local_enough(request, error):
                    refusal: Iterable[bytes] = _unavailable(request, error, local)(environ, start_response)
                    return refusal
                return local.respond(local.records, content_type, start_response, LOCAL_ONLY)
        finally:
            fetch.close()
            if remote is not None:
                remote.close()
        self._note_success(mapping)
        return local.respond(records, content_type, start_response)

    def _is_local_enough(self, request: Request, error: RemoteError) -> bool:
        """Return whether the client gets the local part alone: if configured, and if the client can see the
        header that says so. A client of another filter (S3, a web page) does not see it."""
        mapping = request.target.mapping
        sees_header = "swift.source" not in request.environ
        self._log.increment("listings.errors")
        if mapping.label not in self._failing:
            self._failing.add(mapping.label)
            answer = "the local part" if mapping.profile.lists_local_alone else "503"
            reason = f"{error.reason}: {error}"
            self._log.error("%s cannot be listed, clients get %s: %s", mapping.location, answer, reason)
        return mapping.profile.lists_local_alone and sees_header

    def _note_success(self, mapping: ContainerMapping) -> None:
        self._log.increment("listings")
        if mapping.label in self._failing:
            self._failing.discard(mapping.label)
            self._log.warning("%s can be listed again", mapping.location)


class LocalListing:
    """The local part. ``records`` is None if the response is not a listing; ``send`` then passes it on.
    ``ask``: sends the request to the cluster. ``name``: of the container, or account, that is listed."""

    records: list[Mapping[str, Any]] | None = None

    def __init__(self, environ: Environ, ask: Callable[[], LocalResponse], name: str) -> None:
        self.name = name
        formatted = _FORMATTED in environ
        client_query = environ.get("QUERY_STRING", "")
        swob_request = SwobRequest(environ)
        params = swob_request.params
        self._has_format = "format" in params
        swob_request.params = {**params, "format": "json"}
        try:
            self._local: LocalResponse = ask()
        finally:
            environ["QUERY_STRING"] = client_query
        #: listing_formats is to our right, so its output format is produced here
        self._formats = not formatted and bool(environ.get(_FORMATTED))
        content_type = self._local.header("content-type") or ""
        if self._local.status == 200 and content_type.startswith("application/json"):
            self._read()

    def _read(self) -> None:
        try:
            records = parse_json(self._local.buffer())
            if all(isinstance(Entry.from_record(record).name, str) for record in records):
                self.records = records
        except (ValueError, KeyError, TypeError):  # another filter's page
            pass

    def merged(self, remote: Iterable[Entry], query: ListingQuery, location: str) -> list[Mapping[str, Any]]:
        """Return the records of both sides. Raises RemoteError.

        While a container is being sharded, a name may occur twice; it is shown once. In a full local page it
        is shown as often as it occurred: a page shorter than the limit would tell the client that the listing
        ends there.
        """
        records = self.records or ()
        by_name = {entry.name: entry for entry in map(Entry.from_record, records)}
        names = sorted(by_name, reverse=query.reverse)
        merger = ListingMerger([by_name[name] for name in names], remote, reverse=query.reverse)
        shown = merger.spliced(query.limit, location)
        if not len(names) < query.limit <= len(records):
            return list(shown)
        counts = Counter(Entry.from_record(record).name for record in records)
        repeated = (record for record in shown for _ in range(counts[Entry.from_record(record).name] or 1))
        return list(islice(repeated, query.limit))

    @property
    def headers(self) -> Headers:
        return self._local.headers

    @property
    def status(self) -> int:
        return self._local.status

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        return self._local.send(start_response)

    def formatted(self, records: Sequence[Mapping[str, Any]], content_type: str) -> bytes:
        return FORMATS[content_type](records, self.name)

    def respond(
        self,
        records: Sequence[Mapping[str, Any]],
        content_type: str,
        start_response: StartResponse,
        *more: tuple[str, str],
    ) -> Iterable[bytes]:
        """Send these records with the local response's headers and the ``more`` ones."""
        body, written = as_json(records), "application/json"
        headers = [
            (name, value)
            for name, value in self._local.headers
            if name.lower() not in ("content-length", "content-type")
        ]
        if self._formats:
            body, written = self.formatted(records, content_type), content_type
            if not self._has_format:
                headers.append(("Vary", "Accept"))
        headers += [("Content-Type", f"{written}; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("200 OK" if body else "204 No Content", [*headers, *more])
        return [body]


def _local_part(request: Request, create: Callable[[], bool] | None) -> LocalListing:
    local = LocalListing(request.environ, request.ask_local, request.container)
    if local.status != 404 or create is None or not create():
        return local
    return LocalListing(request.environ, request.ask_local, request.container)


def _query(request: SwobRequest) -> ListingQuery | None:
    """Return the query, or None if the request is not an object listing (Swift's own listings of shards are
    not).

    Raises HTTPException, as Swift does for the same request.
    """
    if "X-Backend-Record-Type" in request.headers:
        return None
    parameters = {name: get_param(request, name) for name in _PARAMETERS if name in request.params}
    limit = constrain_req_limit(request, constraints.CONTAINER_LISTING_LIMIT)
    return ListingQuery.from_request(parameters, limit, config_true_value(get_param(request, "reverse")))


def _only_version(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record as a listing of versions shows an object in a container without versions."""
    if "subdir" in record or "version_id" in record:
        return record
    return {**record, "version_id": NULL, "is_latest": True}


def is_allowed(environ: Environ) -> bool:
    """Return whether the user is known, before the local request, to be allowed to do this.

    This is the check that the proxy makes before it reads the container (``swift.proxy.server``). Without the
    container's ACL it succeeds for owners only; for other users the local response decides.
    """
    authorize = environ.get("swift.authorize")
    if authorize is None:
        return True
    request = SwobRequest(dict(environ))
    request.acl = None
    return authorize(request) is None


def shows_anything(request: Request) -> bool:
    """Return whether a listing of the container shows anything that is in the bucket. Raises RemoteError."""
    return next(remote_entries(request, 1), None) is not None


def remote_entries(request: Request, limit: int) -> Iterator[Entry]:
    """Iterate over the first entries of a listing of what is in the bucket. Raises RemoteError."""
    fetch, query = _Fetch(shown_bucket(request)), ListingQuery.from_request({}, limit)
    for page in _pages(fetch, request.target.mapping, query, set()):
        yield from page


def _pages(
    fetch: _Fetch, mapping: ContainerMapping, query: ListingQuery, no_rollup: set[tuple[str, str]]
) -> Iterator[list[Entry]]:
    """Yield pages of the remote part. Adds to ``no_rollup`` if the store does not roll up at the query's
    delimiter."""
    rollup = (mapping.credentials.store_id, query.delimiter)
    if rollup not in no_rollup:
        try:
            for page in Walk(fetch, query, account=mapping.account).pages():
                yield page
                query = replace(query, after=page[-1].name, limit=query.limit - len(page))
            return
        except (InvalidRequest, NotSupported):
            if query.delimiter in ("", "/"):
                raise
    yield from Walk(fetch, query, rolls_up=False, account=mapping.account).pages()
    if len(no_rollup) < _MAX_DELIMITERS:  # clients choose the delimiters
        no_rollup.add(rollup)


class _Fetch:
    """Lists pages of a bucket for one listing, within the request and time limits; skips keys longer than
    allowed.

    One page can take many requests (``reverse`` has to find the end first); ``close`` stops them.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._requests = 0
        self._deadline = time.monotonic() + MAX_SECONDS
        self._max_length = bucket.limits.max_key_bytes - len(bucket.namer.key("").encode("utf-8"))

    def __call__(self, prefix: str, start_after: str, delimiter: str, limit: int) -> Page:
        if len(prefix.encode("utf-8")) > self._max_length:
            return ListPage(())
        self._requests += 1
        if self._requests > MAX_LIST_REQUESTS or time.monotonic() > self._deadline:
            raise RemoteUnavailable(
                f"listing {self._bucket.name} takes over {MAX_LIST_REQUESTS} requests or {MAX_SECONDS:.0f} s"
            )
        start = start_after.encode("utf-8")[: self._max_length].decode("utf-8", "ignore")
        return self._bucket.list_objects(ListQuery(prefix, start, delimiter, limit))

    def close(self) -> None:
        self._deadline = 0.0


def _unavailable(request: Request, error: RemoteError, local: LocalListing) -> SwobResponse:
    """Return the response for the client."""
    wait = str(max(1, round(error.retry_after or 1.0)))
    headers = [("Content-Type", "text/plain"), ("Retry-After", wait), *cross_origin(local.headers)]
    return HTTPServiceUnavailable(
        request=SwobRequest(request.environ), body=_UNAVAILABLE.format(error.reason), headers=dict(headers)
    )
