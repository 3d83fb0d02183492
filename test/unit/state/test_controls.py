"""Pauses and resets of mappings: durable, and seen by every process."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.errors import StateError
from s3_sync.model.keys import KeyNamer
from s3_sync.state.controls import Controls


def mapping(container: str = "c", bucket: str = "b") -> Mapping:
    return Mapping(
        "AUTH_a", container, bucket, S3Credentials(), Profile(), KeyNamer.hashed("AUTH_a", container)
    )


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def controls(tmp_path: Path, clock: FakeClock) -> Controls:
    return Controls(str(tmp_path), clock, poll_interval=0.0)


def test_reading_without_controls_gives_nothing_and_makes_no_file(tmp_path: Path, controls: Controls) -> None:
    assert not controls.is_paused(mapping())
    assert (controls.paused_since(mapping()), controls.resets(mapping())) == (None, [])
    assert list(tmp_path.iterdir()) == []
    assert not controls.resume(mapping())


def test_pause_of_one_mapping_lasts_until_resume(
    tmp_path: Path, controls: Controls, clock: FakeClock
) -> None:
    daemon = Controls(str(tmp_path), poll_interval=0.0)
    assert controls.pause(mapping())
    clock.time = 2000.0
    assert not controls.pause(mapping())  # it stays what it was
    assert (daemon.is_paused(mapping()), daemon.paused_since(mapping())) == (True, 1000.0)
    for other in (mapping("other"), mapping(bucket="other")):
        assert not daemon.is_paused(other)
    assert controls.resume(mapping())
    assert not daemon.is_paused(mapping())
    assert controls.is_paused(mapping()) is False


def test_is_paused_looks_at_files_only_once_per_poll_interval(tmp_path: Path, controls: Controls) -> None:
    daemon = Controls(str(tmp_path), poll_interval=3600.0)
    assert not daemon.is_paused(mapping())
    controls.pause(mapping())
    assert not daemon.is_paused(mapping())
    daemon._next_poll = 0.0
    assert daemon.is_paused(mapping())


def test_pause_and_reset_of_account_mapping_reach_its_containers(controls: Controls) -> None:
    """All of them, but not one that has a mapping of its own to the same keys."""
    whole = mapping("/*")
    controls.pause(whole)
    controls.reset(whole)
    assert controls.is_paused(whole.of_container("x"))
    assert len(controls.resets(whole.of_container("x"))) == 1
    assert whole.of_container("x").fingerprint == mapping("x").fingerprint
    assert not controls.is_paused(mapping("x"))
    assert controls.resets(mapping("x")) == []


def test_pause_survives_a_change_of_place_and_profile(controls: Controls) -> None:
    controls.pause(mapping())
    assert controls.is_paused(replace(mapping(), place="containers[7]", profile=Profile(copy_after=5)))


def test_resets_keep_their_order_if_the_clock_is_set_back(
    tmp_path: Path, controls: Controls, clock: FakeClock
) -> None:
    first = controls.reset(mapping(), "a/ü", 50.0)
    second = controls.reset(mapping(), "b")  # at the same time
    clock.time = 900.0  # the clock was set back
    third = controls.reset(mapping(), "c")
    found = Controls(str(tmp_path)).resets(mapping())
    assert found == [first, second, third]
    assert [each.id for each in found] == sorted({each.id for each in found})
    assert [each.made for each in found] == sorted(each.made for each in found)
    assert (first.prefix, first.since, first.made) == ("a/ü", 50.0, 1000.0)


def test_reset_replaces_earlier_ones_that_it_includes(controls: Controls) -> None:
    for prefix, since in (("a/b", 50.0), ("a/c", 5.0), ("x", 0.0)):
        controls.reset(mapping(), prefix, since)
    controls.reset(mapping("other"), "a/b")
    controls.reset(mapping(), "a/", 10.0)
    assert [each.prefix for each in controls.resets(mapping())] == ["a/c", "x", "a/"]
    controls.reset(mapping())
    assert [each.prefix for each in controls.resets(mapping())] == [""]
    assert len(controls.resets(mapping("other"))) == 1


def test_unreadable_reset_is_ignored_and_unreadable_pause_holds(
    tmp_path: Path, controls: Controls, caplog: pytest.LogCaptureFixture
) -> None:
    good = controls.reset(mapping())
    (tmp_path / ".controls" / "reset-0").write_text("{")
    (tmp_path / ".controls" / "reset-1").write_text('{"id": 1}')
    for number, wrong in enumerate(({"id": 5}, {"since": "x"}, {"prefix": "\udc80"}, {"made": None}), 2):
        written = json.dumps({**asdict(good), **wrong})
        (tmp_path / ".controls" / f"reset-{number}").write_text(written)
    (tmp_path / ".controls" / ".tmp-abcdefgh").write_text("")
    (tmp_path / ".controls" / "deletes-²-0").write_text("")
    with caplog.at_level(logging.ERROR):
        assert controls.resets(mapping()) == [good]
        assert controls.resets(mapping()) == [good]
        assert controls.deletes_allowed(mapping()) == 0.0
    assert len(caplog.records) == 6  # said once
    controls.pause(mapping())
    for file in (tmp_path / ".controls").glob("pause-*"):
        for written in ("[]", '{"since": "long ago"}', '{"si'):
            file.write_text(written)
            assert controls.is_paused(mapping())  # the name is enough
            assert controls.paused_since(mapping()) == file.stat().st_mtime
    assert controls.resume(mapping())
    assert controls.paused_since(mapping()) is None


def test_pause_in_unwritable_directory_raises_state_error(tmp_path: Path) -> None:
    controls = Controls(str(tmp_path / "missing" / "\0"))
    with pytest.raises(StateError):
        controls.pause(mapping())
