"""Daemon and middleware with Google's interoperability endpoint: a fake that refuses what Google has not."""

from __future__ import annotations

import json
from pathlib import Path

from cluster.test_shunt_lifecycle import SEGMENTS, fill
from servers.daemon import SyncDaemon
from servers.google import FakeGoogle
from servers.pair import Store
from servers.shunted import Archive, Shunted


def test_objects_move_in_one_stream_each_and_come_back(
    shunted: Shunted, google: FakeGoogle, tmp_path: Path
) -> None:
    options = {"store": "google", "restore_object": True, "remote_delete_after": 30 * 86400}
    archive = Archive(shunted, Store.server(google), **options)
    daemon = SyncDaemon(shunted, tmp_path, [archive.mapping])
    bodies = fill(archive)
    before = {name: archive.get(name).headers for name in bodies}
    google.requests.clear()
    assert daemon.once().returncode == 0, daemon.log_text()
    keys = [archive.prefix + name for name in bodies]
    manifests = [archive.manifest_key(name) for name in ("slo", "dlo")]
    assert archive.stored() == sorted([*keys, *manifests])
    # each object once, each manifest once, and the rule: nothing is copied, and nothing comes in parts
    assert sorted(method for method, _ in google.requests if method in ("PUT", "POST")) == ["PUT"] * 6
    assert google.store.expire(archive.bucket, 30) == sorted([*keys, *manifests])
    entries = json.loads(google.store.object(archive.bucket, archive.manifest_key("slo")).data)
    assert [entry["name"].rpartition("/")[2] for entry in entries] == list(SEGMENTS)
    for name, body in bodies.items():
        assert not archive.is_local(name)
        assert archive.get(name).body == body
        assert archive.get(name, Range="bytes=5-9").body == body[5:10]
        here = archive.restored(name)
        assert (here.body, here.headers["etag"]) == (body, before[name]["etag"])
        assert here.headers["x-object-meta-colour"] == before[name]["x-object-meta-colour"]
    listed = json.loads(archive.ask("GET", None, "format=json").body)
    assert {entry["name"] for entry in listed} == set(bodies)
