"""`swift-s3-migrator` as an operator runs it, and a migration as a test sees both of its sides."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from servers.daemon import SyncDaemon
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster
from servers.swift_spec import ADMIN, TESTER2

PROGRAM = "s3_sync.launch:migrator"
ALTERED = "faults.altered:migrator"


class Migrator(SyncDaemon):
    """The migrator of one node. ``settings`` are keys of ``migrator_settings``."""

    def __init__(
        self,
        cluster: SwiftCluster,
        directory: Path,
        migrations: list[dict[str, Any]],
        *,
        node: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(cluster, directory, [], node=node)
        self.log = directory / "migrator.log"
        self.status_file = directory / "migrator.status"
        self.status_dir = directory / "migrator.status.d"
        self.settings = {
            "swift_dir": str(cluster.etc),
            "swift_bind_ip": cluster.node_ip(node),
            "migrations": migrations,
            "migrator_settings": {
                "status_file": str(self.status_file),
                "items_chunk": 1000,
                "poll_interval": 0.2,
                "log_file": str(self.log),
                **settings,
            },
        }

    def alter(self, **alterations: Any) -> None:
        super().alter(**alterations)
        self.program = ALTERED if alterations else PROGRAM

    def run(self, *command: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """One of its commands, such as `--status`, with the configuration as it was written last."""
        return self._run("command", [self.program, "--config", str(self.config), *command], seconds)

    def statuses(self) -> list[dict[str, Any]]:
        """The status file; empty while there is none."""
        found: list[dict[str, Any]] = (
            json.loads(self.status_file.read_text()) if self.status_file.exists() else []
        )
        return found


class Migration:
    """A bucket and the container of the shared cluster into which it is migrated. ``options``: further keys
    of the migration."""

    def __init__(self, cluster: SwiftCluster, entry: dict[str, Any], **options: Any) -> None:
        self.cluster = cluster
        self.swift = RawSwift(cluster)
        self.bucket = f"source-{uuid4().hex[:16]}"
        self.container = f"migrated-{uuid4().hex[:16]}"
        self.entry = {
            "account": self.swift.account,
            "aws_bucket": self.bucket,
            "container": self.container,
            **entry,
            **options,
        }


class S3Migration(Migration):
    """From a bucket of an S3 store."""

    def __init__(self, cluster: SwiftCluster, store: Store, **options: Any) -> None:
        entry = {
            "aws_endpoint": store.through or store.endpoint,
            "aws_identity": store.identity,
            "aws_secret": store.secret,
        }
        super().__init__(cluster, entry, **options)
        self.s3 = store.client()
        self.s3.create_bucket(Bucket=self.bucket)

    def through(self, endpoint: str) -> dict[str, Any]:
        """The migration of a node that reaches the source there."""
        return {**self.entry, "aws_endpoint": endpoint}

    def put(self, name: str, body: bytes = b"x", **options: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=name, Body=body, **options)

    def put_parts(self, name: str, *parts: bytes) -> None:
        """A multipart upload; all parts but the last have at least 5 MiB."""
        place = {"Bucket": self.bucket, "Key": name}
        upload = self.s3.create_multipart_upload(**place)["UploadId"]
        done = []
        for number, body in enumerate(parts, start=1):
            sent = self.s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=body)
            done.append({"PartNumber": number, "ETag": sent["ETag"]})
        self.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": done})


class SwiftMigration(Migration):
    """From a container of another account, by default one of the same cluster."""

    def __init__(
        self, cluster: SwiftCluster, source: RawSwift | None = None, through: str = "", **options: Any
    ) -> None:
        self.source = source or RawSwift(cluster, TESTER2.name)
        endpoint = through or self.source.cluster.s3_endpoint
        entry = {
            "protocol": "swift",
            "aws_endpoint": f"{endpoint}/auth/v1.0",
            "aws_identity": TESTER2.name,
            "aws_secret": TESTER2.key,
        }
        super().__init__(cluster, entry, **options)
        self.source.put_container(self.bucket)


class WholeAccount:
    """Two accounts of their own, and the migration of all containers of one into the other. Both sides are
    seen with the rights of the accounts' owners."""

    def __init__(self, cluster: SwiftCluster, through: str = "", **options: Any) -> None:
        number = uuid4().hex[:16]
        self.source = RawSwift(cluster, ADMIN.name, f"AUTH_source-{number}")
        self.swift = RawSwift(cluster, ADMIN.name, f"AUTH_here-{number}")
        self.entry = {
            "account": self.swift.account,
            "aws_bucket": "/*",
            "protocol": "swift",
            "aws_endpoint": f"{through or cluster.s3_endpoint}/auth/v1.0",
            "aws_identity": ADMIN.name,
            "aws_secret": ADMIN.key,
            "remote_account": self.source.account,
            **options,
        }

    def head(self, side: RawSwift, container: str = "") -> dict[str, str]:
        """The headers of a container, or of the account, that clients have set."""
        found = side.request("HEAD", container).headers
        wanted = ("x-container-meta-", "x-container-read", "x-container-write", "x-versions-location")
        wanted += ("x-history-location", "x-account-meta-", "x-account-access-control")
        return {name: value for name, value in found.items() if name.startswith(wanted)}


#: what the fixture `new_migrator` gives: migrations and settings in, a migrator that ends with the test
NewMigrator = Callable[..., Migrator]
