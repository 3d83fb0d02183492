"""The mappings in force are those of the last valid configuration."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import AccessDenied
from s3_sync.providers.base import Provider
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.shunt.mapping_table import MappingTable

MAPPING = {
    "account": "AUTH_a",
    "container": "c",
    "aws_bucket": "bucket",
    "aws_endpoint": "http://127.0.0.1:9",
    "aws_identity": "id",
    "aws_secret": "key",
    "merge_namespaces": True,
}


class World:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "sync.json"
        self.now = 100.0
        self.built = 0
        self.registry = Registry(retries=None, build=self.build)
        log = logging.getLogger("shunt")
        self.configured = MappingTable(str(self.path), 15.0, self.registry, log, lambda: self.now)

    def build(self, credentials: Any, connections: int) -> Provider:
        self.built += 1
        if credentials.identity == "nobody":
            raise AccessDenied("nobody is refused")
        return MemoryProvider()

    def write(self, *mappings: Any, text: str | None = None) -> None:
        self.path.write_text(json.dumps({"containers": mappings}) if text is None else text)
        os.utime(self.path, (self.now, self.now))

    def bucket(self, container: str = "c") -> str | None:
        target = self.configured.find("AUTH_a", container)
        return target.bucket.name if target else None

    def later(self, seconds: float = 15.0) -> None:
        self.now += seconds


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_changed_file_is_applied_after_the_interval(world: World) -> None:
    world.write(MAPPING)
    assert world.bucket() == "bucket"
    world.write({**MAPPING, "aws_bucket": "another"}, {**MAPPING, "container": "d"})
    world.later(14.0)
    assert world.bucket() == "bucket"
    world.later(1.0)
    assert world.bucket() == "another"
    assert world.bucket("d") == "bucket"
    assert world.built == 1


def test_file_that_appears_later_is_applied(world: World) -> None:
    assert world.bucket() is None
    world.write(MAPPING)
    world.later()
    assert world.bucket() == "bucket"


@pytest.mark.parametrize("text", ["", '{"containers": [', "[]"])
def test_malformed_or_missing_file_keeps_the_previous_mappings(
    world: World, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.write(MAPPING)
    assert world.bucket() == "bucket"
    world.later()
    world.write(text=text)
    assert world.bucket() == "bucket"
    assert "the previous configuration stays in force" in caplog.text
    caplog.clear()
    world.later()
    assert world.bucket() == "bucket"
    assert caplog.text == ""
    world.later()
    world.path.unlink()
    assert world.bucket() == "bucket"
    world.later()
    world.write({**MAPPING, "aws_bucket": "another"})
    assert world.bucket() == "another"


def test_invalid_mapping_stays_as_it_was(world: World) -> None:
    other = {**MAPPING, "container": "d", "aws_bucket": "other"}
    world.write(MAPPING, other)
    assert world.bucket("d") == "other"
    world.later()
    world.write({**MAPPING, "aws_bucket": "another"}, {**other, "restore_object": "yes"})
    assert (world.bucket(), world.bucket("d")) == ("another", "other")
    world.later()
    world.write(MAPPING, {**other, "aws_identity": "nobody"})
    assert (world.bucket(), world.bucket("d")) == ("bucket", "other")


def test_mapping_that_no_longer_merges_namespaces_is_removed(world: World) -> None:
    world.write(MAPPING, {**MAPPING, "container": "d"})
    assert world.bucket("d") == "bucket"
    world.later()
    world.write(MAPPING, {**MAPPING, "container": "d", "merge_namespaces": False})
    assert (world.bucket(), world.bucket("d")) == ("bucket", None)


def test_containers_of_an_account_are_cached_up_to_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_sync.shunt.mapping_table._MAX_CACHED", 3)
    world.write({**MAPPING, "container": "/*"})
    first = world.configured.find("AUTH_a", "x")
    assert world.configured.find("AUTH_a", "x") is first
    assert first is not None
    assert first.mapping.container == "x"
    for number in range(10):
        assert world.bucket(f"c{number}") == "bucket"
    assert len(world.configured._targets) <= 3


def test_provider_of_unused_credentials_is_dropped(world: World) -> None:
    world.write(MAPPING)
    assert world.bucket() == "bucket"
    world.later()
    world.write({**MAPPING, "aws_identity": "other"})
    assert world.bucket() == "bucket"
    assert world.built == 2
    world.later()
    world.write(MAPPING)
    assert world.bucket() == "bucket"
    assert world.built == 3


def in_the_new_form(directory: Path, **changes: Any) -> str:
    mapping = {"account": "AUTH_a", "container": "c", "bucket": "bucket", "credentials": "clone"}
    credentials = {
        "provider": "s3",
        "endpoint": MAPPING["aws_endpoint"],
        "identity": "id",
        "secret": {"file": str(directory / "secret")},
    }
    return json.dumps(
        {
            "credentials": {"clone": credentials},
            "profiles": {"archive": {"type": "lifecycle"}},
            "mappings": [{**mapping, "profile": "archive", **changes}],
        }
    )


def test_file_in_either_form_is_applied_with_the_same_provider(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key\n")
    world.write(MAPPING)
    assert world.bucket() == "bucket"
    world.write(text=in_the_new_form(tmp_path, bucket="another"))
    world.later()
    assert world.bucket() == "another"
    assert world.built == 1  # the same store, by the same key
    world.write(text=in_the_new_form(tmp_path, bucket=7))
    world.later()
    assert world.bucket() == "another"


def test_changed_secret_file_builds_a_new_provider(world: World, tmp_path: Path) -> None:
    world.write(text=in_the_new_form(tmp_path))
    assert world.bucket() is None  # there is no secret yet
    for number, text in enumerate(("key", "another"), 1):
        (tmp_path / "secret").write_text(text)
        os.utime(tmp_path / "secret", (world.now, world.now))
        world.later()
        assert world.bucket() == "bucket"
        assert world.built == number
    world.later()
    assert world.bucket() == "bucket"
    assert world.built == 2


def test_find_ignores_s3api_segment_containers_without_own_mapping(world: World) -> None:
    whole = {**MAPPING, "container": "/*"}
    world.write(whole)
    assert world.bucket("c") == "bucket"
    assert world.bucket("c+segments") is None
    assert world.bucket("c_segments") == "bucket"
    world.later()
    world.write(whole, {**MAPPING, "container": "c+segments", "aws_bucket": "own"})
    assert world.bucket("c+segments") == "own"
