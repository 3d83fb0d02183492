"""Objects of every kind at every store, from the row in Swift to the restored object.

What the rows of `KINDS` go through: a copy with the manifest that restores it, a second pass, new metadata,
and the way back from the store alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest

from conformance.conftest import BUCKET
from conformance.samples import MIB, md5, sample
from conformance.targets import ONE_WAY, Target
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import Bucket, Provider, WriteOptions
from s3_sync.providers.wrappers.instrument import InstrumentedBucket, Observer
from s3_sync.shunt.manifest_cache import LargeObjects, is_large
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.streams.reader import BytesBody, read_all
from s3_sync.sync.rows.handler import RowHandler
from s3_sync.sync.rows.remote_state import Presumption
from s3_sync.transfer.restore import Limits, RestoreJob, restore
from s3_sync.transfer.upload_session import TransferContext
from unit.sync.cluster import Swift, local_objects
from unit.transfer.test_restore import NOW
from unit.transfer.test_restore import Swift as Restored

#: one way to each; a new one is among them as soon as it is among the targets
STORES = tuple(store for store in ONE_WAY if store != "toy" and not store.startswith("memory-"))
ACCOUNT, CONTAINER, NAME = "AUTH_a", "c", "dir/\u00fc"
LARGE = 5 * MIB
PLAIN = WriteOptions()


@dataclass(frozen=True)
class ObjectKind:
    """``segments``: name -> size, in the order of the manifest; none: a plain object of ``size``.
    ``largest``: of one PUT, if the object is above that."""

    id: str
    segments: dict[str, int] = field(default_factory=dict)
    size: int = 0
    dynamic: bool = False
    largest: int = 0
    convert: bool = False


KINDS = (
    ObjectKind("plain", size=100_000),
    ObjectKind("above one PUT", size=LARGE + 7, largest=LARGE),
    ObjectKind("SLO", {"s/\u00fc %41": LARGE, "s/1": 300}),
    ObjectKind("SLO of small segments", {"s/2": 70_000, "s/empty": 0, "s/1": 300}),
    ObjectKind("SLO above one PUT", {"s/1": LARGE, "s/2": 300}, largest=LARGE),
    ObjectKind("DLO", {"s/1": LARGE, "s/\u00fc": 10}, dynamic=True),
    ObjectKind("converted DLO", {"s/1": 70_000, "s/2": 300}, dynamic=True, convert=True),
)


class Scene:
    """One object of that kind in Swift, and a handler for its row."""

    def __init__(self, kind: ObjectKind, bucket: Bucket, target: Target) -> None:
        self.kind = kind
        self.swift = Swift()
        self.segments = {
            f"{CONTAINER}_segments/{name}": sample(size, number)
            for number, (name, size) in enumerate(kind.segments.items())
        }
        self.whole = b"".join(self.segments.values()) if kind.segments else sample(kind.size)
        if kind.largest:
            bucket.limits = replace(bucket.limits, max_put=kind.largest)
        self.sent = 0
        #: of an SLO, as it is stored in Swift
        self.manifest = b""
        self.bucket = InstrumentedBucket(bucket, Observer(target.id))
        profile = Profile(convert_dlo=kind.convert)
        self.mapping = Mapping(ACCOUNT, CONTAINER, bucket.name, target.credentials, profile, bucket.namer)
        context = TransferContext(self.bucket, self._count)
        self.handler = RowHandler(self.mapping, context, local_objects(self.swift), self.swift.clock.now)

    def _count(self, size: int) -> None:
        self.sent += size

    def put(self) -> None:
        for path, data in self.segments.items():
            self.swift.put(f"/{path}", data)
        meta = {"x_object_meta_colour": "bl\u00fc"}
        if not self.segments:
            self.swift.put(NAME, self.whole, **meta)
        elif self.kind.dynamic:
            self.swift.put_dlo(NAME, f"{CONTAINER}_segments/s/", **meta)
        else:
            self.manifest = self.swift.put_slo(NAME, [f"/{path}" for path in self.segments], **meta)

    def post(self) -> None:
        kept = {"x_object_manifest": f"{CONTAINER}_segments/s/"} if self.kind.dynamic else {}
        if self.segments and not self.kind.dynamic:
            kept = {"x_static_large_object": "True"}
        self.swift.post(NAME, x_object_meta_colour="gr\u00fcn", **kept)

    def handle(self) -> Outcome:
        self.sent = 0
        return self.handler.handle(self.swift.row(NAME), Presumption.UNKNOWN)

    def restored(self) -> Restored:
        """What a new cluster has, made of the store alone."""
        target = MappedContainer(self.mapping, self.bucket)
        local, info = Restored(), self.bucket.head_object(NAME)
        manifest = LargeObjects().manifest(target, info) if is_large(info) else None
        with self.bucket.get_object(NAME) as result:
            job = RestoreJob(CONTAINER, result.info, manifest, NOW)
            restore(local, job, result.body, Limits(5 << 30, 1000, LARGE))
        return local


@pytest.fixture
def opened(target: Target, provider: Provider) -> Iterator[Bucket]:
    name = f"matrix-{uuid4().hex[:12]}"
    if target.quirks.stores_manifests:
        yield provider.bucket(BUCKET, KeyNamer.literal(f"{name}/"), PLAIN)
    else:
        write = WriteOptions(segments=SegmentNamer(CONTAINER, name), writer="01234567")
        yield provider.bucket(name, KeyNamer.plain(), write)


@pytest.mark.parametrize("target", STORES, indirect=True)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_object_is_copied_once_and_comes_back_as_it_was(
    opened: Bucket, target: Target, kind: ObjectKind
) -> None:
    scene = Scene(kind, opened, target)
    scene.put()
    features = opened.features
    is_one_object = not (kind.segments and features.native_large_objects)
    if kind.largest and is_one_object and not features.multipart:
        outcome = scene.handle()
        assert (outcome.kind, outcome.reason) == (Kind.FAILED, "too_large")
        return
    assert scene.handle() == Outcome(Kind.COPIED, size=len(scene.whole))
    assert scene.handle() == Outcome(Kind.PRESENT)
    assert scene.sent == 0
    if scene.manifest and target.quirks.stores_manifests:
        assert opened.manifests.get(NAME) == scene.manifest
    scene.post()
    assert scene.handle() == Outcome(Kind.UPDATED)
    assert scene.sent == 0
    with opened.get_object(NAME) as result:
        assert read_all(result.body) == scene.whole
    local = scene.restored()
    segments = {
        path: data for path, data in scene.segments.items() if data
    }  # no PUT of an SLO has empty ones
    assert local.objects == {f"{CONTAINER}/{NAME}": scene.whole, **segments}
    headers = local.headers[f"{CONTAINER}/{NAME}"]
    assert (headers["content-type"], headers["x-object-meta-colour"]) == ("text/plain", "gr\u00fcn")


@pytest.mark.parametrize("target", ["memory", "google"], indirect=True)
def test_slo_that_an_earlier_version_sent_as_one_stream_is_not_sent_again(
    opened: Bucket, target: Target
) -> None:
    """As 0.1 did it for Google; it knows our copies by the same mark."""
    scene = Scene(next(kind for kind in KINDS if kind.id == "SLO of small segments"), opened, target)
    scene.put()
    marks = {"x-static-large-object": "True", "swift-slo-etag": md5(scene.manifest)}
    meta = ObjectMeta({"content-type": "text/plain"}, {"colour": "bl\u00fc"}, marks)
    opened.put_object(NAME, BytesBody(scene.whole), PutOptions(len(scene.whole), meta))
    opened.manifests.put(NAME, scene.manifest)
    assert scene.handle() == Outcome(Kind.PRESENT)
    assert scene.sent == 0
    scene.post()
    assert scene.handle() == Outcome(Kind.UPDATED)
    assert scene.sent == 0
    assert opened.head_object(NAME).meta.marks["swift-slo-etag"] == md5(scene.manifest)
