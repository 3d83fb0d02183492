"""A cluster that encrypts: plaintext where there is a key, and never ciphertext."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
import swiftclient

from s3_sync.cluster.client import has_encryption
from s3_sync.cluster.newest import Present
from s3_sync.errors import LocalChanged, LocalMissing, ObjectRefused
from s3_sync.model.objects import ByteRange
from s3_sync.streams.reader import read_all
from servers.local import Local
from servers.swift import SwiftCluster

BODY = b"nobody may read this on the disk " * 5000


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    return start_server(SwiftCluster(encryption=True))


@pytest.fixture(scope="module")
def local(cluster: SwiftCluster) -> Iterator[Local]:
    with Local(cluster) as local:
        yield local


@pytest.fixture(scope="module")
def keyless(cluster: SwiftCluster) -> Iterator[Local]:
    """A node where the operator forgot internal-client.conf."""
    with Local(cluster, internal_client_path=str(cluster.etc / "absent.conf")) as local:
        yield local


def test_open_with_key_returns_plaintext_of_the_expected_version(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "ü", BODY, headers={"X-Object-Meta-Größe": "groß"})
    state = local.newest_of(container_name, "ü")
    assert isinstance(state, Present)
    with local.reader.open(local.account, container_name, "ü", 0, state.data_timestamp) as found:
        assert (found.kind, found.info.size) == ("plain", len(BODY))
        assert found.info.md5 == hashlib.md5(BODY).hexdigest()
        assert (found.info.data_timestamp, found.info.timestamp) == (state.data_timestamp, state.timestamp)
        assert found.info.meta.user == {"größe": "groß"}
        assert read_all(found.body) == BODY
        found.body.rewind()
        assert read_all(found.body) == BODY
    byte_range = ByteRange(10, 19)
    with local.reader.open(local.account, container_name, "ü", 0, None, byte_range) as found:
        assert (found.info.size, read_all(found.body)) == (len(BODY), BODY[10:20])
    with pytest.raises(LocalChanged):
        local.reader.open(local.account, container_name, "ü", 0, None, ByteRange(10_000_000))
    client.put_object(container_name, "ü", b"new")
    with pytest.raises(LocalChanged):
        local.reader.open(local.account, container_name, "ü", 0, state.data_timestamp)
    client.delete_object(container_name, "ü")
    with pytest.raises(LocalMissing):
        local.reader.open(local.account, container_name, "ü", 0)


def test_open_of_symlink_has_target_bytes_and_timestamps_of_the_link(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "target", BODY)
    client.put_object(container_name, "o", b"", headers={"X-Symlink-Target": f"{container_name}/target"})
    client.put_object(container_name, "target", BODY[::-1])
    link = local.newest_of(container_name, "o")
    assert isinstance(link, Present)
    with local.reader.open(local.account, container_name, "o", 0, link.data_timestamp) as found:
        assert (found.kind, found.info.data_timestamp) == ("symlink", link.data_timestamp)
        assert read_all(found.body) == BODY[::-1]
    client.delete_object(container_name, "target")
    with pytest.raises(ObjectRefused) as caught:
        local.reader.open(local.account, container_name, "o", 0)
    assert caught.value.reason == "symlink_broken"


@pytest.mark.parametrize("headers", [{}, {"X-Object-Meta-A": "secret"}])
@pytest.mark.parametrize("body", [BODY, b"x"])
def test_open_without_key_raises_encrypted_no_key(
    keyless: Local, client: swiftclient.Connection, container_name: str, headers: dict[str, str], body: bytes
) -> None:
    client.put_object(container_name, "o", body, headers=headers)
    with pytest.raises(ObjectRefused) as caught:
        keyless.reader.open(keyless.account, container_name, "o", 0)
    assert caught.value.reason == "encrypted_no_key"


def test_empty_object_without_key_opens_only_if_it_has_no_metadata(
    keyless: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "o", b"", headers={"X-Object-Meta-A": "secret"})
    with pytest.raises(ObjectRefused):
        keyless.reader.open(keyless.account, container_name, "o", 0)
    client.put_object(container_name, "nothing-secret", b"")
    with keyless.reader.open(keyless.account, container_name, "nothing-secret", 0) as found:
        assert found.info.size == 0


def test_open_without_key_of_symlink_to_encrypted_object_raises_no_key(
    keyless: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "target", BODY)
    client.put_object(container_name, "o", b"", headers={"X-Symlink-Target": f"{container_name}/target"})
    with pytest.raises(ObjectRefused) as caught:
        keyless.reader.open(keyless.account, container_name, "o", 0)
    assert caught.value.reason == "encrypted_no_key"


def test_has_encryption_follows_the_internal_client_configuration(cluster: SwiftCluster) -> None:
    assert has_encryption(str(cluster.internal_client_conf))
    assert not has_encryption(str(cluster.etc / "absent.conf"))
