"""Symlinks, and metadata and ACLs of containers, from Swift to Swift: the daemon and cloud-shunt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from servers.daemon import SyncDaemon
from servers.raw_swift import RawSwift
from servers.server import AnyServer
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import READER, TESTER, TESTER2

BODY = b"0123456789"
MD5 = hashlib.md5(BODY).hexdigest()


class ToSwift:
    """A container mapped to one of the other account; ``every``: all of a new account, to that one's."""

    def __init__(
        self, cluster: SwiftCluster, directory: Path, *, every: bool = False, **options: Any
    ) -> None:
        account = f"AUTH_{uuid4().hex[:12]}" if every else None
        self.here = RawSwift(cluster, "admin:admin" if every else None, account)
        self.there = RawSwift(cluster, TESTER2.name)
        self.container = f"c-{uuid4().hex[:12]}"
        self.bucket = f"b-{uuid4().hex[:12]}"
        self.here.put_container(self.container)
        self.mapping = {
            "account": self.here.account,
            "container": "/*" if every else self.container,
            "protocol": "swift",
            "aws_bucket": self.bucket,
            "aws_endpoint": cluster.auth_url,
            "aws_identity": TESTER2.name,
            "aws_secret": TESTER2.key,
            **options,
        }
        self.daemon = SyncDaemon(cluster, directory / uuid4().hex[:8], [self.mapping])

    def once(self) -> int:
        return self.daemon.once().returncode

    def link(self, name: str, target: str, container: str = "", **headers: str) -> None:
        more = {key.replace("_", "-"): value for key, value in headers.items()}
        self.here.put(container or self.container, name, b"", {"X-Symlink-Target": target, **more})

    def failed(self) -> dict[str, str]:
        found = json.loads(self.daemon.ctl("failed", "--json").stdout)["failures"]
        return {each["name"]: each["reason"] for each in found}


@pytest.fixture
def new(swift: SwiftCluster, tmp_path: Path) -> Callable[..., ToSwift]:
    return lambda **options: ToSwift(swift, tmp_path, **options)


def test_links_of_a_container_lead_to_the_copies(new: Callable[..., ToSwift]) -> None:
    mapped = new()
    here, there, c, b = mapped.here, mapped.there, mapped.container, mapped.bucket
    here.put(c, "target", BODY)
    mapped.link("a-link", f"{c}/target", X_Object_Meta_Colour="grün")
    mapped.link("a-static", f"{c}/target", X_Symlink_Target_Etag=MD5)
    mapped.link("broken", f"{c}/nothing")
    mapped.link("elsewhere", "another/object")
    mapped.link("stranger", f"{c}/target", X_Symlink_Target_Account="AUTH_x")
    assert mapped.once() == 1
    assert mapped.failed() == dict.fromkeys(("elsewhere", "stranger"), "symlink_elsewhere")
    assert there.names(b) == ["a-link", "a-static", "broken", "target"]
    for name in ("a-link", "a-static"):
        answer = there.request("GET", b, name)
        assert (answer.body, answer.headers["content-location"]) == (BODY, f"/v1/{there.account}/{b}/target")
    assert there.ask("GET", b, "broken").status == 404
    link = there.request("HEAD", b, "a-link", query="symlink=get")
    assert link.headers["x-object-meta-colour"] == "grün"
    # what is a link now, what is none any more, and what is gone
    here.put(c, "a-link", b"an object")
    mapped.link("target", f"{c}/a-link")
    here.delete(c, "broken")
    here.ask("POST", c, "a-static", headers={"X-Object-Meta-Colour": "red"})
    assert mapped.once() == 1
    assert there.request("GET", b, "a-link").body == there.request("GET", b, "target").body == b"an object"
    static = there.request("HEAD", b, "a-static", query="symlink=get").headers
    assert (static["x-object-meta-colour"], static["x-symlink-target-etag"]) == ("red", MD5)
    assert there.names(b) == ["a-link", "a-static", "target"]


def test_links_of_versions_are_links(new: Callable[..., ToSwift]) -> None:
    """The object of such a container is a link that nobody sees; it may lead to one that clients see."""
    mapped = new()
    mapped.here.request("POST", mapped.container, headers={"X-Versions-Enabled": "true"})
    mapped.here.put(mapped.container, "target", BODY)
    mapped.link("link", f"{mapped.container}/target")
    assert mapped.once() == 0
    link = mapped.there.request("HEAD", mapped.bucket, "link", query="symlink=get").headers
    assert link["x-symlink-target"] == f"{mapped.bucket}/target"
    target = mapped.there.request("HEAD", mapped.bucket, "target", query="symlink=get").headers
    assert "x-symlink-target" not in target
    assert target["etag"] == MD5


def test_metadata_and_acls_of_all_containers_of_an_account(new: Callable[..., ToSwift]) -> None:
    mapped = new(every=True, sync_container_metadata=True, sync_container_acl=True)
    here, there, c, b = mapped.here, mapped.there, mapped.container, mapped.bucket
    other = f"{c}-other"
    here.put_container(other, {"X-Container-Read": "test:tester3"})
    here.request(
        "POST",
        c,
        headers={
            "X-Container-Meta-Colour": "grün",
            "X-Container-Meta-Temp-Url-Key": "secret",
            "X-Container-Meta-Quota-Count": "1",
            "X-Container-Read": ".r:*,.rlistings",
        },
    )
    here.put(c, "object", BODY)
    mapped.link("link", f"{c}/object", other)
    assert mapped.once() == 0
    found = there.request("HEAD", b + c).headers
    assert (found["x-container-meta-colour"], found["x-container-read"]) == ("grün", ".r:*,.rlistings")
    assert not [name for name in found if "temp-url" in name or "quota" in name]
    assert there.request("HEAD", b + other).headers["x-container-read"] == "test:tester3"
    assert there.request("GET", b + other, "link").body == BODY
    # whoever may read the copy of the link may not read any more than that Swift allows
    reader = RawSwift(there.cluster, READER.name, there.account)
    assert reader.ask("GET", b + other, "link").body == BODY
    here.request("POST", c, headers={"X-Container-Read": "", "X-Container-Meta-Colour": ""})
    assert mapped.once() == 0
    found = there.request("HEAD", b + c).headers
    assert not {"x-container-read", "x-container-meta-colour"} & found.keys()
    assert reader.ask("GET", b + other, "link").status == 403
    # a container that is gone has no ACL
    here.delete(other, "link")
    here.request("DELETE", other)
    assert mapped.once() == 0
    assert "x-container-read" not in there.request("HEAD", b + other).headers


def test_acl_that_the_remote_refuses_is_on_record(new: Callable[..., ToSwift]) -> None:
    mapped = new(sync_container_metadata=True)
    name = "X-Container-Meta-" + "n" * 100
    mapped.here.request("POST", mapped.container, headers={f"{name}{n}": "v" for n in range(100, 120)})
    mapped.here.put(mapped.container, "object", BODY)
    mapped.there.put_container(mapped.bucket, {f"{name}{n}": "v" for n in range(200, 220)})
    assert mapped.once() == 1
    assert mapped.failed() == {"": "remote_refused"}
    status = json.loads(mapped.daemon.ctl("status", "--json").stdout)["mappings"][0]
    assert (status["metadata"], status["state"]) == (1, "retrying")
    assert mapped.there.request("GET", mapped.bucket, "object").body == BODY


@pytest.fixture(scope="module")
def encrypted(start_server: Callable[[AnyServer], AnyServer]) -> SwiftCluster:
    return start_server(SwiftCluster(encryption=True))


def test_link_of_a_cluster_with_encryption_has_its_metadata(encrypted: SwiftCluster, tmp_path: Path) -> None:
    mapped = ToSwift(encrypted, tmp_path)
    mapped.here.put(mapped.container, "target", BODY)
    mapped.link("link", f"{mapped.container}/target", X_Object_Meta_Colour="grün")
    assert mapped.once() == 0
    link = mapped.there.request("HEAD", mapped.bucket, "link", query="symlink=get").headers
    assert (link["x-object-meta-colour"], link["x-symlink-target"]) == ("grün", f"{mapped.bucket}/target")


def test_moved_link_is_read_with_the_readers_own_rights(shunted: Shunted, tmp_path: Path) -> None:
    options = {"retain_local": False, "merge_namespaces": True, "propagate_delete": False, "copy_after": 0}
    mapped = ToSwift(shunted, tmp_path, every=True, **options)
    here, public = mapped.here, mapped.container
    private = f"{public}-private"
    here.put_container(private)
    here.request("POST", public, headers={"X-Container-Read": READER.name})
    here.put(public, "target", BODY)
    here.put(private, "secret", b"a secret")
    for name, target in (("open", f"{public}/target"), ("closed", f"{private}/secret")):
        mapped.link(name, target)
    mapped.link("static", f"{public}/target", X_Symlink_Target_Etag=MD5)
    bypass = {"X-Cloud-Sync-Shunt-Bypass": "yes"}
    assert mapped.once() == 0
    shunted.add(mapped.mapping)
    for container, name in ((public, "open"), (public, "closed"), (public, "static"), (private, "secret")):
        assert here.ask("HEAD", container, name, headers=bypass).status == 404
    reader = RawSwift(shunted, READER.name, here.account)
    for name in ("open", "static"):
        answer = reader.ask("GET", public, name, headers={"Range": "bytes=2-4"})
        assert (answer.status, answer.body) == (206, BODY[2:5])
        assert answer.headers["content-location"] == f"/v1/{here.account}/{public}/target"
    assert reader.ask("GET", private, "secret").status == 403
    refused = reader.ask("GET", public, "closed")
    assert (refused.status, b"secret" in refused.body) == (403, False)
    assert here.request("GET", public, "closed").body == b"a secret"
    described = reader.ask("HEAD", public, "closed", query="symlink=get")
    assert described.headers["x-symlink-target"] == f"{private}/secret"
    rows = json.loads(here.request("GET", public, query="format=json").body)
    paths = {row["name"]: row["symlink_path"] for row in rows if "symlink_path" in row}
    assert paths["closed"] == f"/v1/{here.account}/{private}/secret"
    assert paths.keys() == {"open", "closed", "static"}
    # a new object in the cluster is what the link leads to
    here.put(public, "target", b"newer")
    assert reader.ask("GET", public, "open").body == b"newer"
    assert reader.ask("GET", public, "static").status == 409


def test_links_of_two_clusters_that_copy_to_each_other_settle(swift: SwiftCluster, tmp_path: Path) -> None:
    there = ToSwift(swift, tmp_path)
    here, c, b = there.here, there.container, there.bucket
    back = {**there.mapping, "account": there.there.account, "container": b, "aws_bucket": c}
    back |= {"aws_identity": TESTER.name, "aws_secret": TESTER.key}
    back_again = SyncDaemon(swift, tmp_path / "back", [back])

    def settle(*first: str) -> None:
        runs = (back_again, there.daemon) if first else (there.daemon, back_again)
        assert [daemon.once().returncode for daemon in runs] == [0, 0]

    def links() -> list[tuple[str, str, str]]:
        found = [
            (side.request("HEAD", container, "link", query="symlink=get").headers)
            for side, container in ((here, c), (there.there, b))
        ]
        return [(h["x-symlink-target"], h["x-timestamp"], h.get("x-object-meta-by", "")) for h in found]

    here.put(c, "one", BODY)
    here.put(c, "two", b"2")
    there.link("link", f"{c}/one", X_Object_Meta_By="here")
    settle()
    before = links()
    assert [(target, by) for target, _, by in before] == [(f"{c}/one", "here"), (f"{b}/one", "here")]
    settle()
    assert links() == before
    there.there.put(b, "link", b"", {"X-Symlink-Target": f"{b}/two", "X-Object-Meta-By": "there"})
    settle("there")
    assert [(target, by) for target, _, by in links()] == [(f"{c}/two", "there"), (f"{b}/two", "there")]
    there.there.delete(b, "link")
    settle("there")
    assert here.names(c) == there.there.names(b) == ["one", "two"]
