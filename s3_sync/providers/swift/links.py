"""Symlinks of another Swift: their headers, and which of its answers describes a link itself.

Headers and parameters: ``swift.common.middleware.symlink``. Requests about objects ask for a link and never
for its target: with our rights that Swift would follow a link anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, quote, unquote, urlencode

from s3_sync.model.headers import USER_PREFIX
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import Link
from s3_sync.model.segment_names import SegmentNamer

Header = tuple[str, str]

#: the query of a request that does not follow links
ITSELF = "symlink=get"
_TARGET = "x-symlink-target"
#: mark of a static link: the ETag that its original is bound to; that of an SLO is another one here
MARK = "swift-link-etag"
_OUTSIDE = Link("", "")


class Links:
    """Translates the links of one container. ``containers``: names the containers of the mapping."""

    def __init__(self, containers: SegmentNamer, namer: KeyNamer) -> None:
        self._containers = containers
        self._namer = namer

    def target(self, link: Link) -> tuple[str, str]:
        """Return the remote container and the key of a link's target."""
        return self._containers.copies(link.container), self._namer.key(link.name)

    def headers(self, link: Link, bound: str) -> list[Header]:
        """Return the headers of a PUT that makes this link. ``bound``: the ETag of a static link's target
        here."""
        headers = [("X-Symlink-Target", quote("/".join(self.target(link))))]
        return [*headers, ("X-Symlink-Target-Etag", bound)] if link.etag else headers

    def of_answer(self, headers: Mapping[str, str]) -> Link | None:
        """Return the link that an answer about an object describes; None for any other object. ``headers``
        with lower-case names."""
        written = headers.get(_TARGET, "")
        if not written:
            return None
        bound = headers.get(f"{_TARGET}-etag", "").strip('"')
        etag = (headers.get(USER_PREFIX + MARK) or bound) if bound else ""
        return self._link(written, etag, foreign=bool(headers.get(f"{_TARGET}-account")))

    def of_row(self, row: Mapping[str, object], account: str) -> Link | None:
        """Return the link that a row of a JSON listing of this account shows; None if that is one to a
        version."""
        written = row.get("symlink_path")
        if not isinstance(written, str) or "?" in written:
            return None
        _, _, owner, target = (*written.split("/", 3), "", "", "", "")[:4]
        return self._link(target, str(row.get("symlink_etag") or ""), foreign=unquote(owner) != account)

    def _link(self, written: str, etag: str, *, foreign: bool) -> Link:
        remote, _, key = unquote(written).lstrip("/").partition("/")
        container = "" if foreign else self._containers.copied(remote)
        name = self._namer.name(key) if container and key else None
        return _OUTSIDE if name is None else Link(container, name, etag)


def version_of(headers: Mapping[str, str]) -> str | None:
    """Return the query for the object itself, if an answer describes a link to its current version: in a
    container with versions every object is one (``swift.common.middleware.versioned_writes``)."""
    _, is_version, query = headers.get(_TARGET, "").partition("?")
    version = parse_qs(query).get("version-id") if is_version else None
    return f"{ITSELF}&{urlencode({'version-id': version[0]})}" if version else None
