"""The units for systemd, and the rule for logrotate: they fit the programs."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from s3_sync.daemon.daemon import CLEAN_UP, GRACE
from s3_sync.migrate.main import NO_SECTION, NO_STATUS_FILE

ROOT = Path(__file__).parents[2]
UNITS = {path.stem: path for path in sorted((ROOT / "etc" / "systemd").glob("*.service"))}
ROTATED = (ROOT / "etc" / "logrotate.d" / "swift-s3-sync").read_text()
SCRIPTS = {each.name for each in entry_points(group="console_scripts")}
#: exit codes that another start would only repeat
FINAL = {"swift-s3-sync": {0}, "swift-s3-migrator": {0, NO_SECTION, NO_STATUS_FILE}}


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest) -> tuple[str, RawConfigParser]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS[request.param])
    return request.param, parser


def test_each_daemon_has_a_unit() -> None:
    assert set(UNITS) == set(FINAL)


def test_unit_starts_its_program_and_leaves_it_the_time_to_stop(unit: tuple[str, RawConfigParser]) -> None:
    name, found = unit
    service = found["Service"]
    program, *arguments = service["ExecStart"].split()
    assert Path(program).name == name
    assert name in SCRIPTS
    assert arguments == ["--config", "/etc/swift-s3-sync/sync.json"]
    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert float(service["TimeoutStopSec"]) > 2 * (GRACE + CLEAN_UP)
    assert set(map(int, service["RestartPreventExitStatus"].split())) == FINAL[name]
    assert found["Install"]["WantedBy"] == "multi-user.target"


def test_folders_of_a_unit_are_rotated_and_written_by_it_alone(unit: tuple[str, RawConfigParser]) -> None:
    name, found = unit
    service = found["Service"]
    assert service["StateDirectory"] == service["LogsDirectory"] == name
    assert service["ProtectSystem"] == "strict"
    assert f"/var/log/{service['LogsDirectory']}/*.log" in re.split(r"\s+", ROTATED)
