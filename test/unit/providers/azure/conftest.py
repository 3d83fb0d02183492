"""A strict blob service of each test's own, and our provider at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.config.secret import Secret
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.providers.azure.provider import AzureProvider
from s3_sync.providers.base import Bucket, WriteOptions
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from servers.fake_azure import ACCOUNT, KEY, FakeAzure

NewBucket = Callable[..., AzureBucket]


@pytest.fixture
def service() -> Iterator[FakeAzure]:
    with FakeAzure() as server:
        yield server


def credentials(service: FakeAzure, **changes: Any) -> AzureCredentials:
    given = {"identity": ACCOUNT, "secret": Secret(KEY), "endpoint": service.endpoint, **changes}
    return AzureCredentials(provider="azure", **given)


@pytest.fixture
def new_bucket(service: FakeAzure) -> Iterator[NewBucket]:
    """``new_bucket(prefix="p/", storage_class="Cool", sas_token=...)``; the container is ``box``."""
    providers: list[AzureProvider] = []

    def new(prefix: str = "", storage_class: str = "", **changes: Any) -> AzureBucket:
        provider = AzureProvider(credentials(service, **changes))
        providers.append(provider)
        write = WriteOptions(storage_class=storage_class)
        return provider.bucket("box", KeyNamer.literal(prefix), write)

    provider = AzureProvider(credentials(service))
    provider.create_bucket("box")
    providers.append(provider)
    yield new
    for each in providers:
        each.close()


@pytest.fixture
def bucket(new_bucket: NewBucket) -> AzureBucket:
    return new_bucket()


def put(bucket: Bucket, name: str, data: bytes, meta: ObjectMeta | None = None, **conditions: Any) -> str:
    options = PutOptions(len(data), meta or ObjectMeta(), md5_hex(data), **conditions)
    return bucket.put_object(name, BytesBody(data), options).etag
