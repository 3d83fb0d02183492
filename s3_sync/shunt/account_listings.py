"""GET of an account into which every bucket of its source is migrated: both sides as one listing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from swift.common import constraints
from swift.common.middleware.listing_formats import get_listing_content_type
from swift.common.request_helpers import constrain_req_limit, get_param
from swift.common.swob import HTTPException
from swift.common.swob import Request as SwobRequest
from swift.common.utils import config_true_value

from s3_sync.config.settings import Mapping as Migration
from s3_sync.errors import LocalError, RemoteError
from s3_sync.listing.entry import Entry, iso_date
from s3_sync.listing.formats import account_as_xml
from s3_sync.listing.merge import LOCAL, ListingMerger
from s3_sync.listing.query import ListingQuery
from s3_sync.providers.base import BucketEntry
from s3_sync.providers.registry import Registry
from s3_sync.shunt.deleted_names import deleted_containers
from s3_sync.shunt.error_responses import error_response, try_later
from s3_sync.shunt.listings import LocalListing
from s3_sync.shunt.mapping_table import is_served
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import App, Environ, LocalResponse, StartResponse, answer
from s3_sync.shunt.telemetry import SwiftLogger

_PARAMETERS = ("marker", "end_marker", "prefix", "delimiter")


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """``migration``: that of every bucket into the account."""

    environ: Environ
    app: App
    account: str
    migration: Migration

    @property
    def method(self) -> str:
        return "GET"

    @property
    def path(self) -> str:
        return self.account

    def ask_local(self) -> LocalResponse:
        return LocalResponse(self.app, self.environ)


class AccountListings:
    """Handles GET of accounts.

    The cluster answers first; only its 200 has the source's buckets listed. A bucket that is no container
    here yet is shown unless a client has deleted it here.
    """

    def __init__(self, registry: Registry, proxyfs: ProxyFs, log: SwiftLogger) -> None:
        self._registry = registry
        self._proxyfs = proxyfs
        self._log = log

    def __call__(self, request: AccountRequest, start_response: StartResponse) -> Iterable[bytes]:
        environ = request.environ
        client_request = SwobRequest(dict(environ))
        try:
            content_type = get_listing_content_type(client_request)
            query = _query(client_request)
        except HTTPException:  # Swift refuses the request in its own words
            return request.app(environ, start_response)
        if not self._proxyfs.is_ours(environ, request.app, request.account):
            return request.app(environ, start_response)
        local = _LocalAccount(environ, request.ask_local, request.account)
        if local.records is None:
            return local.send(start_response)
        try:
            records = self._merged(request, local.records, query)
        except RemoteError as error:
            return answer(error_response(error, request, self._log), request, start_response)
        except LocalError as error:
            return answer(try_later(error, request, self._log), request, start_response)
        self._log.increment("listings")
        return local.respond(records, content_type, start_response)

    def _merged(
        self, request: AccountRequest, records: Sequence[Mapping[str, Any]], query: ListingQuery
    ) -> list[Mapping[str, Any]]:
        """Raises RemoteError, LocalUnavailable."""
        known = [Entry.from_record(record) for record in records]
        entries = self._at_source(request, {entry.name for entry in known}, query)
        remote = _shown(entries, query)
        merger = ListingMerger(known, remote, reverse=query.reverse)
        location = request.migration.credentials.location
        return list(islice(_records(merger, location), query.limit))

    def _at_source(self, request: AccountRequest, known: set[str], query: ListingQuery) -> list[BucketEntry]:
        """Return the source's buckets that the query covers and clients may see."""
        migration = request.migration
        provider = self._registry.provider(migration.credentials)
        entries = [
            entry
            for entry in provider.list_buckets()
            if is_served(migration.of_container(entry.name))
            and _is_name(entry.name)
            and _covers(query, entry)
        ]
        unknown = {entry.name for entry in entries} - known
        hidden = deleted_containers(request, unknown) if unknown else set()
        return [entry for entry in entries if entry.name not in hidden]


class _LocalAccount(LocalListing):
    """The cluster's containers."""

    def formatted(self, records: Sequence[Mapping[str, Any]], content_type: str) -> bytes:
        if content_type.endswith("/xml"):
            return account_as_xml(records, self.name)
        return super().formatted(records, content_type)


def _query(request: SwobRequest) -> ListingQuery:
    """Raises HTTPException, as Swift does for the same request."""
    parameters = {name: get_param(request, name) for name in _PARAMETERS if name in request.params}
    limit = constrain_req_limit(request, constraints.ACCOUNT_LISTING_LIMIT)
    return ListingQuery.from_request(parameters, limit, config_true_value(get_param(request, "reverse")))


def _is_name(bucket: str) -> bool:
    """Return whether a container can have the name, and clients may see it."""
    size = len(bucket.encode("utf-8"))
    return size <= constraints.MAX_CONTAINER_NAME_LENGTH and "/" not in bucket and "\0" not in bucket


def _covers(query: ListingQuery, entry: BucketEntry) -> bool:
    name = entry.name
    return name.startswith(query.prefix) and name > query.after and (not query.before or name < query.before)


def _shown(entries: Sequence[BucketEntry], query: ListingQuery) -> Iterator[Entry]:
    """Yield the buckets that the query covers, groups in place of those that its delimiter rolls up."""
    last = query.after
    for entry in reversed(entries) if query.reverse else entries:
        group = query.group(entry.name)
        if group is None:
            record = {
                "name": entry.name,
                "count": entry.count,
                "bytes": entry.size,
                "last_modified": iso_date(entry.created),
            }
            yield Entry(entry.name, record)
        elif group != last:
            yield Entry.group(group)
            last = group


def _records(merger: ListingMerger, location: str) -> Iterator[Mapping[str, Any]]:
    """Yield the merged records, of what is on both sides that of the cluster."""
    for local, remote in merger.pairs():
        if remote is None:
            assert local is not None
            yield local.record
        elif local is None:
            yield {**remote.record, "content_location": [location]}
        else:
            yield {**local.record, "content_location": [location, LOCAL]}
