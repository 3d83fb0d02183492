"""Listings: one page of keys -> one page of names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from s3_sync.errors import InvalidRequest
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import translated, understood
from s3_sync.providers.s3.headers import unquoted

MAX_KEYS = 1000
#: sorts behind every other character: prefix + this is behind every key that continues the prefix
_LAST_CHARACTER = "\U0010ffff"


class Lister:
    """Lists one bucket for one mapping.

    Nothing is skipped or given twice: a store that sends keys out of order, or the same page again, is
    refused with InvalidRequest. Characters sort in the order of their code points, which is the order of
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
            entries, groups = answer.get("Contents", ()), _groups(answer)
            last = self._check_order(query, start, [entry["Key"] for entry in entries], groups)
            if _is_group(query, start, self._namer):
                groups = tuple(group for group in groups if group > start)
                if answer.get("IsTruncated") and last <= start:
                    raise InvalidRequest(f"LIST {self._bucket}: does not go on behind {start!r}")
            objects = tuple(info for entry in entries if (info := self._info(entry)) is not None)
            shown = tuple(group for group in groups if self._is_shown(query, group))
            names = tuple(group[len(prefix) :] for group in shown)
            if not answer.get("IsTruncated"):
                return ListPage(objects, names)
            if not last:
                raise InvalidRequest(f"LIST {self._bucket}: an empty page that is not the last one")
            if last != prefix:
                return ListPage(objects, names, last[len(prefix) :])
            start = last  # a page with nothing but the key that is the prefix itself: no name to go on from

    def any_below(self, prefix: str) -> bool:
        """Whether there is any key that begins so."""
        with translated(f"LIST {self._bucket}"):
            answer = self._account.client.list_objects(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
        return bool(answer.get("Contents"))

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
        client = self._account.client
        with understood(f"LIST {self._bucket}"):
            if self._version_2:
                answer = client.list_objects_v2(**parameters, **({"StartAfter": start} if start else {}))
                if "KeyCount" in answer or not ("Contents" in answer or "CommonPrefixes" in answer):
                    return answer
                self._version_2 = False  # an old store: it took the request for the older operation
            return client.list_objects(**parameters, **({"Marker": start} if start else {}))

    def _check_order(self, query: ListQuery, start: str, keys: Sequence[str], groups: Sequence[str]) -> str:
        """The last key or common prefix of the page. Raises InvalidRequest."""
        for names in (keys, groups):
            previous = None
            for name in names:
                if previous is not None and name <= previous:
                    raise InvalidRequest(f"LIST {self._bucket}: {name!r} came after {previous!r}")
                previous = name
        if start and keys and keys[0] <= start:
            raise InvalidRequest(f"LIST {self._bucket}: {keys[0]!r} came where {start!r} was passed already")
        for group in groups:
            if not query.delimiter or not group.endswith(query.delimiter):
                raise InvalidRequest(f"LIST {self._bucket}: {group!r} does not end with {query.delimiter!r}")
        whole = self._namer.prefix + query.prefix
        for name in (*keys[:1], *keys[-1:], *groups[:1], *groups[-1:]):
            if not name.startswith(whole):
                raise InvalidRequest(f"LIST {self._bucket}: {name!r} does not begin with {whole!r}")
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
            keys = [entry["Key"] for entry in answer.get("Contents", ())]
            last = self._check_order(query, start, keys, ())
            yield from keys
            if not answer.get("IsTruncated") or not last:
                return
            start = last


def _is_group(query: ListQuery, start: str, namer: KeyNamer) -> bool:
    """Whether a listing goes on behind everything below this common prefix."""
    below = start[len(namer.prefix) + len(query.prefix) :]
    return bool(query.delimiter) and 0 <= below.find(query.delimiter) == len(below) - len(query.delimiter)


def _groups(answer: Any) -> tuple[str, ...]:
    return tuple(group["Prefix"] for group in answer.get("CommonPrefixes", ()))
