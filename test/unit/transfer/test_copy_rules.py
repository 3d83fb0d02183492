"""Which objects a mapping copies, and what a copy at another Swift still lacks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from s3_sync.cluster.newest import Present
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.criteria import Equals
from s3_sync.config.settings import Mapping, Profile
from s3_sync.errors import ClockSkewed, LocalBehind, ObjectRefused, TargetIsSource
from s3_sync.model.copies import Origin, copy_mark
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.outcomes import CONDITION, LIFETIME_OVER, OWN_COPY
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.swift.bucket import SwiftBucket
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.copy_rules import CopyRules
from s3_sync.transfer.decide import Decision
from unit.transfer.local_file import Opened

MD5 = "a" * 32
T1, T2, T3 = (Timestamp.parse(f"100000000{number}.00000") for number in (1, 2, 3))
NOW = T2.seconds + 60
TO_SWIFT = SwiftCredentials(provider="swift", endpoint="http://there/auth/v1.0", identity="test:tester")
MOVES = {"retain_local": False}


def mapping(credentials: Any = TO_SWIFT, **profile: Any) -> Mapping:
    return Mapping("AUTH_a", "c", "b", credentials, Profile(**profile), KeyNamer.plain())


def rules(found: Mapping, *, clock_offset: float = 0.0) -> CopyRules:
    kind = SwiftBucket if found.credentials.expires_objects else S3Bucket
    features = kind.features if kind is SwiftBucket else SimpleNamespace(x_timestamp=False)
    bucket: Any = SimpleNamespace(features=features, clock_offset=clock_offset)
    return CopyRules(found, bucket, lambda: NOW)


def local(**changed: Any) -> LocalInfo:
    info = LocalInfo("o", 10, MD5, MD5, meta=ObjectMeta(), data_timestamp=T1, timestamp=T2)
    return replace(info, **changed)


def copy(mark: Timestamp | None = T2, **changed: Any) -> ObjectInfo:
    """There, made of this version of the local object."""
    meta = ObjectMeta() if mark is None else ObjectMeta().marked(swift_timestamp=mark.internal)
    return replace(ObjectInfo("o", 10, MD5, MD5, meta=meta, x_timestamp=T2), **changed)


def opened(info: LocalInfo, **headers: str) -> Opened:
    return Opened(info, BytesBody(b""), headers)


def of(writer: str) -> Origin:
    return Origin(T1, writer)


class TestReasonToSkip:
    def test_object_that_does_not_match_the_criteria_is_skipped(self) -> None:
        found = rules(mapping(criteria=Equals("x-object-meta-a", "b")))
        assert found.reason_to_skip(opened(local())) == CONDITION
        assert found.reason_to_skip(opened(local(), **{"x-object-meta-a": "B"})) is None

    def test_own_copy_is_skipped_by_a_mapping_of_an_account_only(self) -> None:
        account = mapping()
        account = replace(account, container="/*")
        own, other = opened(local(origin=of(account.writer))), opened(local(origin=of("0" * 8)))
        assert rules(account).reason_to_skip(own) == OWN_COPY
        assert rules(account.of_container("c")).reason_to_skip(own) == OWN_COPY
        assert rules(account).reason_to_skip(other) is None
        container = mapping()
        assert rules(container).reason_to_skip(opened(local(origin=of(container.writer)))) is None

    def test_own_copy_is_no_matter_where_the_store_is_no_swift(self) -> None:
        account = replace(mapping(S3Credentials()), container="/*")
        assert rules(account).reason_to_skip(opened(local(origin=of(account.writer)))) is None

    def test_copy_that_the_store_would_delete_at_once_is_not_sent(self) -> None:
        assert rules(mapping(remote_delete_after=61)).reason_to_skip(opened(local())) is None
        assert rules(mapping(remote_delete_after=60)).reason_to_skip(opened(local())) == LIFETIME_OVER
        for lifetime, offset in ((61, 1.0), (60, -5.0)):  # what only one of the clocks says, may be wrong
            with pytest.raises(ClockSkewed):
                rules(mapping(remote_delete_after=lifetime), clock_offset=offset).reason_to_skip(
                    opened(local())
                )
        behind = rules(mapping(remote_delete_after=55), clock_offset=-5.0)
        assert behind.reason_to_skip(opened(local())) == LIFETIME_OVER

    def test_object_to_move_whose_copy_would_be_deleted_at_once_is_refused(self) -> None:
        with pytest.raises(ObjectRefused) as refused:
            rules(mapping(remote_delete_after=60, **MOVES)).reason_to_skip(opened(local()))
        assert refused.value.reason == LIFETIME_OVER


class TestDecide:
    def test_newer_copy_than_every_replica_that_answered_is_waited_for(self) -> None:
        with pytest.raises(LocalBehind):
            rules(mapping()).decide(local(), copy(T3), None)

    @pytest.mark.parametrize(
        ("profile", "remote", "decision"),
        [
            ({}, copy(), Decision.NOOP),
            ({}, copy(None), Decision.NOOP),
            ({}, copy(T1), Decision.NOOP),
            ({}, copy(expires=5), Decision.POST),
            ({"remote_delete_after": 90}, copy(expires=T2.ceil_seconds() + 90), Decision.NOOP),
            ({"remote_delete_after": 90}, copy(), Decision.POST),
            ({"remote_delete_after": 90}, copy(T1, expires=T2.ceil_seconds() + 90), Decision.POST),
            (MOVES, copy(), Decision.NOOP),
            (MOVES, copy(T1), Decision.POST),
            (MOVES, copy(None, x_timestamp=T1), Decision.POST),
        ],
    )
    def test_copy_without_the_expiry_or_mark_that_it_needs_gets_metadata(
        self, profile: dict[str, Any], remote: ObjectInfo, decision: Decision
    ) -> None:
        found = rules(mapping(**profile))
        assert found.decide(local(), remote, None) is decision
        assert found.is_proof(local(), remote, None) is (decision is Decision.NOOP)

    def test_other_bytes_are_no_proof(self) -> None:
        other = copy(md5="b" * 32, etag="b" * 32)
        assert rules(mapping(**MOVES)).decide(local(), other, None) is Decision.PUT
        assert not rules(mapping(**MOVES)).is_proof(local(), other, None)

    def test_copy_without_a_mark_is_no_matter_where_the_store_is_no_swift(self) -> None:
        found = rules(mapping(S3Credentials(), **MOVES))
        assert found.decide(local(), copy(None, x_timestamp=None), None) is Decision.NOOP

    def test_copy_of_a_copy_is_compared_as_the_version_of_its_original(self) -> None:
        assert rules(mapping()).decide(local(origin=of("0" * 8)), copy(T1), None) is Decision.NOOP
        with pytest.raises(LocalBehind):
            rules(mapping()).decide(local(origin=of("0" * 8)), copy(T2), None)


class TestTargetThatIsTheSource:
    def test_own_copy_with_the_same_timestamp_is_not_moved(self) -> None:
        moves = mapping(**MOVES)
        own = local(origin=of(moves.writer))
        with pytest.raises(TargetIsSource):
            rules(moves).decide(own, copy(T1), None)
        assert rules(moves).decide(own, copy(T1, x_timestamp=T3), None) is Decision.NOOP
        keeps = mapping()
        own = local(origin=of(keeps.writer))
        assert rules(keeps).decide(own, copy(T1), None) is Decision.NOOP

    @pytest.mark.parametrize(
        ("writer", "remote", "may_be"),
        [
            (None, copy(None), True),
            (None, copy(), False),
            ("itself", copy(), True),
            ("itself", copy(x_timestamp=None), False),
            ("0" * 8, copy(), False),
            (None, copy(None, x_timestamp=T1), False),
        ],
    )
    def test_remote_object_may_be_the_local_one_by_its_timestamp_and_mark(
        self, writer: str | None, remote: ObjectInfo, may_be: bool
    ) -> None:
        moves = mapping(**MOVES)
        origin = None if writer is None else of(moves.writer if writer == "itself" else writer)
        assert rules(moves).may_be_source(local(origin=origin), remote) is may_be

    def test_mark_that_arrives_at_the_local_object_shows_that_both_are_one(self) -> None:
        moves = mapping(**MOVES)
        for writer, container, is_source in (
            (moves.writer, "c", True),
            ("0" * 8, "c", False),
            (moves.writer, "other", False),
        ):
            headers = {
                "x-object-meta-swift-copy": copy_mark(container, "o", writer),
                "x-object-meta-swift-timestamp": T1.internal,
            }
            node: Any = None
            state = Present(T2, T2, 0, headers, False, node)
            if is_source:
                with pytest.raises(TargetIsSource):
                    rules(moves).check_not_source("o", state)
            else:
                rules(moves).check_not_source("o", state)
