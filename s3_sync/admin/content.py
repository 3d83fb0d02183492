"""Verifies the bytes themselves by reading both sides; listings, ETags and marks are only claims."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from s3_sync.cluster.newest import Present
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.errors import BadDigest, LocalChanged, ObjectRefused
from s3_sync.largeobject.manifest import Segment
from s3_sync.providers.base import Bucket
from s3_sync.streams.chained import ChainedBody
from s3_sync.streams.hashing import HashingBody
from s3_sync.streams.reader import CHUNK, Body
from s3_sync.transfer.large_object import large_kind, read_large_object
from s3_sync.transfer.large_upload import stored_manifest
from s3_sync.transfer.restore import verified
from s3_sync.transfer.resuming import read_range


class Content:
    """Verifies the contents of one container. Methods return a description of the fault, empty if there is
    none, and raise LocalError and RemoteError. A version replaced while it is read is not a fault: that
    raises LocalChanged, PreconditionFailed or NotFound. Only one chunk of an object is in memory."""

    def __init__(self, mapping: Mapping, local: LocalObjects, bucket: Bucket) -> None:
        self._mapping = mapping
        self._local = local
        self._bucket = bucket

    def compare(self, name: str, state: Present) -> str:
        """Compare the stored copy with the local object in this state."""
        mapping = self._mapping
        with self._opened(name, state) as (body, etag):
            here = _hashed(body)
        if etag is not None and here != etag:
            return f"the bytes read from Swift have MD5 {here}, expected {etag}"
        with closing(self._stored(name)) as body:
            there = _hashed(body)
        if here == there:
            return ""
        again = self._local.newest.of(mapping.account, mapping.container, name)
        if not isinstance(again, Present) or again.timestamp != state.timestamp:
            raise LocalChanged("the object changed while it was read")
        return f"the stored bytes have MD5 {there}, those in Swift {here}"

    def prove(self, name: str) -> str:
        """Verify a copy of a moved object, which has no local counterpart.

        Raises ObjectRefused if no digest is known for it.
        """
        info = self._bucket.head_object(name)
        manifest = stored_manifest(self._bucket, name) if info.md5 is None else None
        if info.md5 is None and manifest is None:
            raise ObjectRefused("unverifiable", "no digest is known to verify its bytes")
        try:
            with closing(read_range(self._bucket, info, 0, info.size - 1)) as body:
                if info.size:
                    _hashed(verified(info, manifest, body))
        except BadDigest as error:
            return str(error)
        return ""

    def _stored(self, name: str) -> Body:
        info = self._bucket.head_object(name)
        return read_range(self._bucket, info, 0, info.size - 1)

    @contextmanager
    def _opened(self, name: str, state: Present) -> Iterator[tuple[Body, str | None]]:
        """Yield the object's bytes, and their MD5 if it is known for the whole."""
        mapping, profile = self._mapping, self._mapping.profile
        place = (mapping.account, mapping.container, name, state.policy)
        reader = self._local.reader.for_copies(mapping, self._bucket.features.symlinks)
        with reader.starting_at(state.node).open(*place, expect=state.data_timestamp) as local:
            if large_kind(local) is None:
                yield local.body, local.info.md5
                return
            segments = self._local.segments.of(mapping.account, local.container, profile.segment_containers)
            manifest = read_large_object(local, segments).manifest

            def opened(segment: Segment) -> Body:
                return segments.open(segment).body

            openers = [partial(opened, segment) for segment in manifest.segments]
            with closing(ChainedBody(openers, manifest.size)) as body:
                yield body, None


def _hashed(body: Body) -> str:
    hashing = HashingBody(body, "md5")
    while hashing.read(CHUNK):
        pass
    return hashing.digest.hexdigest()
