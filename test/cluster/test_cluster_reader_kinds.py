"""Symlinks, versions, large objects, and the list of containers, as the product sees them."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

import pytest
import swiftclient

from s3_sync.cluster.accounts import Accounts
from s3_sync.cluster.references import References
from s3_sync.errors import LocalChanged, ObjectRefused
from s3_sync.streams.reader import read_all
from servers.local import Local, Open
from servers.raw_swift import RawSwift

BODY = bytes(n * 13 % 256 for n in range(200_000))


def test_open_of_symlink_reads_the_target_and_raises_if_it_changed(
    local: Local, client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "target", BODY, headers={"X-Object-Meta-A": "1"})
    client.put_object(container_name, "o", b"", headers={"X-Symlink-Target": f"{container_name}/target"})
    link = local.version(container_name, "o")
    client.put_object(container_name, "target", BODY[::-1], headers={"X-Object-Meta-A": "2"})
    found = opened("o", 0, link.data_timestamp)
    assert found.kind == "symlink"
    assert (found.info.data_timestamp, found.info.timestamp) == (link.data_timestamp, link.timestamp)
    assert (found.info.size, found.info.md5) == (len(BODY), hashlib.md5(BODY[::-1]).hexdigest())
    assert found.info.meta.user == {"a": "2"}
    found.body.read(10)
    found.body.rewind()
    assert read_all(found.body) == BODY[::-1]
    client.put_object(container_name, "target", BODY)
    with pytest.raises(LocalChanged):
        found.body.rewind()
    client.delete_object(container_name, "target")
    with pytest.raises(ObjectRefused) as caught:
        opened("o")
    assert caught.value.reason == "symlink_broken"


@pytest.mark.parametrize("target", ["a%00b", "%FF", "n" * 1100])
@pytest.mark.usefixtures("client")
def test_link_to_a_name_that_no_object_can_have_is_broken(
    local: Local, container_name: str, opened: Open, target: str
) -> None:
    """Not a sign that servers fail, of which users could write any number."""
    RawSwift(local.cluster).put(
        container_name, "o", b"", {"X-Symlink-Target": f"{quote(container_name)}/{target}"}
    )
    with pytest.raises(ObjectRefused) as caught:
        opened("o")
    assert caught.value.reason == "symlink_broken"


def test_open_in_versioned_container_reads_the_current_version(
    client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    """Each object is a symlink to a hidden container."""
    client.post_container(container_name, {"X-Versions-Enabled": "true"})
    client.put_object(container_name, "o", b"one")
    client.put_object(container_name, "o", b"two")
    found = opened("o")
    assert (found.kind, read_all(found.body)) == ("symlink", b"two")


def test_open_of_large_object_returns_its_kind_and_raw_manifest(
    client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    etag = client.put_object(container_name, "segment", b"abc")
    manifest = json.dumps([{"path": f"/{container_name}/segment", "etag": etag, "size_bytes": 3}])
    client.put_object(container_name, "slo", manifest, query_string="multipart-manifest=put")
    client.put_object(container_name, "dlo", b"", headers={"X-Object-Manifest": f"{container_name}/seg"})
    slo = opened("slo")
    assert (slo.kind, slo.info.md5) == ("slo", None)
    assert json.loads(read_all(slo.body))[0]["hash"] == etag
    dlo = opened("dlo")
    assert (dlo.kind, dlo.info.size, dlo.info.md5) == ("dlo", 0, None)


def test_containers_lists_all_pages_in_order_without_hidden_ones(
    local: Local, client: swiftclient.Connection, container_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hidden containers are Swift's own, such as those that hold old versions."""
    names = [f"{container_name}-{end}" for end in ("a", "b", "z", "ü")]
    for name in names:
        client.put_container(name)
    client.post_container(container_name, {"X-Versions-Enabled": "true"})
    monkeypatch.setattr("s3_sync.cluster.client._PAGE", 2)
    found = list(local.client.containers(local.account))
    assert [name for name in found if name.startswith(f"{container_name}-")] == names
    assert found == sorted(found, key=lambda name: name.encode())
    assert not any(name.startswith("\0") for name in found)
    assert list(local.client.containers(local.account, after=names[1]))[:2] == names[2:]
    assert list(local.client.containers("AUTH_nobody")) == []


def test_account_walk_skips_a_container_deleted_during_the_walk(local: Local, container_name: str) -> None:
    account = f"AUTH_{container_name}"
    client = local.cluster.client("admin:admin", account)
    for name in ("first", "second"):
        client.put_container(name)
    client.put_object("second", "dynamic", b"", headers={"X-Object-Manifest": "segments/of"})
    references = References(local.reader, local.newest, local.client)
    names = Accounts(local.client, references).names(account)
    walk = names.walk(1.0)
    next(walk)  # it has asked for the first one
    client.delete_container("first")
    assert list(walk) != []
    assert names.seen_until == 1.0
    assert names.has("segments", "of/1")
    client.delete_object("second", "dynamic")
    client.delete_container("second")
    assert list(local.client.objects(account, "second", "", reserved=True)) == []
