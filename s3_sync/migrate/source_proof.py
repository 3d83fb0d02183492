"""What proves that an object was deleted at the source. A listing without it proves nothing: it may be
empty, short, partial, or of another place."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Protocol

from s3_sync.errors import NotFound
from s3_sync.providers.base import Bucket, ListQuery, Provider

#: names of which the source has to list one
_FEW = 10


class Verdict(Enum):
    #: the source is in order: what it says of single objects counts
    PROVED = "proved"
    #: it lists nothing at all: an operator has to say whether that is right
    EMPTY = "empty"
    #: it has changed meanwhile
    UNPROVED = "unproved"


class SourceProof(Protocol):
    def lacks(self, name: str) -> bool:
        """Return whether the source says that it has no such object; counts only if a later ``verdict`` is
        PROVED. Raises RemoteError."""
        ...

    def verdict(self) -> Verdict:
        """Raises RemoteError, among them NotFound and AccessDenied."""
        ...


class BucketProof:
    """For one object of a bucket that is there: a HEAD answers NotFound. Many stores answer the same if the
    bucket is gone, so afterwards the bucket must be found, and must list something."""

    def __init__(self, provider: Provider, bucket: Bucket, prefix: str) -> None:
        self._provider = provider
        self._bucket = bucket
        self._prefix = prefix

    def lacks(self, name: str) -> bool:
        try:
            self._bucket.head_object(name)
        except NotFound:
            return True
        return False

    def verdict(self) -> Verdict:
        self._provider.head_bucket(self._bucket.name)
        query = ListQuery(prefix=self._prefix, limit=_FEW)
        while True:
            page = self._bucket.list_objects(query)
            if page.objects:
                return Verdict.PROVED
            if page.next_after is None:
                return Verdict.EMPTY
            query = replace(query, start_after=page.next_after)


class MissingBucketProof:
    """For all objects of a bucket that was deleted: a HEAD of the bucket answers NotFound, and the account
    still lists others."""

    def __init__(self, provider: Provider, bucket: str) -> None:
        self._provider = provider
        self._bucket = bucket

    def lacks(self, name: str) -> bool:
        return True

    def verdict(self) -> Verdict:
        try:
            self._provider.head_bucket(self._bucket)
        except NotFound:
            listed = [entry.name for entry in self._provider.list_buckets()]
            if listed and self._bucket not in listed:
                return Verdict.PROVED
        return Verdict.UNPROVED
