"""Symlinks in the cluster that lead to an archived object. Swift follows them, and finds nothing there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from swift.common.swob import HTTPConflict
from swift.common.swob import Request as SwobRequest
from swift.common.utils import split_path
from swift.common.wsgi import make_subrequest

from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.request import SOURCE, Headers, Local, Request, to_text
from s3_sync.shunt.wanted import Wanted

Find = Callable[[str, str], MappedContainer | None]
#: more than Swift itself follows (symloop_max is 2, and a version of an object is one more)
_MOST_HOPS = 16


def location(local: Local) -> str | None:
    """The path of the object that a symlink led to, quoted; None where there was no symlink."""
    return local.header("content-location")


def followed(request: Request, local: Local, find: Find) -> Request | None:
    """The request for what is at the end of the symlinks, or the one that was made; None where that is in no
    mapped container."""
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


def kept(local: Local) -> Headers:
    """What the cluster's 404 says of the way to the object, which holds for the object's answer as well."""
    version = local.header("x-object-version-id")
    headers = [("X-Object-Version-Id", version)] if version and location(local) else []
    return [*headers, *(("Content-Location", link) for link in [location(local)] if link)]


def check_link(wanted: Wanted, etag: str) -> None:
    """A symlink that is bound to an ETag leads to that very object. Raises swob's HTTPConflict."""
    link = location(wanted.local)
    if link is None:
        return
    bound = _bound_etag(wanted, link)
    if bound and bound != etag:
        raise HTTPConflict(
            body=f"Object Etag {etag!r} does not match X-Symlink-Target-Etag header {bound!r}",
            headers={"Content-Type": "text/plain", "Content-Location": link},
            request=SwobRequest(wanted.environ),
        )


def _bound_etag(wanted: Wanted, link: str) -> str:
    """The ETag of the last symlink of the way, the one that leads to ``link``; what others are bound to,
    Swift has compared. In a container with versions the first one leads to a version."""
    path: str = SwobRequest(wanted.environ).path
    for _ in range(_MOST_HOPS):
        sign = "&" if "?" in path else "?"
        request = make_subrequest(wanted.environ, "HEAD", f"{path}{sign}symlink=get", swift_source=SOURCE)
        headers = request.get_response(wanted.request.app).headers
        target = headers.get("X-Symlink-Target")
        if not target:
            break
        own = path.split("/")[2]
        path = f"/v1/{headers.get('X-Symlink-Target-Account') or own}/{target}"
        if unquote(path) == unquote(link):
            return str(headers.get("X-Symlink-Target-Etag") or "").strip('"')
    return ""
