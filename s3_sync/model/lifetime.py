"""When a store that keeps X-Delete-At, such as another Swift, deletes a copy itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from s3_sync.model.objects import ObjectMeta
from s3_sync.model.timestamps import Timestamp

#: what Swift makes of a later X-Delete-At (swift.common.utils.normalize_delete_at_timestamp)
_LATEST = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Lifetime:
    """``seconds``: how long a copy lives, from the date of its object on; 0: for ever. ``offset``: the copy
    of an object with an X-Delete-At lives by so many seconds longer than the object; None: the object's
    X-Delete-At does not matter. It takes precedence over ``seconds``. ``addition``: added to ``seconds`` for
    segments of large objects, which must not go before their manifests do. ``since``: the date from which
    ``seconds`` count, if that is later than the object's own."""

    seconds: int = 0
    offset: int | None = None
    addition: int = 0
    since: Timestamp | None = None

    def of_segments(self, manifest: Timestamp | None) -> Lifetime:
        """Return the lifetime of segments. ``manifest``: the version of a large object that needs them."""
        seconds = self.seconds + self.addition if self.seconds else 0
        return replace(self, seconds=seconds, addition=0, since=manifest)

    def delete_at(self, meta: ObjectMeta) -> int | None:
        """Return X-Delete-At of a copy, whose metadata includes its marks; None: it does not expire."""
        own, written = meta.delete_at, meta.swift_timestamp
        if own is not None and self.offset is not None:
            return min(own + self.offset, _LATEST)
        if self.seconds and written is not None:
            return min(max(written, self.since or written).ceil_seconds() + self.seconds, _LATEST)
        return None


def later(one: int | None, other: int | None) -> int | None:
    """Return the later one of two X-Delete-At; None: it does not expire."""
    return None if one is None or other is None else max(one, other)


#: no copy expires
FOR_EVER = Lifetime()
