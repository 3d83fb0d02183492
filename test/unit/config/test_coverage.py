"""Which mappings a container has."""

from __future__ import annotations

from s3_sync.config.coverage import Coverage
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer


def mapping(container: str, bucket: str = "b", account: str = "A", **profile: bool) -> Mapping:
    return Mapping(
        account, container, bucket, S3Credentials(), Profile(**profile), KeyNamer.hashed(account, container)
    )


def of(coverage: Coverage, container: str, account: str = "A") -> list[tuple[str, str, str]]:
    return [(each.container, each.bucket, each.namer.prefix) for each in coverage.all_for(account, container)]


def test_all_for_container_returns_mappings_in_file_order() -> None:
    coverage = Coverage([mapping("c", "1"), mapping("/*", "2"), mapping("c", "3"), mapping("/*", "4", "B")])
    prefix = KeyNamer.hashed("A", "c").prefix
    assert of(coverage, "c") == [("c", "1", prefix), ("c", "2", prefix), ("c", "3", prefix)]
    assert of(coverage, "d") == [("d", "2", KeyNamer.hashed("A", "d").prefix)]
    assert of(coverage, "c", "C") == []


def test_all_for_mappings_with_equal_keys_returns_the_container_mapping() -> None:
    own = mapping("c")
    assert Coverage([mapping("/*"), own]).all_for("A", "c") == [own]
    assert len(Coverage([mapping("/*"), own]).all_for("A", "d")) == 1


def test_all_for_reserved_container_returns_no_account_mapping() -> None:
    assert of(Coverage([mapping("/*")]), "\0versions\0c") == []


def test_all_for_mapped_or_segment_container_omits_moving_account_mapping() -> None:
    coverage = Coverage([mapping("/*", retain_local=False), mapping("own", "elsewhere")])
    assert [bucket for _, bucket, _ in of(coverage, "own")] == ["elsewhere"]
    assert of(coverage, "c_segments") == of(coverage, "c+segments") == []
    assert len(of(coverage, "c_segments_")) == 1
    assert len(of(Coverage([mapping("/*")]), "c_segments")) == 1
