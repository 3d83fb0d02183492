"""The policy of docs/iam.md suffices, and each action in it is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from s3_sync.verify.main import main
from servers.daemon import NewDaemon
from servers.iam import IamServer
from servers.large import Large
from servers.pair import Pair, Store, sync
from servers.raw_swift import RawSwift
from servers.server import AnyServer
from servers.shunted import Archive, Shunted
from servers.swift import SwiftCluster

PAGE = Path(__file__).parents[2] / "docs" / "iam.md"
[POLICY] = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
#: moto wants s3:DeleteObject for the bucket itself where many objects are deleted at once; Amazon does not
OPTIONS = {"dialect": {"max_deletes": 0}}
ACTIONS = [action for statement in POLICY["Statement"] for action in statement["Action"]]


@pytest.fixture(scope="module")
def iam(start_server: Callable[[AnyServer], AnyServer]) -> IamServer:
    server = start_server(IamServer())
    assert isinstance(server, IamServer)
    return server.enforce()


@pytest.fixture
def bucket(iam: IamServer) -> str:
    """A bucket for which the user has the policy of the page."""
    name = iam.create_bucket(f"bucket-{uuid4().hex[:12]}")
    iam.permit(policy(name))
    return name


def policy(bucket: str, without: str = "") -> dict[str, Any]:
    """The policy of the page for this bucket, without an action."""
    found: dict[str, Any] = json.loads(json.dumps(POLICY).replace("lab-archive", bucket))
    for statement in found["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    return found


def verify(iam: IamServer, bucket: str, tmp_path: Path, *arguments: str) -> int:
    store = iam.store()
    mapping = {
        "account": "AUTH_a",
        "container": "c",
        "aws_bucket": bucket,
        "aws_endpoint": store.endpoint,
        "aws_identity": store.identity,
        "aws_secret": store.secret,
        **OPTIONS,
    }
    top = {"devices": str(tmp_path), "items_chunk": 1, "status_dir": str(tmp_path / "status")}
    path = tmp_path / "sync.json"
    path.write_text(json.dumps({**top, "containers": [mapping]}))
    path.chmod(0o600)
    return main(["--config", str(path), *arguments])


def is_empty(iam: IamServer, bucket: str) -> bool:
    s3 = iam.client()
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return not s3.list_objects_v2(Bucket=bucket)["KeyCount"] and not uploads


def test_verify_succeeds_with_the_policy_and_nothing_beside_it(
    iam: IamServer, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(iam, bucket, tmp_path, "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    [report] = json.loads(captured.out)["mappings"]
    denied = [check["check"] for check in report["checks"] if check["grant"]]
    assert denied == ["lifecycle rules"]  # which only an option needs
    assert is_empty(iam, bucket)


@pytest.mark.parametrize("action", ACTIONS)
def test_action_that_is_taken_out_is_named_as_missing(
    iam: IamServer, bucket: str, tmp_path: Path, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    iam.permit(policy(bucket, without=action))
    assert verify(iam, bucket, tmp_path, "--quick") == 1
    missing = capsys.readouterr().err.splitlines()
    assert missing
    assert all("403 Forbidden" in line and f'"{action}"' in line for line in missing)
    others = {word for line in missing for word in re.findall(r"s3:\w+", line)} - {action}
    assert others <= {"s3:PutObject"}  # which a copy needs as well
    assert is_empty(iam, bucket)


def test_daemon_copies_replaces_and_deletes_with_the_policy(
    swift: SwiftCluster, iam: IamServer, bucket: str, new_daemon: NewDaemon
) -> None:
    pair = Pair(RawSwift(swift), iam.store(), f"container-{uuid4().hex[:12]}", bucket, **OPTIONS)
    pair.s3 = iam.client()
    pair.swift.put_container(pair.container)
    large = Large(pair)
    daemon = new_daemon(pair)
    for name in ("plain", "posted", "gone"):
        pair.put(name)
    large.put_slo("large", [large.segment("1", 5 << 20), large.segment("2", 1000)])
    sync(daemon, pair)
    pair.post("posted", {"X-Object-Meta-Colour": "red"})
    pair.delete("gone")
    sync(daemon, pair)
    daemon.stop()
    assert sorted(pair.arrived()) == ["large", "plain", "posted"]
    for name in ("plain", "posted"):
        pair.check_object(name)
    assert large.manifest("large")


def test_shunt_lists_reads_restores_and_deletes_with_the_policy(shunted: Shunted, iam: IamServer) -> None:
    user, admin = iam.store(), Store.server(iam)
    keys = {"aws_identity": user.identity, "aws_secret": user.secret}
    archive = Archive(shunted, admin, restore_object=True, propagate_delete=True, **keys, **OPTIONS)
    iam.permit(policy(archive.bucket))
    archive.store("a", b"archived")
    archive.store("b", b"too")
    assert archive.swift.names(archive.container) == ["a", "b"]
    assert archive.ask("HEAD", "b").status == 200
    assert archive.get("a").body == b"archived"
    assert archive.restored("a").body == b"archived"
    assert archive.get("missing").status == 404
    assert archive.ask("DELETE", "b").status == 204
    assert archive.stored() == [f"{archive.prefix}a"]
