"""The test servers do what the other tests take for granted."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from swift.common.ring import Ring
from swift.common.utils import hash_path, set_swift_dir
from swiftclient.exceptions import ClientException

from servers import side_xattr
from servers.moto import MotoServer
from servers.process import Child, ReservedPort, ServerError, python_module, wait_until
from servers.rclone import RcloneS3
from servers.s3 import S3Server, s3_client
from servers.scratch import ScratchDir, sweep
from servers.swift import SwiftCluster

PART = 5 << 20
NAMES = ["plain", "ünï/☃/\U0001f40d", "a//b", "/leading", "trailing ", "100% + &?#"]
SECRET = b"nobody may read this on the disk " * 100
StartSwift = Callable[[SwiftCluster], SwiftCluster]


def data_files(cluster: SwiftCluster, node: int) -> list[Path]:
    return sorted(cluster.devices(node).glob("*/objects*/**/*.data"))


def object_dir(cluster: SwiftCluster, node: int, container: str, name: str) -> Path:
    """Where a node of a one-device-per-node, default-policy cluster has an object."""
    set_swift_dir(str(cluster.etc))
    digest = hash_path(cluster.account, container, name)
    partition = Ring(str(cluster.etc), ring_name="object").get_part(cluster.account, container, name)
    return cluster.devices(node) / f"sdb{node}" / "objects" / str(partition) / digest[-3:] / digest


class TestOneNode:
    @pytest.mark.parametrize("name", NAMES)
    def test_objects_keep_bytes_and_metadata(
        self, swift: SwiftCluster, container_name: str, name: str
    ) -> None:
        client = swift.client()
        client.put_container(container_name)
        body = os.urandom(70_000)
        etag = client.put_object(container_name, name, body, headers={"X-Object-Meta-Colour": "grün ☃"})
        headers, read = client.get_object(container_name, name)
        assert (read, etag) == (body, hashlib.md5(body).hexdigest())
        assert headers["x-object-meta-colour"] == "grün ☃"
        assert [row["name"] for row in client.get_container(container_name)[1]] == [name]

    def test_metadata_larger_than_an_ext4_attribute(self, swift: SwiftCluster, container_name: str) -> None:
        client = swift.client()
        client.put_container(container_name)
        metadata = {f"X-Object-Meta-{n}": "m" * 250 for n in range(14)}
        client.put_object(container_name, "o", b"x", headers=metadata)
        headers = client.head_object(container_name, "o")
        assert all(headers[name.lower()] == value for name, value in metadata.items())

    def test_policies_store_apart(self, swift: SwiftCluster, container_name: str) -> None:
        client = swift.client()
        client.put_container(container_name + "-default")
        client.put_container(container_name, headers={"X-Storage-Policy": "silver"})
        assert client.head_container(container_name + "-default")["x-storage-policy"] == "gold"
        before = set(data_files(swift, 1))
        client.put_object(container_name, "o", b"x")
        (new,) = set(data_files(swift, 1)) - before
        assert "objects-1" in new.parts

    def test_users_have_accounts_of_their_own(self, swift: SwiftCluster, container_name: str) -> None:
        other = swift.client("test2:tester2")
        other.put_container(container_name)
        with pytest.raises(ClientException, match="404"):
            swift.client().head_container(container_name)
        assert other.get_auth()[0].endswith("/AUTH_test2")
        admin = swift.client("admin:admin", account="AUTH_test2")
        assert admin.head_container(container_name)["x-container-object-count"] == "0"

    def test_a_stopped_cluster_comes_back_with_its_data(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster())
        client = cluster.client()
        client.put_container("c")
        client.put_object("c", "o", b"kept")
        cluster.halt()
        with pytest.raises(EndpointConnectionError):
            cluster.s3_client().list_buckets()
        cluster.start()
        assert client.get_object("c", "o")[1] == b"kept"

    def test_node_of_a_shared_process_cannot_be_stopped(self, swift: SwiftCluster) -> None:
        with pytest.raises(ValueError, match="no process of its own"):
            swift.stop_node(1)

    def test_constraints_and_extra_filters(self, start_server: StartSwift) -> None:
        filters = SwiftCluster().spec.default_pipeline()
        filters.insert(filters.index("copy"), "closed")
        cluster = start_server(
            SwiftCluster(
                constraints={"max_file_size": 1000},
                proxy_pipeline=filters,
                proxy_extra="[filter:closed]\nuse = egg:swift#read_only\nread_only = true\n",
            )
        )
        with pytest.raises(ClientException, match="405"):
            cluster.client().put_container("c")
        capabilities = cluster.client().get_capabilities()
        assert capabilities["swift"]["max_file_size"] == 1000

    def test_daemon_pass(self, swift: SwiftCluster, container_name: str) -> None:
        client = swift.client()
        client.put_container(container_name)
        client.put_object(container_name, "o", bytes(1234))
        swift.run_daemon(1, "container-updater")
        listed = {row["name"]: row["bytes"] for row in client.get_account()[1]}
        assert listed[container_name] == 1234

    def test_failing_daemon(self, swift: SwiftCluster) -> None:
        with pytest.raises(subprocess.CalledProcessError) as failure:
            swift.run_daemon(7, "container-updater")
        assert "container-server/7.conf" in failure.value.output

    def test_sharding(self, swift: SwiftCluster, container_name: str) -> None:
        admin = swift.client("admin:admin", account=swift.account)
        client = swift.client()
        client.put_container(container_name)
        names = [f"o{n:03}" for n in range(120)]
        for name in names:
            client.put_object(container_name, name, b"")
        admin.post_container(container_name, {"X-Container-Sharding": "on"})
        swift.run_daemon(1, "container-sharder")
        assert admin.head_container(container_name)["x-container-sharding"] == "True"
        assert list(swift.devices(1).glob("*/containers/**/*_*.db"))
        assert [row["name"] for row in client.get_container(container_name)[1]] == names


class TestS3Api:
    def test_put_and_get(self, swift: SwiftCluster, container_name: str) -> None:
        s3 = swift.s3_client()
        s3.create_bucket(Bucket=container_name)
        s3.put_object(Bucket=container_name, Key="ü/☃", Body=b"snow", Metadata={"colour": "white"})
        answer = s3.get_object(Bucket=container_name, Key="ü/☃")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"snow", {"colour": "white"})
        assert answer["ETag"] == f'"{hashlib.md5(b"snow").hexdigest()}"'
        assert swift.client().get_object(container_name, "ü/☃")[1] == b"snow"

    def test_multipart(self, swift: SwiftCluster, container_name: str) -> None:
        multipart_round_trip(swift.s3_client(), container_name)

    def test_wrong_secret_is_refused(self, swift: SwiftCluster) -> None:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3_client(swift.s3_endpoint, swift.user, "wrong").list_buckets()

    def test_small_part_is_refused(self, swift: SwiftCluster, container_name: str) -> None:
        s3 = swift.s3_client()
        s3.create_bucket(Bucket=container_name)
        with pytest.raises(ClientError, match="EntityTooSmall"):
            upload_parts(s3, container_name, [bytes(PART - 1), b"end"])


def upload_parts(s3: Any, bucket: str, parts: list[bytes]) -> str:
    """Multipart upload of the key `large`; returns its ETag."""
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
    assert upload_parts(s3, bucket, parts).strip('"') == f"{hashlib.md5(digests).hexdigest()}-2"
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == b"".join(parts)


@pytest.fixture(scope="module")
def encrypted(start_server: StartSwift) -> SwiftCluster:
    """A cluster with encryption that holds SECRET as c/o."""
    cluster = start_server(SwiftCluster(encryption=True))
    cluster.client().put_container("c")
    cluster.client().put_object("c", "o", SECRET)
    return cluster


class TestEncryption:
    def test_disk_holds_no_plaintext(self, encrypted: SwiftCluster) -> None:
        (file,) = data_files(encrypted, 1)
        assert len(file.read_bytes()) == len(SECRET)
        assert SECRET[:16] not in file.read_bytes()
        assert encrypted.client().get_object("c", "o")[1] == SECRET

    def test_a_plain_cluster_shows_it(self, swift: SwiftCluster, container_name: str) -> None:
        client = swift.client()
        client.put_container(container_name)
        before = set(data_files(swift, 1))
        client.put_object(container_name, "o", SECRET)
        (file,) = set(data_files(swift, 1)) - before
        assert file.read_bytes() == SECRET

    def test_internal_client_decrypts(self, encrypted: SwiftCluster) -> None:
        code = (
            "import sys; from servers.swift_child import use_directory; from pathlib import Path\n"
            "use_directory(Path(sys.argv[1]))\n"
            "from swift.common.internal_client import InternalClient\n"
            "client = InternalClient(sys.argv[2], 'test', 1, global_conf={'log_name': 'test'})\n"
            "status, headers, body = client.get_object('AUTH_test', 'c', 'o')\n"
            "sys.stdout.buffer.write(b''.join(body))\n"
        )
        child = encrypted._child("internal", "unused")
        done = subprocess.run(
            [child.command[0], "-c", code, str(encrypted.root), str(encrypted.internal_client_conf)],
            env=child.environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        assert done.stdout == SECRET


class TestThreeNodes:
    def test_every_node_has_a_replica(self, swift3: SwiftCluster, container_name: str) -> None:
        client = swift3.client()
        client.put_container(container_name)
        client.put_object(container_name, "o", b"x")
        assert all(object_dir(swift3, node, container_name, "o").is_dir() for node in (1, 2, 3))

    def test_a_stopped_node_misses_what_is_written(self, swift3: SwiftCluster, container_name: str) -> None:
        client = swift3.client()
        client.put_container(container_name)
        client.put_object(container_name, "before", b"x")
        swift3.stop_node(2)
        try:
            client.put_object(container_name, "during", b"x")
            assert client.get_object(container_name, "before")[1] == b"x"
            assert not swift3.children["node2"].running
        finally:
            swift3.start_node(2)
        has = [object_dir(swift3, node, container_name, "during").is_dir() for node in (1, 2, 3)]
        assert has == [True, False, True]
        client.put_object(container_name, "after", b"x")
        assert object_dir(swift3, 2, container_name, "after").is_dir()

    def test_replicators_bring_a_node_up_to_date(self, swift3: SwiftCluster, container_name: str) -> None:
        client = swift3.client()
        client.put_container(container_name)
        swift3.stop_node(3)
        try:
            client.put_object(container_name, "o", b"x")
        finally:
            swift3.start_node(3)
        assert not object_dir(swift3, 3, container_name, "o").exists()
        swift3.run_daemon(1, "object-replicator")
        swift3.run_daemon(1, "container-replicator")
        assert object_dir(swift3, 3, container_name, "o").is_dir()
        server = swift3.server("container", 3)
        with swift3.count_requests() as count:
            client.get_container(container_name)
        assert count.of("container", "GET") >= 1
        assert server.ip == swift3.node_ip(3) == "127.0.0.3"

    def test_proxy_stops_alone(self, swift3: SwiftCluster) -> None:
        swift3.stop_proxy()
        try:
            with pytest.raises(EndpointConnectionError):
                swift3.s3_client().list_buckets()
            assert all(swift3.children[f"node{n}"].running for n in (1, 2, 3))
        finally:
            swift3.start_proxy()
        swift3.s3_client().list_buckets()

    def test_frozen_node_does_not_answer(self, swift3: SwiftCluster, container_name: str) -> None:
        port = next(p for p in swift3._ports if p.port == swift3.server("object", 2).port)
        swift3.children["node2"].freeze()
        try:
            assert port.accepts()
            with swift3.count_requests() as count:
                swift3.client().put_container(container_name)
            assert 2 not in {r.node for r in count.requests}
        finally:
            swift3.children["node2"].thaw()


class TestOtherLayouts:
    def test_four_nodes_in_one_process(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(nodes=4, processes="one"))
        client = cluster.client()
        client.put_container("c")
        for number in range(8):
            client.put_object("c", str(number), b"x")
        copies = [len(data_files(cluster, node)) for node in (1, 2, 3, 4)]
        assert (len(cluster.children), sum(copies)) == (1, 24)
        assert all(copies)

    def test_a_process_for_each_server(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(processes="server"))
        assert set(cluster.children) == {"proxy", "account1", "container1", "object1"}
        client = cluster.client()
        client.put_container("c")
        cluster.children["object1"].stop()
        with pytest.raises(ClientException, match="503"):
            client.put_object("c", "o", b"x")
        cluster.start()
        client.put_object("c", "o", b"x")

    def test_erasure_coding(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(nodes=3, processes="one", ec_policies=["coded"]))
        client = cluster.client()
        client.put_container("c", headers={"X-Storage-Policy": "coded"})
        body = os.urandom(300_000)
        client.put_object("c", "o", body)
        assert client.get_object("c", "o")[1] == body
        fragments = [file for node in (1, 2, 3) for file in data_files(cluster, node)]
        assert [file.stat().st_size < len(body) for file in fragments] == [True] * 3

    def test_clusters_side_by_side(self, swift: SwiftCluster, start_server: StartSwift) -> None:
        other = start_server(SwiftCluster())
        other.client().put_container("only-here")
        with pytest.raises(ClientException, match="404"):
            swift.client().head_container("only-here")

    def test_erasure_coding_needs_three_nodes(self) -> None:
        with pytest.raises(ValueError, match="three nodes"):
            SwiftCluster(ec_policies=["coded"])


class TestRequestCount:
    def test_exact(self, swift: SwiftCluster, container_name: str) -> None:
        client = swift.client()
        client.put_container(container_name)
        with swift.count_requests() as count:
            client.put_object(container_name, "ü", b"x")
            for _ in range(5):
                client.get_object(container_name, "ü")
            client.head_object(container_name, "ü")
            client.delete_object(container_name, "ü")
        client.head_container(container_name)
        assert count.by_method("proxy") == {"PUT": 1, "GET": 5, "HEAD": 1, "DELETE": 1}
        assert count.by_method("object") == {"PUT": 1, "GET": 5, "HEAD": 1, "DELETE": 1}
        assert count.of("container", "PUT") == count.of("container", "DELETE") == 1
        put = next(r for r in count.requests if r.server == "proxy")
        assert (put.path, put.status) == (f"/v1/AUTH_test/{container_name}/%C3%BC", 201)
        assert put.agent.startswith("python-swiftclient")

    def test_s3_and_refused_requests_count_too(self, swift: SwiftCluster, container_name: str) -> None:
        s3 = swift.s3_client()
        s3.create_bucket(Bucket=container_name)
        with swift.count_requests() as count:
            s3.list_objects_v2(Bucket=container_name, Prefix="a b")
            with pytest.raises(ClientError, match="404"):
                s3.head_object(Bucket=container_name, Key="none")
        listing, head = (r for r in count.requests if r.server == "proxy")
        assert listing.path == f"/{container_name}?list-type=2&prefix=a%20b&encoding-type=url"
        assert (head.method, head.status) == ("HEAD", 404)

    def test_processes_share_the_log(self, swift3: SwiftCluster, container_name: str) -> None:
        client = swift3.client()
        client.put_container(container_name)
        with swift3.count_requests(quiet=0.5) as count:
            for number in range(10):
                client.put_object(container_name, str(number), b"x")
        assert (count.of("proxy", "PUT"), count.of("object", "PUT")) == (10, 30)
        assert {r.node for r in count.requests if r.server == "object"} == {1, 2, 3}
        assert len(swift3.requests("object", "PUT")) >= 30


@pytest.fixture(params=["moto", "rclone"])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    server: S3Server = request.getfixturevalue(request.param)
    return server


class TestS3Servers:
    def test_put_get_list(self, s3_server: S3Server, container_name: str) -> None:
        s3 = s3_server.client()
        bucket = s3_server.create_bucket(container_name)
        s3.put_object(Bucket=bucket, Key="ü/☃", Body=b"snow", Metadata={"colour": "white"})
        answer = s3.get_object(Bucket=bucket, Key="ü/☃")
        assert answer["Body"].read() == b"snow"
        assert {name.lower(): value for name, value in answer["Metadata"].items()}["colour"] == "white"
        assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["ü/☃"]

    def test_multipart(self, s3_server: S3Server, container_name: str) -> None:
        multipart_round_trip(s3_server.client(), container_name)

    def test_rclone_checks_signatures(self, rclone: RcloneS3) -> None:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3_client(rclone.endpoint, rclone.access_key, "wrong").list_buckets()

    def test_rclone_keeps_its_data_when_down(self, start_server: Callable[[RcloneS3], RcloneS3]) -> None:
        server = start_server(RcloneS3())
        server.create_bucket("kept")
        endpoint = server.endpoint
        server.halt()
        with pytest.raises(EndpointConnectionError):
            server.client().list_buckets()
        server.start()
        assert server.endpoint == endpoint
        assert [b["Name"] for b in server.client().list_buckets()["Buckets"]] == ["kept"]

    def test_moto_knows_storage_classes(self, moto: MotoServer, container_name: str) -> None:
        s3 = moto.client()
        bucket = moto.create_bucket(container_name)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="GLACIER")
        assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"


class TestProcesses:
    def test_a_server_that_ends_at_once_shows_its_log(self, tmp_path: Path) -> None:
        child = Child("broken", ["sh", "-c", "echo why it failed; exit 3"], tmp_path / "log")
        child.start()
        with pytest.raises(ServerError, match=r"(?s)ended with 3.*why it failed"):
            child.wait_ready(lambda: False)

    def test_a_server_that_never_listens_is_stopped(self, tmp_path: Path) -> None:
        child = Child("slow", ["sleep", "60"], tmp_path / "log")
        child.start()
        with pytest.raises(ServerError, match=r"not within 0.2 s"):
            child.wait_ready(lambda: False, seconds=0.2)
        assert not child.running

    def test_a_server_that_ignores_the_signal_is_killed(self, tmp_path: Path) -> None:
        child = Child(
            "stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "log"
        )
        child.start()
        child.wait_ready(lambda: b"up" in child.log.read_bytes())
        child.stop(grace=0.2)
        assert child.wait(0) == -signal.SIGKILL

    def test_children_of_a_killed_parent_end(self, tmp_path: Path, swift: SwiftCluster) -> None:
        code = (
            "import sys, time; from servers.rclone import RcloneS3\n"
            "server = RcloneS3().start()\n"
            "print(server.children['rclone'].pid, server.root, flush=True)\n"
            "time.sleep(60)\n"
        )
        environment = swift._child("unused", "unused").environment
        parent = Child(
            "parent", [*python_module("servers")[:1], "-c", code], tmp_path / "log", environment=environment
        )
        parent.start()
        parent.wait_ready(lambda: parent.log.read_bytes().endswith(b"\n"))
        pid, root = parent.log.read_text().split()
        parent.signal(signal.SIGKILL)
        parent.wait(5)
        assert_ends(int(pid))
        assert Path(root).exists()
        sweep(Path(root).parent)
        assert not Path(root).exists()

    def test_sweeping_spares_what_is_in_use_or_kept(self) -> None:
        used, kept = ScratchDir("used"), ScratchDir("kept")
        try:
            kept.keep()
            os.close(kept._lock)
            sweep(used.path.parent)
            assert used.path.exists()
            assert kept.path.exists()
        finally:
            kept._lock = os.open(os.devnull, os.O_RDONLY)
            used.remove()
            kept.remove()

    def test_reserved_port_refuses_until_somebody_listens(self) -> None:
        first, second = ReservedPort(), ReservedPort()
        assert first.port != second.port
        assert not first.accepts()
        first.release()
        second.release()


def assert_ends(pid: int) -> None:
    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(ended, 5, f"process {pid}")


class TestSideXattr:
    def test_round_trip_and_reuse_of_an_inode(self, tmp_path: Path) -> None:
        side = side_xattr.SideXattr(tmp_path / "side")
        side.directory.mkdir()
        file = tmp_path / "file"
        file.write_bytes(b"")
        with pytest.raises(OSError, match="no such attribute"):
            side.getxattr(str(file), "user.swift.metadata")
        side.setxattr(str(file), "user.swift.metadata", bytes(70_000))
        with file.open() as opened:
            side.setxattr(opened, b"user.swift.metadata1", b"more")
        assert side.getxattr(str(file), b"user.swift.metadata") == bytes(70_000)
        assert side.getxattr(str(file), "user.swift.metadata1") == b"more"
        side.setxattr(str(file), "user.swift.metadata", b"fresh")
        with pytest.raises(OSError, match="no such attribute"):
            side.getxattr(str(file), "user.swift.metadata1")
        side.removexattr(str(file), "user.swift.metadata")
        with pytest.raises(OSError, match="no such attribute"):
            side.removexattr(str(file), "user.swift.metadata")

    def test_a_cluster_works_with_it(self, tmp_path: Path, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(root=tmp_path / "cluster"))
        if side_xattr.large_xattrs_work(tmp_path):
            assert not (cluster.root / "xattr").exists()
        client = cluster.client()
        client.put_container("c")
        metadata = {f"X-Object-Meta-{n}": "m" * 250 for n in range(14)}
        client.put_object("c", "o", b"x", headers=metadata)
        client.post_object("c", "o", headers={"X-Object-Meta-New": "only"})
        headers, body = client.get_object("c", "o")
        assert (headers["x-object-meta-new"], body) == ("only", b"x")
        assert "x-object-meta-3" not in headers
