"""What the S3 servers have in common: an endpoint, a pair of keys, and a boto3 client for it."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from servers.server import Server

REGION = "us-east-1"


def s3_client(endpoint: str, access_key: str, secret_key: str) -> Any:
    """A boto3 S3 client: path-style, few retries, and nothing taken from the environment."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            retries={"total_max_attempts": 2, "mode": "standard"},
            connect_timeout=5,
            read_timeout=60,
            # Clones do not all know the newer checksums, and an odd ETag must be the server's doing.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


class S3Server(Server):
    """An S3 server with one pair of keys."""

    access_key = "accesskey1"
    secret_key = "secretkey1"

    @property
    def endpoint(self) -> str:
        port = self._ports[0]
        return f"http://{port.ip}:{port.port}"

    def client(self) -> Any:
        """A boto3 client with this server's keys."""
        return s3_client(self.endpoint, self.access_key, self.secret_key)

    def create_bucket(self, name: str) -> str:
        """Create an empty bucket; returns its name."""
        self.client().create_bucket(Bucket=name)
        return name
