"""``restore``: has the store retrieve the objects of a mapping that are in archive classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from s3_sync.config.settings import Mapping
from s3_sync.errors import NotFound, SyncError
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.registry import Registry
from s3_sync.runtime.concurrency import Pool

#: requests in flight
WORKERS = 16
#: objects requested before the next ones are
_BATCH = 128
#: after so many failures without a success, the others would most likely fail, too
HOPELESS = 100
#: objects of this class may be in one of its archive tiers, which only a HEAD shows
TIERING = "INTELLIGENT_TIERING"
# outcomes, beside the values of Retrieval
GONE, FAILED = "gone", "failed"


@dataclass(slots=True)
class Plan:
    """Number of objects, and their bytes, by storage class."""

    objects: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def add(self, listed: ListedObject) -> None:
        _count(self.objects, listed.storage_class)
        _count(self.bytes, listed.storage_class, listed.size)


@dataclass(frozen=True, slots=True)
class Requested:
    """One object. ``outcome``: a value of Retrieval, GONE or FAILED; then ``reason`` and ``detail`` say
    why."""

    container: str
    name: str
    outcome: str
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class Summary:
    """Number of objects by outcome, and of failures by reason. ``stopped``: why not all objects were
    requested; empty: all were."""

    outcomes: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    stopped: str = ""

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    def add(self, result: Requested) -> None:
        _count(self.outcomes, result.outcome)
        if result.outcome == FAILED:
            _count(self.reasons, result.reason)


class ArchivedObjects:
    """The objects of these containers whose names begin with ``prefix`` and that are, or may be, in an
    archive class, as listings show them: retrieved ones included. Nothing is kept, so each use lists
    again."""

    def __init__(self, containers: Sequence[Mapping], registry: Registry, prefix: str) -> None:
        self._containers = containers
        self._registry = registry
        self._prefix = prefix

    def plan(self) -> Plan:
        """Count them. Raises RemoteError."""
        found = Plan()
        for _, _, listed in self._pages():
            for each in listed:
                found.add(each)
        return found

    def retrieve(self, days: int, tier: str, pool: Pool, summary: Summary) -> Iterator[Requested]:
        """Request each of them from its store, and count the results in ``summary``. Raises RemoteError if a
        listing fails."""
        for mapping, bucket, listed in self._pages():
            limiter = self._registry.limiter(mapping)
            request = partial(_request, mapping, bucket, days, tier)
            for first in range(0, len(listed), _BATCH):
                if limiter.is_closed:
                    summary.stopped = f"the budget of {mapping.label} allows no requests now"
                    return
                for result in pool.map(request, listed[first : first + _BATCH]):
                    summary.add(result)
                    yield result
                failed = summary.outcomes.get(FAILED, 0)
                if failed >= HOPELESS and failed == summary.total:
                    summary.stopped = f"all of the first {failed} requests failed"
                    return

    def _pages(self) -> Iterator[tuple[Mapping, Bucket, list[ListedObject]]]:
        for mapping in self._containers:
            bucket = self._registry.open_bucket(mapping)
            start: str | None = ""
            while start is not None:
                page = bucket.list_objects(ListQuery(self._prefix, start))
                classes = bucket.features.archive_classes | {TIERING}
                yield mapping, bucket, [each for each in page.objects if each.storage_class in classes]
                start = page.next_after


def _request(mapping: Mapping, bucket: Bucket, days: int, tier: str, listed: ListedObject) -> Requested:
    where = mapping.container, listed.name
    try:
        return Requested(*where, bucket.retrieve_object(listed.name, days, tier).value)
    except NotFound as error:
        return Requested(*where, GONE, error.reason, str(error))
    except SyncError as error:
        return Requested(*where, FAILED, error.reason, str(error))


def _count(numbers: dict[str, int], key: str, number: int = 1) -> None:
    numbers[key] = numbers.get(key, 0) + number
