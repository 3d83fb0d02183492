"""What a check works with, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import SyncError, UnexpectedAnswer
from s3_sync.model.objects import ObjectMeta, PutOptions, PutResult
from s3_sync.providers.base import Bucket, Features, MultipartUpload
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.streams.reader import Body

_Result = TypeVar("_Result")
_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Finding:
    """``text``: for the operator; ``noted``: it is about something that could be better.

    ``needed``: properties of the store, with the values without which something fails. ``advised``: those
    with which something works better. ``wrong``: the store does not do what is expected of it, and no
    property would tell the program."""

    text: str = ""
    needed: Mapping[str, object] = field(default_factory=dict)
    advised: Mapping[str, object] = field(default_factory=dict)
    wrong: bool = False
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """``run`` raises RemoteError if something is refused that has to work. ``operation``: what is not
    permitted if that is AccessDenied."""

    name: str
    run: Callable[[Site], Finding]
    operation: Operation


class Site:
    """Where checks work: a bucket, with a key prefix under which there is nothing but probes.

    ``open_bucket``: opens it with changes of ``properties``, those of the store that a configuration can
    change. ``name``: of the object that the checks of access are about."""

    def __init__(
        self,
        open_bucket: Callable[[Mapping[str, object]], Bucket],
        properties: Mapping[str, object] = _NOTHING,
        name: str = "object",
    ) -> None:
        self.properties = properties
        self.name = name
        #: names that may have been written
        self.written: set[str] = set()
        #: whether an upload that was begun can be ended
        self.may_abort = True
        self._open_bucket = open_bucket
        self._opened: dict[tuple[tuple[str, object], ...], Bucket] = {}

    def bucket(self, **changes: object) -> Bucket:
        """The bucket, with other properties of the store as far as the store has them."""
        different = self.changed(**changes)
        key = tuple(sorted(different.items()))
        if key not in self._opened:
            self._opened[key] = _RecordingBucket(self._open_bucket(different), self)
        return self._opened[key]

    def abilities(self, text: str, **found: object) -> Finding:
        """The finding for what a store can do: what it cannot, though its properties say so, is needed, what
        it can beyond them is advised."""
        different = self.changed(**found)
        needed = {name: value for name, value in different.items() if not value}
        return Finding(text, needed, {name: value for name, value in different.items() if value})

    def changed(self, **values: object) -> dict[str, object]:
        """The values of properties that differ from those in force."""
        known = self.properties
        return {name: value for name, value in values.items() if name in known and known[name] != value}


class _RecordingBucket(DelegatingBucket):
    """Records the names that are written. Has no uploads if they could not be aborted."""

    def __init__(self, bucket: Bucket, site: Site) -> None:
        super().__init__(bucket, _call)
        self._site = site

    @property
    def features(self) -> Features:
        features = self._bucket.features
        return features if self._site.may_abort else replace(features, multipart=False)

    def put_object(self, name: str, body: Body, options: PutOptions) -> PutResult:
        self._site.written.add(name)
        return super().put_object(name, body, options)

    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        self._site.written.add(name)
        return super().create_upload(name, meta)


def _call(function: Callable[[], _Result], body: Body | None = None) -> _Result:
    """Turn errors of any kind into RemoteErrors: whatever a store answers, what was written is removed."""
    try:
        return function()
    except SyncError:
        raise
    except Exception as error:
        raise UnexpectedAnswer(f"an error of this program: {type(error).__name__}: {error}") from error
