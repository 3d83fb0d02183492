"""The S3 servers of the tests: Swift's s3api, moto, rclone and Ceph."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from servers.ceph import CephGateway
from servers.ceph_packages import missing
from servers.moto import MotoServer
from servers.rclone import RcloneS3
from servers.s3 import S3Server, s3_client
from servers.swift import SwiftCluster

PART = 5 << 20


def upload_parts(s3: Any, bucket: str, parts: list[bytes]) -> str:
    """Multipart upload of the key `large`; returns its ETag, which Ceph tells to a HEAD only."""
    target = {"Bucket": bucket, "Key": "large"}
    target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
    done = [
        {"PartNumber": number, "ETag": s3.upload_part(**target, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, 1)
    ]
    return str(s3.complete_multipart_upload(**target, MultipartUpload={"Parts": done})["ETag"])


def multipart_round_trip(s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket=bucket)
    parts = [os.urandom(PART), b"end"]
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    etag = upload_parts(s3, bucket, parts) or s3.head_object(Bucket=bucket, Key="large")["ETag"]
    assert etag.strip('"') == f"{hashlib.md5(digests).hexdigest()}-2"
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == b"".join(parts)


class TestS3Api:
    def test_object_put_over_s3_is_readable_over_swift(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
        s3 = swift.s3_client()
        s3.create_bucket(Bucket=container_name)
        s3.put_object(Bucket=container_name, Key="ü/☃", Body=b"snow", Metadata={"colour": "white"})
        answer = s3.get_object(Bucket=container_name, Key="ü/☃")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"snow", {"colour": "white"})
        assert answer["ETag"] == f'"{hashlib.md5(b"snow").hexdigest()}"'
        assert swift.client().get_object(container_name, "ü/☃")[1] == b"snow"

    def test_multipart_upload_has_s3_etag_and_all_bytes(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
        multipart_round_trip(swift.s3_client(), container_name)

    def test_wrong_secret_is_refused(self, swift: SwiftCluster) -> None:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3_client(swift.s3_endpoint, swift.user, "wrong").list_buckets()

    def test_small_part_is_refused(self, swift: SwiftCluster, container_name: str) -> None:
        s3 = swift.s3_client()
        s3.create_bucket(Bucket=container_name)
        with pytest.raises(ClientError, match="EntityTooSmall"):
            upload_parts(s3, container_name, [bytes(PART - 1), b"end"])


@pytest.fixture(params=["moto", "rclone", *(() if missing() else ("ceph",))])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    server: S3Server = request.getfixturevalue(request.param)
    return server


class TestS3Servers:
    def test_put_object_is_readable_and_listed(self, s3_server: S3Server, container_name: str) -> None:
        s3 = s3_server.client()
        bucket = s3_server.create_bucket(container_name)
        s3.put_object(Bucket=bucket, Key="ü/☃", Body=b"snow", Metadata={"colour": "white"})
        answer = s3.get_object(Bucket=bucket, Key="ü/☃")
        assert answer["Body"].read() == b"snow"
        assert {name.lower(): value for name, value in answer["Metadata"].items()}["colour"] == "white"
        assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["ü/☃"]

    def test_multipart_upload_has_s3_etag_and_all_bytes(
        self, s3_server: S3Server, container_name: str
    ) -> None:
        multipart_round_trip(s3_server.client(), container_name)

    def test_rclone_refuses_wrong_secret(self, rclone: RcloneS3) -> None:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3_client(rclone.endpoint, rclone.access_key, "wrong").list_buckets()

    def test_rclone_keeps_data_and_endpoint_over_a_restart(
        self, start_server: Callable[[RcloneS3], RcloneS3]
    ) -> None:
        server = start_server(RcloneS3())
        server.create_bucket("kept")
        endpoint = server.endpoint
        server.halt()
        with pytest.raises(EndpointConnectionError):
            server.client().list_buckets()
        server.start()
        assert server.endpoint == endpoint
        assert [b["Name"] for b in server.client().list_buckets()["Buckets"]] == ["kept"]

    @pytest.mark.needs_ceph
    def test_ceph_keeps_data_and_endpoint_over_an_outage_of_the_gateway(
        self, start_server: Callable[[CephGateway], CephGateway]
    ) -> None:
        server = start_server(CephGateway(min_part=1))
        bucket = server.create_bucket("kept")
        upload_parts(server.client(), bucket, [b"small", b"end"])
        endpoint = server.endpoint
        server.halt()
        with pytest.raises(EndpointConnectionError):
            server.client().list_buckets()
        server.start()
        assert server.endpoint == endpoint
        assert server.client().get_object(Bucket=bucket, Key="large")["Body"].read() == b"smallend"
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3_client(server.endpoint, server.access_key, "wrong").list_buckets()

    def test_moto_reports_the_storage_class_of_an_object(self, moto: MotoServer, container_name: str) -> None:
        s3 = moto.client()
        bucket = moto.create_bucket(container_name)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="GLACIER")
        assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"
