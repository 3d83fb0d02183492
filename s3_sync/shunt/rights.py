"""Who may read what a large object consists of.

To Swift an archived large object is one object, but its bytes are those of its segments, and who may read a
manifest may not always read them. So Swift's question is asked here, as its slo and dlo ask it: for each
container of segments, with the client's own rights. Containers that are not in the cluster any more
protect nothing; they are recreated only by who may read the whole account.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from swift.common.constraints import MAX_FILE_SIZE
from swift.common.http import HTTP_NOT_FOUND, is_success
from swift.common.swob import HTTPConflict, HTTPServiceUnavailable
from swift.common.swob import Request as SwobRequest
from swift.common.wsgi import make_subrequest
from swift.proxy.controllers.base import get_container_info

from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.manifest_cache import Place, is_dynamic
from s3_sync.shunt.request import SOURCE, to_wsgi
from s3_sync.shunt.wanted import Wanted

_GONE = 410


class Refused(Exception):
    """``response``: what the client is told."""

    def __init__(self, response: Any) -> None:
        super().__init__(response.status)
        self.response = response


def check_listing(wanted: Wanted, info: ObjectInfo, places: frozenset[Place] | None) -> None:
    """For every answer about a DLO: Swift lists its segments to make one. Raises Refused with Swift's own
    words, 401 or 403."""
    if not is_dynamic(info):
        return
    for container, _ in sorted(places or ()):
        refusal = _refusal(wanted, container)
        if refusal is not None:
            if wanted.request.method == "HEAD":
                refusal.body = b""
            raise Refused(refusal)


def check_bytes(wanted: Wanted, places: frozenset[Place] | None) -> None:
    """Before any byte of it is sent. Raises Refused with 409, as Swift does for a segment that cannot be
    read.

    That the client may read the object's own container is known. ``places`` None: nobody knows, so that
    the client must have the right to read all of the account.
    """
    if places is None:
        denied = _refusal(wanted, f"{wanted.container}_segments", wanted.name, with_acl=False) is not None
    else:
        denied = any(
            _refusal(wanted, container, name) is not None
            for container, name in sorted(places)
            if container != wanted.container
        )
    if denied:
        raise Refused(HTTPConflict(request=SwobRequest(wanted.environ)))


def may_restore(wanted: Wanted, info: ObjectInfo, places: frozenset[Place] | None) -> bool:
    """Whether this client can still read the object when it has segments again.

    Containers that have to be made for them have no ACL, so that a restore would take the object from all who
    read it by an ACL: who is one of them does not cause that.
    """
    if places is None:
        return True  # it may read the whole account
    if not places and info.size > MAX_FILE_SIZE:
        places = frozenset({(f"{wanted.container}_segments", info.name)})
    return all(
        _refusal(wanted, container, name, may_be_gone=False) is None
        for container, name in sorted(places)
        if container != wanted.container
    )


def _refusal(
    wanted: Wanted, container: str, name: str = "", *, with_acl: bool = True, may_be_gone: bool = True
) -> Any:
    """What the client's own authorization says to GET of this; None = yes. Asked as the proxy does: without
    the container's ACL, which suffices for owners, and then with it. Raises Refused with 503 when it is not
    known whether there is an ACL."""
    authorize = wanted.environ.get("swift.authorize")
    if authorize is None:
        return None
    account = wanted.target.mapping.account  # a symlink may be in another one
    path = "/".join(filter(None, ("/v1", account, container, name)))
    headers = {"x-auth-token": wanted.environ.get("HTTP_X_AUTH_TOKEN")}
    request = make_subrequest(
        wanted.environ, "GET", quote(to_wsgi(path), encoding="latin-1"), headers=headers, swift_source=SOURCE
    )
    request.acl = None
    refusal = authorize(request)
    if refusal is None or not with_acl:
        return refusal
    info = get_container_info(request.environ, wanted.request.app, swift_source=SOURCE)
    if info["status"] in (HTTP_NOT_FOUND, _GONE):
        return None if may_be_gone else refusal
    if not is_success(info["status"]):
        headers = {"Retry-After": "1"}
        raise Refused(HTTPServiceUnavailable(request=SwobRequest(wanted.environ), headers=headers))
    request.acl = info["read_acl"]
    return authorize(request)
