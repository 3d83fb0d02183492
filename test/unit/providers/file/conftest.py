"""A share, and a bucket of it whose keys are the names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.model.keys import KeyNamer
from s3_sync.providers.file.bucket import FileBucket
from s3_sync.providers.file.provider import FileProvider
from servers.shared_directory import SharedDirectory

NAMER = KeyNamer.literal("")


@pytest.fixture(params=["xattr", "sidecar"])
def share(request: pytest.FixtureRequest) -> Iterator[SharedDirectory]:
    """Each test runs with metadata in extended attributes, and in sidecars."""
    share = SharedDirectory(sidecars=request.param == "sidecar")
    yield share
    share.remove()


@pytest.fixture
def provider(share: SharedDirectory) -> Iterator[FileProvider]:
    provider = share.provider()
    provider.create_bucket("b")
    yield provider
    provider.close()


@pytest.fixture
def bucket(provider: FileProvider) -> FileBucket:
    return provider.bucket("b", NAMER)


@pytest.fixture
def directory(share: SharedDirectory, bucket: FileBucket) -> Path:
    """The bucket's directory."""
    return share.path / "b"


def objects_in(directory: Path) -> set[str]:
    """The files that users of the share see, without those of the bucket itself."""
    found = (path.relative_to(directory) for path in directory.rglob("*") if not path.is_dir())
    own = ("%tmp", "%uploads", "%locks", "%meta", "%swift-s3-sync.json")
    return {str(path) for path in found if path.parts[0] not in own}
