"""Metadata of all kinds, compared as Swift and the store tell it."""

from __future__ import annotations

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon
from servers.operations import counting
from servers.pair import Store, new_pair, sync
from servers.swift import SwiftCluster

KINDS: dict[str, dict[str, str]] = {
    "none": {},
    "plain": {"X-Object-Meta-Colour": "red", "X-Object-Meta-Two-Words": "a b"},
    "latin": {"X-Object-Meta-Place": "Åbo, Żółw, naïve"},
    "other scripts": {"X-Object-Meta-Name": "שלום 你好 \U0001f40d", "X-Object-Meta-Mixed": "a ü b ☃ c"},
    "long": {"X-Object-Meta-Long": "ü" * 60, "X-Object-Meta-Longer": "word " * 50 + "end"},
    "many": {f"X-Object-Meta-Number-{number}": f"value {number}" for number in range(60)},
    "empty values": {"X-Object-Meta-Empty": "", "X-Object-Meta-Full": "x"},
    "percent": {"X-Object-Meta-Percent": "100%25 a%20b %zz", "X-Object-Meta-Plus": "a+b"},
    "encoded word": {"X-Object-Meta-Word": "=?UTF-8?B?w6k=?=", "X-Object-Meta-Like": "=?not one?="},
    "blanks inside": {"X-Object-Meta-Blanks": "a  b   c"},
    "punctuation": {"X-Object-Meta-Marks": "\"quoted\", 'single'; a=b, (c) <d> \\e"},
    "header names": {"X-Object-Meta-A_b.c~d!": "odd but legal"},
    "encoded header names": {
        "X-Object-Meta-Foo=5Fbar": "1",
        "X-Object-Meta-A-B": "2",
        "X-Object-Meta-=5F=5Fa": "3",
    },
    "content type": {"Content-Type": "text/html; charset=UTF-8"},
    "content type in other letters": {"Content-Type": "text/x-ü"},
    "encoding": {"Content-Encoding": "gzip"},
    "two encodings": {"Content-Encoding": "deflate, gzip"},
    "disposition": {"Content-Disposition": 'attachment; filename="a b.txt"'},
    "disposition in other letters": {"Content-Disposition": 'attachment; filename="ü☃.txt"'},
    "all headers": {
        "Content-Type": "image/png",
        "Content-Encoding": "br",
        "Content-Disposition": "inline",
        "Content-Language": "de, en",
        "Cache-Control": "max-age=60, public",
        "Expires": "Wed, 21 Oct 2037 07:28:00 GMT",
        "X-Object-Meta-And": "more",
    },
    "expiring": {"X-Delete-After": "86400"},
}
#: rclone serve s3 loses Expires, and refuses some metadata
STORES = ("s3api", "moto_store")


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_metadata_of_each_kind_is_copied_and_replaced_by_post(
    swift: SwiftCluster, store: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store)
    daemon = new_daemon(pair)
    for name, headers in KINDS.items():
        pair.put(name, name.encode(), headers)
    if store.name == "moto":  # Swift's s3api takes at most 256 characters, encoded ones
        pair.put("longest", b"", {"X-Object-Meta-Long": "ü" * 128})
    sync(daemon, pair)
    pair.check()
    # a POST replaces everything; here each object gets the next one's
    kinds = list(KINDS.values())
    for name, headers in zip(KINDS, kinds[1:] + kinds[:1], strict=True):
        pair.post(name, {"X-Object-Meta-Posted": "yes", **headers})
    sync(daemon, pair)
    pair.check()
    # and takes away what it does not name
    for name in KINDS:
        pair.post(name, {})
    sync(daemon, pair)
    pair.check()
    assert pair.landed("many").user == {}


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_underscores_of_s3_clients_are_copied_and_sent_once(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    daemon = new_daemon(pair)
    metadata = {"foo_bar": "1", "a-b": "2", "__": "3"}
    source = swift.s3_client()
    source.put_object(Bucket=pair.container, Key="by s3api", Body=b"x", Metadata=metadata)
    headers = {"X-Object-Meta-Foo=5fBar": "1", "X-Object-Meta-A-B": "2", "X-Object-Meta-=5F=5F": "3"}
    pair.put("by swift", b"x", headers)
    names = ["by s3api", "by swift"]
    with counting(proxy) as requests:
        sync(daemon, pair)
    assert (requests["PutObject"], pair.arrived()) == (2, names)
    for name in names:
        stored = pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + name)["Metadata"]
        assert stored == {**metadata, "swift-timestamp": stored["swift-timestamp"]}
    assert daemon.ctl("verify-data", "0").returncode == 0
    daemon.stop()
    daemon = new_daemon(pair)  # which knows nothing, and compares
    with counting(proxy) as requests:
        sync(daemon, pair)
    assert requests.keys() <= {"HeadObject", "ListObjects"}
    assert requests["HeadObject"] == len(names)
    pair.check()
    for name in names:
        pair.post(name, {"X-Object-Meta-A=5FB": "posted"})
    sync(daemon, pair)
    stored = pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + "by s3api")["Metadata"]
    assert stored.items() >= {"a_b": "posted"}.items()
    pair.check()


def test_names_that_differ_in_underscore_and_hyphen_are_both_copied(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """moto takes one of them."""
    pair = new_pair(swift, s3api)
    metadata = {"foo_bar": "1", "foo-bar": "2"}
    swift.s3_client().put_object(Bucket=pair.container, Key="o", Body=b"x", Metadata=metadata)
    sync(new_daemon(pair), pair)
    stored = pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + "o")["Metadata"]
    assert stored == {**metadata, "swift-timestamp": stored["swift-timestamp"]}
    pair.check()


def test_names_with_other_equals_signs_are_refused_until_changed(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """S3 drops such headers."""
    pair = new_pair(swift, s3api)
    daemon = new_daemon(pair)
    for name in ("a=41", "a=", "a=5=5Fb"):
        pair.put(name, b"x", {f"X-Object-Meta-{name}": "x"})
    assert daemon.once().returncode == 1
    assert set(daemon.unsettled().values()) == {("quarantine", "metadata_name", 1)}
    assert pair.arrived() == []
    for name in ("a=41", "a=", "a=5=5Fb"):
        pair.post(name, {"X-Object-Meta-A=5Fb": "x"})
    assert daemon.once().returncode == 0, daemon.log_text()
    pair.check()
