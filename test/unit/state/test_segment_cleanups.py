"""What the journal keeps of large objects whose segments are to follow."""

from __future__ import annotations

from pathlib import Path

from s3_sync.state.journal import Journal
from s3_sync.state.segment_cleanups import SegmentCleanup

ONE = SegmentCleanup("o/ü", "0000000001.00000", False, '{"segments": []}')
LATER = SegmentCleanup("o/ü", "0000000002.00000", False, "{}")
OTHER = SegmentCleanup("a", "0000000003.00000", True, "{}")


def journal(path: Path) -> Journal:
    return Journal(str(path / "journal"), lambda attempts: 1.0)


def test_cleanup_is_kept_over_a_restart_until_settled(tmp_path: Path) -> None:
    first = journal(tmp_path)
    for departure in (OTHER, LATER, ONE):
        first.departures.note("m", departure)
    first.departures.note("another mapping", ONE)
    first.close()
    again = journal(tmp_path)
    assert again.departures.entries("m", 10) == [ONE, LATER, OTHER]
    assert again.departures.entries("m", 1) == [ONE]
    again.departures.settle("m", ONE)
    assert again.departures.entries("m", 10) == [LATER, OTHER]
    assert again.departures.entries("another mapping", 10) == [ONE]
    again.close()


def test_cleanup_noted_again_replaces_the_same_version(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.departures.note("m", ONE)
    gone = SegmentCleanup(ONE.name, ONE.version, True, ONE.segments)
    here.departures.note("m", gone)
    assert here.departures.entries("m", 10) == [gone]
    here.close()


def test_reset_of_the_journal_keeps_cleanups(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.departures.note("m", ONE)
    here.reset("m")
    assert here.departures.entries("m", 10) == [ONE]
    here.close()
