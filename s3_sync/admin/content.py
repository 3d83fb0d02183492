"""The bytes themselves: read once more on both sides, where listings, ETags and marks are only promises."""

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
from s3_sync.transfer.large_upload import archived, examine, large_kind
from s3_sync.transfer.restore import promised
from s3_sync.transfer.resuming import read_range


class Content:
    """Of one container. What it says is wrong in words, empty if nothing is. A version that is replaced while
    it is read is no fault: that raises LocalChanged, PreconditionFailed or NotFound. Raises any other
    LocalError and RemoteError as well. One piece of each object is in memory."""

    def __init__(self, mapping: Mapping, local: LocalObjects, bucket: Bucket) -> None:
        self._mapping = mapping
        self._local = local
        self._bucket = bucket

    def compare(self, name: str, state: Present) -> str:
        """Whether the stored copy has the bytes of the object that is here in this state."""
        mapping = self._mapping
        with self._opened(name, state) as (body, etag):
            here = _hashed(body)
        if etag is not None and here != etag:
            return f"the bytes that Swift gave hash to {here}, and should to {etag}"
        with closing(self._stored(name)) as body:
            there = _hashed(body)
        if here == there:
            return ""
        again = self._local.newest.of(mapping.account, mapping.container, name)
        if not isinstance(again, Present) or again.timestamp != state.timestamp:
            raise LocalChanged("it changed while it was read")
        return f"the stored bytes hash to {there}, those in Swift to {here}"

    def prove(self, name: str) -> str:
        """Whether a copy that is all there is of an object has the bytes that were moved.

        Raises ObjectRefused where nothing tells what they must hash to.
        """
        info = self._bucket.head_object(name)
        manifest = archived(self._bucket, name) if info.md5 is None else None
        if info.md5 is None and manifest is None:
            raise ObjectRefused("unverifiable", "nothing tells what its bytes must hash to")
        try:
            with closing(read_range(self._bucket, info, 0, info.size - 1)) as body:
                if info.size:
                    _hashed(promised(info, manifest, body))
        except BadDigest as error:
            return str(error)
        return ""

    def _stored(self, name: str) -> Body:
        info = self._bucket.head_object(name)
        return read_range(self._bucket, info, 0, info.size - 1)

    @contextmanager
    def _opened(self, name: str, state: Present) -> Iterator[tuple[Body, str | None]]:
        """The bytes of the object, and what they must hash to, where that is known of the whole."""
        mapping, profile = self._mapping, self._mapping.profile
        place = (mapping.account, mapping.container, name, state.policy)
        reader = self._local.reader.following(profile.follow_symlinks).starting_at(state.node)
        with reader.open(*place, expect=state.data_timestamp) as local:
            if large_kind(local) is None:
                yield local.body, local.info.md5
                return
            segments = self._local.segments.of(mapping.account, local.container, profile.segment_containers)
            manifest = examine(local, segments).manifest

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
