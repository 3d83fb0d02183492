"""Lists a container of another Swift."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

from s3_sync.errors import ListingUnusable, NotFound, PreconditionFailed, UnexpectedAnswer
from s3_sync.http.message import Headers
from s3_sync.http.pool import Response
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import Link, ListedObject
from s3_sync.model.timestamps import iso_date_or_zero
from s3_sync.providers.base import BucketEntry, ListPage, ListQuery
from s3_sync.providers.http_errors import translated
from s3_sync.providers.large_objects import name_and_version, with_version
from s3_sync.providers.object_headers import unquoted
from s3_sync.providers.store_limits import MIB
from s3_sync.providers.swift.links import Links
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.streams.small_files import is_text, parse_json

#: entries of a page: Swift's default of ``container_listing_limit``, and what every cluster allows
MAX_ENTRIES, _FEW_ENTRIES = 10_000, 1000
_MAX_PAGE = 64 * MIB
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a listing. ``total``: how many objects the container has, as far as the server tells.
    ``has_versions``: it keeps, or kept, older versions, which ``versions`` lists."""

    rows: list[dict[str, Any]]
    total: int | None = None
    has_versions: bool = False


class Lister:
    """Lists one container for one mapping, until a page is empty: with Ceph's gateway, a page that is shorter
    than its limit need not be the last one.

    A missing container is an empty one, as the first object creates it. No name is skipped or listed twice:
    names out of order raise ListingUnusable. Strings sort by code point, which is the order of their UTF-8
    bytes.
    """

    def __init__(
        self, transport: SwiftTransport, container: str, namer: KeyNamer, links: Links | None = None
    ) -> None:
        self._transport = transport
        self._container = container
        self._namer = namer
        self._links = links
        self._max = MAX_ENTRIES

    def page(self, query: ListQuery) -> ListPage:
        prefix = self._namer.prefix
        marker = prefix + query.start_after if query.start_after else ""
        while True:
            try:
                rows = self.rows(query, marker).rows
            except NotFound:
                rows = []
            if not rows:
                return ListPage(())
            keys = [_key(row) for row in rows]
            objects = tuple(info for row in rows if "name" in row and (info := self._info(row)) is not None)
            groups = tuple(row["subdir"][len(prefix) :] for row in rows if "subdir" in row)
            if keys[-1] != prefix:
                return ListPage(objects, groups, keys[-1][len(prefix) :])
            marker = keys[-1]  # the page holds only the key that equals the prefix: no name to go on from

    def rows(self, query: ListQuery, marker: str) -> Rows:
        """A page as the server sends it, in order; without rows at the end. Raises NotFound if there is no
        such container."""
        limit = max(1, min(query.limit, self._max))
        try:
            return self._request(query, marker, limit)
        except PreconditionFailed:  # the answer to a limit above that of the cluster
            if limit <= _FEW_ENTRIES:
                raise
        self._max = _FEW_ENTRIES
        return self.rows(query, marker)

    def versions(self, after: str) -> Rows:
        """A page of all versions, as the server sends it. ``after``: the name where to go on, or
        ``listed_name`` of the last row. Raises as ``rows`` does."""
        marker, version = name_and_version(after)
        given = {"versions": "true", "marker": marker, "version_marker": version}
        found = self._page(
            min(self._max, MAX_ENTRIES), {name: value for name, value in given.items() if value}
        )
        keys = [marker, *(_key(row) for row in found.rows)]
        if any(one > other for one, other in pairwise(keys)) or after in map(listed_name, found.rows):
            raise self._unusable(f"versions are out of order after {after!r}")
        return found

    def _request(self, query: ListQuery, marker: str, limit: int) -> Rows:
        given = {
            "marker": marker,
            "prefix": self._namer.prefix + query.prefix,
            "delimiter": query.delimiter,
        }
        found = self._page(limit, {name: value for name, value in given.items() if value})
        if found.rows:
            self._check(query, marker, found.rows)
        return found

    def _page(self, limit: int, parameters: Mapping[str, str]) -> Rows:
        asked = urlencode({"format": "json", "limit": str(limit), **parameters})
        response = self._transport.request("GET", f"/{self._container}", query=asked)
        with translated(f"LIST {self._container}"), response:
            data, headers = _read(response), response.headers
        try:
            rows = parse_json(data) if data else []
        except ValueError as error:
            raise self._unusable(str(error)) from error
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise self._unusable("not a list of objects")
        return Rows(rows, _count(headers, "x-container-object-count"), "x-versions-enabled" in headers)

    def _check(self, query: ListQuery, marker: str, rows: Sequence[dict[str, Any]]) -> None:
        """Raise ListingUnusable if names and groups of a page are not in order, or not those that were
        requested."""
        keys = [_key(row) for row in rows]
        if not query.delimiter and any("subdir" in row for row in rows):
            raise self._unusable("groups are listed that were not requested")
        if keys[0] <= marker and not (keys[0] != marker and _is_within(marker, rows[0])):
            raise self._unusable(f"{keys[0]!r} is listed after the marker {marker!r}")
        for previous, key in pairwise(keys):
            if key <= previous:
                raise self._unusable(f"{key!r} is listed after {previous!r}")
        whole = self._namer.prefix + query.prefix
        for key in (keys[0], keys[-1]):
            if not key.startswith(whole):
                raise self._unusable(f"{key!r} does not begin with {whole!r}")

    def _info(self, row: dict[str, Any]) -> ListedObject | None:
        name = self._namer.name(row["name"])
        if name is None:
            return None
        etag, size = row.get("slo_etag") or row.get("hash"), row.get("bytes")
        return ListedObject(
            name=name,
            size=size if isinstance(size, int) else 0,
            etag=unquoted(etag) if isinstance(etag, str) else "",
            last_modified=iso_date_or_zero(row.get("last_modified")),
            link=self._link(row) if "symlink_path" in row else None,
        )

    def _link(self, row: dict[str, Any]) -> Link | None:
        return None if self._links is None else self._links.of_row(row, self._transport.account)

    def _unusable(self, why: str) -> ListingUnusable:
        return ListingUnusable(f"LIST {self._container}: {why[:300]}", status=200)


def list_below(transport: SwiftTransport, container: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of all names with this prefix, as the server sends them; none if the container is
    missing."""
    lister, marker = Lister(transport, container, KeyNamer.plain()), ""
    with suppress(NotFound):
        while rows := lister.rows(ListQuery(prefix=prefix, limit=MAX_ENTRIES), marker).rows:
            yield from rows
            marker = rows[-1]["name"]


@dataclass(frozen=True, slots=True)
class Containers:
    """A page of the account's containers. ``total``: as of Rows."""

    entries: list[BucketEntry]
    total: int | None


def list_containers(transport: SwiftTransport) -> Iterator[Containers]:
    """Yield pages of the containers of the account; the last one, and no other, is empty."""
    marker = ""
    while (page := _containers(transport, marker)).entries:
        yield page
        marker = page.entries[-1].name
    yield page


def _containers(transport: SwiftTransport, after: str) -> Containers:
    """The next containers, as many as the server lists at once. Raises UnexpectedAnswer."""
    query = f"format=json&marker={quote(after, safe='')}"
    with translated("list containers"), transport.request("GET", "", query=query) as response:
        document = response.read_all(_MAX_PAGE)
    try:
        rows = parse_json(document or b"[]")
        entries = [_entry(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnexpectedAnswer("list containers: the response is not a listing") from error
    names = [after.encode("utf-8"), *(entry.name.encode("utf-8") for entry in entries)]
    if any(one >= other for one, other in pairwise(names)):
        raise UnexpectedAnswer("list containers: the response is out of order")
    return Containers(entries, _count(response.headers, "x-account-container-count"))


def _entry(row: Any) -> BucketEntry:
    """Raises KeyError, TypeError, AttributeError."""
    count, size = (value if isinstance(value := row.get(key), int) else 0 for key in ("count", "bytes"))
    return BucketEntry(_name(row), iso_date_or_zero(row.get("last_modified")), count, size)


def _name(row: Any) -> str:
    """Raises KeyError, TypeError."""
    if not is_text(name := row["name"]):
        raise TypeError("not a name")
    return name


def _read(response: Response) -> bytes:
    pieces: list[bytes] = []
    left = _MAX_PAGE
    while piece := response.read(MIB):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise ListingUnusable(f"a page of more than {_MAX_PAGE} bytes", status=200)
    return b"".join(pieces)


def listed_name(row: Mapping[str, Any]) -> str:
    """The name of a row as of ``ManifestPage``: with its version, if it has one."""
    return with_version(row["name"], str(row.get("version_id") or ""))


def _key(row: dict[str, Any]) -> str:
    """The name, or the group, of a row."""
    found: str = row["subdir"] if "subdir" in row else row["name"]
    return found


def _count(headers: Headers, name: str) -> int | None:
    written = headers.get(name) or ""
    return int(written) if _NUMBER.fullmatch(written) else None


def _is_within(marker: str, row: dict[str, Any]) -> bool:
    """Whether the row is the group of the marker, some of whose names follow it."""
    return "subdir" in row and marker.startswith(row["subdir"])


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and is_text(row.get("subdir", row.get("name")))
