"""Where objects go: keys with every kind of prefix, several mappings of a container, a new destination."""

from __future__ import annotations

from servers.daemon import NewDaemon
from servers.landed import in_bucket, keys
from servers.pair import Pair, Store, new_pair, sync
from servers.swift import SwiftCluster

PREFIXES = {
    None: None,
    "": "",
    "plain": "plain/",
    "/slashes//": "slashes/",
    "a/b": "a/b/",
    "ünï ☃/+%25": "ünï ☃/+%25/",
}
LITERAL = {"": "", "plain-": "plain-", "/kept//": "/kept//", "dir/": "dir/"}


def test_each_custom_prefix_gives_the_expected_keys(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    joined = [(new_pair(swift, s3api, custom_prefix=prefix), key) for prefix, key in PREFIXES.items()]
    literal = [
        (new_pair(swift, s3api, custom_prefix=prefix, prefix_join="literal"), key)
        for prefix, key in LITERAL.items()
    ]
    pairs = [*joined, *literal]
    for pair, _ in pairs:
        pair.put("name/of it", b"1")
        pair.put("gone", b"2")
    daemon = new_daemon(*(pair for pair, _ in pairs))
    sync(daemon, *(pair for pair, _ in pairs))
    for pair, prefix in pairs:
        expected = pair.prefix if prefix is None else prefix
        assert set(keys(pair.s3, pair.bucket)) == {f"{expected}name/of it", f"{expected}gone"}
        assert in_bucket(pair.s3, pair.bucket, f"{expected}name/of it").size == 1
        pair.delete("gone")
    sync(daemon, *(pair for pair, _ in pairs))
    for pair, prefix in pairs:
        expected = pair.prefix if prefix is None else prefix
        assert keys(pair.s3, pair.bucket) == [f"{expected}name/of it"]


def test_two_mappings_of_one_container_keep_separate_progress(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """One of the two mappings is removed for a while, and then configured again."""
    first = new_pair(swift, s3api)
    second = Pair(first.swift, s3api, first.container)
    second.s3.create_bucket(Bucket=second.bucket)
    daemon = new_daemon(first, second)
    first.put("o", b"1")
    sync(daemon, first, second)
    first.check()
    second.check()
    daemon.stop()
    daemon.settings["containers"] = [first.mapping]
    first.put("o", b"22")
    first.put("p")
    sync(daemon, first)
    first.check()
    assert second.landed("o").size == 1
    daemon.stop()
    daemon.settings["containers"] = [second.mapping, first.mapping]
    sync(daemon, first, second)
    second.check()
    first.check()


def test_new_destination_starts_over_and_leaves_the_old_one_alone(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api)
    daemon = new_daemon(pair)
    pair.put("o")
    sync(daemon, pair)
    moved = Pair(pair.swift, s3api, pair.container)
    moved.s3.create_bucket(Bucket=moved.bucket)
    daemon.stop()
    daemon.settings["containers"] = [moved.mapping]
    sync(daemon, moved)
    moved.check()
    pair.check()
    pair.delete("o")
    sync(daemon, moved)
    assert moved.arrived() == []
    assert pair.arrived() == ["o"]
