"""Comparisons of whole containers and migrations, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from s3_sync.errors import LocalUnavailable
from s3_sync.largeobject.manifest import multipart_etag
from s3_sync.migrate.compare.findings import Finding
from s3_sync.migrate.compare.local_objects import LocalObjectReader
from s3_sync.migrate.compare.migrations import CompareOptions, CompareServices, MigrationComparison, Summary
from s3_sync.model.migration import CONTAINER_STATE, SOURCE_ETAG, deletes_container, deletes_name
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.state.compare_record import CompareRecord, read_record
from s3_sync.state.migration_failures_view import MigrationFailuresView
from s3_sync.state.paths import migration_failures_path
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from unit.migrate.operation.fake_local import FakeLocal
from unit.migrate.operation.state import Node

NewNode = Callable[..., Node]


class Compared:
    """A node with a source and a local Swift in memory."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.local = FakeLocal()
        self.clock = node.clock
        self.source = MemoryProvider(clock=node.clock)
        self.registry = Registry(build=lambda *_: self.source)
        self.failures = MigrationFailuresView(migration_failures_path(node.settings.status_dir))

    def put(self, name: str, body: bytes = b"x", bucket: str = "photos", **user: str) -> None:
        """An object of the source, at the time that the clock tells."""
        self.source.create_bucket(bucket)
        opened = self.source.bucket(bucket, self.node.mappings[0].namer)
        opened.put_object(name, BytesBody(body), PutOptions(len(body), ObjectMeta({}, user)))

    def both(self, name: str, body: bytes = b"x") -> None:
        self.put(name, body)
        self.local.put("photos", name, body, at=self.clock.time)

    def run(self, **options: bool) -> tuple[list[Finding], Summary]:
        summary = Summary()
        found = [each for _, each in self.begin(summary, **options)]
        return found, summary

    def begin(self, summary: Summary, **options: bool) -> Iterator[tuple[Any, Finding]]:
        services = CompareServices(
            settings=self.node.settings, client=cast(Any, self.local), registry=self.registry,
            newest=self.local.newest, failures=self.failures, pool=SerialPool(), now=self.clock,
        )  # fmt: skip
        comparison = MigrationComparison(services, CompareOptions(**options))
        return comparison.run(self.node.mappings[0], summary)

    def kinds(self, **options: bool) -> dict[str, str]:
        return {each.name: each.what for each in self.run(**options)[0]}

    @property
    def record(self) -> CompareRecord:
        found = read_record(self.node.settings.status_dir, self.node.mappings[0])
        assert found
        return found


@pytest.fixture
def compared(node: Node) -> Iterator[Compared]:
    made = Compared(node)
    yield made
    made.failures.close()


def test_listings_that_agree_need_no_further_requests(compared: Compared) -> None:
    for name in "abc":
        compared.both(name)
    assert compared.run() == ([], Summary(names=3))
    assert compared.local.requests == []


def test_every_object_is_asked_for_on_request(compared: Compared) -> None:
    compared.put("a", color="red")
    compared.local.put("photos", "a")
    assert compared.kinds() == {}
    assert compared.kinds(every=True) == {"a": "metadata"}


def test_etag_of_parts_in_the_local_listing_decides(compared: Compared) -> None:
    etag = multipart_etag([md5_hex(b"x")])
    compared.put("a")
    stored = compared.source.store("photos").objects
    stored["a"] = replace(stored["a"], etag=etag)
    compared.local.put("photos", "a", listed=f"{'0' * 32}; s3_etag={etag}; slo_etag={'1' * 32}")
    assert compared.kinds() == {}
    assert compared.local.requests == []


def test_missing_object_says_why(compared: Compared) -> None:
    compared.put("a")
    key = compared.node.mappings[0].journal_key
    compared.node.failures.record(key, "a", "bad_digest", "not the digest", 1000.0)
    assert compared.run()[0] == [Finding("a", "missing", "it failed: bad_digest: not the digest")]


def test_stale_listing_is_no_difference(compared: Compared) -> None:
    """The object is there, though the container does not list it yet."""
    compared.both("a")
    compared.local.objects = lambda *_, **__: iter(())
    assert compared.kinds() == {}


def test_delete_by_a_client_is_told_from_a_missing_object(compared: Compared) -> None:
    compared.put("a")
    compared.put("b")
    compared.local.deleted = {"a": 1001.0, "b": 999.0}
    assert compared.kinds() == {"a": "deleted_here", "b": "missing"}


def test_delete_that_swift_has_forgotten_is_still_on_record(compared: Compared) -> None:
    compared.put("a")
    compared.put("b")
    for name, at in (("a", 1001.0), ("b", 999.0)):
        compared.local.put(deletes_container("photos"), deletes_name(name), b"", at=at)
    assert compared.kinds() == {"a": "deleted_here", "b": "missing"}


def test_own_objects_of_clients_are_told_from_extra_ones(compared: Compared) -> None:
    compared.put("z")
    compared.local.put("photos", "extra")
    compared.local.put("photos", "own", owned=False)
    compared.local.put("photos", "z", b"changed", at=2000.0, owned=False)
    assert compared.kinds() == {"extra": "extra", "own": "added_here", "z": "changed_here"}


def test_copy_that_a_client_made_of_a_migrated_object_is_its_own(compared: Compared) -> None:
    compared.put("a")
    compared.local.put(
        "photos", "b", at=2000.0, x_object_transient_sysmeta_multi_cloud_internal_migrator="1000"
    )
    compared.local.put("photos", "a")
    assert compared.kinds() == {"b": "added_here"}


def test_older_copy_with_other_bytes_says_that_the_source_is_newer(compared: Compared) -> None:
    compared.put("a", b"yy")
    compared.local.put("photos", "a", at=900.0)
    (found,), _ = compared.run()
    assert (found.what, found.detail) == (
        "size", "2 bytes at the source, 1 in Swift; the source's is newer",
    )  # fmt: skip


def test_young_object_is_missing_until_its_time(new_node: NewNode) -> None:
    compared = Compared(new_node({"older_than": 60}))
    compared.put("a")
    assert compared.run()[0] == [Finding("a", "missing", "older_than has not passed")]
    compared.failures.close()


def test_names_without_the_prefix_are_not_compared(new_node: NewNode) -> None:
    compared = Compared(new_node({"prefix": "in/"}))
    compared.put("out")
    compared.local.put("photos", "other")
    compared.put("in/a")
    assert compared.kinds() == {"in/a": "missing"}
    compared.failures.close()


def test_object_that_cannot_be_read_is_unsure_and_not_equal(compared: Compared) -> None:
    compared.put("a")
    compared.local.broken = LocalUnavailable("no answer")
    found, summary = compared.run()
    assert found == [Finding("a", "unsure", "local_unavailable: no answer")]
    assert not summary.is_equal
    compared.local.broken = RuntimeError("a bug")
    assert compared.run()[0] == [Finding("a", "unsure", "internal_error: RuntimeError('a bug')")]


def test_listing_that_fails_is_an_error_and_the_progress_is_kept(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_sync.migrate.compare.containers._PAGE_SIZE", 1)
    for name in "abc":
        compared.put(name)
    whole = compared.local.objects

    def broken(*arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
        yield from whole(*arguments, **options)
        raise LocalUnavailable("no answer")

    compared.local.put("photos", "b")
    compared.local.objects = broken
    found, summary = compared.run()
    assert [each.name for each in found] == ["a"]
    assert summary.errors == ["AUTH_new/photos: local_unavailable: no answer"]
    assert (compared.record.errors, compared.record.is_equal) == (1, False)
    compared.local.objects = whole
    found, summary = compared.run(resume=True)
    assert [each.name for each in found] == ["c"]
    assert (summary.names, summary.differences, summary.errors) == (3, {"missing": 2}, [])


def test_interrupted_comparison_goes_on_where_it_stopped(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_sync.migrate.compare.containers._PAGE_SIZE", 1)
    for name in "abc":
        compared.put(name)
    interrupted = compared.begin(Summary())
    assert [next(interrupted)[1].name, next(interrupted)[1].name] == ["a", "b"]
    cast(Any, interrupted).close()
    assert (compared.record.begun, compared.record.is_equal) == (1000.0, False)
    compared.clock.time = 2000.0
    found, summary = compared.run(resume=True)
    assert [each.name for each in found] == ["b", "c"]
    assert summary.differences == {"missing": 3}
    assert compared.record == CompareRecord(1000.0, 2000.0, 3, {"missing": 3}, {}, 0)


def test_equal_sides_are_on_record(compared: Compared) -> None:
    compared.both("a")
    compared.local.put("photos", "own", owned=False)
    compared.run()
    assert compared.record == CompareRecord(1000.0, 1000.0, 2, {}, {"added_here": 1}, 0)
    assert compared.record.is_equal
    compared.run(strict=True)
    assert not compared.record.is_equal


def test_damaged_record_is_not_equal(compared: Compared) -> None:
    compared.both("a")
    compared.run()
    path = f"{compared.node.settings.status_dir}/.compare-{compared.node.mappings[0].fingerprint}.json"
    for content in ('{"ended": 5.0}', '{"ended": 5.0, "differences": []}', "[", "[]"):
        with open(path, "w", encoding="ascii") as file:
            file.write(content)
        found = read_record(compared.node.settings.status_dir, compared.node.mappings[0])
        assert found is None or not found.is_equal


def test_account_wide_migration_compares_every_bucket_and_what_is_left_of_others(new_node: NewNode) -> None:
    compared = Compared(new_node({"aws_bucket": "/*"}))
    compared.put("a", bucket="one")
    compared.put("a", bucket="two")
    compared.local.put("two", "a")
    compared.local.put("gone", "left")
    compared.local.put("clients", "own")
    compared.local.containers_headers["gone"] = {CONTAINER_STATE: "migrating"}
    found = [(of.label, each.what, each.name) for of, each in compared.begin(Summary())]
    assert found == [("AUTH_new/gone", "extra", "left"), ("AUTH_new/one", "missing", "a")]
    compared.failures.close()


def test_bucket_that_is_gone_is_an_error(compared: Compared) -> None:
    compared.local.put("photos", "a")
    found, summary = compared.run()
    assert (found, summary.is_equal) == ([], False)
    assert summary.errors == ["AUTH_new/photos: remote_not_found: no bucket photos"]


def test_static_large_object_is_read_from_its_manifest() -> None:
    local = FakeLocal()
    entries = [
        {"name": "/s/1", "bytes": 5, "hash": "a" * 32},
        {"name": "/s/2", "bytes": 9, "hash": "b" * 32, "range": "2-4"},
    ]
    local.put("c", "slo", json.dumps(entries).encode(), x_static_large_object="True", **{SOURCE_ETAG: "e-2"})
    found = LocalObjectReader(cast(Any, local), "AUTH_new", "c").find("slo")
    assert found
    assert (found.kind, found.size, found.source_etag, found.is_owned) == ("slo", 8, "e-2", True)
    assert found.etag == md5_hex(f"{'a' * 32}{'b' * 32}:2-4;".encode())


def test_dynamic_large_object_is_read_from_its_segments() -> None:
    local = FakeLocal()
    local.put("s", "p/1", b"one")
    local.put("s", "p/2", b"three")
    local.put("c", "dlo", b"", x_object_manifest="s/p%2F")
    found = LocalObjectReader(cast(Any, local), "AUTH_new", "c").find("dlo")
    assert found
    assert (found.kind, found.size, found.target) == ("dlo", 8, "s/p/")
    assert found.etag == md5_hex((md5_hex(b"one") + md5_hex(b"three")).encode())


def test_manifest_that_is_damaged_cannot_be_compared() -> None:
    local = FakeLocal()
    local.put("c", "slo", b"{", x_static_large_object="True")
    with pytest.raises(LocalUnavailable, match="the manifest of"):
        LocalObjectReader(cast(Any, local), "AUTH_new", "c").find("slo")


def test_symlink_is_read_as_what_it_is() -> None:
    local = FakeLocal()
    local.put("c", "link", b"", x_symlink_target="c/other")
    found = LocalObjectReader(cast(Any, local), "AUTH_new", "c").find("link")
    assert found
    assert (found.kind, found.target) == ("link", "c/other")
