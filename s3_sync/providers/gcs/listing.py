"""Lists objects and buckets.

Source: JSON API reference, "Objects: list" and "Buckets: list". ``startOffset`` is inclusive; names are
listed in the order of their UTF-8 bytes, which is that of code points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from s3_sync.errors import ListingUnusable, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.model.timestamps import iso_date_or_zero
from s3_sync.providers.base import BucketEntry, ListPage, ListQuery
from s3_sync.providers.gcs.resource import LISTED_FIELDS, read_listed
from s3_sync.providers.gcs.transport import GcsTransport, bucket_path
from s3_sync.streams.small_files import is_text

_MAX_ENTRIES = 1000
#: maximum number of consecutive pages without entries
_MAX_EMPTY_PAGES = 100
#: ``kind`` of a listing: an object without anything is JSON that anybody may send
OBJECTS, BUCKETS = "storage#objects", "storage#buckets"
_LAST_CHARACTER = 0x10FFFF


class Lister:
    """Lists one bucket for one mapping. No name is skipped or listed twice: names out of order raise
    ListingUnusable."""

    def __init__(self, transport: GcsTransport, bucket: str, namer: KeyNamer) -> None:
        self._transport = transport
        self._bucket = bucket
        self._namer = namer

    def page(self, query: ListQuery) -> ListPage:
        prefix = self._namer.prefix
        start = prefix + query.start_after if query.start_after else ""
        asked = self._parameters(query, start)
        for _ in range(_MAX_EMPTY_PAGES):
            document = self._transport.document(
                f"LIST {self._bucket}", "GET", f"{bucket_path(self._bucket)}/o", asked
            )
            entries = self._entries(query, start, document)
            token = document.get("nextPageToken")
            chosen = entries[: max(1, query.limit)]
            if chosen and chosen[-1][0] != prefix:
                last = chosen[-1][0][len(prefix) :]
                is_end = not token and len(chosen) == len(entries)
                visible = [each for each in chosen if each[1] is not None or self._is_visible(each[0])]
                return self._page(visible, None if is_end else last)
            if not token:
                return ListPage(())
            # the page has nothing, or only the key that equals the prefix: no name to continue from
            asked = {**asked, "pageToken": str(token)}
        raise self._unusable(f"{_MAX_EMPTY_PAGES} consecutive empty pages, none of them the last one")

    def _parameters(self, query: ListQuery, start: str) -> dict[str, str]:
        limit = min(max(1, query.limit) + bool(start), _MAX_ENTRIES)
        asked = {
            "maxResults": str(limit),
            "fields": f"kind,nextPageToken,prefixes,items({LISTED_FIELDS})",
        }
        rest = start[len(self._namer.prefix) + len(query.prefix) :]
        end = len(rest) - len(query.delimiter)
        is_group = bool(query.delimiter) and 0 <= rest.find(query.delimiter) == end
        given = {
            "prefix": self._namer.prefix + query.prefix,
            "delimiter": query.delimiter,
            "startOffset": _behind(start) if rest and is_group else start,
        }
        return asked | {name: value for name, value in given.items() if value}

    def _entries(
        self, query: ListQuery, start: str, document: Mapping[str, Any]
    ) -> list[tuple[str, Mapping[str, Any] | None]]:
        """Keys behind ``start`` with their descriptions, None for a group. Raises ListingUnusable if they are
        not in order, or not those that were requested."""
        items, groups = document.get("items", []), document.get("prefixes", [])
        if document.get("kind") != OBJECTS or not isinstance(items, list) or not isinstance(groups, list):
            raise self._unusable("not a list of objects")
        if not all(isinstance(item, dict) and is_text(item.get("name")) for item in items):
            raise self._unusable("an object without a name")
        if not all(map(is_text, groups)):
            raise self._unusable("a group that is not a name")
        names: Sequence[str] = [item["name"] for item in items]
        whole = self._namer.prefix + query.prefix
        for listed in (names, groups):
            if any(one >= other for one, other in pairwise(listed)):
                raise self._unusable("names are out of order")
            for name in listed:
                before = name < start and not (listed is groups and start.startswith(name))
                if before or not name.startswith(whole):
                    raise self._unusable(f"{name!r} was not asked for")
        found: list[tuple[str, Mapping[str, Any] | None]] = [(item["name"], item) for item in items]
        found += [(group, None) for group in groups]
        found.sort(key=lambda entry: entry[0])
        return [entry for entry in found if entry[0] != start]

    def _page(
        self, entries: Sequence[tuple[str, Mapping[str, Any] | None]], next_after: str | None
    ) -> ListPage:
        objects = tuple(
            read_listed(name, item)
            for key, item in entries
            if item is not None and (name := self._namer.name(key)) is not None
        )
        groups = tuple(key[len(self._namer.prefix) :] for key, item in entries if item is None)
        return ListPage(objects, groups, next_after)

    def _is_visible(self, group: str) -> bool:
        """Whether there is any name in a group: stored manifests and foreign keys are none."""
        if not self._namer.manifest_prefix.startswith(group):
            return True
        after: str | None = ""
        while after is not None:
            below = ListQuery(group[len(self._namer.prefix) :], after, limit=_MAX_ENTRIES)
            page = self.page(below)
            if page.objects:
                return True
            after = page.next_after
        return False

    def _unusable(self, why: str) -> ListingUnusable:
        return ListingUnusable(f"LIST {self._bucket}: {why[:300]}", status=200)


def list_buckets(transport: GcsTransport, project: str) -> list[BucketEntry]:
    """Return the buckets of a project, sorted. Raises UnexpectedAnswer."""
    what, found = f"list the buckets of {project}", []
    asked = {"project": project, "fields": "kind,nextPageToken,items(name,timeCreated)"}
    seen: set[str] = set()
    while True:
        document = transport.document(what, "GET", "/storage/v1/b", asked)
        items = document.get("items", [])
        if document.get("kind") != BUCKETS or not isinstance(items, list):
            raise UnexpectedAnswer(f"{what}: not a list of buckets", status=200)
        for item in items:
            if not isinstance(item, dict) or not is_text(name := item.get("name")):
                raise UnexpectedAnswer(f"{what}: a bucket without a name", status=200)
            found.append(BucketEntry(name, iso_date_or_zero(item.get("timeCreated"))))
        if not (token := document.get("nextPageToken")):
            return sorted(found, key=lambda entry: entry.name)
        if str(token) in seen:
            raise UnexpectedAnswer(f"{what}: pages that lead back to themselves", status=200)
        seen.add(str(token))
        asked = {**asked, "pageToken": str(token)}


def _behind(group: str) -> str:
    """The first text behind all that begin with ``group``."""
    kept = group.rstrip(chr(_LAST_CHARACTER))
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
