"""A cluster that encrypts what it stores: plaintext arrives, or nothing does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from servers.daemon import NewDaemon
from servers.pair import Pair, Store, new_pair, sync
from servers.swift import SwiftCluster

BODY = b"nobody may read this on the disk " * 3000


@pytest.fixture(scope="module")
def encrypted(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    return start_server(SwiftCluster(encryption=True))


@pytest.fixture
def pair(encrypted: SwiftCluster, moto_store: Store) -> Pair:
    pair = new_pair(encrypted, moto_store)
    pair.put("o", BODY, {"Content-Type": "text/plain", "X-Object-Meta-Colour": "grün"})
    pair.put("empty", b"", {"X-Object-Meta-Secret": "metadata is encrypted too"})
    pair.put("p", b"short", {"X-Object-Meta-A": "a"})
    (data, *_) = encrypted.object_dir(1, pair.container, "o").glob("*.data")
    assert b"nobody" not in data.read_bytes()
    return pair


def test_objects_of_encrypted_cluster_are_copied_as_plaintext(
    encrypted: SwiftCluster, pair: Pair, new_daemon: NewDaemon
) -> None:
    daemon = new_daemon(pair, cluster=encrypted)
    sync(daemon, pair)
    pair.check()
    pair.post("o", {"X-Object-Meta-Colour": "blau"})
    pair.put("p", b"another")
    pair.delete("empty")
    sync(daemon, pair)
    pair.check()
    daemon.stop()
    # the container's rows hold ciphertext's digests: comparing does not use them, and sends nothing again
    (daemon.status_dir / pair.swift.account / pair.container).unlink()
    assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.log_text().splitlines()[-1].endswith("present 3")
    pair.check()


def test_without_the_key_nothing_is_copied(
    encrypted: SwiftCluster, pair: Pair, new_daemon: NewDaemon, tmp_path: Path
) -> None:
    conf = encrypted.internal_client_conf.read_text()
    assert "keymaster encryption" in conf
    without = tmp_path / "internal-client.conf"
    without.write_text(conf.replace("keymaster encryption", ""))
    daemon = new_daemon(pair, cluster=encrypted, internal_client_path=str(without))
    assert daemon.once().returncode == 1
    assert pair.arrived() == []
    assert daemon.unsettled() == dict.fromkeys(("o", "p", "empty"), ("quarantine", "encrypted_no_key", 1))
    # mended, and the container looked at anew
    del daemon.settings["internal_client_path"]
    (daemon.status_dir / pair.swift.account / pair.container).unlink()
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()
    assert daemon.unsettled() == {}


def test_objects_not_read_to_the_end_leave_no_connection_open(
    encrypted: SwiftCluster, pair: Pair, moto_store: Store, new_daemon: NewDaemon
) -> None:
    """The fixture ``no_descriptor_is_left`` counts them."""
    chosen = new_pair(
        encrypted, moto_store, selection_criteria={"x-object-meta-copy": "yes"}, follow_symlinks="account"
    )
    for number in range(6):
        chosen.put(f"not chosen {number}", BODY * 2)
    chosen.put("link", b"", {"X-Symlink-Target": f"{pair.container}/o"})
    daemon = new_daemon(chosen, pair, cluster=encrypted)
    sync(daemon, chosen, pair)
    assert chosen.arrived() == []
    daemon.stop()
    for each in (chosen, pair):
        (daemon.status_dir / each.swift.account / each.container).unlink()
    assert daemon.once().returncode == 0, daemon.log_text()
    told = daemon.log_text().splitlines()[-2:]
    assert [line.partition(": ")[2].partition(": ")[2] for line in told] == [
        "scanned 7: skipped 7 (condition 7)",
        "scanned 3: present 3",
    ]
