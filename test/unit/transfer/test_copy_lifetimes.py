"""When a copy counts as complete, and what is skipped for good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.errors import ClockSkewed, ObjectRefused
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Features
from s3_sync.transfer.copy_rules import CopyRules
from s3_sync.transfer.decide import Decision

WRITTEN = Timestamp.from_seconds(1000)
MD5 = "a" * 32
DAY = 86400.0


class Bucket:
    features = Features(x_timestamp=True, native_large_objects=True)

    def __init__(self, clock_offset: float = 0.0) -> None:
        self.clock_offset = clock_offset


class Local:
    """An open object, of whatever kind."""

    headers: dict[str, str]

    def __init__(self, info: LocalInfo) -> None:
        self.info = info
        self.headers = {}


def rules(now: float = 0.0, offset: float = 0.0, **profile: Any) -> CopyRules:
    profile = {"remote_delete_after": 100, **profile}
    credentials = SwiftCredentials(provider="swift", endpoint="http://other.example.org/auth/v1.0")
    mapping = Mapping("AUTH_a", "c", "bucket", credentials, Profile(**profile), KeyNamer.plain())
    bucket: Any = Bucket(offset)
    return CopyRules(mapping, bucket, lambda: now)


def local(**fields: Any) -> LocalInfo:
    meta = ObjectMeta({"content-type": "a/b"})
    return LocalInfo("o", 3, MD5, MD5, meta=meta, data_timestamp=WRITTEN, timestamp=WRITTEN, **fields)


def copy(expires: int | None, **marks: str) -> ObjectInfo:
    meta = ObjectMeta({"content-type": "a/b"}).marked(swift_timestamp=WRITTEN.internal, **marks)
    return ObjectInfo("o", 3, MD5, MD5, meta=meta, expires=expires)


@pytest.mark.parametrize(
    ("expires", "decision"),
    [(1100, Decision.NOOP), (1099, Decision.POST), (1101, Decision.POST), (None, Decision.POST)],
)
def test_copy_lives_exactly_as_long_as_it_should(expires: int | None, decision: Decision) -> None:
    assert rules().decide(local(), copy(expires), None) is decision


@pytest.mark.parametrize(
    ("expires", "decision"),
    [(1100, Decision.NOOP), (1099, Decision.POST), (1101, Decision.NOOP), (None, Decision.NOOP)],
)
def test_copy_that_a_large_object_needs_longer_is_left_to_live(
    expires: int | None, decision: Decision
) -> None:
    assert rules().decide(local(), copy(expires, swift_source="c"), None) is decision


def test_segment_of_an_object_that_does_not_expire_must_not_expire() -> None:
    for_ever = rules(remote_delete_after=0)
    assert for_ever.decide(local(), copy(5000, swift_source="c"), None) is Decision.POST
    assert for_ever.decide(local(), copy(None, swift_source="c"), None) is Decision.NOOP


def test_manifest_whose_segments_have_one_source_is_no_segment() -> None:
    remote = copy(1101, swift_source="c", x_static_large_object="True")
    assert not remote.meta.is_segment
    assert copy(1101, swift_source="c").meta.is_segment
    assert not copy(1101).meta.is_segment


class TestLifetimeOver:
    """A copy that would be gone at once is not sent."""

    def reason(self, now: float, offset: float, **profile: Any) -> str | None:
        opened: Any = Local(local())
        return rules(now, offset, **profile).reason_to_skip(opened)

    def test_by_both_clocks_it_is_skipped_for_good(self) -> None:
        for offset in (0.0, 5.0, -5.0, 10 * 365 * DAY):
            assert self.reason(1200.0, offset) == "lifetime_over"
        with pytest.raises(ObjectRefused):
            self.reason(1200.0, 0.0, retain_local=False)

    @pytest.mark.parametrize("retain_local", [True, False])
    @pytest.mark.parametrize(
        ("now", "offset", "whose"), [(1050.0, 10 * 365 * DAY, "store's"), (1200.0, -DAY, "node's")]
    )
    def test_by_one_clock_alone_it_waits(
        self, now: float, offset: float, whose: str, retain_local: bool
    ) -> None:
        with pytest.raises(ClockSkewed, match=f"only the {whose} clock"):
            self.reason(now, offset, retain_local=retain_local)

    def test_by_neither_clock_it_is_copied(self) -> None:
        for offset in (0.0, 40.0, -DAY):
            assert self.reason(1050.0, offset) is None


def test_copy_without_the_mark_is_completed_before_a_move() -> None:
    moves = rules(retain_local=False, remote_delete_after=0)
    remote = copy(None)
    assert moves.is_proof(local(), remote, None)
    unmarked = replace(remote, meta=ObjectMeta({"content-type": "a/b"}))
    assert not moves.is_proof(local(), unmarked, None)
