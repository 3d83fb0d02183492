"""Symlinks that were moved to a remote store with symlinks. The target is read as if the client had requested
it: with the client's own rights, from the cluster or from the store."""

from __future__ import annotations

from swift.common.middleware.symlink import DEFAULT_SYMLOOP_MAX, SymlinkMiddleware
from swift.common.swob import HTTPConflict, HTTPTemporaryRedirect
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse
from swift.common.utils import close_if_possible, drain_and_close
from swift.common.wsgi import make_subrequest

from s3_sync.errors import NotFound
from s3_sync.model.objects import Link, ObjectInfo
from s3_sync.shunt.headers import MANIFEST_ETAG
from s3_sync.shunt.request import SOURCE, Headers, RemoteLookup, Request, find_filter

#: number of archived links that a request has followed, in its environ
_HOPS = "s3_sync.archived_links"
_POSTED = "The requested POST was applied to a symlink."
_SHOWS_ETAG = (200, 206, 304)
#: parameters that are about the link, not about its target
_ABOUT_LINK = ("symlink", "version-id")


def bound_etag(info: ObjectInfo) -> str:
    """Return the ETag that a static link to this link must have: Swift compares the next link's, if it has
    one."""
    return (info.meta.link and info.meta.link.etag) or info.etag


def link_headers(info: ObjectInfo) -> Headers:
    """Return the headers that Swift shows for ``?symlink=get``. Raises NotFound as ``target_of``."""
    link = target_of(info)
    headers = [("X-Symlink-Target", link.header)]
    return [*headers, ("X-Symlink-Target-Etag", link.etag)] if link.etag else headers


def target_of(info: ObjectInfo) -> Link:
    """Return where a link leads. Raises NotFound if that is out of what the mapping copies."""
    link = info.meta.link
    assert link is not None
    if not link.container:
        raise NotFound(f"{info.name} leads out of the mapped containers", status=404)
    return link


def respond_for_target(lookup: RemoteLookup, info: ObjectInfo) -> SwobResponse:
    """Return the response about the target. Raises NotFound, and swob's HTTPConflict."""
    link = target_of(info)
    path = link.path(lookup.target.mapping.account)
    hops = lookup.environ.get(_HOPS, 0) + 1
    allowed = _max_hops(lookup)
    if hops > allowed:
        raise _conflict(lookup, f"Too many levels of symbolic links, maximum allowed is {allowed}", path)
    response = _request(lookup, path, hops)
    # the ETag of a DLO's manifest says nothing about its bytes, and clients do not see it
    if link.etag and response.status_int in _SHOWS_ETAG and "X-Object-Manifest" not in response.headers:
        found = _etag_of_target(lookup, response, path, hops)
        if found != link.etag:
            close_if_possible(response.app_iter)
            text = f"Object Etag {found!r} does not match X-Symlink-Target-Etag header {link.etag!r}"
            raise _conflict(lookup, text, path)
    response.headers.setdefault("Content-Location", path)
    return response


def redirect(request: Request, link: Link) -> SwobResponse:
    """Return Swift's response to a POST: the link has the metadata, and the client is told where the target
    is."""
    request.environ["swift.leave_relative_location"] = True
    headers = {"Location": link.path(request.account)}
    if link.etag:
        headers["X-Symlink-Target-Etag"] = link.etag
    text = f"{_POSTED} POST directly to the target to apply requested metadata."
    return HTTPTemporaryRedirect(request=SwobRequest(request.environ), body=text, headers=headers)


def _request(lookup: RemoteLookup, path: str, hops: int, method: str = "", query: str = "") -> SwobResponse:
    """Send the client's request for the target to the cluster and, as for any request, to this middleware."""
    original = SwobRequest(dict(lookup.environ))
    if not query:
        original.params = {key: value for key, value in original.params.items() if key not in _ABOUT_LINK}
        query = original.query_string
    request = make_subrequest(
        lookup.environ,
        method or original.method,
        f"{path}?{query}",  # without a question mark it would get the original query
        headers=dict(original.headers),
        swift_source=lookup.environ.get("swift.source") or SOURCE,
    )
    request.environ[_HOPS] = hops
    return request.get_response(lookup.request.around)


def _etag_of_target(lookup: RemoteLookup, response: SwobResponse, path: str, hops: int) -> str:
    """Return the ETag that a static link to the target has: of an SLO that of its manifest, of another link
    the one that it is bound to."""
    if "Content-Location" not in response.headers:
        found = response.headers.get(MANIFEST_ETAG) or response.headers.get("Etag") or ""
        return str(found).strip('"')
    link = _request(lookup, path, hops, "HEAD", "symlink=get")
    drain_and_close(link)
    return str(link.headers.get("X-Symlink-Target-Etag") or link.headers.get("Etag") or "").strip('"')


def _max_hops(lookup: RemoteLookup) -> int:
    found = find_filter(lookup.request.app, SymlinkMiddleware)
    return DEFAULT_SYMLOOP_MAX if found is None else int(found.symloop_max)


def _conflict(lookup: RemoteLookup, text: str, path: str) -> HTTPConflict:
    headers = {"Content-Type": "text/plain", "Content-Location": path}
    return HTTPConflict(body=text, headers=headers, request=SwobRequest(lookup.environ))
