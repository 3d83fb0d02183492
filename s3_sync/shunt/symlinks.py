"""Symlinks in the cluster whose target is an archived object, which Swift does not find when it follows
them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from swift.common.swob import HTTPConflict
from swift.common.swob import Request as SwobRequest
from swift.common.utils import split_path
from swift.common.wsgi import make_subrequest

from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.request import SOURCE, Headers, LocalResponse, RemoteLookup, Request, to_text

Find = Callable[[str, str], MappedContainer | None]
#: more than Swift itself follows (symloop_max is 2, plus one for an object version)
_MAX_HOPS = 16


def location(local: LocalResponse) -> str | None:
    """Return the quoted path of the object that a symlink led to; None if there was no symlink."""
    return local.header("content-location")


def followed(request: Request, local: LocalResponse, find: Find) -> Request | None:
    """Return the request for the target at the end of the symlinks, or the original one; None if the target
    is not in a mapped container."""
    link = location(local)
    if link is None:
        return request
    path = unquote(link, "latin-1")
    try:
        _, *place = split_path(path, 4, 4, True)
        account, container, name = map(to_text, place)
    except (ValueError, UnicodeError):
        return None
    target = find(account, container)
    if target is None:
        return None
    environ = {**request.environ, "PATH_INFO": path}
    return replace(request, environ=environ, target=target, account=account, container=container, name=name)


def symlink_headers(local: LocalResponse) -> Headers:
    """Return the headers of the cluster's 404 about the symlink, which apply to the object's response as
    well."""
    version = local.header("x-object-version-id")
    headers = [("X-Object-Version-Id", version)] if version and location(local) else []
    return [*headers, *(("Content-Location", link) for link in [location(local)] if link)]


def check_link(lookup: RemoteLookup, etag: str) -> None:
    """Check that the object has the ETag to which the symlink is bound, if any. Raises swob's
    HTTPConflict."""
    link = location(lookup.local)
    if link is None:
        return
    bound = _bound_etag(lookup, link)
    if bound and bound != etag:
        raise HTTPConflict(
            body=f"Object Etag {etag!r} does not match X-Symlink-Target-Etag header {bound!r}",
            headers={"Content-Type": "text/plain", "Content-Location": link},
            request=SwobRequest(lookup.environ),
        )


def _bound_etag(lookup: RemoteLookup, link: str) -> str:
    """Return the ETag that the last symlink, the one to ``link``, is bound to; Swift has checked the others.

    In a container with versions the first symlink leads to a version.
    """
    path: str = SwobRequest(lookup.environ).path
    for _ in range(_MAX_HOPS):
        sign = "&" if "?" in path else "?"
        request = make_subrequest(lookup.environ, "HEAD", f"{path}{sign}symlink=get", swift_source=SOURCE)
        headers = request.get_response(lookup.request.app).headers
        target = headers.get("X-Symlink-Target")
        if not target:
            break
        own = path.split("/")[2]
        path = f"/v1/{headers.get('X-Symlink-Target-Account') or own}/{target}"
        if unquote(path) == unquote(link):
            return str(headers.get("X-Symlink-Target-Etag") or "").strip('"')
    return ""
