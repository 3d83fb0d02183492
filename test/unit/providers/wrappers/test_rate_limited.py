"""Requests and bytes of a mapping pass its budget and its account's, at the time of day that it is."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.budgets import AccountBudget, Budget, Hours, Rates
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.errors import RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, Part
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.rate_limits import CHUNKS_PER_SECOND, LimiterRegistry, RateLimit
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.providers.wrappers.token_bucket import BURST_SECONDS, FairTokenBucket
from s3_sync.streams.reader import BytesBody

#: a Monday, 00:00 UTC
MIDNIGHT = 1_767_571_200.0


class Clock:
    def __init__(self) -> None:
        self.now = MIDNIGHT

    def __call__(self) -> float:
        return self.now

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None
        self.now += seconds

    def valve(self) -> FairTokenBucket:
        return FairTokenBucket(clock=self, wait=self.wait)

    def allowance(self, budget: Budget, share: float) -> RateLimit:
        return RateLimit(budget, share, wall=self, buckets=self.valve)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def mapping(container: str = "c", **changes: Any) -> Mapping:
    fields: dict[str, Any] = {
        "account": "AUTH_a",
        "container": container,
        "bucket": "bucket",
        "credentials": S3Credentials(),
        "profile": Profile(),
        "namer": KeyNamer.hashed("AUTH_a", container),
    }
    return Mapping(**(fields | changes))


def limited(budget: Budget, container: str = "c") -> Mapping:
    return mapping(container, profile=Profile(budget=budget))


def budgets(clock: Clock, *mappings: Mapping, processes: int = 1) -> LimiterRegistry:
    made = LimiterRegistry(processes, clock.allowance)
    made.update_mappings(mappings)
    return made


def bucket(made: LimiterRegistry, of: Mapping, **fields: Any) -> Bucket:
    provider = MemoryProvider()
    provider.create_bucket("bucket")
    return Registry(build=lambda *_: provider, budgets=made, **fields).open_bucket(of)


def put(target: Bucket, size: int) -> None:
    target.put_object("x", BytesBody(b"x" * size), PutOptions(size))


def seconds(clock: Clock, function: Any) -> float:
    begun = clock.now
    function()
    return clock.now - begun


def test_put_object_is_sent_at_the_byte_rate(clock: Clock) -> None:
    of = limited(Budget(Rates(bytes_per_second=100_000)))
    target = bucket(budgets(clock, of), of)
    assert seconds(clock, lambda: put(target, 1_000_000)) == pytest.approx(10 - BURST_SECONDS, rel=0.01)
    assert target.head_object("x").size == 1_000_000


def test_parts_and_manifests_are_sent_at_the_byte_rate(clock: Clock) -> None:
    of = limited(Budget(Rates(bytes_per_second=100_000)))
    target = bucket(budgets(clock, of), of)
    put(target, 100_000)
    upload = target.create_upload("large", ObjectMeta())

    def part() -> Part:
        return upload.upload_part(1, BytesBody(b"x" * 300_000), 300_000)

    assert seconds(clock, part) == pytest.approx(3, rel=0.01)
    assert seconds(clock, lambda: target.manifests.put("large", b"[]" * 50_000)) == pytest.approx(1, rel=0.01)


def test_chunk_size_at_low_rate_allows_several_chunks_a_second(clock: Clock) -> None:
    """However slow it is: a store, or an object server, gives up what stands still."""
    rate = 50_000
    of = limited(Budget(Rates(bytes_per_second=rate)))
    gate = budgets(clock, of).limiter(of)
    assert gate.chunk_size(65536) * CHUNKS_PER_SECOND <= max(rate, 1024 * CHUNKS_PER_SECOND)
    assert gate.chunk_size(10) == 10


def test_requests_are_sent_at_the_request_rate(clock: Clock) -> None:
    of = limited(Budget(Rates(requests_per_second=5)))
    target = bucket(budgets(clock, of), of)
    assert seconds(clock, lambda: [target.delete_object("x") for _ in range(55)]) == pytest.approx(10)


def test_repeated_requests_count_against_the_request_rate(clock: Clock) -> None:
    class Failing(MemoryProvider):
        def bucket(self, *arguments: Any) -> Any:
            made = super().bucket(*arguments)

            def fail(name: str) -> ObjectInfo:
                raise RemoteUnavailable("away")

            made.head_object = fail  # type: ignore[method-assign]
            return made

    of = limited(Budget(Rates(requests_per_second=1)))
    retries = RetryPolicy(attempts=4, sleep=lambda _: None)
    shared = Registry(build=lambda *_: Failing(), budgets=budgets(clock, of), retries=retries)
    begun = clock.now
    with pytest.raises(RemoteUnavailable):
        shared.open_bucket(of).head_object("x")
    assert clock.now - begun == pytest.approx(3)


def test_account_limit_is_shared_by_mappings_with_limits_of_their_own(clock: Clock) -> None:
    shared = AccountBudget("aws", Budget(Rates(bytes_per_second=100_000)))
    own = Profile(budget=Budget(Rates(bytes_per_second=20_000)))
    slow = mapping("slow", account_budget=shared, profile=own)
    fast = mapping("fast", account_budget=shared)
    other = mapping("other", account_budget=replace(shared, name="another"))
    made = budgets(clock, slow, fast, other)
    assert seconds(clock, lambda: put(bucket(made, slow), 120_000)) == pytest.approx(5, rel=0.02)
    clock.now += 60
    put(bucket(made, fast), 100_000)  # what was kept is used up by one for all
    assert seconds(clock, lambda: put(bucket(made, slow), 20_000)) == pytest.approx(0.2, rel=0.05)
    assert seconds(clock, lambda: put(bucket(made, other), 100_000)) == pytest.approx(0, abs=0.01)


def test_containers_of_account_mapping_share_one_limiter(clock: Clock) -> None:
    whole = limited(Budget(Rates(requests_per_second=1)), "/*")
    made = budgets(clock, whole)
    gates = [made.limiter(whole.of_container(name)) for name in ("a", "b")]
    assert gates[0] is gates[1] is made.limiter(whole)


def test_several_processes_divide_all_limits_but_those_of_a_container(clock: Clock) -> None:
    budget = Budget(Rates(requests_per_second=8))
    alone, whole = limited(budget), limited(budget, "/*")
    account = mapping("other", account_budget=AccountBudget("aws", budget))
    made = budgets(clock, alone, whole, account, processes=4)
    rates = [made.limiter(each).limits[0].requests.rate for each in (alone, whole, account)]
    assert rates == [8, 2, 2]


def test_mapping_without_limit_is_not_delayed(clock: Clock) -> None:
    of = mapping()
    made = budgets(clock, of)
    assert made.limiter(of).limits == ()
    assert seconds(clock, lambda: put(bucket(made, of), 10_000_000)) == 0


def test_changed_limit_applies_to_open_bucket(clock: Clock) -> None:
    of = mapping()
    made = budgets(clock, of)
    target = bucket(made, of)
    for rate, expected in ((None, 0), (100_000, 10), (50_000, 20), (None, 0)):
        made.update_mappings([limited(Budget(Rates(bytes_per_second=rate)))])
        assert seconds(clock, lambda: put(target, 1_000_000)) == pytest.approx(expected, abs=1.1)
    made.update_mappings([])
    assert seconds(clock, lambda: put(target, 1_000_000)) == 0


def test_timetable_change_during_a_transfer_changes_its_rate(clock: Clock) -> None:
    """100 kB a second until eight, then ten."""
    office = Hours(frozenset(range(5)), 8 * 60, 18 * 60, Rates(bytes_per_second=10_000))
    from_utc = Budget(Rates(bytes_per_second=100_000), (office,), utc())
    of = limited(from_utc)
    target = bucket(budgets(clock, of), of)
    clock.now = MIDNIGHT + 8 * 3600 - 10
    assert seconds(clock, lambda: put(target, 1_500_000)) == pytest.approx(10 + 40, abs=2)


def utc() -> Any:
    from datetime import timezone

    return timezone.utc


def test_rate_of_zero_closes_limiter_and_open_transfers_keep_their_rate(clock: Clock) -> None:
    night = Hours(frozenset(range(7)), 22 * 60, 6 * 60, Rates(bytes_per_second=100_000))
    of = limited(Budget(Rates(bytes_per_second=0), (night,), utc()))
    gate = budgets(clock, of).limiter(of)
    closed = []
    for hour in range(24):
        clock.now = MIDNIGHT + hour * 3600
        closed.append(gate.is_closed)
    assert closed == [6 <= hour < 22 for hour in range(24)]
    # what is under way goes on at the speed of before
    clock.now = MIDNIGHT + 12 * 3600
    assert gate.is_closed
    gate.wait_bytes(100_000)
    assert seconds(clock, lambda: gate.wait_bytes(100_000)) == pytest.approx(1, abs=0.01)


def test_fit_batch_is_bounded_by_the_request_rate(clock: Clock) -> None:
    made = budgets(clock, limited(Budget(Rates(requests_per_second=2))), mapping("free"))
    gate = made.limiter(limited(Budget()))
    assert (gate.fit_batch(1000, 30.0), gate.fit_batch(10, 30.0), gate.fit_batch(1000, 0.1)) == (60, 10, 1)
    assert made.limiter(mapping("free")).fit_batch(1000, 30.0) == 1000


@pytest.mark.parametrize("migration", [None, MigrationOptions()], ids=["mapping", "migration"])
def test_downloads_count_where_the_bucket_is_a_source(
    clock: Clock, migration: MigrationOptions | None
) -> None:
    of = replace(limited(Budget(Rates(bytes_per_second=100_000))), migration=migration)
    target = bucket(budgets(clock, of), of)
    put(target, 100_000)
    clock.now += 10.0
    begun = clock.now
    for _ in range(3):
        with target.get_object("x") as result:
            assert len(result.body.read()) == 100_000
            assert result.info.size == 100_000
    assert clock.now - begun == pytest.approx(0.0 if migration is None else 2.0, abs=0.1)
