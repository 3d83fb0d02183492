"""The checks that operators run with ``swift-s3-verify``, against every store: what they find is what the
tests of this suite know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest

from conformance.conftest import BUCKET
from conformance.targets import ONE_WAY, Target
from s3_sync.errors import NotFound
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, Provider
from s3_sync.providers.checks.access import ACCESS
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import list_names, put, tidy
from s3_sync.providers.checks.suite import ALL

#: what checks say that find nothing of note
TEXTS = {
    "HEAD": "",
    "LIST": "",
    "ETags": "MD5s",
    "digests": "checked",
    "checksums": "md5, crc32, crc64nvme, sha256",
    "conditional metadata": "enforced (x-amz-copy-source-if-match)",
    "gzip": "as they are stored",
    "listings": "complete and in order",
    "kinds of names": "of all kinds",
    "length of names": "1,024 bytes",
    "kinds of metadata": "of all kinds",
    "clock": "agrees with this machine's",
}
#: of a store without properties to choose
PLAIN_TEXTS = {"checksums": "the provider's own", "conditional metadata": "enforced"}
BY_NAME = {check.name: check for check in ALL}


class Shop:
    """A site at one store, whose providers with other properties are closed at the end."""

    def __init__(self, target: Target, provider: Provider, namer: KeyNamer) -> None:
        self._target, self._provider, self._namer = target, provider, namer
        self._others: list[Provider] = []
        properties = {} if target.store == "memory" else target.credentials.properties
        self.site = Site(self._open, properties)

    def _open(self, changes: Mapping[str, object]) -> Bucket:
        provider = self._provider
        if changes:
            provider = self._target.build(self._target.credentials.with_properties(changes))
            self._others.append(provider)
        return provider.bucket(BUCKET, self._namer)

    def close(self) -> None:
        for provider in self._others:
            provider.close()


@pytest.fixture
def site(target: Target, provider: Provider, namer: KeyNamer) -> Iterator[Site]:
    shop = Shop(target, provider, namer)
    yield shop.site
    shop.close()


@pytest.mark.parametrize("target", ONE_WAY, indirect=True)
@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name)
def test_check_finds_what_is_known_of_the_store_and_leaves_nothing(
    site: Site, target: Target, bucket: Bucket, check: Check
) -> None:
    if check in ACCESS and check.name != "PUT":
        put(site.bucket(), site.name)
    if check.name == "metadata":
        BY_NAME["POST"].run(site)
    found = check.run(site)
    texts = TEXTS if site.properties else TEXTS | PLAIN_TEXTS
    expected = target.quirks.found.get(check.name, Finding(texts.get(check.name, found.text)))
    assert found == expected
    assert tidy(site.bucket(), sorted(site.written)) == []
    assert list_names(bucket) == []
    with suppress(NotFound):  # rclone, where there has never been any
        assert list(bucket.list_uploads()) == []
