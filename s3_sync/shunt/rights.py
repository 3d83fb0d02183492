"""Who may read the segments of a large object.

To Swift an archived large object is one object, but its bytes are those of its segments, and a user who may
read a manifest may not be allowed to read them. So Swift's check is repeated here, as its slo and dlo filters
do it: for each container of segments, with the client's own rights. Containers that no longer exist in the
cluster protect nothing; only a client that may read the whole account can cause them to be recreated.
"""

from __future__ import annotations

from urllib.parse import quote

from swift.common.constraints import MAX_FILE_SIZE
from swift.common.http import HTTP_NOT_FOUND, is_success
from swift.common.swob import HTTPConflict, HTTPServiceUnavailable
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response as SwobResponse
from swift.common.wsgi import make_subrequest
from swift.proxy.controllers.base import get_container_info

from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.manifest_cache import Place, is_dynamic
from s3_sync.shunt.request import SOURCE, RemoteLookup, to_wsgi

_GONE = 410


class Refused(Exception):
    """``response``: the response for the client."""

    def __init__(self, response: SwobResponse) -> None:
        super().__init__(response.status)
        self.response = response


def check_listing(lookup: RemoteLookup, info: ObjectInfo, places: frozenset[Place] | None) -> None:
    """Check the right to list the segments, for every response about a DLO: Swift lists them to build one.

    ``places`` as for ``check_bytes``. Raises Refused with Swift's own 401 or 403.
    """
    if not is_dynamic(info):
        return
    if places is None:
        refusals = [_refusal_of_account(lookup)]
    else:
        refusals = [_refusal(lookup, container) for container, _ in sorted(places)]
    for refusal in refusals:
        if refusal is not None:
            if lookup.request.method == "HEAD":
                refusal.body = b""
            raise Refused(refusal)


def check_bytes(lookup: RemoteLookup, places: frozenset[Place] | None) -> None:
    """Check the right to read the segments, before any byte is sent. Raises Refused with 409, as Swift does
    for a segment that cannot be read.

    The right to read the object's own container has been checked. ``places`` None: unknown, so the client
    needs the right to read the whole account.
    """
    if places is None:
        denied = _refusal_of_account(lookup) is not None
    else:
        denied = any(
            _refusal(lookup, container, name) is not None
            for container, name in sorted(places)
            if container != lookup.container
        )
    if denied:
        raise Refused(HTTPConflict(request=SwobRequest(lookup.environ)))


def may_restore(lookup: RemoteLookup, info: ObjectInfo, places: frozenset[Place] | None) -> bool:
    """Return whether this client can still read the object once it has segments again.

    Segment containers that a restore creates have no ACL, so users who read the object through an ACL would
    lose access: such a user's read does not start a restore.
    """
    if places is None:
        return True  # the client may read the whole account
    in_parts = lookup.target.mapping.migration is not None and info.md5 is None
    if not places and (info.size > MAX_FILE_SIZE or in_parts):
        places = frozenset({(f"{lookup.container}_segments", info.name)})
    return all(
        _refusal(lookup, container, name, may_be_gone=False) is None
        for container, name in sorted(places)
        if container != lookup.container
    )


def _refusal_of_account(lookup: RemoteLookup) -> SwobResponse | None:
    """Return the refusal for a client that may not read whatever is in the account."""
    return _refusal(lookup, f"{lookup.container}_segments", lookup.name, with_acl=False)


def _refusal(
    lookup: RemoteLookup, container: str, name: str = "", *, with_acl: bool = True, may_be_gone: bool = True
) -> SwobResponse | None:
    """Return the refusal of the client's own authorization for a GET of this; None = allowed.

    Checked as the proxy does: without the container's ACL, which suffices for owners, then with it. Raises
    Refused with 503 if it is unknown whether there is an ACL.
    """
    authorize = lookup.environ.get("swift.authorize")
    if authorize is None:
        return None
    account = lookup.target.mapping.account  # a symlink may be in another one
    path = "/".join(filter(None, ("/v1", account, container, name)))
    headers = {"x-auth-token": lookup.environ.get("HTTP_X_AUTH_TOKEN")}
    request = make_subrequest(
        lookup.environ, "GET", quote(to_wsgi(path), encoding="latin-1"), headers=headers, swift_source=SOURCE
    )
    request.acl = None
    refusal = authorize(request)
    if refusal is None or not with_acl:
        return refusal
    if lookup.target.mapping.migration is not None:
        may_be_gone = False  # but still to be migrated, and its ACL with it
    info = get_container_info(request.environ, lookup.request.app, swift_source=SOURCE)
    if info["status"] in (HTTP_NOT_FOUND, _GONE):
        return None if may_be_gone else refusal
    if not is_success(info["status"]):
        headers = {"Retry-After": "1"}
        raise Refused(HTTPServiceUnavailable(request=SwobRequest(lookup.environ), headers=headers))
    request.acl = info["read_acl"]
    return authorize(request)
