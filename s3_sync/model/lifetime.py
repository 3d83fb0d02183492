"""When a store that keeps X-Delete-At, such as another Swift, deletes a copy itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from s3_sync.model.objects import ObjectMeta

#: what Swift makes of a later X-Delete-At (swift.common.utils.normalize_delete_at_timestamp)
_LATEST = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Lifetime:
    """``seconds``: how long a copy lives, from the date of its object on; 0: for ever. ``offset``: the copy
    of an object with an X-Delete-At lives by so many seconds longer than the object; None: the object's
    X-Delete-At does not matter. It takes precedence over ``seconds``. ``addition``: added to ``seconds`` for
    segments of large objects, which must not go before their manifests do. ``at_least``: the date that a copy
    without an X-Delete-At of its object's own reaches in any case, unless it lives for ever."""

    seconds: int = 0
    offset: int | None = None
    addition: int = 0
    at_least: int = 0

    def of_segments(self, large: ObjectMeta | None) -> Lifetime:
        """Return the lifetime of segments. ``large``: the metadata of a copy that needs them, with its
        marks."""
        needed = None if large is None else self.delete_at(large)
        seconds = self.seconds + self.addition if self.seconds else 0
        at_least = 0 if needed is None else needed + self.addition
        return replace(self, seconds=seconds, addition=0, at_least=at_least)

    def delete_at(self, meta: ObjectMeta) -> int | None:
        """Return X-Delete-At of a copy, whose metadata includes its marks; None: it does not expire."""
        own, written = meta.delete_at, meta.swift_timestamp
        if own is not None and self.offset is not None:
            return min(own + self.offset, _LATEST)
        if self.seconds and written is not None:
            return min(max(written.ceil_seconds() + self.seconds, self.at_least), _LATEST)
        return None


def later(one: int | None, other: int | None) -> int | None:
    """Return the later one of two X-Delete-At; None: it does not expire."""
    return None if one is None or other is None else max(one, other)


#: no copy expires
FOR_EVER = Lifetime()
