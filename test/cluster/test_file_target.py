"""A directory on a mounted share as the target: daemon, middleware, swift-s3-ctl and swift-s3-verify."""

from __future__ import annotations

import fcntl
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from conformance.samples import names
from s3_sync.model.keys import KeyNamer
from s3_sync.verify.main import main as verify
from servers.daemon import SyncDaemon
from servers.process import wait_until
from servers.raw_swift import Answer, RawSwift
from servers.shared_directory import SharedDirectory
from servers.shunted import Shunted

BODY = bytes(range(256)) * 1000
SEGMENTS = {"one": b"1" * 100_000, "two": b"2" * 50_000}


class Filed:
    """A container that is mapped to a directory, and the daemon for it."""

    def __init__(self, shunted: Shunted, share: SharedDirectory, directory: Path, **options: Any) -> None:
        self.swift = RawSwift(shunted)
        self.share = share
        self.container = f"c-{uuid4().hex[:12]}"
        self.swift.put_container(self.container)
        entry = share.entry(self.container)
        self.mapping = {"account": self.swift.account, "container": self.container, **entry, **options}
        shunted.add(self.mapping)
        self.daemon = SyncDaemon(shunted, directory, [self.mapping])

    @property
    def directory(self) -> Path:
        return self.share.path / self.container

    def run(self) -> None:
        done = self.daemon.once()
        assert done.returncode == 0, self.daemon.log_text()

    def ask(self, method: str, name: str | None = None, query: str = "", **headers: str) -> Answer:
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.swift.ask(method, self.container, name, query=query, headers=sent)

    def is_local(self, name: str) -> bool:
        return self.ask("HEAD", name, X_Cloud_Sync_Shunt_Bypass="yes").status == 200

    def listed(self, query: str = "format=json") -> list[Any]:
        found: list[Any] = json.loads(self.ask("GET", None, query).body)
        return found


MOVES: dict[str, Any] = {"retain_local": False, "merge_namespaces": True, "propagate_delete": True}


def put_large(filed: Filed) -> None:
    """An SLO and a DLO."""
    swift, segments = filed.swift, f"{filed.container}_segments"
    swift.put_container(segments)
    for name, data in SEGMENTS.items():
        swift.put(segments, f"slo/{name}", data)
        swift.put(segments, f"dlo/{name}", data)
    manifest = json.dumps([{"path": f"/{segments}/slo/{name}"} for name in SEGMENTS]).encode()
    headers = {"X-Object-Meta-Colour": "gr\u00fcn"}
    swift.request(
        "PUT", filed.container, "slo", query="multipart-manifest=put", headers=headers, body=manifest
    )
    swift.put(filed.container, "dlo", b"", {**headers, "X-Object-Manifest": quote(f"{segments}/dlo/")})


def test_objects_that_are_moved_are_files_and_come_back_as_they_were(
    shunted: Shunted, share: SharedDirectory, tmp_path: Path
) -> None:
    filed = Filed(shunted, share, tmp_path, **MOVES, restore_object=True)
    bodies = {"a": b"", "a/b \u00fc%.bin": BODY, "a-b": b"x", "Folder//.": b"y", "deleted": b""}
    for name, body in bodies.items():
        filed.swift.put(
            filed.container, name, body, {"X-Object-Meta-Colour": "gr\u00fcn", "Content-Type": "a/b"}
        )
    put_large(filed)
    bodies |= dict.fromkeys(("slo", "dlo"), b"".join(SEGMENTS.values()))
    del bodies["deleted"]
    before = {name: filed.ask("GET", name) for name in bodies}
    order = [entry["name"] for entry in filed.listed()]
    filed.run()
    assert (filed.directory / "a" / "b \u00fc%25.bin").read_bytes() == BODY
    assert (filed.directory / "slo").read_bytes() == bodies["slo"]
    assert len(list((filed.directory / ".manifests").iterdir())) == 2
    assert list((filed.directory / "%tmp").iterdir()) == list((filed.directory / "%uploads").iterdir()) == []
    entries = filed.listed()
    assert [entry["name"] for entry in entries] == order
    assert entries[0]["content_location"] == [f"file://{share.path};{filed.container}"]
    grouped = filed.listed("format=json&delimiter=/")
    assert [entry.get("subdir") or entry["name"] for entry in grouped] == [
        "Folder/", "a", "a-b", "a/", "deleted", "dlo", "slo",
    ]  # fmt: skip
    assert filed.ask("GET", "a/b \u00fc%.bin", Range="bytes=5-9").body == BODY[5:10]
    for name, answer in before.items():
        assert not filed.is_local(name)
        got = filed.ask("GET", name)
        assert got.body == bodies[name] == answer.body
        for header in ("etag", "content-type", "x-object-meta-colour", "x-timestamp", "last-modified"):
            assert got.headers[header] == answer.headers[header], (name, header)
    for name in ("a/b \u00fc%.bin", "slo"):
        wait_until(lambda: filed.is_local(name), 30, f"{name} restored")  # noqa: B023 - called at once
        here = filed.ask("GET", name, X_Cloud_Sync_Shunt_Bypass="yes")
        assert (here.body, here.headers["etag"]) == (bodies[name], before[name].headers["etag"])
    assert filed.ask("DELETE", "deleted").status == 204
    assert not (filed.directory / "deleted").exists()


def test_copies_follow_posts_and_deletes_and_changes_by_others(
    shunted: Shunted, share: SharedDirectory, tmp_path: Path
) -> None:
    filed = Filed(shunted, share, tmp_path)
    for name in ("kept", "d/posted", "d/deleted", "changed", "touched"):
        filed.swift.put(filed.container, name, b"data", {"X-Object-Meta-A": "1"})
    filed.run()
    inode = (filed.directory / "d" / "posted").stat().st_ino
    filed.swift.post(filed.container, "d/posted", {"X-Object-Meta-A": "2"})
    filed.swift.delete(filed.container, "d/deleted")
    (filed.directory / "changed").write_bytes(b"DATA")
    (filed.directory / "touched").touch()
    for name in ("changed", "touched"):
        filed.swift.post(filed.container, name, {"X-Object-Meta-A": "3"})
    touched = (filed.directory / "touched").stat().st_ino
    filed.run()
    bucket = share.provider().bucket(filed.container, KeyNamer.literal(""))
    assert names(bucket) == ["changed", "d/posted", "kept", "touched"]
    for name, value in (("d/posted", "2"), ("changed", "3"), ("touched", "3")):
        info = bucket.head_object(name)
        assert (info.md5, info.meta.user) == (hashlib.md5(b"data").hexdigest(), {"a": value})
    assert (filed.directory / "d" / "posted").stat().st_ino == inode
    assert (filed.directory / "touched").stat().st_ino == touched


def test_share_that_is_unmounted_is_an_outage_for_daemon_and_clients(
    shunted: Shunted, share: SharedDirectory, tmp_path: Path
) -> None:
    filed = Filed(shunted, share, tmp_path, **MOVES)
    filed.swift.put(filed.container, "moved", b"data")
    filed.run()
    filed.swift.put(filed.container, "new", b"data")
    share.unmount()
    for method, name in (("GET", "moved"), ("HEAD", "moved"), ("GET", None)):
        assert filed.ask(method, name).status == 503
    filed.daemon.start()
    wait_until(lambda: "it is not mounted" in filed.daemon.log_text(), 30, "outage")
    assert filed.is_local("new")
    assert list(share.path.iterdir()) == []
    filed.daemon.stop()
    share.mount()
    filed.run()
    assert not filed.is_local("new")
    assert [entry["name"] for entry in filed.listed()] == ["moved", "new"]


def test_call_to_the_share_that_blocks_delays_nobody_else_in_the_proxy(
    shunted: Shunted, share: SharedDirectory, tmp_path: Path
) -> None:
    """A DELETE waits for a lock that another node holds, as it would for a server that does not answer."""
    filed = Filed(shunted, share, tmp_path, **MOVES)
    for name in ("deleted", "read"):
        filed.swift.put(filed.container, name, b"data")
    filed.run()
    locks = [(filed.directory / "%locks" / f"{number:02x}").open("w") for number in range(256)]
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        for lock in locks:
            stack.enter_context(lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        deleted = pool.submit(filed.ask, "DELETE", "deleted")
        for _ in range(5):
            assert filed.ask("GET", "read").body == b"data"
        assert not deleted.done()
        for lock in locks:
            lock.close()
        assert deleted.result(30).status == 204
    assert not (filed.directory / "deleted").exists()


def test_whole_account_is_one_directory_with_hashed_prefixes(
    shunted: Shunted, share: SharedDirectory, tmp_path: Path
) -> None:
    swift = RawSwift(shunted, "admin:admin", f"AUTH_{uuid4().hex[:12]}")
    for container in ("one", "t\u00fco"):
        swift.put_container(container)
        swift.put(container, "A/b", container.encode())
    mapping = {"account": swift.account, "container": "/*", **share.entry("all")}
    daemon = SyncDaemon(shunted, tmp_path, [mapping])
    assert daemon.once().returncode == 0, daemon.log_text()
    for container in ("one", "t\u00fco"):
        prefix = KeyNamer.hashed(swift.account, container).prefix
        assert (share.path / "all" / prefix / "A" / "b").read_text() == container


def test_ctl_sets_up_a_share_and_verify_finds_nothing_wrong(
    shunted: Shunted, tmp_path: Path, share: SharedDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    filed = Filed(shunted, share, tmp_path / "daemon")
    new = tmp_path / "new"
    new.mkdir()
    filed.mapping.update(path=str(new), aws_bucket="files")
    del filed.mapping["share_id"]
    filed.daemon.write()
    refused = filed.daemon.ctl("share", "0")
    assert (refused.returncode, list(new.iterdir())) == (2, [])
    done = filed.daemon.ctl("--json", "share", "0", "--yes")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["path"], told["bucket"]) == (str(new), "files")
    filed.mapping["share_id"] = told["share_id"]
    again = filed.daemon.ctl("--json", "share", "0")
    assert json.loads(again.stdout) == told
    assert verify(["--config", str(filed.daemon.write()), "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["mappings"]
    assert {each["state"] for each in found["checks"]} <= {"ok", "note", "skipped"}, found["checks"]
    assert found["needed"] == found["advised"] == {}
    own = {"%tmp", "%uploads", "%locks", "%swift-s3-sync.json"}
    assert {path.name for path in (new / "files").iterdir()} == own
    filed.mapping["share_id"] = "0" * 32
    assert verify(["--config", str(filed.daemon.write())]) == 1
    assert "is mounted at" in capsys.readouterr().err
