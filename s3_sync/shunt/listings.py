"""GET of a container: what is here and what is in the bucket, as one listing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from swift.common import constraints
from swift.common.middleware.listing_formats import get_listing_content_type
from swift.common.request_helpers import constrain_req_limit, get_param
from swift.common.swob import HTTPException, HTTPServiceUnavailable
from swift.common.swob import Request as SwobRequest
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
from s3_sync.shunt.headers import cross_origin
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Environ, Headers, Local, Request, StartResponse
from s3_sync.shunt.versions import NULL, are_known, has_versions
from s3_sync.streams.small_files import parse_json

#: says of a listing that should have a remote part that it has none
LOCAL_ONLY = ("X-Cloud-Sync-Shunt-Listing", "local-only")
#: to a bucket for one listing; a whole page takes ten, unless most of what is there is not shown
MOST_REQUESTS = 3000
#: seconds for one listing, whose client may be gone: a server does not notice before it answers
LONGEST = 300.0
_MOST_REMEMBERED = 1000
_PARAMETERS = ("marker", "end_marker", "prefix", "delimiter", "path")
#: Swift's listing_formats sets it for what stands right of it, and then wants JSON from there
_FORMATTED = "swift.format_listing"
_UNAVAILABLE = (
    "The part of this listing that is in the remote store cannot be had now ({}). Try again later.\n"
)


class Listings:
    """Answers GET of all mapped containers.

    The local part is one request to the rest of the pipeline, as the client wrote it but for the format.
    The remote part is read at the same time where nothing is moved and it is certain beforehand that the user
    may list the container, else after the local 200. Whatever is not a listing of objects passes untouched,
    and so do listings of versions where there are any, and every local answer but 200.
    """

    def __init__(self, proxyfs: ProxyFs, log: Any) -> None:
        self._proxyfs = proxyfs
        self._log = log
        #: stores and delimiters of which it is known that the one does not roll names up at the other
        self._unknown: set[tuple[str, str]] = set()
        #: mappings whose remote part could not be had the last time
        self._failing: set[str] = set()

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        environ = request.environ
        asked = SwobRequest(dict(environ))
        try:
            content_type = get_listing_content_type(asked)
            query = _query(asked)
        except HTTPException:
            query = None  # Swift says the same in its own way
        if query is None or not self._proxyfs.is_ours(environ, request.app, request.account):
            return request.app(environ, start_response)
        versions = "versions" in asked.params and are_known()
        if versions and has_versions(request):
            return request.app(environ, start_response)
        mapping = request.target.mapping
        fetch = _Fetch(request.target.bucket)
        pages = _pages(fetch, mapping, query, self._unknown)
        # What is moved is in the bucket before it leaves the cluster. So the bucket is read after the cluster
        # then: the other way round, what moves between the two would be in neither.
        at_once = mapping.profile.retain_local and is_allowed(environ)
        remote = Prefetch(pages) if at_once else None
        try:
            local = LocalListing(request)
            if local.records is None:
                return local.give(start_response)
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
        """Whether the client gets the local part alone: if it is so configured and the client can be told.

        Who asks another filter (an S3 client, a web page) does not see our header.
        """
        mapping = request.target.mapping
        can_be_told = "swift.source" not in request.environ
        self._log.increment("listings.errors")
        if mapping.label not in self._failing:
            self._failing.add(mapping.label)
            answer = "the local part" if mapping.profile.lists_local_alone else "503"
            reason = f"{error.reason}: {error}"
            self._log.error("%s cannot be listed, clients get %s: %s", mapping.location, answer, reason)
        return mapping.profile.lists_local_alone and can_be_told

    def _note_success(self, mapping: ContainerMapping) -> None:
        self._log.increment("listings")
        if mapping.label in self._failing:
            self._failing.discard(mapping.label)
            self._log.warning("%s can be listed again", mapping.location)


class LocalListing:
    """The local part. ``records`` is None if the answer is not a listing; then ``give`` passes it on."""

    records: list[Mapping[str, Any]] | None = None

    def __init__(self, request: Request) -> None:
        environ = request.environ
        formatted = _FORMATTED in environ
        asked = environ.get("QUERY_STRING", "")
        swob_request = SwobRequest(environ)
        params = swob_request.params
        self._has_format = "format" in params
        self._container = request.container
        swob_request.params = {**params, "format": "json"}
        try:
            self._local: Local = request.ask_local()
        finally:
            environ["QUERY_STRING"] = asked
        #: listing_formats stands right of us: so we write what it would have written
        self._formats = not formatted and bool(environ.get(_FORMATTED))
        content_type = self._local.header("content-type") or ""
        if self._local.status == 200 and content_type.startswith("application/json"):
            self._read()

    def _read(self) -> None:
        try:
            records = parse_json(self._local.read())
            if all(isinstance(Entry.of_record(record).name, str) for record in records):
                self.records = records
        except (ValueError, KeyError, TypeError):  # some other filter's page
            pass

    def merged(self, remote: Iterable[Entry], query: ListingQuery, location: str) -> list[Mapping[str, Any]]:
        """Records of both sides. Raises RemoteError.

        While a container is sharded, a name may come twice, and is shown once. But in a whole page of the
        cluster it is shown as often as it came: behind the last name there may be more, and a page that is
        shorter than was asked for says that there are not.
        """
        records = self.records or ()
        by_name = {entry.name: entry for entry in map(Entry.of_record, records)}
        names = sorted(by_name, reverse=query.reverse)
        merger = ListingMerger([by_name[name] for name in names], remote, reverse=query.reverse)
        shown = merger.spliced(query.limit, location)
        if not len(names) < query.limit <= len(records):
            return list(shown)
        times = Counter(Entry.of_record(record).name for record in records)
        again = (record for record in shown for _ in range(times[Entry.of_record(record).name] or 1))
        return list(islice(again, query.limit))

    @property
    def headers(self) -> Headers:
        return self._local.headers

    def give(self, start_response: StartResponse) -> Iterable[bytes]:
        return self._local.give(start_response)

    def respond(
        self,
        records: Sequence[Mapping[str, Any]],
        content_type: str,
        start_response: StartResponse,
        *more: tuple[str, str],
    ) -> Iterable[bytes]:
        """These records under the local answer's headers, and ``more`` of them."""
        body, written = as_json(records), "application/json"
        headers = [
            (name, value)
            for name, value in self._local.headers
            if name.lower() not in ("content-length", "content-type")
        ]
        if self._formats:
            body, written = FORMATS[content_type](records, self._container), content_type
            if not self._has_format:
                headers.append(("Vary", "Accept"))
        headers += [("Content-Type", f"{written}; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("200 OK" if body else "204 No Content", [*headers, *more])
        return [body]


def _query(request: Any) -> ListingQuery | None:
    """None for what is not a listing of objects, Swift's own of shards.

    Raises HTTPException, as Swift does for the same request.
    """
    if "X-Backend-Record-Type" in request.headers:
        return None
    parameters = {name: get_param(request, name) for name in _PARAMETERS if name in request.params}
    limit = constrain_req_limit(request, constraints.CONTAINER_LISTING_LIMIT)
    return ListingQuery.of_request(parameters, limit, config_true_value(get_param(request, "reverse")))


def _only_version(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """As a listing of versions shows an object of a container that has none."""
    if "subdir" in record or "version_id" in record:
        return record
    return {**record, "version_id": NULL, "is_latest": True}


def is_allowed(environ: Environ) -> bool:
    """Whether it is certain already that the user may do with the container what it asks for.

    It is what the proxy asks before it looks at the container (``swift.proxy.server``). Without the
    container's ACL the answer is yes for owners only; others have to wait for the local one.
    """
    authorize = environ.get("swift.authorize")
    if authorize is None:
        return True
    request = SwobRequest(dict(environ))
    request.acl = None
    return authorize(request) is None


def shows_anything(target: MappedContainer) -> bool:
    """Whether a listing of the container shows anything that is in the bucket. Raises RemoteError."""
    fetch = _Fetch(target.bucket)
    return next(_pages(fetch, target.mapping, ListingQuery.of_request({}, limit=1), set()), None) is not None


def _pages(
    fetch: _Fetch, mapping: ContainerMapping, query: ListingQuery, unknown: set[tuple[str, str]]
) -> Iterator[list[Entry]]:
    """The remote part. ``unknown`` is added to when a store does not roll up at the query's delimiter."""
    here = (mapping.credentials.store, query.delimiter)
    if here not in unknown:
        try:
            for page in Walk(fetch, query).pages():
                yield page
                query = replace(query, after=page[-1].name, limit=query.limit - len(page))
            return
        except (InvalidRequest, NotSupported):
            if query.delimiter in ("", "/"):
                raise
    yield from Walk(fetch, query, rolls_up=False).pages()
    if len(unknown) < _MOST_REMEMBERED:  # delimiters are the clients' choice
        unknown.add(here)


class _Fetch:
    """Pages of a bucket, for one listing: so many at most, and none for keys longer than keys can be.

    One page can take many requests (``reverse`` has to find the end first); ``close`` ends that.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._asked = 0
        self._until = time.monotonic() + LONGEST
        self._room = bucket.limits.max_name - len(bucket.namer.key("").encode("utf-8"))

    def __call__(self, prefix: str, start_after: str, delimiter: str, limit: int) -> Page:
        if len(prefix.encode("utf-8")) > self._room:
            return ListPage(())
        self._asked += 1
        if self._asked > MOST_REQUESTS or time.monotonic() > self._until:
            raise RemoteUnavailable(
                f"a listing of {self._bucket.name} takes more than {MOST_REQUESTS} requests or {LONGEST} s"
            )
        start = start_after.encode("utf-8")[: self._room].decode("utf-8", "ignore")
        return self._bucket.list_objects(ListQuery(prefix, start, delimiter, limit))

    def close(self) -> None:
        self._until = 0.0


def _unavailable(request: Request, error: RemoteError, local: LocalListing) -> Any:
    """A response for the client."""
    wait = str(max(1, round(error.retry_after or 1.0)))
    headers = [("Content-Type", "text/plain"), ("Retry-After", wait), *cross_origin(local.headers)]
    return HTTPServiceUnavailable(
        request=SwobRequest(request.environ), body=_UNAVAILABLE.format(error.reason), headers=dict(headers)
    )
