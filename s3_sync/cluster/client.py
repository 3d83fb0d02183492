"""The local Swift through a proxy application inside this process (Swift's InternalClient).

It costs several times as much as a direct read, and serves what object servers alone cannot answer:
erasure-coded and encrypted objects, symlinks, account listings.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote

from swift.common.exceptions import Timeout
from swift.common.internal_client import InternalClient, UnexpectedResponse
from swift.common.swob import Response
from swift.common.utils import close_if_possible, readconf
from swift.common.wsgi import ConfigString

from s3_sync.cluster.swiftdir import swift_dir
from s3_sync.errors import LocalError, LocalMissing, LocalUnavailable
from s3_sync.streams.small_files import is_text, parse_json, read_file

#: for nodes without internal-client.conf
_BUILT_IN = """
[DEFAULT]
swift_dir = {swift_dir}
[pipeline:main]
pipeline = catch_errors proxy-logging cache symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
[filter:symlink]
use = egg:swift#symlink
"""
#: container metadata of Swift's two kinds of versioning
VERSIONING = frozenset(
    {
        "x-container-sysmeta-versions-enabled",
        "x-container-sysmeta-versions-location",
        "x-versions-location",
    }
)
_VERSIONS_IN = ("x-container-sysmeta-versions-location", "x-versions-location")
#: required fields of an object in a listing
_OBJECT = (("bytes", int), ("hash", str), ("last_modified", str))
_ALL_STATUSES = (2, 3, 4, 5)
_PAGE = 10_000
#: size limit of the pipeline's file, in bytes
_MAX_CONF_BYTES = 1024 * 1024


class RequestBody(Protocol):
    """The bytes of a request, of a known length."""

    length: int | None

    def read(self, size: int = -1) -> bytes: ...


class SwiftResponse:
    """``headers`` with lower-case names; ``body`` yields chunks and raises LocalUnavailable. Always close
    it."""

    def __init__(self, response: Response) -> None:
        self.status: int = response.status_int
        self.headers = tuple(
            (_from_wsgi(name).lower(), _from_wsgi(value)) for name, value in response.headers.items()
        )
        self.body = self._chunks(response.app_iter)
        self._app_iter = response.app_iter

    def _chunks(self, chunks: Iterable[bytes]) -> Generator[bytes]:
        try:
            yield from chunks
        except (Exception, Timeout) as error:  # each Swift filter has its own exceptions
            raise LocalUnavailable(f"internal client: {error!r}") from error

    def close(self) -> None:
        """Close the connection to the object server, however much of the body was read. May be called twice.

        A body is one of Swift's generators inside another; each releases its resources when it ends, but a
        generator that was never started does not end, so the first chunk is read. The outermost one has no
        ``close`` if the pipeline begins with catch_errors.
        """
        with suppress(LocalUnavailable):
            next(self.body, b"")
        self.body.close()
        close_if_possible(self._app_iter)


@dataclass(frozen=True, slots=True)
class Container:
    """``policy``: the index of its storage policy. ``versioned``: whether Swift keeps overwritten objects;
    ``versions_in``: the container for them, if it is a visible one."""

    policy: int
    versioned: bool
    versions_in: str = ""


@dataclass(frozen=True, slots=True)
class Shards:
    """``places``: account and container of each shard. ``versioned``: whether the sharded container has
    versions."""

    places: tuple[tuple[str, str], ...] = ()
    versioned: bool = False


class LocalSwift:
    """Wraps an InternalClient that tries once: backoff between attempts is left to the caller."""

    def __init__(self, client: InternalClient) -> None:
        self._client = client

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: str = "",
        body: RequestBody | None = None,
    ) -> SwiftResponse:
        """Send a request. ``path``: account/container/object, unquoted. Raises LocalUnavailable without a
        response."""
        target = f"/v1/{quote(path)}{'?' if query else ''}{query}"
        if body is not None:
            headers = {**headers, "Content-Length": str(body.length)}
        try:
            response = self._client.make_request(method, target, headers, _ALL_STATUSES, body)
        except (UnexpectedResponse, OSError, Timeout) as error:
            raise LocalUnavailable(f"{method} {path}: {error}") from error
        return SwiftResponse(response)

    def containers(self, account: str, after: str = "", reserved: bool = False) -> Iterator[str]:
        """Yield the containers of an account, sorted; with ``reserved``, including Swift's reserved ones.

        Raises LocalUnavailable, with ``reserved`` also if there is no such account.
        """
        newest = {"X-Newest": "true"} if reserved else {}
        try:
            for entry in self._listing(account, newest, "", after, must_exist=reserved):
                if reserved or not entry["name"].startswith("\0"):
                    yield entry["name"]
        except LocalMissing as error:
            raise LocalUnavailable(str(error)) from error

    def objects(
        self, account: str, container: str, prefix: str, reserved: bool = False, after: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of a container's JSON listing with this prefix, greater than ``after``, sorted.

        The newest replica of the container answers; it may lack the latest changes. Yields nothing if there
        is no such container. With ``reserved`` (all names), where a caller may delete something because
        nothing was listed, a second request has to confirm that: the container may have been deleted
        meanwhile. Raises LocalUnavailable.
        """
        for entry in self._entries_of(account, container, prefix, after, reserved):
            if not all(isinstance(entry.get(key), kind) for key, kind in _OBJECT):
                raise LocalUnavailable(f"listing of {account}/{container}: invalid entry: {entry!r:.200}")
            if reserved or not entry["name"].startswith("\0"):
                yield entry

    def _entries_of(
        self, account: str, container: str, prefix: str, after: str, must_exist: bool
    ) -> Iterator[dict[str, Any]]:
        newest = {"X-Newest": "true"}
        try:
            yield from self._listing(f"{account}/{container}", newest, prefix, after, must_exist)
        except LocalMissing as error:
            if self.container(account, container) is not None:
                raise LocalUnavailable(str(error)) from error

    def container(self, account: str, container: str) -> Container | None:
        """Return the container's properties; None = no such container. Raises LocalUnavailable."""
        answer = self.request("HEAD", f"{account}/{container}", {})
        answer.close()
        headers = dict(answer.headers)
        index = headers.get("x-backend-storage-policy-index", "")
        if answer.status == 404:
            return None
        if answer.status // 100 != 2 or not index.isdigit():
            raise LocalUnavailable(f"HEAD of {account}/{container}: status {answer.status}")
        versions_in = next((headers[name] for name in _VERSIONS_IN if headers.get(name)), "")
        return Container(
            int(index),
            any(headers.get(name) for name in VERSIONING),
            unquote(versions_in).strip("/").partition("/")[0],
        )

    def shards(self, account: str, container: str) -> Shards:
        """Return a container's shards, including those being created or retired; none if it does not exist.

        Sends the request of Swift's own sharder (``_fetch_shard_ranges``). Raises LocalUnavailable.
        """
        headers = {
            "X-Backend-Record-Type": "shard",
            "X-Backend-Record-Shard-Format": "full",
            "X-Backend-Override-Deleted": "true",
            "X-Backend-Include-Deleted": "true",
            "X-Newest": "true",
        }
        answer = self.request("GET", f"{account}/{container}", headers, "format=json")
        try:
            body = b"".join(answer.body)
        finally:
            answer.close()
        found = dict(answer.headers)
        if answer.status == 404:
            return Shards((), False)
        if answer.status != 200 or found.get("x-backend-record-type") != "shard":
            raise LocalUnavailable(f"shards of {account}/{container}: status {answer.status}")
        try:
            names = [each["name"].partition("/") for each in _entries(body)]
        except ValueError as error:
            raise LocalUnavailable(f"shards of {account}/{container}: {error}") from error
        versioned = any(found.get(name) for name in VERSIONING)
        return Shards(tuple((owner, name) for owner, _, name in names), versioned)

    def _listing(
        self, path: str, headers: Mapping[str, str], prefix: str, after: str = "", must_exist: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of all pages. Raises LocalUnavailable; with ``must_exist``, LocalMissing."""
        while True:
            query = (
                f"format=json&limit={_PAGE}&prefix={quote(prefix, safe='')}&marker={quote(after, safe='')}"
            )
            answer = self.request("GET", path, headers, query)
            try:
                body = b"".join(answer.body)
            finally:
                answer.close()
            if answer.status == 204 or (answer.status == 404 and not must_exist):
                return
            if answer.status == 404:
                raise LocalMissing(f"listing of {path}: not found")
            if answer.status != 200:
                raise LocalUnavailable(f"listing of {path}: status {answer.status}")
            try:
                entries = _entries(body)
            except ValueError as error:
                raise LocalUnavailable(f"listing of {path}: {error}") from error
            if not entries:
                return
            if entries[-1]["name"] <= after:
                raise LocalUnavailable(f"listing of {path}: it does not advance after {after!r}")
            yield from entries
            after = entries[-1]["name"]


def internal_client(conf_path: str, log_name: str) -> LocalSwift:
    """Build the client from ``conf_path``, or from a built-in pipeline if there is no such file. Raises
    LocalError.

    ``use_swift_dir`` must have been called before. A pipeline with a gatekeeper is refused, as later Swift
    versions do: it would remove the timestamp from our deletes, which would then hit newer objects.
    """
    if any(factory.endswith("#gatekeeper") for factory in _filters(conf_path)):
        raise LocalError(f"the pipeline of {conf_path} must not have a gatekeeper: remove it")
    conf = conf_path if os.path.exists(conf_path) else ConfigString(_BUILT_IN.format(swift_dir=swift_dir()))
    try:
        client = InternalClient(conf, log_name, 1, global_conf={"log_name": log_name})
    except (Exception, SystemExit) as error:  # a filter's factory may fail in any way
        reason = " ".join(str(error).split()) or repr(error)
        raise LocalError(f"cannot load the internal client from {conf_path}: {reason}") from error
    client.app = _AsOwner(client.app)
    return LocalSwift(client)


class _AsOwner:
    """Gives requests the rights of an account's owner: without them Swift hides the ACLs of containers and
    ignores those that are sent. And those of middleware: the manifest of an SLO has the size of the whole
    object in its Content-Type, where listings find it, and a static link with the size of its target is
    taken without a look at that, which may come later."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["swift_owner"] = True
        if environ["REQUEST_METHOD"] == "PUT":
            if "HTTP_X_STATIC_LARGE_OBJECT" in environ:
                environ["swift.content_type_overridden"] = True
            if "HTTP_X_SYMLINK_TARGET_BYTES" in environ:
                environ["swift.symlink_override"] = True
        return self._app(environ, start_response)


def has_encryption(conf_path: str) -> bool:
    """Return whether the pipeline in ``conf_path`` decrypts, so that objects must be read through it.

    A wrong False costs time, not safety: ciphertext is recognised in every response.
    """
    return any(factory.endswith("#encryption") or ".crypto" in factory for factory in _filters(conf_path))


def _filters(conf_path: str) -> Iterator[str]:
    """Yield the factories of the filters in ``conf_path``; nothing if there is no such file. Raises
    LocalError."""
    if not os.path.exists(conf_path):
        return
    try:
        if not os.path.isdir(conf_path):
            read_file(conf_path, _MAX_CONF_BYTES)
        sections = readconf(conf_path, raw=True)
    except Exception as error:
        reason = " ".join(str(error).split())  # some messages have several lines
        raise LocalError(f"cannot load the internal client from {conf_path}: {reason}") from error
    for name in sections.get("pipeline:main", {}).get("pipeline", "").split():
        section = sections.get(f"filter:{name}", {})
        yield section.get("use", "") + section.get("paste.filter_factory", "")


def _entries(body: bytes) -> list[dict[str, Any]]:
    """Parse a JSON listing whose entries all have a name. Raises ValueError."""
    found = parse_json(body)
    if not isinstance(found, list):
        raise ValueError("not a JSON list")
    for entry in found:
        if not isinstance(entry, dict) or not is_text(entry.get("name")):
            raise ValueError(f"an entry without a name: {entry!r:.200}")
    return found


def _from_wsgi(text: str) -> str:
    """Decode a WSGI string (bytes as latin-1 characters)."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
