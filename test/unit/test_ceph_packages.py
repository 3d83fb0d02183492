"""Where apt has no Ceph that the tests know, they say why; nothing is downloaded here."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers import ceph_packages, tools
from servers.ceph_packages import fetch, missing
from servers.tools import Unavailable


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script that is `apt-get`; nothing is unpacked yet."""
    monkeypatch.delenv("CEPH_PREFIX", raising=False)
    monkeypatch.setattr(tools, "TOOLS", tmp_path)
    script = tmp_path / "bin" / "apt-get"
    script.parent.mkdir()
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return script


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("echo 'Inst radosgw (18.2.4 Debian:13 [amd64])'", "apt has Ceph 18.2.4, and the tests know 16.2"),
        ("echo 'E: Unable to locate package radosgw' >&2; exit 100", "Unable to locate package radosgw"),
        ("echo nothing to do", "the packages are installed: set CEPH_PREFIX=/"),
    ],
)
def test_fetch_without_usable_packages_raises_and_the_reason_stays(apt: Path, says: str, reason: str) -> None:
    apt.write_text(f"#!/bin/sh\n{says}\n")
    apt.chmod(0o755)
    with pytest.raises(Unavailable, match=reason):
        fetch()
    assert reason in missing()
    assert sorted(each.name for each in apt.parents[1].iterdir()) == ["bin", "ceph.lock", "ceph.missing"]


def test_programs_that_are_there_are_not_fetched_again(apt: Path) -> None:
    programs = apt.parents[1] / "ceph/usr/bin"
    programs.mkdir(parents=True)
    assert "bin/test fetches them" in missing()
    for name in ceph_packages.PROGRAMS:
        (programs / name).touch()
    assert missing() == ""
    fetch()
