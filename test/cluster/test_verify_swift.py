"""``swift-s3-verify`` with a real Swift as the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import swiftclient

from s3_sync.verify.main import main
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER, TESTER2


@pytest.fixture
def remote(swift: SwiftCluster) -> swiftclient.Connection:
    """The account of the remote side."""
    return swiftclient.Connection(swift.auth_url, TESTER2.name, TESTER2.key)


def arguments(swift: SwiftCluster, user: Any = TESTER2) -> list[str]:
    login = ["--endpoint", swift.auth_url, "--username", user.name, "--password", user.key]
    return ["--protocol", "swift", *login]


def names(remote: swiftclient.Connection) -> list[str]:
    return [entry["name"] for entry in remote.get_account(full_listing=True)[1]]


def test_container_is_left_as_it_was(
    swift: SwiftCluster,
    remote: swiftclient.Connection,
    container_name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    remote.put_container(container_name)
    before = names(remote)
    assert main([*arguments(swift), "--bucket", container_name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["state"] for each in found["checks"]} == {"ok", "note"}
    assert found["needed"] == found["advised"] == {}
    assert names(remote) == before
    assert remote.get_container(container_name)[1] == []


def test_all_containers_are_checked_with_one_that_is_created(
    swift: SwiftCluster, remote: swiftclient.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(remote)
    whole = [*arguments(swift), "--bucket", "/*", "--quick"]
    assert main([*whole, "--storage-policy", "silver"]) == 0
    assert main(arguments(swift)) == 0
    capsys.readouterr()
    assert main([*whole, "--storage-policy", "badPolicyName"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "Invalid X-Storage-Policy 'badPolicyName'" in line
    assert names(remote) == before


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--password", "wrong secret", "401"),
        ("--username", "nobody:at-all", "401"),
        ("--bucket", "missing", "Unexpected status code checking PUT: 404 Not Found"),
        ("--endpoint", "http://127.0.0.1:9/auth/v1.0", "cannot connect"),
        ("--auth-type", "keystone_v3", "argument --project-name is required when --auth-type=keystone_v3"),
    ],
)
def test_what_cannot_be_used_is_told_in_lines(
    swift: SwiftCluster, option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(swift), "--bucket", "c", option, value]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err.splitlines()[0]
    assert TESTER2.key not in captured.err


def test_user_with_acls_alone_can_use_the_containers_that_exist(
    swift: SwiftCluster,
    remote: swiftclient.Connection,
    container_name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As docs/iam.md says: both ACLs, and a container for the segments."""
    acls = {"X-Container-Read": TESTER.name, "X-Container-Write": TESTER.name}
    mapping = {
        "account": "AUTH_a",
        "container": "c",
        "aws_bucket": container_name,
        "protocol": "swift",
        "aws_endpoint": swift.auth_url,
        "aws_identity": TESTER.name,
        "aws_secret": TESTER.key,
        "remote_account": remote.get_auth()[0].rpartition("/")[2],
    }
    top = {"devices": str(tmp_path), "items_chunk": 1, "status_dir": str(tmp_path / "status")}
    path = tmp_path / "sync.json"
    path.write_text(json.dumps({**top, "containers": [mapping]}))
    path.chmod(0o600)
    run = ["--config", str(path), "--quick"]
    remote.put_container(container_name, acls)
    assert main(run) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(f"needed: a role on the account, such as swiftoperator, for {TESTER.name}")
    remote.put_container(f"{container_name}_segments", acls)
    assert main(run) == 0
    remote.post_container(container_name, {"X-Container-Write": ""})
    capsys.readouterr()
    assert main(run) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "Unexpected status code deleting obj: 403 Forbidden: " in lines[0]
    assert f"X-Container-Write: {TESTER.name} on the container {container_name}" in lines[0]
    assert remote.get_container(container_name)[1] == []
