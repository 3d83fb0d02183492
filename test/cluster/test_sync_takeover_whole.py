"""A whole deployment of version 0.1.57 is taken over: nothing is sent again that is there already.

What is counted is what arrives at the store. Only what that version left incomplete is mended: metadata that
it did not copy or did not copy as it was, by a copy of the object onto itself; and the bytes of dynamic large
objects, of which it stored nothing but the manifest's header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon, SyncDaemon
from servers.earlier import MIB, Earlier, as_text_or_words
from servers.landed import decoded, in_bucket, in_swift, keys
from servers.large import Large
from servers.local import Local
from servers.operations import counting
from servers.pair import Pair, Store, new_pair
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

DICOM = {"Content-Type": "application/dicom"}
#: options as they stand in an old file, those that mean nothing to S3 among them
OLD_KEYS: dict[str, Any] = {
    "protocol": "s3",
    "merge_namespaces": False,
    "restore_object": False,
    "encryption": True,
}
OLD_KEYS |= {"sync_container_metadata": False, "convert_dlo": False, "remote_delete_after": 0}
#: values of user metadata, and how they were written down
FORMS = {
    "ascii": ("plain", as_text_or_words),
    "printable": ("a: b; c=d, 100%", as_text_or_words),
    "accent": ("é", as_text_or_words),
    "control": ("h\x7fello", as_text_or_words),
    "long": ("überlänge " * 12 + "!", as_text_or_words),
    "quoted": ("grün und 100%", quote),
}
#: what was not copied as it was: name -> headers in Swift, and the form of the values
INCOMPLETE: dict[str, tuple[dict[str, str], Any]] = {
    "lowered": ({"X-Object-Meta-A": "Mixed Case"}, str.lower),
    "encoded": ({"Content-Encoding": "gzip", "Content-Disposition": "inline"}, as_text_or_words),
    "expiring": ({"X-Delete-After": "864000"}, as_text_or_words),
}


class Deployment:
    """Five mappings, two of them of one container, and what the earlier version did for them."""

    def __init__(self, swift: SwiftCluster, store: Store, local: Local) -> None:
        moves = {"retain_local": False, **OLD_KEYS}
        self.local = local
        self.mirror = new_pair(swift, store, **OLD_KEYS)
        self.archive = new_pair(
            swift,
            store,
            custom_prefix="/scans",
            selection_criteria={"content-type": "application/dicom"},
            propagate_delete=False,
            **moves,
        )
        #: an archive whose deletes are propagated; the earlier version would have erased it in the end
        self.risky = new_pair(swift, store, propagate_delete=True, **moves)
        self.first = new_pair(swift, store, custom_prefix="", **OLD_KEYS)
        self.second = Pair(RawSwift(swift), store, self.first.container, custom_prefix="", **OLD_KEYS)
        self.second.s3.create_bucket(Bucket=self.second.bucket)
        self.pairs = [self.mirror, self.archive, self.risky, self.first, self.second]

    def build(self, status_dir: Path) -> None:
        """Everything is there; progress was written down for one half of it."""
        mirror, archive = Earlier(self.mirror), Earlier(self.archive, "scans/")
        risky = Earlier(self.risky)
        large = Large(self.mirror)
        self._mirrored(mirror, large, "before/")
        self._archived(archive, "before/")
        self._moved(risky, "before")
        rows = {earlier: earlier.pair.database()[1] for earlier in (mirror, archive, risky)}
        self._mirrored(mirror, large, "after/")
        self._archived(archive, "after/")
        self._moved(risky, "after")
        for earlier, row in rows.items():
            earlier.save_progress(status_dir, row)
        for name in ("a", "b", "c"):
            self.first.put(name, name.encode())
            for pair in (self.first, self.second):
                Earlier(pair, "").copy(name)
        Earlier(self.second, "").save_progress(status_dir)  # two mappings overwrote each other's progress

    def _mirrored(self, earlier: Earlier, large: Large, half: str) -> None:
        for number in range(3):
            earlier.pair.put(f"{half}plain {number}", b"x", {"X-Object-Meta-Some-Value": "é"})
            earlier.copy(f"{half}plain {number}")
        for name, (value, written) in FORMS.items():
            self._put(earlier, half + name, {"X-Object-Meta-Some-Value": value}, written)
        for name, (headers, written) in INCOMPLETE.items():
            self._put(earlier, half + name, headers, written)
        segments = [large.segment(half + "slo/1", 5 * MIB), large.segment(half + "slo/2", 100)]
        large.put_slo(half + "slo", segments, {"X-Object-Meta-Some-Value": "large"})
        earlier.copy_large(half + "slo", segments)
        small = [large.segment(half + "google/1", 20), large.segment(half + "google/2", 10)]
        large.put_slo(half + "google", small)
        earlier.copy_large_in_one(half + "google", small)
        large.segment(half + "dlo/ü 1", 1000)
        large.put_dlo(half + "dlo", half + "dlo/")
        earlier.copy(half + "dlo")

    @staticmethod
    def _put(earlier: Earlier, name: str, headers: dict[str, str], written: Any) -> None:
        """With a POST, because it is such objects that a listing is not enough for."""
        earlier.pair.put(name, name.encode(), headers)
        earlier.pair.post(name, headers)
        earlier.copy(name, written)

    def _archived(self, earlier: Earlier, half: str) -> None:
        pair = earlier.pair
        for name in ("moved", "interrupted", "incomplete"):
            encoding = {"Content-Encoding": "gzip"} if name == "incomplete" else {}
            pair.put(half + name, name.encode(), {**DICOM, **encoding, "X-Object-Meta-Nr": "Ü 1"})
            earlier.copy(half + name)
        earlier.give_up(self.local, half + "moved")
        large = Large(pair)
        segments = [large.segment(half + "slo/1", 5 * MIB), large.segment(half + "slo/2", 100)]
        large.put_slo(half + "slo", segments, DICOM)
        earlier.copy_large(half + "slo", segments)
        if half == "before/":  # what the cursor has passed is done with
            earlier.give_up(self.local, "before/slo")
            earlier.give_up(self.local, "before/interrupted")
            earlier.give_up(self.local, "before/incomplete")
        pair.put(half + "of another type", b"x", {"Content-Type": "text/plain"})

    def _moved(self, earlier: Earlier, name: str) -> None:
        earlier.pair.put(name, b"x")
        earlier.pair.post(name, {"X-Object-Meta-A": "b"})
        earlier.copy(name)
        earlier.give_up(self.local, name)

    def stored(self) -> dict[tuple[str, str], Any]:
        """Everything about every copy that a write would change."""
        found = {}
        for pair in self.pairs:
            for key in keys(pair.s3, pair.bucket):
                head = pair.s3.head_object(Bucket=pair.bucket, Key=key)
                metadata = {name: decoded(value) for name, value in head["Metadata"].items()}
                found[pair.bucket, key] = (head["ETag"], head["LastModified"], head["ContentType"], metadata)
        return found


@pytest.fixture
def store(s3api: Store) -> Store:
    return s3api


@pytest.fixture(scope="module")
def own(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    """Segments of moved objects are looked for in the whole account: no other test's may be there."""
    return start_server(SwiftCluster())


@pytest.fixture
def deployment(own: SwiftCluster, store: Store, proxy: FaultProxy) -> Iterator[Deployment]:
    with Local(own) as local:
        yield Deployment(own, store.behind(proxy.endpoint), local)


def writes(daemon: SyncDaemon, proxy: FaultProxy) -> Counter[str]:
    """What one run wrote, and that it left nothing undone."""
    with counting(proxy) as requests:
        done = daemon.once()
    assert done.returncode == 0, daemon.log_text()
    reading = ("HeadObject", "GetObject", "ListObjects", "ListMultipartUploads")
    return Counter({name: count for name, count in requests.items() if name not in reading})


def silent(daemon: SyncDaemon, proxy: FaultProxy) -> bool:
    with counting(proxy) as requests:
        assert daemon.once().returncode == 0, daemon.log_text()
    return not requests


def test_takeover_of_version_0_1_57_sends_nothing_that_is_stored(
    deployment: Deployment, new_daemon: NewDaemon, proxy: FaultProxy
) -> None:
    daemon = new_daemon(*deployment.pairs, cluster=deployment.local.cluster)
    deployment.build(daemon.status_dir)
    mirror, archive = deployment.mirror, deployment.archive
    before = deployment.stored()

    # the half that the cursors have not passed is compared, and nothing is sent of it
    mended = Counter(CopyObject=len(INCOMPLETE) + 1, PutObject=2)
    assert writes(daemon, proxy) == mended
    assert silent(daemon, proxy)
    after = deployment.stored()
    changed = {place[1] for place, info in after.items() if info != before.get(place)}
    place = mirror.prefix + "after/"
    manifest = Large(mirror).manifest_key("after/dlo")
    expected = {place + name for name in (*INCOMPLETE, "dlo")} | {manifest, "scans/after/incomplete"}
    assert changed == expected
    assert before.keys() == after.keys() - {(mirror.bucket, manifest)}, "no copy has gone"
    for name in (*INCOMPLETE, "dlo"):
        mirror.check_object("after/" + name)
    assert archive.swift.names(archive.container) == ["after/of another type", "before/of another type"]
    moved = in_bucket(archive.s3, archive.bucket, "scans/after/incomplete")
    assert (moved.headers["content-encoding"], moved.user["nr"]) == ("gzip", "Ü 1")

    # without any progress all of it is compared; so the other half is mended as well
    for path in sorted(daemon.status_dir.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()
    assert writes(daemon, proxy) == Counter(CopyObject=len(INCOMPLETE), PutObject=2)
    assert silent(daemon, proxy)
    for name in (*INCOMPLETE, "dlo"):
        mirror.check_object("before/" + name)
    for name in FORMS:
        here = in_swift(mirror.swift, mirror.container, "before/" + name)
        there = mirror.landed("before/" + name)
        assert (there.md5, there.headers) == (here.md5, here.headers)
    assert deployment.stored().keys() == after.keys() | {
        (mirror.bucket, Large(mirror).manifest_key("before/dlo"))
    }
