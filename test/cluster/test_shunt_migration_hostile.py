"""Objects of the source that lead out of the container that is migrated: what clients here get of them."""

from __future__ import annotations

import hashlib
import json

from servers.live_migration import Live
from servers.migrator import SwiftMigration
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import READER

SECRET, OURS = b"secret at the source", b"secret that is here"
#: objects that lead elsewhere
KINDS = ("dlo", "slo", "link")
QUERIES = ("", "multipart-manifest=get", "symlink=get", "part-number=1")


def plant(migration: SwiftMigration, secret: str) -> None:
    """The objects, as clients of the source have written them; they lead to ``secret``."""
    source, bucket = migration.source, migration.bucket
    source.put_container(secret)
    source.put(secret, "x", SECRET)
    source.put(bucket, "dlo", b"", {"X-Object-Manifest": f"{secret}/x"})
    source.put(bucket, "link", b"", {"X-Symlink-Target": f"{secret}/x"})
    entry = {"path": f"/{secret}/x", "etag": hashlib.md5(SECRET).hexdigest(), "size_bytes": len(SECRET)}
    body = json.dumps([entry]).encode()
    source.request("PUT", bucket, "slo", query="multipart-manifest=put", body=body)


def test_reader_of_a_container_reads_nothing_of_others(shunted: Shunted, swift: SwiftCluster) -> None:
    live = Live.from_swift(shunted, swift)
    migration = live.migration
    assert isinstance(migration, SwiftMigration)
    migration.source.request("POST", live.container, headers={"X-Container-Read": ".r:*"})
    secret = f"secret-{live.container}"
    plant(migration, secret)
    live.store("fine", b"fine")
    live.swift.put_container(secret)
    live.swift.put(secret, "x", OURS)
    assert live.ask("HEAD").status == 204
    reader = live.as_user(READER.name)
    assert reader.ask("GET", live.container, "fine").body == b"fine"
    for kind in KINDS:
        for query in QUERIES:
            found = reader.ask("GET", live.container, kind, query=query)
            assert not any(each in found.body for each in (SECRET, OURS)), (kind, query)
            assert found.status >= 400 or kind == "slo", (kind, query)
            # whoever wrote the SLO could read it, and the owner of the account here is to get it
            found = live.ask("GET", kind, query)
            assert kind == "slo" or not any(each in found.body for each in (SECRET, OURS)), (kind, query)
