"""The test servers do what the other tests take for granted."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from swiftclient.exceptions import ClientException

from servers.process import child_environment
from servers.swift import ENVIRONMENT, SwiftCluster

PART = 5 << 20
NAMES = ["plain", "ünï/☃/\U0001f40d", "a//b", "/leading", "trailing ", "100% + &?#"]
SECRET = b"nobody may read this on the disk " * 100
StartSwift = Callable[[SwiftCluster], SwiftCluster]


@pytest.fixture(scope="module")
def swift(start_server: StartSwift) -> SwiftCluster:
    """A Swift of this file alone: the updater and the sharder visit every container there is."""
    return start_server(SwiftCluster())


def data_files(cluster: SwiftCluster, node: int) -> list[Path]:
    return sorted(cluster.devices(node).glob("*/objects*/**/*.data"))


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

    def test_metadata_larger_than_an_ext4_attribute_is_kept(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
        client = swift.client()
        client.put_container(container_name)
        metadata = {f"X-Object-Meta-{n}": "m" * 250 for n in range(14)}
        client.put_object(container_name, "o", b"x", headers=metadata)
        headers = client.head_object(container_name, "o")
        assert all(headers[name.lower()] == value for name, value in metadata.items())

    def test_object_of_second_policy_is_stored_in_its_own_directory(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
        client = swift.client()
        client.put_container(container_name + "-default")
        client.put_container(container_name, headers={"X-Storage-Policy": "silver"})
        assert client.head_container(container_name + "-default")["x-storage-policy"] == "gold"
        before = set(data_files(swift, 1))
        client.put_object(container_name, "o", b"x")
        (new,) = set(data_files(swift, 1)) - before
        assert "objects-1" in new.parts

    def test_users_have_separate_accounts(self, swift: SwiftCluster, container_name: str) -> None:
        other = swift.client("test2:tester2")
        other.put_container(container_name)
        with pytest.raises(ClientException, match="404"):
            swift.client().head_container(container_name)
        assert other.get_auth()[0].endswith("/AUTH_test2")
        admin = swift.client("admin:admin", account="AUTH_test2")
        assert admin.head_container(container_name)["x-container-object-count"] == "0"

    def test_restarted_cluster_has_its_data(self, start_server: StartSwift) -> None:
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

    def test_constraints_and_extra_filter_apply_to_the_proxy(self, start_server: StartSwift) -> None:
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

    def test_run_of_container_updater_updates_the_account_listing(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
        client = swift.client()
        client.put_container(container_name)
        client.put_object(container_name, "o", bytes(1234))
        swift.run_daemon(1, "container-updater")
        listed = {row["name"]: row["bytes"] for row in client.get_account()[1]}
        assert listed[container_name] == 1234

    def test_failing_run_of_a_daemon_raises_with_its_output(self, swift: SwiftCluster) -> None:
        with pytest.raises(subprocess.CalledProcessError) as failure:
            swift.run_daemon(7, "container-updater")
        assert "container-server/7.conf" in failure.value.output

    def test_run_of_container_sharder_shards_the_container(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
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


@pytest.fixture(scope="module")
def encrypted(start_server: StartSwift) -> SwiftCluster:
    """A cluster with encryption that holds SECRET as c/o."""
    cluster = start_server(SwiftCluster(encryption=True))
    cluster.client().put_container("c")
    cluster.client().put_object("c", "o", SECRET)
    return cluster


class TestEncryption:
    def test_data_file_of_encrypted_cluster_has_no_plaintext(self, encrypted: SwiftCluster) -> None:
        (file,) = data_files(encrypted, 1)
        assert len(file.read_bytes()) == len(SECRET)
        assert SECRET[:16] not in file.read_bytes()
        assert encrypted.client().get_object("c", "o")[1] == SECRET

    def test_data_file_of_plain_cluster_has_plaintext(self, swift: SwiftCluster, container_name: str) -> None:
        client = swift.client()
        client.put_container(container_name)
        before = set(data_files(swift, 1))
        client.put_object(container_name, "o", SECRET)
        (file,) = set(data_files(swift, 1)) - before
        assert file.read_bytes() == SECRET

    def test_internal_client_returns_plaintext(self, encrypted: SwiftCluster) -> None:
        code = (
            "import sys; from servers.swift_child import use_directory; from pathlib import Path\n"
            "use_directory(Path(sys.argv[1]))\n"
            "from swift.common.internal_client import InternalClient\n"
            "client = InternalClient(sys.argv[2], 'test', 1, global_conf={'log_name': 'test'})\n"
            "status, headers, body = client.get_object('AUTH_test', 'c', 'o')\n"
            "sys.stdout.buffer.write(b''.join(body))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(encrypted.root), str(encrypted.internal_client_conf)],
            env=child_environment(ENVIRONMENT),
            stdout=subprocess.PIPE,
            check=True,
        )
        assert done.stdout == SECRET


class TestThreeNodes:
    def test_put_object_has_a_replica_on_every_node(self, swift3: SwiftCluster, container_name: str) -> None:
        client = swift3.client()
        client.put_container(container_name)
        client.put_object(container_name, "o", b"x")
        assert all(swift3.object_dir(node, container_name, "o").is_dir() for node in (1, 2, 3))
        assert all(list(swift3.container_dir(node, container_name).glob("*.db")) for node in (1, 2, 3))

    def test_stopped_node_misses_objects_put_meanwhile(
        self, swift3: SwiftCluster, container_name: str
    ) -> None:
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
        has = [swift3.object_dir(node, container_name, "during").is_dir() for node in (1, 2, 3)]
        assert has == [True, False, True]
        client.put_object(container_name, "after", b"x")
        assert swift3.object_dir(2, container_name, "after").is_dir()

    def test_replicators_bring_a_node_up_to_date(self, swift3: SwiftCluster, container_name: str) -> None:
        client = swift3.client()
        client.put_container(container_name)
        swift3.stop_node(3)
        try:
            client.put_object(container_name, "o", b"x")
        finally:
            swift3.start_node(3)
        assert not swift3.object_dir(3, container_name, "o").exists()
        swift3.run_daemon(1, "object-replicator")
        swift3.run_daemon(1, "container-replicator")
        assert swift3.object_dir(3, container_name, "o").is_dir()
        server = swift3.server("container", 3)
        with swift3.count_requests() as count:
            client.get_container(container_name)
        assert count.of("container", "GET") >= 1
        assert server.ip == swift3.node_ip(3) == "127.0.0.3"

    def test_stop_proxy_leaves_the_nodes_running(self, swift3: SwiftCluster) -> None:
        swift3.stop_proxy()
        try:
            with pytest.raises(EndpointConnectionError):
                swift3.s3_client().list_buckets()
            assert all(swift3.children[f"node{n}"].running for n in (1, 2, 3))
        finally:
            swift3.start_proxy()
        swift3.s3_client().list_buckets()

    def test_frozen_node_accepts_connections_but_does_not_answer(
        self, swift3: SwiftCluster, container_name: str
    ) -> None:
        port = next(p for p in swift3._ports if p.port == swift3.server("object", 2).port)
        client = swift3.client()
        client.put_container(
            f"{container_name}-before"
        )  # the proxy knows the account, and asks nobody for it
        swift3.children["node2"].freeze()
        try:
            assert port.accepts()
            with swift3.count_requests() as count:
                client.put_container(container_name)
            assert 2 not in {r.node for r in count.requests}
        finally:
            swift3.children["node2"].thaw()


class TestOtherLayouts:
    def test_four_nodes_in_one_process_all_store_objects(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(nodes=4, processes="one"))
        client = cluster.client()
        client.put_container("c")
        for number in range(8):
            client.put_object("c", str(number), b"x")
        copies = [len(data_files(cluster, node)) for node in (1, 2, 3, 4)]
        assert (len(cluster.children), sum(copies)) == (1, 24)
        assert all(copies)

    def test_process_of_one_server_can_be_stopped_and_restarted(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(processes="server"))
        assert set(cluster.children) == {"proxy", "account1", "container1", "object1"}
        client = cluster.client()
        client.put_container("c")
        cluster.children["object1"].stop()
        with pytest.raises(ClientException, match="503"):
            client.put_object("c", "o", b"x")
        cluster.start()
        client.put_object("c", "o", b"x")

    def test_erasure_coded_object_is_stored_as_fragments(self, start_server: StartSwift) -> None:
        cluster = start_server(SwiftCluster(nodes=3, processes="one", ec_policies=["coded"]))
        client = cluster.client()
        client.put_container("c", headers={"X-Storage-Policy": "coded"})
        body = os.urandom(300_000)
        client.put_object("c", "o", body)
        assert client.get_object("c", "o")[1] == body
        fragments = [file for node in (1, 2, 3) for file in data_files(cluster, node)]
        assert [file.stat().st_size < len(body) for file in fragments] == [True] * 3

    def test_two_clusters_do_not_share_containers(
        self, swift: SwiftCluster, start_server: StartSwift
    ) -> None:
        other = start_server(SwiftCluster())
        other.client().put_container("only-here")
        with pytest.raises(ClientException, match="404"):
            swift.client().head_container("only-here")

    def test_erasure_coding_with_one_node_raises_value_error(self) -> None:
        with pytest.raises(ValueError, match="three nodes"):
            SwiftCluster(ec_policies=["coded"])


class TestRequestCount:
    def test_count_has_each_request_of_each_server_once(
        self, swift: SwiftCluster, container_name: str
    ) -> None:
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

    def test_count_includes_s3_requests_and_errors(self, swift: SwiftCluster, container_name: str) -> None:
        s3 = swift.s3_client()
        s3.create_bucket(Bucket=container_name)
        with swift.count_requests() as count:
            s3.list_objects_v2(Bucket=container_name, Prefix="a b")
            with pytest.raises(ClientError, match="404"):
                s3.head_object(Bucket=container_name, Key="none")
        listing, head = (r for r in count.requests if r.server == "proxy")
        assert listing.path == f"/{container_name}?list-type=2&prefix=a%20b&encoding-type=url"
        assert (head.method, head.status) == ("HEAD", 404)

    def test_count_includes_requests_of_all_processes(
        self, swift3: SwiftCluster, container_name: str
    ) -> None:
        client = swift3.client()
        client.put_container(container_name)
        with swift3.count_requests(quiet=0.5) as count:
            for number in range(10):
                client.put_object(container_name, str(number), b"x")
        assert (count.of("proxy", "PUT"), count.of("object", "PUT")) == (10, 30)
        assert {r.node for r in count.requests if r.server == "object"} == {1, 2, 3}
        assert len(swift3.requests("object", "PUT")) >= 30
