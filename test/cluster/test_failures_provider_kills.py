"""The daemon is killed before or after a request of any kind that it asks of Azure, of Google or of a share:
nothing is lost, nothing is left behind but what ends by itself, and little is sent again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import SyncDaemon
from servers.file_pair import FilePair
from servers.landed import Stored, in_swift
from servers.large import Large
from servers.pair import Pair
from servers.swift import SwiftCluster

Step = Mapping[str, Any]
MOVES: dict[str, Any] = {"retain_local": False, "propagate_delete": False}
PARTS = 3


def before(place: str, call: int = 1) -> Step:
    return {"at": place, "call": call}


def after(place: str, call: int = 1) -> Step:
    return {"at": place, "call": call, "moment": "after"}


@dataclass(frozen=True)
class Kills:
    """``steps``: of changes at one store. ``sends``: what sends bytes. ``values``: as in ``altered``."""

    steps: tuple[Step, ...]
    sends: tuple[str, ...]
    values: Mapping[str, Any]


AZURE, GCS = "s3_sync.providers.azure", "s3_sync.providers.gcs"
S3, FILE = "s3_sync.providers.s3", "s3_sync.providers.file"
STORES = {
    "azure": Kills(
        (
            after(f"{AZURE}.blocks:BlockWriter.put_blob", 2),  # the first is refused: there is an object
            after(f"{AZURE}.blocks:BlockWriter._put_block", 2),
            before(f"{AZURE}.blocks:BlockWriter.commit"),
            after(f"{AZURE}.blocks:BlockWriter.commit"),
            after(f"{AZURE}.properties:PropertyWriter._put"),  # properties, and not the metadata
            after(f"{AZURE}.bucket:AzureBucket._delete"),
        ),
        (f"{AZURE}.blocks:BlockWriter.put_blob", f"{AZURE}.blocks:BlockWriter._put_block"),
        {},
    ),
    "gcs": Kills(
        (
            after(f"{GCS}.writes:Writer._put_at_once", 2),
            after(f"{GCS}.resumable:Session.__init__"),
            after(f"{GCS}.resumable:Session._put"),
            after(f"{GCS}.resumable:Session._put", 3),
            after(f"{GCS}.writes:Writer.post"),
            after(f"{GCS}.writes:Writer.delete"),
        ),
        (f"{GCS}.writes:Writer._put_at_once", f"{GCS}.resumable:Session._put"),
        {f"{GCS}.writes:MAX_AT_ONCE": 1500, f"{GCS}.resumable:CHUNK_SIZE": 1024},
    ),
    "google": Kills(
        (
            before(f"{S3}.transport.direct:DirectTransport.send", 2),
            after(f"{S3}.transport.direct:DirectTransport.send"),
            after(f"{S3}.bucket:S3Bucket.post_object"),
            after(f"{S3}.bucket:S3Bucket.delete_object"),
        ),
        (f"{S3}.transport.direct:DirectTransport.send",),
        {},
    ),
    "file": Kills(
        (
            after(f"{FILE}.files:Draft.begin"),
            before(f"{FILE}.files:Draft.commit"),
            after(f"{FILE}.files:Draft.commit"),
            after(f"{FILE}.uploads:Uploads.create"),
            after(f"{FILE}.uploads:Uploads.put_part", 2),
            before(f"{FILE}.uploads:Uploads._remove"),
            after(f"{FILE}.bucket:FileBucket.post_object"),
            after(f"{FILE}.site:Site.remove"),
        ),
        (f"{FILE}.files:Draft.commit", f"{FILE}.uploads:Uploads.put_part"),
        {},
    ),
}
#: of every large object, and of every move
COMMON = (
    before("s3_sync.transfer.large_upload:write_manifest"),
    before("s3_sync.cluster.guarded_delete:GuardedDelete.delete_version"),
    after("s3_sync.cluster.guarded_delete:GuardedDelete.delete_version"),
    before("s3_sync.state.segment_cleanups:SegmentCleanups.settle"),
)


class Killed:
    """Daemons of one configuration, each killed at a step."""

    def __init__(self, daemon: SyncDaemon, kills: Kills, directory: Path) -> None:
        self.daemon = daemon
        self._kills = kills
        self._notes = {place: str(directory / f"note{n}") for n, place in enumerate(kills.sends)}

    def run(self, **alterations: Any) -> int:
        self.daemon.alter(values=dict(self._kills.values), noted=self._notes, **alterations)
        return self.daemon.once().returncode

    @property
    def sent(self) -> int:
        """How often bytes were sent so far."""
        return sum(path.stat().st_size for path in map(Path, self._notes.values()) if path.exists())


#: objects of each kind: most kills are within the first one
OBJECTS = 2


def fill(large: Large) -> None:
    segments = [large.segment(f"old{number}", 1000) for number in range(PARTS)]
    for number in range(OBJECTS):
        for kind in ("over", "post", "gone"):
            large.pair.put(f"{number}-{kind}", b"1")
        large.put_slo(f"{number}-slo", segments)


def change(large: Large) -> None:
    segments = [large.segment(f"new{number}", 1000) for number in range(PARTS)]
    for number in range(OBJECTS):
        large.pair.put(f"{number}-over", b"2")
        large.put_slo(f"{number}-slo", segments)
        large.pair.post(f"{number}-post", {"X-Object-Meta-Colour": "blue", "Content-Type": "text/blue"})
        large.pair.delete(f"{number}-gone")


def put_to_move(large: Large) -> dict[str, Stored]:
    """Objects, each of which has its own segments. Returns what they are."""
    for number in range(OBJECTS):
        large.pair.put(f"{number}-small", b"small")
        large.put_slo(f"{number}-slo", [large.segment(f"{number}/{each}", 1000) for each in range(PARTS)])
    pair = large.pair
    return {name: in_swift(pair.swift, pair.container, name) for name in pair.swift.names(pair.container)}


@pytest.mark.parametrize("store", STORES)
def test_kill_at_each_request_of_a_change_loses_nothing_and_repeats_little(
    store: str, provider_pair: Callable[..., Pair], swift: SwiftCluster, tmp_path: Path
) -> None:
    """Each process is killed one step later than the one before; the last one finishes."""
    kills = STORES[store]
    steps = (*kills.steps, *COMMON)
    large, moving = Large(provider_pair(store)), Large(provider_pair(store, **MOVES))
    copied, moved = large.pair, moving.pair
    daemon = SyncDaemon(swift, tmp_path / "daemon", [copied.mapping, moved.mapping], workers=1)
    killed = Killed(daemon, kills, tmp_path)
    fill(large)
    assert killed.run() == 0, daemon.log_text()
    change(large)
    wanted = put_to_move(moving)
    since = killed.sent
    for step in steps:
        assert killed.run(kill=step) == -signal.SIGKILL, step
    for _ in range(2):  # segments go when their manifest is gone
        assert killed.run() == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    assert "Traceback" not in daemon.log_text()
    copied.check()
    for number in range(OBJECTS):
        assert large.manifest(f"{number}-slo") == large.raw_manifest(f"{number}-slo")
    assert moved.swift.names(moved.container) == moved.swift.names(moving.container) == []
    assert sorted(moved.arrived()) == sorted(wanted)
    for name, here in wanted.items():
        found = moved.landed(name)
        assert (found.md5, found.headers) == (here.md5, here.headers)
    # each kill can repeat one object, a large one's parts and manifest; writes over another object are tried
    # as those of a new one first
    assert killed.sent - since <= OBJECTS * (2 + 2 * (1 + PARTS)) + OBJECTS + len(steps) * (1 + PARTS)
    check_leftovers(copied, kills)
    check_leftovers(moved, kills)


def check_leftovers(pair: Pair, kills: Kills) -> None:
    """No store has anything left but Google's sessions, which end after a week, and a share temporary files,
    which are removed after a day."""
    sessions = [step for step in kills.steps if "resumable" in step["at"]]
    assert len(pair.open_uploads()) <= len(sessions)
    if isinstance(pair, FilePair):
        assert len(pair.temporary_files()) <= len([step for step in kills.steps if "Draft" in step["at"]])
