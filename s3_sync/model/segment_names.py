"""Containers <-> containers of another Swift, which keeps large objects and symlinks as what they are.

Existing deployments store segments there: the results of this module must never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from s3_sync.model.objects import ObjectMeta

_SUFFIX = "_segments"
#: what the names of containers for segments end in: by clients of Swift, and of its S3 API
SEGMENT_SUFFIXES = (_SUFFIX, "+segments")


@dataclass(frozen=True, slots=True)
class SegmentNamer:
    """Names the containers for the segments of one mapping; objects keep their names.

    ``container``: the mapped one. ``bucket``: the remote container for its objects. ``prefix``: if the whole
    account is mapped, what the names of all remote containers begin with; None: a single container is, and
    all of its segments are in one, wherever they are locally.
    """

    container: str
    bucket: str
    prefix: str | None = None

    def remote(self, container: str) -> str:
        """Return the remote container for segments of a local one."""
        return self.bucket + _SUFFIX if self.prefix is None else self.prefix + container

    def copies(self, container: str) -> str:
        """Return the remote container for the copies of a local one's objects, to which links lead."""
        return self.bucket if self.prefix is None else self.prefix + container

    def copied(self, remote: str) -> str:
        """Return the local container of whose objects a remote one has the copies; empty for none of this
        mapping."""
        if self.prefix is None:
            return self.container if remote == self.bucket else ""
        return remote.removeprefix(self.prefix) if remote.startswith(self.prefix) else ""

    def holds(self, remote: str) -> bool:
        """Return whether a remote container belongs to this mapping, be it for objects or for segments. Large
        objects whose segments are in any other one are none of its copies."""
        if self.prefix is not None:
            return remote.startswith(self.prefix)
        return remote in [self.bucket + suffix for suffix in ("", *SEGMENT_SUFFIXES)]

    def local(self, remote: str, source: str = "") -> str:
        """Return the local container of segments in a remote one; empty if that ``holds`` none of them.
        ``source``: what the mark ``swift-source`` says, if there is one. Without it, that is a guess where a
        single container is mapped: the usual container for segments."""
        if source or not self.holds(remote):
            return source
        if self.prefix is not None:
            return remote.removeprefix(self.prefix)
        return self.container + remote.removeprefix(self.bucket)


def source_of(meta: ObjectMeta) -> str:
    """Return the local container of a segment, or of all segments of a manifest, as its marks tell it; empty
    if they do not."""
    if "x-object-manifest" in meta.marks:
        return meta.marks["x-object-manifest"].lstrip("/").partition("/")[0]
    return unquote(meta.marks.get("swift-source", ""))
