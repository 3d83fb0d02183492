"""What clients have deleted while the source of a migration keeps it, as requests and listings need it; see
``cluster/delete_record.py``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlencode

from swift.common.http import is_success
from swift.common.wsgi import make_pre_authed_env
from swift.proxy.controllers.base import get_container_info

from s3_sync.cluster.delete_record import DeleteRecord
from s3_sync.cluster.subrequest import SubrequestWriter
from s3_sync.errors import LocalUnavailable, RemoteUnavailable
from s3_sync.model.migration import deletes_container, deletes_name, name_of_delete
from s3_sync.model.objects import ListedObject
from s3_sync.model.timestamps import Timestamp, iso_date_or_zero
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.shunt.request import SOURCE, App, Environ, LocalResponse, Request, to_wsgi
from s3_sync.shunt.source_bucket import direct
from s3_sync.streams.small_files import parse_json

_PAGE = 10_000
#: statuses of a missing container; 0: there is no such account
_NONE = (0, 404, 410)
#: sorts after every other character
_LAST = "\U0010ffff"


class Asking(Protocol):
    """What is needed of a client's request."""

    @property
    def environ(self) -> Environ: ...

    @property
    def app(self) -> App: ...

    @property
    def account(self) -> str: ...


class DeletedNames(DeleteRecord):
    """The record of one container. ``request``: any request for the same account."""

    def __init__(self, request: Asking, container: str) -> None:
        super().__init__(SubrequestWriter(request.app, request.environ, request.account, SOURCE), container)
        self._request = request

    @property
    def exists(self) -> bool:
        """It costs nothing: the proxy remembers that for a while."""
        environ = _environ(self._request, "HEAD", self._container)
        status = get_container_info(environ, self._request.app, swift_source=SOURCE)["status"]
        if not is_success(status) and status not in _NONE:
            raise LocalUnavailable(f"the record of deletes cannot be read: status {status}")
        return status not in _NONE

    def of(self, name: str) -> Timestamp:
        return super().of(name) if self.exists else Timestamp(0)

    def between(self, first: str, last: str) -> Mapping[str, Timestamp]:
        """Return the deletes of names from ``first`` to ``last``. Raises RemoteUnavailable."""
        found: dict[str, Timestamp] = {}
        bounds = {"prefix": deletes_name(""), "end_marker": f"{deletes_name(last)}\1"}
        rows = _listed(self._request, self._container, {**bounds, "marker": deletes_name(first)[:-1]})
        while rows:
            for row in rows:
                written = Timestamp.from_seconds(iso_date_or_zero(row.get("last_modified")))
                found[name_of_delete(row["name"])] = written
            rows = _listed(self._request, self._container, {**bounds, "marker": rows[-1]["name"]})
        return found


def deleted_containers(request: Asking, candidates: Collection[str]) -> set[str]:
    """Return those of the ``candidates`` that a client has deleted. Raises RemoteUnavailable,
    LocalUnavailable."""
    prefix = deletes_container("")
    found: set[str] = set()
    rows = _listed(request, "", {"prefix": prefix})
    while rows:
        names = [row["name"].removeprefix(prefix) for row in rows]
        found.update(
            name for name in names if name in candidates and DeletedNames(request, name).has_container
        )
        rows = _listed(request, "", {"prefix": prefix, "marker": rows[-1]["name"]})
    return found


def _listed(request: Asking, container: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Raises RemoteUnavailable."""
    parameters = urlencode({"format": "json", "limit": str(_PAGE), **query})
    response = LocalResponse(request.app, _environ(request, "GET", container, parameters))
    body = response.buffer()
    try:
        rows = parse_json(body) if response.status == 200 else []
    except ValueError:
        rows = None
    if response.status not in (200, 404) or not isinstance(rows, list):
        raise RemoteUnavailable(f"the record of deletes cannot be listed: status {response.status}")
    return rows


def _environ(request: Asking, method: str, container: str, query: str = "") -> Environ:
    path = to_wsgi("/".join(filter(None, ("/v1", request.account, container))))
    environ: Environ = make_pre_authed_env(
        request.environ, method, path, query_string=query, swift_source=SOURCE
    )
    environ["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] = "true"
    return environ


class ShownBucket(DelegatingBucket):
    """Lists what clients may see of a source: no object that is older than a delete on record, and no group
    of which nothing is left."""

    def __init__(self, bucket: Bucket, deleted: DeletedNames) -> None:
        super().__init__(bucket, direct)
        self._deleted = deleted

    def list_objects(self, query: ListQuery) -> ListPage:
        page = self._bucket.list_objects(query)
        names = sorted([*(each.name for each in page.objects), *page.prefixes])
        if not names or not self._deleted.exists:
            return page
        deleted = self._deleted.between(names[0], names[-1] + (_LAST if names[-1] in page.prefixes else ""))
        groups = tuple(
            group for group in page.prefixes if not _any_below(group, deleted) or self._shows(group)
        )
        return replace(page, objects=_shown(page.objects, deleted), prefixes=groups)

    def _shows(self, group: str) -> bool:
        """Return whether there is anything to see below a group."""
        after: str | None = ""
        while after is not None:
            page = self.list_objects(ListQuery(prefix=group, start_after=after))
            if page.objects:
                return True
            after = page.next_after
        return False


def shown_bucket(request: Request) -> Bucket:
    """Return the bucket of a request as its listings show it."""
    bucket = request.target.bucket
    if request.target.mapping.migration is None:
        return bucket
    return ShownBucket(bucket, DeletedNames(request, request.container))


def _any_below(group: str, deleted: Mapping[str, Timestamp]) -> bool:
    return any(name.startswith(group) for name in deleted)


def _shown(objects: Sequence[ListedObject], deleted: Mapping[str, Timestamp]) -> tuple[ListedObject, ...]:
    never = Timestamp(0)
    return tuple(
        each
        for each in objects
        if deleted.get(each.name, never) <= Timestamp.from_seconds(each.last_modified)
    )
