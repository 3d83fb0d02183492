"""Listings: one page of keys -> one page of names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.parsers import ResponseParserError

from s3_sync.errors import InvalidRequest, ListingUnusable, NotSupported, RemoteError, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import understood
from s3_sync.providers.s3.headers import unquoted

log = logging.getLogger("s3-sync")

MAX_KEYS = 1000
#: so many empty pages are passed that say that there is more
MOST_EMPTY = 100
#: characters of what is wrong with a listing
MOST_TOLD = 300
#: sorts behind every other character: prefix + this is behind every key that continues the prefix
_LAST_CHARACTER = "\U0010ffff"


class Lister:
    """Lists one bucket for one mapping.

    Nothing is skipped or given twice: a store that sends keys out of order, or the same page again, is
    refused with ListingUnusable. Characters sort in the order of their code points, which is the order of
    their UTF-8 bytes.
    """

    def __init__(self, account: Account, bucket: str, namer: KeyNamer) -> None:
        self._account = account
        self._bucket = bucket
        self._namer = namer
        self._version_2 = True

    def page(self, query: ListQuery) -> ListPage:
        prefix = self._namer.prefix
        start = prefix + query.start_after if query.start_after else ""
        while True:
            answer = self._request(query, start)
            entries, groups = answer["Contents"], _groups(answer)
            last = self._check_order(query, start, [entry["Key"] for entry in entries], groups)
            if _is_group(query, start, self._namer):
                groups = tuple(group for group in groups if group > start)
                if answer["IsTruncated"] and last <= start:
                    raise self._unusable(f"does not go on behind {start!r}")
            objects = tuple(info for entry in entries if (info := self._info(entry)) is not None)
            shown = tuple(group for group in groups if self._is_shown(query, group))
            names = tuple(group[len(prefix) :] for group in shown)
            if not answer["IsTruncated"]:
                return ListPage(objects, names)
            if last != prefix:
                return ListPage(objects, names, last[len(prefix) :])
            start = last  # a page with nothing but the key that is the prefix itself: no name to go on from

    def any_below(self, prefix: str) -> bool:
        """Whether there is any key that begins so."""
        answer = self._answer({"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": 1}, "")
        return bool(answer["Contents"])

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
        return self._answer(parameters, start)

    def _answer(self, parameters: dict[str, Any], start: str) -> Any:
        """The first page from there on that holds anything, or the last one.

        A page that is empty and says that there is more is legal: a store may have looked at nothing but
        deleted keys. Only the store's own token leads on from there.
        """
        token = ""
        for _ in range(MOST_EMPTY):
            answer = self._ask(parameters, start, token)
            if answer["Contents"] or answer["CommonPrefixes"] or not answer["IsTruncated"]:
                return answer
            before, token = token, answer.get("NextContinuationToken") or answer.get("NextMarker") or ""
            if token in ("", before):
                raise self._unusable("an empty page that is not the last one, and no token to go on with")
        raise self._unusable(f"{MOST_EMPTY} empty pages, and none of them is the last one")

    def _ask(self, parameters: dict[str, Any], start: str, token: str) -> Any:
        """``token``: goes on there; else behind ``start``."""
        if self._version_2:
            where = {"ContinuationToken": token} if token else {"StartAfter": start} if start else {}
            try:
                answer = self._call("list_objects_v2", parameters | where)
            except ListingUnusable:
                raise
            except (NotSupported, InvalidRequest) as error:
                return self._ask_older(parameters, start, error)
            if "KeyCount" in answer or not (answer["Contents"] or answer["CommonPrefixes"]):
                return answer
            self._version_2 = False  # an old store: it took the request for the older operation
        marker = token or start
        return self._call("list_objects", parameters | ({"Marker": marker} if marker else {}))

    def _ask_older(self, parameters: dict[str, Any], start: str, error: RemoteError) -> Any:
        """Whether it is the operation that the store does not know, or this very request that it refuses."""
        try:
            answer = self._call("list_objects", parameters | ({"Marker": start} if start else {}))
        except RemoteError:
            raise error from None
        self._version_2 = False
        log.info("%s does not know ListObjectsV2, listing it by ListObjects: %s", self._bucket, error)
        return answer

    def _call(self, operation: str, parameters: dict[str, Any]) -> Any:
        try:
            with understood(f"LIST {self._bucket}"):
                return getattr(self._account.client, operation)(**parameters)
        except RemoteUnavailable as error:
            if isinstance(error.__cause__, ResponseParserError):
                raise self._unusable(str(error.__cause__)) from error
            raise

    def _unusable(self, why: str) -> ListingUnusable:
        return ListingUnusable(f"LIST {self._bucket}: {why[:MOST_TOLD]}", status=200)

    def _check_order(self, query: ListQuery, start: str, keys: Sequence[str], groups: Sequence[str]) -> str:
        """The last key or common prefix of the page. Raises ListingUnusable."""
        for names in (keys, groups):
            previous = None
            for name in names:
                if previous is not None and name <= previous:
                    raise self._unusable(f"{name!r} came after {previous!r}")
                previous = name
        if start and keys and keys[0] <= start:
            raise self._unusable(f"{keys[0]!r} came where {start!r} was passed already")
        for group in groups:
            if not query.delimiter or not group.endswith(query.delimiter):
                raise self._unusable(f"{group!r} does not end with {query.delimiter!r}")
        whole = self._namer.prefix + query.prefix
        for name in (*keys[:1], *keys[-1:], *groups[:1], *groups[-1:]):
            if not name.startswith(whole):
                raise self._unusable(f"{name!r} does not begin with {whole!r}")
        return max((*keys[-1:], *groups[-1:]), default="")

    def _info(self, entry: Any) -> ObjectInfo | None:
        name = self._namer.name(entry["Key"])
        if name is None:
            return None
        storage_class = entry.get("StorageClass", "")
        return ObjectInfo(
            name=name,
            size=entry["Size"],
            etag=unquoted(entry.get("ETag", "")),
            last_modified=entry["LastModified"].timestamp() if "LastModified" in entry else 0.0,
            storage_class="" if storage_class == "STANDARD" else storage_class,
        )

    def _is_shown(self, query: ListQuery, group: str) -> bool:
        """Whether any name of ours is below a common prefix.

        The stored manifests may all be below one, beside foreign keys of the mapping: then its keys are
        looked through up to the first name.
        """
        if not self._namer.manifest_prefix.startswith(group):
            return True
        return any(self._namer.name(key) is not None for key in self._keys_below(group))

    def _keys_below(self, group: str) -> Iterator[str]:
        query = ListQuery(prefix=group[len(self._namer.prefix) :])
        start = ""
        while True:
            answer = self._request(query, start)
            keys = [entry["Key"] for entry in answer["Contents"]]
            last = self._check_order(query, start, keys, ())
            yield from keys
            if not answer["IsTruncated"]:
                return
            start = last


def _is_group(query: ListQuery, start: str, namer: KeyNamer) -> bool:
    """Whether a listing goes on behind everything below this common prefix."""
    below = start[len(namer.prefix) + len(query.prefix) :]
    return bool(query.delimiter) and 0 <= below.find(query.delimiter) == len(below) - len(query.delimiter)


def _groups(answer: Any) -> tuple[str, ...]:
    return tuple(group["Prefix"] for group in answer["CommonPrefixes"])
