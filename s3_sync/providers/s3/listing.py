"""Lists a bucket: converts pages of keys into pages of names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.parsers import ResponseParserError

from s3_sync.errors import InvalidRequest, ListingUnusable, NotSupported, RemoteError, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import understood
from s3_sync.providers.s3.headers import unquoted

log = logging.getLogger("s3-sync")

MAX_KEYS = 1000
#: maximum number of consecutive empty but truncated pages
MAX_EMPTY_PAGES = 100
#: maximum characters of an error message about a listing
_MAX_REASON = 300
#: the greatest character: prefix + this sorts behind every key that begins with the prefix
_LAST_CHARACTER = "\U0010ffff"


@dataclass(slots=True)
class _Store:
    """``version_2``: whether the store is assumed to support ListObjectsV2."""

    version_2: bool


class Lister:
    """Lists one bucket for one mapping.

    No name is skipped or listed twice: keys out of order, or a repeated page, raise ListingUnusable. Strings
    sort by code point, which is the order of their UTF-8 bytes.
    """

    def __init__(self, account: Account, bucket: str, namer: KeyNamer) -> None:
        self._account = account
        self._bucket = bucket
        self._namer = namer
        self._store = _Store(account.dialect.list_version == 2)

    def with_namer(self, namer: KeyNamer) -> Lister:
        """Lists the same bucket for other keys, and shares what is known about the store."""
        other = Lister(self._account, self._bucket, namer)
        other._store = self._store
        return other

    def page(self, query: ListQuery) -> ListPage:
        prefix = self._namer.prefix
        start = prefix + query.start_after if query.start_after else ""
        while True:
            result = self._request(query, start)
            entries, groups = result["Contents"], _groups(result)
            last = self._check_order(query, start, [entry["Key"] for entry in entries], groups)
            if _is_group(query, start, self._namer):
                groups = tuple(group for group in groups if group > start)
                if result["IsTruncated"] and last <= start:
                    raise self._unusable(f"does not continue after {start!r}")
            objects = tuple(info for entry in entries if (info := self._info(entry)) is not None)
            visible = tuple(group for group in groups if self._is_visible(query, group))
            names = tuple(group[len(prefix) :] for group in visible)
            if not result["IsTruncated"]:
                return ListPage(objects, names)
            if last != prefix:
                return ListPage(objects, names, last[len(prefix) :])
            start = last  # the page holds only the key that equals the prefix: no name to continue from

    def _request(self, query: ListQuery, start: str) -> Any:
        parameters = {
            "Bucket": self._bucket,
            "Prefix": self._namer.prefix + query.prefix,
            "MaxKeys": max(1, min(query.limit, MAX_KEYS)),
        }
        if query.delimiter:
            parameters["Delimiter"] = query.delimiter
        if start and _is_group(query, start, self._namer):
            start += _LAST_CHARACTER
        return self._skip_empty_pages(parameters, start)

    def _skip_empty_pages(self, parameters: dict[str, Any], start: str) -> Any:
        """The first page after ``start`` that has entries, or the last page.

        An empty page that is not the last one is legal: the store may have passed deleted keys only. Only the
        store's own token continues from there.
        """
        token = ""
        for _ in range(MAX_EMPTY_PAGES):
            result = self._list(parameters, start, token)
            if result["Contents"] or result["CommonPrefixes"] or not result["IsTruncated"]:
                return result
            previous, token = token, result.get("NextContinuationToken") or result.get("NextMarker") or ""
            if token in ("", previous):
                raise self._unusable("an empty page that is truncated but has no continuation token")
        raise self._unusable(f"{MAX_EMPTY_PAGES} consecutive empty pages, none of them the last one")

    def _list(self, parameters: dict[str, Any], start: str, token: str) -> Any:
        """Request one page: from the continuation ``token``, if any, else after ``start``."""
        if self._store.version_2:
            where = {"ContinuationToken": token} if token else {"StartAfter": start} if start else {}
            try:
                result = self._call("list_objects_v2", parameters | where)
            except ListingUnusable:
                raise
            except (NotSupported, InvalidRequest) as error:
                return self._try_version_1(parameters, start, error)
            if "KeyCount" in result or not (result["Contents"] or result["CommonPrefixes"]):
                return result
            self._use_version_1("the response is one of ListObjects")  # as an old store sends it
        marker = token or start
        return self._call("list_objects", parameters | ({"Marker": marker} if marker else {}))

    def _try_version_1(self, parameters: dict[str, Any], start: str, error: RemoteError) -> Any:
        """List with ListObjects; if that works, use it from now on. Raises ``error`` if it fails, too."""
        try:
            result = self._call("list_objects", parameters | ({"Marker": start} if start else {}))
        except RemoteError:
            raise error from None
        self._use_version_1(str(error))
        return result

    def _use_version_1(self, why: str) -> None:
        self._store.version_2 = False
        log.info("%s: ListObjectsV2 is not supported, using ListObjects: %s", self._bucket, why)

    def _call(self, operation: str, parameters: dict[str, Any]) -> Any:
        try:
            with understood(f"LIST {self._bucket}"):
                return getattr(self._account.client, operation)(**parameters)
        except RemoteUnavailable as error:
            if isinstance(error.__cause__, ResponseParserError):
                raise self._unusable(str(error.__cause__)) from error
            raise

    def _unusable(self, why: str) -> ListingUnusable:
        return ListingUnusable(f"LIST {self._bucket}: {why[:_MAX_REASON]}", status=200)

    def _check_order(self, query: ListQuery, start: str, keys: Sequence[str], groups: Sequence[str]) -> str:
        """Check the order of a page. Returns its last key or common prefix. Raises ListingUnusable."""
        for names in (keys, groups):
            previous = None
            for name in names:
                if previous is not None and name <= previous:
                    raise self._unusable(f"{name!r} is listed after {previous!r}")
                previous = name
        if start and keys and keys[0] <= start:
            raise self._unusable(f"{keys[0]!r} is listed after the start {start!r}")
        for group in groups:
            if not query.delimiter or not group.endswith(query.delimiter):
                raise self._unusable(f"{group!r} does not end with {query.delimiter!r}")
        whole = self._namer.prefix + query.prefix
        for name in (*keys[:1], *keys[-1:], *groups[:1], *groups[-1:]):
            if not name.startswith(whole):
                raise self._unusable(f"{name!r} does not begin with {whole!r}")
        return max((*keys[-1:], *groups[-1:]), default="")

    def _info(self, entry: Any) -> ListedObject | None:
        name = self._namer.name(entry["Key"])
        if name is None:
            return None
        storage_class = entry.get("StorageClass", "")
        return ListedObject(
            name=name,
            size=entry["Size"],
            etag=unquoted(entry.get("ETag", "")),
            last_modified=entry["LastModified"].timestamp() if "LastModified" in entry else 0.0,
            storage_class="" if storage_class == "STANDARD" else storage_class,
        )

    def _is_visible(self, query: ListQuery, group: str) -> bool:
        """Whether any name of the mapping is below a common prefix.

        If stored manifests may be below it, its keys are listed up to the first name, as there may be only
        manifests and foreign keys.
        """
        if not self._namer.manifest_prefix.startswith(group):
            return True
        return any(self._namer.name(key) is not None for key in self._keys_below(group))

    def _keys_below(self, group: str) -> Iterator[str]:
        query = ListQuery(prefix=group[len(self._namer.prefix) :])
        start = ""
        while True:
            result = self._request(query, start)
            keys = [entry["Key"] for entry in result["Contents"]]
            last = self._check_order(query, start, keys, ())
            yield from keys
            if not result["IsTruncated"]:
                return
            start = last


def _is_group(query: ListQuery, start: str, namer: KeyNamer) -> bool:
    """Whether ``start`` is a common prefix, so that the listing skips everything below it."""
    below = start[len(namer.prefix) + len(query.prefix) :]
    return bool(query.delimiter) and 0 <= below.find(query.delimiter) == len(below) - len(query.delimiter)


def _groups(result: Any) -> tuple[str, ...]:
    return tuple(group["Prefix"] for group in result["CommonPrefixes"])
