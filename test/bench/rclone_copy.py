"""rclone as a peer: copy a Swift container to an S3 bucket."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Run, run
from servers.daemon import Target
from servers.rclone import rclone_program
from servers.swift import SwiftCluster


def rclone_copy(cluster: SwiftCluster, container: str, target: Target, log: Path, *options: str) -> Run:
    """`rclone copy` with a configuration that is in the environment only."""
    environment = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_FROM_TYPE": "swift",
        "RCLONE_CONFIG_FROM_AUTH": cluster.auth_url,
        "RCLONE_CONFIG_FROM_USER": cluster.user,
        "RCLONE_CONFIG_FROM_KEY": cluster.key,
        "RCLONE_CONFIG_TO_TYPE": "s3",
        "RCLONE_CONFIG_TO_PROVIDER": "Other",
        "RCLONE_CONFIG_TO_ENDPOINT": target.endpoint,
        "RCLONE_CONFIG_TO_ACCESS_KEY_ID": target.identity,
        "RCLONE_CONFIG_TO_SECRET_ACCESS_KEY": target.secret,
    }
    command = [rclone_program(), "copy", f"from:{container}", f"to:{target.bucket}", *options]
    return run(command, log, environment)
