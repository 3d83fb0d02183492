"""``restore``: what is counted, what is requested, and how it ends."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from s3_sync.admin import confirmation, retrieval
from s3_sync.admin import exit_codes as codes
from s3_sync.admin.commands import restore
from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.config.budgets import Budget, Rates
from s3_sync.config.settings import Mapping
from s3_sync.errors import AccessDenied, NotFound, RemoteError, UsageError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Features, Retrieval, WriteOptions
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.runtime.output import Output
from s3_sync.streams.reader import BytesBody
from unit.sync.fake_node import mapping


class World:
    """A mapping, its bucket in memory, and a node that knows it. ``requests``: what came to be retrieved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.provider = MemoryProvider(retrieval_seconds=3600.0)
        self.provider.create_bucket("bucket")
        self.mapping = mapping()
        self.requests: list[tuple[str, int, str]] = []
        self.errors: dict[str, RemoteError] = {}
        self.file = io.StringIO()
        whole = MemoryBucket.retrieve_object

        def retrieve(bucket: MemoryBucket, name: str, days: int, tier: str) -> Retrieval:
            self.requests.append((name, days, tier))
            if name in self.errors:
                raise self.errors[name]
            return whole(bucket, name, days, tier)

        monkeypatch.setattr(MemoryBucket, "retrieve_object", retrieve)
        monkeypatch.setattr(restore, "GreenPool", lambda size: SerialPool())
        monkeypatch.setattr(restore, "Registry", self.registry)

    def registry(self, **options: Any) -> Registry:
        return Registry(**options, retries=None, build=lambda credentials, connections: self.provider)

    def store(self, storage_class: str, *names: str, container: str = "c", size: int = 10) -> None:
        namer = KeyNamer.hashed("AUTH_a", container)
        bucket = self.provider.bucket("bucket", namer, WriteOptions(storage_class=storage_class))
        for name in names:
            bucket.put_object(name, BytesBody(b"x" * size), PutOptions(size, ObjectMeta()))

    def run(self, *arguments: str, as_json: bool = False, console: Console | None = None) -> int:
        parser = ArgumentParser()
        restore.arguments(parser)
        options = parser.parse_args(["AUTH_a/c", *arguments])
        self.file.truncate(0)
        self.file.seek(0)
        node: Any = SimpleNamespace(
            named=lambda name: self.mapping,
            mappings=(self.mapping,),
            migrations=(),
            shares=lambda whole, names: [self.of(name) for name in sorted(names)],
            client=SimpleNamespace(real=SimpleNamespace(containers=lambda account: ["c", "d"])),
        )
        output = Output(as_json, self.file)
        output.console = console or output.console
        return restore.run(node, options, output)

    def of(self, container: str) -> Mapping:
        return replace(self.mapping, container=container, namer=KeyNamer.hashed("AUTH_a", container))

    @property
    def told(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(monkeypatch)
    world.store("GLACIER", "a/1", "a/2", "b")
    world.store("DEEP_ARCHIVE", "a/3", size=2000)
    world.store("", "plain")
    world.store("STANDARD_IA", "a/warm")
    return world


def test_dry_run_tells_what_would_be_requested_and_requests_nothing(world: World) -> None:
    assert world.run("--dry-run", "--tier", "Bulk") == codes.FINE
    assert "3 objects of AUTH_a/c (30 B) are in GLACIER." in world.told
    assert "1 objects of AUTH_a/c (2.0 KiB) are in DEEP_ARCHIVE." in world.told
    assert "tier Bulk, and charges for it" in world.told
    assert "for 7 days" in world.told
    assert world.requests == []


def test_objects_in_archive_classes_are_requested_and_no_others(world: World) -> None:
    assert world.run("--yes", "--days", "3") == codes.FINE
    assert world.requests == [(name, 3, "Standard") for name in ("a/1", "a/2", "a/3", "b")]
    assert "4 objects requested: begun 4" in world.told


def test_command_may_be_repeated(world: World) -> None:
    world.run("--yes", "--prefix", "a/")
    assert world.run("--yes") == codes.FINE
    assert "4 objects requested: begun 1, running 3" in world.told


def test_prefix_bounds_what_is_counted_and_requested(world: World) -> None:
    assert world.run("--yes", "--prefix", "a/") == codes.FINE
    assert [name for name, *_ in world.requests] == ["a/1", "a/2", "a/3"]
    assert "2 objects of AUTH_a/c whose names start with a/ (20 B) are in GLACIER." in world.told


def test_defaults_are_those_of_the_mapping(world: World) -> None:
    profile = replace(world.mapping.profile, archive_restore=ArchiveRestore(2, "Bulk"))
    world.mapping = replace(world.mapping, profile=profile)
    world.run("--yes", "--prefix", "b")
    world.run("--yes", "--prefix", "b", "--days", "5", "--tier", "Expedited")
    assert world.requests == [("b", 2, "Bulk"), ("b", 5, "Expedited")]


def test_mapping_of_an_account_restores_each_container(world: World) -> None:
    world.store("GLACIER", "other", container="d")
    world.mapping = replace(world.mapping, container="/*")
    assert world.run("--yes") == codes.FINE
    assert [name for name, *_ in world.requests] == ["a/1", "a/2", "a/3", "b", "other"]


def test_nothing_in_archive_classes_is_no_question(world: World) -> None:
    assert world.run("--prefix", "plain") == codes.FINE
    assert "No objects of AUTH_a/c whose names start with plain are in archive classes." in world.told


def test_store_whose_classes_are_no_archives_is_asked_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryBucket, "features", Features())
    assert world.run("--yes") == codes.FINE
    assert world.requests == []


def test_objects_of_intelligent_tiering_are_told_apart(world: World) -> None:
    world.store("INTELLIGENT_TIERING", "t/1")
    assert world.run("--yes", "--prefix", "t/") == codes.FINE
    assert "1 objects of AUTH_a/c whose names start with t/ (10 B) are in INTELLIGENT_TIERING" in world.told
    assert "1 objects requested: readable 1" in world.told


def test_tier_that_the_class_lacks_is_told_before(world: World) -> None:
    world.run("--dry-run", "--tier", "Expedited")
    assert "DEEP_ARCHIVE has no tier Expedited" in world.told
    world.run("--dry-run", "--tier", "Expedited", "--prefix", "b")
    assert "DEEP_ARCHIVE has no tier Expedited" not in world.told


class TestFailures:
    def test_each_is_told_with_its_reason(self, world: World) -> None:
        world.errors = {"a/2": AccessDenied("not yours"), "b": NotFound("gone", code="NoSuchKey")}
        assert world.run("--yes") == codes.FOUND
        assert "failed\tc/a/2\tremote_denied\tnot yours" in world.told
        assert "4 objects requested: begun 2, failed 1, gone 1" in world.told
        assert "failed: remote_denied 1" in world.told

    def test_json_has_a_line_for_plan_failures_and_summary(self, world: World) -> None:
        world.errors = {"a/2": AccessDenied("not yours")}
        assert world.run("--yes", as_json=True) == codes.FOUND
        plan, failure, summary = map(json.loads, world.told.splitlines())
        assert plan["objects"] == {"GLACIER": 3, "DEEP_ARCHIVE": 1}
        assert plan["bytes"] == {"GLACIER": 30, "DEEP_ARCHIVE": 2000}
        assert (plan["mapping"], plan["days"], plan["tier"]) == ("AUTH_a/c", 7, "Standard")
        assert (failure["container"], failure["name"], failure["reason"]) == ("c", "a/2", "remote_denied")
        assert summary == {
            "outcomes": {"begun": 3, "failed": 1},
            "reasons": {"remote_denied": 1},
            "stopped": "",
        }

    def test_command_stops_where_all_fail(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retrieval, "HOPELESS", 2)
        monkeypatch.setattr(retrieval, "_BATCH", 2)
        world.errors = dict.fromkeys(("a/1", "a/2", "a/3", "b"), AccessDenied("no s3:RestoreObject"))
        assert world.run("--yes") == codes.FAILED
        assert len(world.requests) == 2
        assert "stopped: all of the first 2 requests failed" in world.told

    def test_command_stops_while_the_timetable_allows_nothing(self, world: World) -> None:
        profile = replace(world.mapping.profile, budget=Budget(Rates(requests_per_second=0.0)))
        world.mapping = replace(world.mapping, profile=profile)
        assert world.run("--yes") == codes.FAILED
        assert world.requests == []
        assert "allows no requests now" in world.told


class TestConfirmation:
    def test_without_a_terminal_it_must_be_said_before(self, world: World) -> None:
        with pytest.raises(UsageError, match="add --yes"):
            world.run()
        assert world.requests == []

    @pytest.mark.parametrize(("answer", "number"), [("yes\n", 4), ("no\n", 0), ("\n", 0), ("", 0)])
    def test_only_yes_is_yes(
        self, world: World, monkeypatch: pytest.MonkeyPatch, answer: str, number: int
    ) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setattr(confirmation.sys, "stdin", Terminal(answer))
        assert world.run() == (codes.FINE if number else codes.FAILED)
        assert len(world.requests) == number

    @pytest.mark.parametrize("has_terminal", [True, False])
    def test_plan_and_charge_are_told_before_it_is_refused(
        self,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        has_terminal: bool,
    ) -> None:
        told: list[str] = []

        class Input(io.StringIO):
            def isatty(self) -> bool:
                told.append(world.told)
                return has_terminal

        monkeypatch.setattr(confirmation.sys, "stdin", Input("no\n"))
        with nullcontext() if has_terminal else pytest.raises(UsageError):
            world.run()
        [before] = told
        assert "3 objects of AUTH_a/c (30 B) are in GLACIER." in before
        assert "1 objects of AUTH_a/c (2.0 KiB) are in DEEP_ARCHIVE." in before
        assert "with the tier Standard, and charges for it" in before
        question = "Request that of the store? [yes/no] "
        assert capsys.readouterr().err == (question if has_terminal else "")
        assert world.told[len(before) :] == ("Nothing was requested.\n" if has_terminal else "")


@pytest.mark.parametrize(
    "arguments",
    [["--days", "0"], ["--days", "x"], ["--days", "99999"], ["--tier", "Slow"], ["--yes", "--dry-run"]],
)
def test_wrong_arguments(world: World, arguments: Sequence[str]) -> None:
    with pytest.raises(SystemExit):
        world.run(*arguments)


@pytest.mark.parametrize(
    ("terminal", "as_json", "shown"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_command_shows_its_progress_in_a_terminal_only(
    world: World, terminal: bool, as_json: bool, shown: bool
) -> None:
    console = Console(file=world.file, force_terminal=terminal, width=100, color_system=None, soft_wrap=True)
    assert world.run("--yes", as_json=as_json, console=console) == codes.FINE
    assert ("4/4 objects requested" in world.told) == shown
    assert ("\x1b" in world.told) == shown
