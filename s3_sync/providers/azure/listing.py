"""Lists a container: converts pages of keys into pages of names. Source: "List Blobs".

The service lists from the beginning, or from where a page ended. So a listing that is to start after a name
lists everything before it and skips that, unless a page that ended there, or one that contains the name, was
listed before: ``tokens`` remembers those, so that paging through a container costs what listing it once
costs. (The parameter startFrom of the newest protocol versions would save that; it is not used, as nothing
here can prove what it does.)
"""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.errors import InvalidRequest, ListingUnusable, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject
from s3_sync.providers.azure.headers import query_of
from s3_sync.providers.azure.list_parser import ListedBlob, Page, parse_blobs, parse_containers
from s3_sync.providers.azure.tokens import Series, Tokens
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.base import BucketEntry, ListPage, ListQuery
from s3_sync.providers.http_errors import translated
from s3_sync.providers.store_limits import MIB

#: entries of a page: the service's limit, and how many are listed at least to find a name
MAX_ENTRIES, _FINE = 5000, 1000
#: maximum number of consecutive pages without entries
_MAX_EMPTY_PAGES = 100
_MAX_PAGE = 64 * MIB
_MAX_REASON = 300


class Lister:
    """Lists one container for one mapping. No name is skipped or listed twice: keys out of order raise
    ListingUnusable. Strings sort by code point, which is the order of their UTF-8 bytes."""

    def __init__(self, transport: AzureTransport, tokens: Tokens, container: str, namer: KeyNamer) -> None:
        self._transport = transport
        self._tokens = tokens
        self._container = container
        self._namer = namer

    def page(self, query: ListQuery) -> ListPage:
        prefix = self._namer.prefix
        series = (self._container, prefix + query.prefix, query.delimiter)
        limit = max(1, min(query.limit, MAX_ENTRIES))
        start = prefix + query.start_after if query.start_after else ""
        page = self._after(series, start, limit)
        while page.token and page.last == prefix:  # it holds only the key that equals the prefix
            page = self._fetch(series, page.token, limit, page.last)
        return self._converted(query, start, limit, page)

    def _after(self, series: Series, start: str, limit: int) -> Page:
        """The first page with entries after ``start``, or the last one."""
        if not start:
            return self._fetch(series, "", limit)
        token = self._tokens.behind(series, start)
        try:
            if token is not None:
                return self._fetch(series, token, limit, start)
            return self._sought(series, start, max(limit, _FINE))
        except InvalidRequest as error:
            if isinstance(error, ListingUnusable) or not self._tokens.before(series, start):
                raise
            self._tokens.forget(series)  # the service does not accept its own token
            return self._sought(series, start, max(limit, _FINE))

    def _sought(self, series: Series, start: str, size: int) -> Page:
        """Skip large pages up to the one with ``start``, and that one in pages of the size requested: so
        later pages begin where this one ends."""
        token = self._tokens.before(series, start)
        for entries in (MAX_ENTRIES, size):
            page = self._fetch(series, token, entries)
            while page.last <= start and page.token:
                token = page.token
                page = self._fetch(series, token, entries, page.last)
            if entries == size:
                break
        return page

    def _fetch(self, series: Series, token: str, entries: int, behind: str = "") -> Page:
        """The page that ``token`` leads to; pages without entries behind ``behind``, the last entry of the
        page with this token, are skipped. They are legal if they have none at all."""
        for _ in range(_MAX_EMPTY_PAGES):
            page = self._request(series, token, entries)
            if page.last and page.first < behind:
                raise self._unusable(f"{page.first!r} is listed after {behind!r}")
            if page.last > behind or not page.token:
                break
            if page.token == token:
                raise self._unusable("a page that leads to itself")
            token = page.token
        else:
            raise self._unusable(f"{_MAX_EMPTY_PAGES} consecutive empty pages, none of them the last one")
        if page.last:
            self._check_order(series, page)
            self._tokens.note(series, token, page.first, page.last, page.token)
        return page

    def _request(self, series: Series, token: str, entries: int) -> Page:
        _, prefix, delimiter = series
        query = [("restype", "container"), ("comp", "list"), ("maxresults", str(entries))]
        query += query_of(("prefix", prefix), ("delimiter", delimiter), ("marker", token))
        response = self._transport.request("GET", f"/{self._container}", query=query)
        with translated(f"LIST {self._container}"), response:
            document = response.read_all(_MAX_PAGE)
        try:
            return parse_blobs(document)
        except ValueError as error:
            raise self._unusable(str(error)) from error

    def _converted(self, query: ListQuery, start: str, limit: int, page: Page) -> ListPage:
        """The entries after ``start``, at most ``limit``."""
        prefix = self._namer.prefix
        entries: list[tuple[str, ListedBlob | None]] = [(blob.key, blob) for blob in page.blobs]
        entries += [(group, None) for group in page.groups]
        entries = sorted((each for each in entries if each[0] > start), key=lambda each: each[0])
        cut = len(entries) > limit
        entries = entries[:limit]
        objects = tuple(
            info for _, blob in entries if blob is not None and (info := self._info(blob)) is not None
        )
        groups = tuple(key[len(prefix) :] for key, blob in entries if blob is None and self._is_visible(key))
        last = entries[-1][0] if entries else page.last
        return ListPage(objects, groups, last[len(prefix) :] if cut or page.token else None)

    def _info(self, blob: ListedBlob) -> ListedObject | None:
        name = self._namer.name(blob.key)
        return None if name is None else ListedObject(name, blob.size, blob.etag, blob.modified, blob.tier)

    def _is_visible(self, group: str) -> bool:
        """Whether any name of the mapping is below a common prefix. If stored manifests may be below it, its
        keys are listed up to the first name."""
        if not self._namer.manifest_prefix.startswith(group):
            return True
        return any(self._namer.name(key) is not None for key in self._keys_below(group))

    def _keys_below(self, group: str) -> Iterator[str]:
        series = (self._container, group, "")
        page = self._fetch(series, "", MAX_ENTRIES)
        while True:
            yield from (blob.key for blob in page.blobs)
            if not page.token:
                return
            page = self._fetch(series, page.token, MAX_ENTRIES, page.last)

    def _check_order(self, series: Series, page: Page) -> None:
        for keys in ([blob.key for blob in page.blobs], list(page.groups)):
            previous = ""
            for key in keys:
                if key <= previous:
                    raise self._unusable(f"{key!r} is listed after {previous!r}")
                if not key.startswith(series[1]):
                    raise self._unusable(f"{key!r} does not begin with {series[1]!r}")
                previous = key

    def _unusable(self, why: str) -> ListingUnusable:
        return ListingUnusable(f"LIST {self._container}: {why[:_MAX_REASON]}", status=200)


def list_containers(transport: AzureTransport) -> Iterator[BucketEntry]:
    """Yield the containers of the account. Raises UnexpectedAnswer."""
    token, seen = "", {""}
    while True:
        query = [("comp", "list"), *query_of(("marker", token))]
        with translated("list containers"), transport.request("GET", "", query=query) as response:
            document = response.read_all(_MAX_PAGE)
        try:
            entries, following = parse_containers(document)
        except ValueError as error:
            raise UnexpectedAnswer("list containers: the response is not a listing") from error
        yield from entries
        if not following:
            return
        if following in seen:
            raise UnexpectedAnswer("list containers: pages that lead back to themselves")
        seen.add(following)
        token = following
