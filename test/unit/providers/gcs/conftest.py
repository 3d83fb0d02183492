"""A provider of a strict Google Cloud Storage in this process, and one bucket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.config.secret import Secret
from s3_sync.http.pool import Timeouts
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.gcs import resumable
from s3_sync.providers.gcs.bucket import GcsBucket
from s3_sync.providers.gcs.provider import GcsProvider
from servers.fake_gcs import Bucket, FakeGcs

TIMEOUTS = Timeouts(5.0, 5.0, 5.0)
STEP = 256 * 1024


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of more than 256 KiB are sent in chunks, and nothing waits."""
    monkeypatch.setattr("s3_sync.providers.gcs.resumable.CHUNK_SIZE", STEP)
    monkeypatch.setattr("s3_sync.providers.gcs.writes.MAX_AT_ONCE", STEP)
    monkeypatch.setattr(resumable, "exponential", lambda *_: lambda attempts: 0.0)


@pytest.fixture
def fake() -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        server.buckets["bucket"] = Bucket("bucket")
        yield server


@pytest.fixture
def provider(fake: FakeGcs) -> Iterator[GcsProvider]:
    credentials = GcsCredentials(provider="gcs", endpoint=fake.endpoint, secret=Secret(fake.key_json))
    provider = GcsProvider(credentials, connections=4, timeouts=TIMEOUTS)
    yield provider
    provider.close()


@pytest.fixture
def bucket(provider: GcsProvider) -> GcsBucket:
    return provider.bucket("bucket", KeyNamer.literal("p/"))
