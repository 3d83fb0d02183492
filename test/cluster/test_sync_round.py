"""The basic round against every store: PUT, POST, overwrite, DELETE, and nothing where nothing changed."""

from __future__ import annotations

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon
from servers.operations import counting
from servers.pair import Store, new_pair
from servers.swift import SwiftCluster

STORES = ("s3api", "moto_store", "rclone_store")


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_changes_are_copied_and_a_third_run_sends_nothing(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    daemon = new_daemon(pair)
    pair.put("plain", b"some text", {"Content-Type": "text/plain", "X-Object-Meta-Colour": "red"})
    pair.put(
        "folder/\u00fcn\u00ef \u2603 \U0001f40d",
        b"\0\xff" * 50_000,
        {"X-Object-Meta-Where": "\u0141\u00f3d\u017a"},
    )
    pair.put("empty", b"")
    pair.put("to be deleted", b"gone soon")
    pair.put("to be deleted and put again", b"first")
    pair.put("to be overwritten", b"old", {"X-Object-Meta-Old": "yes"})
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()

    pair.post("plain", {"Content-Type": "text/x-changed", "X-Object-Meta-Colour": "blue"})
    pair.put("to be overwritten", b"new and longer", {"X-Object-Meta-New": "yes"})
    pair.delete("to be deleted")
    pair.delete("to be deleted and put again")
    pair.put("to be deleted and put again", b"second")
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()

    with counting(proxy) as requests:
        assert daemon.once().returncode == 0
    assert requests == {}
    # what is not known to hold to conditions is not asked to
    assert not [call for call in proxy.calls() if {"if-match", "if-none-match"} & call.headers.keys()]
