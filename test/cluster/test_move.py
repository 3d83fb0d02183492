"""Objects that are moved: what is on which side afterwards, and what stays where it is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import NewDaemon, SyncDaemon
from servers.expiry import expire
from servers.landed import in_swift
from servers.local import Local
from servers.moto import MotoServer
from servers.pair import Pair, Store, new_pair
from servers.raw_swift import Refused
from servers.swift import SwiftCluster

MOVES: dict[str, Any] = {"retain_local": False, "propagate_delete": False}


@pytest.fixture
def pair(swift: SwiftCluster, s3api: Store) -> Pair:
    return new_pair(swift, s3api, **MOVES)


def gone(pair: Pair, name: str) -> bool:
    with pytest.raises(Refused, match=": 404"):
        pair.swift.request("HEAD", pair.container, name)
    return True


def run(daemon: SyncDaemon, code: int = 0) -> None:
    result = daemon.once()
    assert result.returncode == code, result.stderr + daemon.log_text()


@pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)
def test_move_copies_objects_and_removes_them_from_swift(
    swift: SwiftCluster, store: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store, **MOVES)
    daemon = new_daemon(pair)
    bodies = {"a": b"", "b/ü ☃": b"x", "c": os.urandom(200_000)}
    for name, body in bodies.items():
        pair.put(name, body, {"X-Object-Meta-Colour": "grün", "X-Delete-After": "86400"})
    expected = {name: in_swift(pair.swift, pair.container, name) for name in bodies}
    run(daemon)
    assert f'objects leave this cluster at once, for bucket "{pair.bucket}"' in daemon.log_text()
    assert f"{pair.container}: 3 objects in this database may leave the cluster" in daemon.log_text()
    assert pair.swift.names(pair.container) == []
    assert sorted(pair.arrived()) == sorted(bodies)
    for name in bodies:
        assert gone(pair, name)
        assert pair.landed(name) == expected[name]
        assert pair.landed(name).marks["x-delete-at"]
    run(daemon)
    assert sorted(pair.arrived()) == sorted(bodies)


@pytest.mark.parametrize("propagate", [True, False])
class TestPropagateDelete:
    @pytest.fixture
    def pair(self, swift: SwiftCluster, s3api: Store, propagate: bool) -> Pair:
        return new_pair(swift, s3api, retain_local=False, propagate_delete=propagate)

    def test_release_of_moved_object_keeps_its_copy(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("put", b"x")
        pair.put("posted", b"x")
        pair.post("posted", {"X-Object-Meta-A": "b", "Content-Type": "text/x-new"})
        for _ in range(3):
            run(daemon)
            assert sorted(pair.arrived()) == ["posted", "put"]
            assert pair.swift.names(pair.container) == []
        assert pair.landed("posted").user == {"a": "b"}

    def test_client_delete_after_the_move_deletes_copy_only_if_enabled(
        self, pair: Pair, daemon: SyncDaemon, propagate: bool
    ) -> None:
        pair.put("o", b"x")
        pair.put("p", b"x")
        pair.post("p", {"X-Object-Meta-A": "b"})
        run(daemon)
        for name in ("o", "p"):
            with pytest.raises(Refused, match="404"):
                pair.delete(name)
        run(daemon)
        assert sorted(pair.arrived()) == ([] if propagate else ["o", "p"])

    def test_client_delete_before_the_move_copies_nothing(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o", b"x")
        pair.delete("o")
        run(daemon)
        assert pair.arrived() == []

    def test_overwrite_after_the_move_is_moved_again(self, pair: Pair, daemon: SyncDaemon) -> None:
        pair.put("o", b"first")
        run(daemon)
        pair.put("o", b"second")
        run(daemon)
        assert gone(pair, "o")
        assert pair.landed("o").md5 == hashlib.md5(b"second").hexdigest()


class TestCopyAfter:
    @pytest.fixture
    def pair(self, swift: SwiftCluster, s3api: Store) -> Pair:
        return new_pair(swift, s3api, copy_after=3600, **MOVES)

    def test_objects_not_yet_due_survive_restarts_and_are_moved_when_due(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        names = [f"o{number}" for number in range(12)]
        for name in names:
            pair.put(name)
        daemon.settings["items_chunk"] = 5
        run(daemon)  # not being due is no failure
        run(daemon)
        pair.delete("o3")
        pair.put("o4", b"again")
        assert pair.arrived() == []
        run(daemon)
        daemon.alter(clock=3500)
        run(daemon)
        assert pair.arrived() == []
        daemon.alter(clock=3900)
        run(daemon)
        names.remove("o3")
        assert sorted(pair.arrived()) == sorted(names)
        assert pair.swift.names(pair.container) == []
        assert pair.landed("o4").md5 == hashlib.md5(b"again").hexdigest()
        assert daemon.unsettled() == {}


class TestRestoredObject:
    @pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)
    def test_unchanged_object_is_moved_again_without_an_upload(
        self, swift: SwiftCluster, store: Store, proxy: Any, new_daemon: NewDaemon
    ) -> None:
        pair = new_pair(swift, store.behind(proxy.endpoint), **MOVES)
        daemon = new_daemon(pair)
        body, headers = os.urandom(50_000), {"Content-Type": "image/png", "X-Object-Meta-A": "b"}
        pair.put("o", body, headers)
        run(daemon)
        before = len(proxy.calls())
        pair.put("o", body, headers)
        run(daemon)
        sent = [call for call in proxy.calls(since=before) if call.method != "HEAD"]
        assert [(call.method, "x-amz-copy-source" in call.headers) for call in sent] == [("PUT", True)]
        assert gone(pair, "o")
        assert pair.landed("o").md5 == hashlib.md5(body).hexdigest()

    def test_object_with_other_metadata_is_moved_by_a_metadata_update(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("o", b"x", {"X-Object-Meta-A": "b"})
        run(daemon)
        pair.put("o", b"x", {"X-Object-Meta-A": "c"})
        run(daemon)
        assert gone(pair, "o")
        assert pair.landed("o").user == {"a": "c"}
        assert "updated 1" in daemon.log_text()

    def test_object_in_glacier_is_moved_again_by_an_upload(
        self, swift: SwiftCluster, moto: MotoServer, new_daemon: NewDaemon
    ) -> None:
        """A copy in GLACIER cannot be copied onto itself, not even to change its metadata."""
        pair = new_pair(swift, Store.server(moto), storage_class="GLACIER", **MOVES)
        daemon = new_daemon(pair)
        pair.put("o", b"x", {"X-Object-Meta-A": "b"})
        run(daemon)
        assert gone(pair, "o")
        pair.put("o", b"x", {"X-Object-Meta-A": "b"})
        run(daemon)
        assert gone(pair, "o")
        assert daemon.log_text().count("copied 1") == 2
        pair.put("o", b"x", {"X-Object-Meta-A": "c"})
        run(daemon)
        assert gone(pair, "o")
        head = pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + "o")
        assert (head["StorageClass"], head["Metadata"]["a"]) == ("GLACIER", "c")


class TestUnmovableObject:
    def test_symlink_and_object_with_uncopied_metadata_stay_in_swift(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("target", b"x")
        pair.put("link", b"", {"X-Symlink-Target": f"{pair.container}/target"})
        pair.put("robots", b"x", {"X-Robots-Tag": "noindex"})
        run(daemon, code=1)
        assert pair.swift.names(pair.container) == ["link", "robots"]
        assert pair.arrived() == ["target"]
        found = {name: entry[:2] for name, entry in daemon.unsettled().items()}
        assert found["robots"] == ("quarantine", "metadata_not_copied")
        assert found["link"][1] in ("symlink", "symlink_broken")

    def test_expired_object_is_neither_copied_nor_deleted(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
    ) -> None:
        pair.put("o")
        expire(swift.client(), pair.container, "o")
        run(daemon)
        assert pair.arrived() == []
        assert daemon.unsettled() == {}
        assert list(swift.object_dir(1, pair.container, "o").glob("*.data")) != []

    @pytest.mark.parametrize("header", ["X-Versions-Location", "X-History-Location"])
    def test_versioned_container_moves_nothing_until_versioning_ends(
        self, pair: Pair, daemon: SyncDaemon, header: str
    ) -> None:
        pair.swift.request("POST", pair.container, headers={header: "versions"})
        pair.put("o")
        run(daemon, code=1)
        assert pair.swift.names(pair.container) == ["o"]
        assert pair.arrived() == []
        lines = [line for line in daemon.log_text().splitlines() if "versioned" in line]
        assert len(lines) == 1
        assert pair.container in lines[0]
        pair.swift.request("POST", pair.container, headers={header: ""})
        run(daemon)
        assert pair.arrived() == ["o"]

    def test_object_excluded_or_not_selected_stays_in_swift(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        pair = new_pair(
            swift, s3api, exclude_pattern="tmp/", selection_criteria={"x-object-meta-move": "yes"}, **MOVES
        )
        pair.put("tmp/o", b"x", {"X-Object-Meta-Move": "yes"})
        pair.put("stays", b"x")
        pair.put("goes", b"x", {"X-Object-Meta-Move": "yes"})
        run(new_daemon(pair))
        assert pair.swift.names(pair.container) == ["stays", "tmp/o"]
        assert pair.arrived() == ["goes"]


def test_guarded_delete_is_refused_after_overwrite_but_not_after_post(
    swift: SwiftCluster, pair: Pair
) -> None:
    """This is why the newest state is read immediately before the delete."""
    with Local(swift) as local:

        def delete(written: Any) -> int:
            headers = {"X-Timestamp": written.after().internal, "X-Backend-Storage-Policy-Index": "0"}
            answer = local.client.request("DELETE", f"{local.account}/{pair.container}/o", headers)
            answer.close()
            return answer.status

        pair.put("o", b"first")
        state: Any = local.newest_of(pair.container, "o")
        pair.put("o", b"second")
        assert delete(state.data_timestamp) == 409
        assert pair.swift.request("GET", pair.container, "o").body == b"second"
        state = local.newest_of(pair.container, "o")
        pair.post("o", {"X-Object-Meta-A": "b"})
        assert delete(state.data_timestamp) == 204
        tombstone: Any = local.newest_of(pair.container, "o")
        assert (tombstone.timestamp, tombstone.by_client) == (state.data_timestamp.after(), False)


def test_move_from_encrypted_cluster_needs_the_key(start_server: Any, s3api: Store, tmp_path: Path) -> None:
    cluster = start_server(SwiftCluster(encryption=True))
    pair = new_pair(cluster, s3api, **MOVES)
    body = b"plain text " * 1000
    pair.put("o", body, {"X-Object-Meta-Size": "groß"})
    expected = in_swift(pair.swift, pair.container, "o")
    keyless = SyncDaemon(
        cluster, tmp_path / "keyless", [pair.mapping], internal_client_path=str(tmp_path / "absent.conf")
    )
    run(keyless, code=1)
    assert keyless.unsettled()["o"][:2] == ("quarantine", "encrypted_no_key")
    assert (pair.swift.names(pair.container), pair.arrived()) == (["o"], [])
    daemon = SyncDaemon(
        cluster, tmp_path / "daemon", [pair.mapping], internal_client_path=str(cluster.internal_client_conf)
    )
    run(daemon)
    assert pair.landed("o") == expected
    assert pair.swift.names(pair.container) == []
    pair.put("o", body, {"X-Object-Meta-Size": "groß"})
    run(daemon)
    assert "updated 1" in daemon.log_text()
    assert pair.swift.names(pair.container) == []
