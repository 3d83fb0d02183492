"""A mapping to a file connector: rclone over a directory, as it would run beside an NFS or SMB share."""

from __future__ import annotations

from servers.daemon import NewDaemon
from servers.large import Large
from servers.pair import Store, new_pair
from servers.rclone import RcloneS3
from servers.swift import SwiftCluster


def test_objects_become_files_of_the_share_and_go_with_their_objects(
    swift: SwiftCluster, rclone: RcloneS3, new_daemon: NewDaemon
) -> None:
    options = {"protocol": "file_connector", "store": "rclone", "custom_prefix": ""}
    pair = new_pair(swift, Store.server(rclone), propagate_delete=True, **options)
    large = Large(pair)
    segments = [large.segment("s/1", 300_000), large.segment("s/2", 7)]
    pair.put("scans/\u00fc 1.dcm", b"a scan", {"X-Object-Meta-Colour": "bl\u00fc"})
    pair.put("gone", b"soon")
    large.put_slo("scans/large", segments)
    daemon = new_daemon(pair)
    assert daemon.once().returncode == 0, daemon.log_text()
    share = rclone.data / pair.bucket
    assert (share / "scans/\u00fc 1.dcm").read_bytes() == b"a scan"
    assert (share / "scans/large").read_bytes() == b"".join(each.body for each in segments)
    manifest = next((share / ".manifests").iterdir())
    assert manifest.name.endswith(".swift_slo_manifest")
    pair.delete("gone")
    pair.put("scans/\u00fc 1.dcm", b"another")
    assert daemon.once().returncode == 0, daemon.log_text()
    assert (share / "scans/\u00fc 1.dcm").read_bytes() == b"another"
    assert not (share / "gone").exists()
