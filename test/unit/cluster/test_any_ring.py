"""Ring files with any content: those that cannot be read raise an error of one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from swift.common.storage_policy import StoragePolicy, StoragePolicyCollection

from s3_sync.cluster.brokers import Brokers
from s3_sync.cluster.rings import ObjectRings
from s3_sync.config.settings import Settings
from s3_sync.errors import LocalError, LocalUnavailable

ACCOUNT, CONTAINER = "AUTH_a", "c"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"R1NG\0\1",
        gzip.compress(b"R1NG\0\1\0\0\0\5[]", mtime=0),
        gzip.compress(b"x" * 100, mtime=0)[:30],
    ],
    ids=["empty", "zeros", "not packed", "cut header", "cut pack"],
)
def test_damaged_ring_file_is_reported_as_no_ring(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Swift keeps a ring with its policy: another test of this process may have loaded one
    fresh = StoragePolicyCollection([StoragePolicy(0, "gold", is_default=True)])
    monkeypatch.setattr("s3_sync.cluster.rings.POLICIES", fresh)
    (tmp_path / "container.ring.gz").write_bytes(content)
    (tmp_path / "object.ring.gz").write_bytes(content)
    with pytest.raises(LocalError, match="no container ring in"):
        Brokers(Settings("/srv", 10, str(tmp_path), swift_dir=str(tmp_path)))
    with pytest.raises(LocalUnavailable, match="no object ring for storage policy 0"):
        ObjectRings(str(tmp_path)).placement(0, ACCOUNT, CONTAINER, "o")
