"""The configuration file is read again when it has changed, and applied only as a whole."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.file_watch import FileWatch
from s3_sync.config.load import load
from s3_sync.config.settings import Mapping
from s3_sync.daemon.activity import ConfigurationState
from s3_sync.daemon.reload import POLL_EVERY, ConfigReloader, ReloadTarget
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry
from s3_sync.sync.lifecycle.notice import announce

ENTRY = {
    "account": "AUTH_a",
    "container": "c",
    "aws_bucket": "bucket",
    "aws_identity": "id",
    "aws_secret": "one",
}


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    log = logging.getLogger("s3-sync")
    before = log.level
    yield
    log.setLevel(before)


class Stand:
    """A daemon that only notes which mappings it is given."""

    def __init__(self, directory: Path, **entry: Any) -> None:
        self.path = directory / "sync.json"
        self.time = 1000.0
        self.written: dict[str, Any] = {
            "devices": str(directory),
            "status_dir": str(directory / "status"),
            "items_chunk": 10,
            "containers": [ENTRY | entry],
        }
        self.write()
        self.used: list[tuple[Mapping, ...]] = []
        self.told: list[bool] = []
        self.configuration = ConfigurationState(lambda: self.time)
        self.budgets = LimiterRegistry()
        self.registry = Registry(build=lambda *_: MemoryProvider(), budgets=self.budgets)
        before = FileWatch(str(self.path)).stat_signature()
        loaded = load(self.path)
        assert loaded.settings
        [self.first] = loaded.settings.mappings
        self.reload = ConfigReloader(
            ReloadTarget(
                str(self.path), loaded.settings, self.registry, self.use, self.configuration,
                announce, None, self.told.append,
            ),
            loaded, before, lambda: self.time,
        )  # fmt: skip

    def use(self, mappings: Iterable[Mapping]) -> None:
        self.used.append(tuple(mappings))

    def write(self, text: str | None = None) -> None:
        other = self.path.with_name("new")
        other.write_text(json.dumps(self.written) if text is None else text)
        other.chmod(0o600)
        os.replace(other, self.path)

    def look(self, times: int = 3) -> int:
        """Poll; return how often mappings were applied meanwhile."""
        before = len(self.used)
        for _ in range(times):
            self.time += POLL_EVERY
            self.reload.poll()
        return len(self.used) - before


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def test_unchanged_file_is_not_applied(stand: Stand) -> None:
    assert stand.look(10) == 0
    assert stand.told == []


def test_changed_file_is_applied_once(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stand.written["containers"] += [ENTRY | {"container": "d"}]
    stand.written["containers"][0] = ENTRY | {"copy_after": 60}
    stand.write()
    assert stand.look(10) == 1
    assert [mapping.container for mapping in stand.used[0]] == ["c", "d"]
    assert stand.told == [True, False]
    assert "2 mappings (1 new, 0 removed, 1 changed)" in caplog.text
    assert stand.configuration.loaded_at > 1000.0


def test_changed_file_is_applied_once_two_polls_find_it_the_same(stand: Stand) -> None:
    """At the first poll the file may be half written."""
    stand.write("{")
    assert stand.look(1) == 0
    stand.written["items_chunk"] = 20
    stand.write()
    assert stand.look(1) == 0
    assert stand.look(1) == 1
    assert not stand.configuration.refused


@pytest.mark.parametrize("broken", ["{", "[]", '{"containers": []}', None])
def test_invalid_file_is_refused_and_changes_nothing(
    stand: Stand, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if broken is None:
        stand.written["containers"] += [ENTRY | {"container": "d"}, {"account": "AUTH_a", "container": 5}]
    stand.write(broken)
    assert stand.look(10) == 0
    assert stand.configuration.refused
    assert stand.told == [True, False]
    assert caplog.text.count("the running configuration is unchanged") == 1
    if broken is None:
        assert "containers[2].container: must be text" in caplog.text
        assert "containers[2].aws_bucket: is required" in caplog.text
    stand.written["containers"] = [ENTRY]
    stand.write()
    assert stand.look() == 1
    assert not stand.configuration.refused


def test_missing_file_is_refused_and_changes_nothing(stand: Stand) -> None:
    stand.path.unlink()
    assert stand.look(10) == 0
    assert stand.configuration.refused


def test_requested_reload_applies_the_file_at_once(stand: Stand) -> None:
    stand.reload.request()
    stand.reload.poll()
    assert len(stand.used) == 1
    assert stand.look(10) == 0


def test_changed_secret_file_is_applied_and_a_missing_one_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one")
    secret.chmod(0o600)
    stand = Stand(tmp_path, aws_secret={"file": str(secret)})
    stand.registry.provider(stand.first.credentials)
    assert stand.look(10) == 0
    secret.unlink()
    assert stand.look(10) == 0
    assert stand.configuration.refused
    secret.write_text("two")
    secret.chmod(0o600)
    assert stand.look() == 1
    [mapping] = stand.used[0]
    assert mapping.credentials.secret
    assert mapping.credentials.secret.reveal() == "two"
    assert list(stand.registry._providers) == []  # the old one's is forgotten


def test_changed_rate_limits_apply_at_once(stand: Stand) -> None:
    gate = stand.budgets.limiter(stand.first)
    assert gate.limits == ()
    stand.written["containers"] = [ENTRY | {"budget": {"requests_per_second": 5}}]
    stand.write()
    stand.look()
    assert [allowance.requests.rate for allowance in gate.limits] == [5]


def test_change_that_needs_a_restart_is_logged_once(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    stand.written |= {"items_chunk": 20, "log_level": "warning"}
    stand.write()
    stand.look()
    assert "items_chunk has changed: restart the daemon to apply it" in caplog.text
    assert "log_level has changed" not in caplog.text
    assert logging.getLogger("s3-sync").level == logging.WARNING
    caplog.clear()
    stand.reload.request()
    stand.reload.poll()
    assert "has changed" not in caplog.text


def test_change_between_load_and_first_poll_is_applied(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    loaded = load(stand.path)
    assert loaded.settings
    before = FileWatch(str(stand.path)).stat_signature()
    stand.written["containers"] += [ENTRY | {"container": "d"}]
    stand.write()
    target = ReloadTarget(str(stand.path), loaded.settings, stand.registry, stand.use, stand.configuration)
    stand.reload = ConfigReloader(target, loaded, before, lambda: stand.time)
    assert stand.look() == 1
