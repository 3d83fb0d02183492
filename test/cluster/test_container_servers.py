"""Whether all replicas of a container have the same metadata, as its servers say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import swiftclient

from s3_sync.cluster.container_servers import ContainerServers
from s3_sync.errors import LocalUnavailable
from servers.local import Local

COLOUR = "x-container-meta-colour"


def check(local: Local, container: str, expected: dict[str, str]) -> None:
    servers = ContainerServers(local.reader.servers)
    servers.check_metadata(local.account, container, expected, lambda name: "-meta-" in name)


def test_replica_that_was_down_differs_until_it_is_replicated(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    client.post_container(container_name, {COLOUR: "grün"})
    check(local, container_name, {COLOUR: "grün"})
    for expected in ({}, {COLOUR: "red"}, {COLOUR: "grün", "x-container-meta-shape": "round"}):
        with pytest.raises(LocalUnavailable, match="other metadata"):
            check(local, container_name, expected)
    down(3)
    client.post_container(container_name, {COLOUR: ""})
    check(local, container_name, {})  # two of three
    local.cluster.start_node(3)
    with pytest.raises(LocalUnavailable, match="other metadata"):
        check(local, container_name, {})
    for node in (1, 2, 3):
        local.cluster.run_daemon(node, "container-replicator")
    check(local, container_name, {})


def test_minority_is_not_enough(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    down(2)
    down(3)
    with pytest.raises(LocalUnavailable, match="no majority"):
        check(local, container_name, {})


def test_deleted_container_has_no_metadata_and_one_that_never_was_is_unknown(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.post_container(container_name, {COLOUR: "red"})
    client.delete_container(container_name)
    check(local, container_name, {})
    with pytest.raises(LocalUnavailable, match="no majority"):
        check(local, f"{container_name}-x", {})
