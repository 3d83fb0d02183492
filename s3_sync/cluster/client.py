"""The local Swift through a proxy application inside this process (Swift's InternalClient).

It costs several times a direct read, and is for what object servers alone cannot answer: erasure-coded
and encrypted objects, symlinks, account listings.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from swift.common.exceptions import Timeout
from swift.common.internal_client import InternalClient, UnexpectedResponse
from swift.common.utils import close_if_possible, readconf
from swift.common.wsgi import ConfigString

from s3_sync.cluster.swiftdir import swift_dir
from s3_sync.errors import LocalError, LocalMissing, LocalUnavailable
from s3_sync.streams.small_files import is_text, parse_json, read_file

#: for a node without internal-client.conf
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
#: what a listing tells of every object
_OBJECT = (("bytes", int), ("hash", str), ("last_modified", str))
_EVERY_STATUS = (2, 3, 4, 5)
_PAGE = 10_000
#: of a pipeline's file, in bytes
_LONGEST = 1024 * 1024


class Answer:
    """``headers`` with lower-case names; ``body`` yields pieces and raises LocalUnavailable. Always close."""

    def __init__(self, response: Any) -> None:
        """``response``: of swob."""
        self.status: int = response.status_int
        self.headers = tuple(
            (_from_wsgi(name).lower(), _from_wsgi(value)) for name, value in response.headers.items()
        )
        self.body = self._pieces(response.app_iter)
        self._app_iter = response.app_iter

    def _pieces(self, pieces: Iterable[bytes]) -> Generator[bytes]:
        try:
            yield from pieces
        except (Exception, Timeout) as error:  # each of Swift's filters has exceptions of its own
            raise LocalUnavailable(f"internal client: {error!r}") from error

    def close(self) -> None:
        """Closes the connection to the object server, wherever the body stands. May be called twice.

        A body is one of Swift's generators inside another, each of which lets go of what it holds when it
        ends; what has not begun cannot end, so the first piece is read. And the outermost one has no
        ``close``, where the pipeline begins with catch_errors.
        """
        with suppress(LocalUnavailable):
            next(self.body, b"")
        self.body.close()
        close_if_possible(self._app_iter)


@dataclass(frozen=True, slots=True)
class Container:
    """``policy``: the index of its storage policy. ``versioned``: Swift keeps what is overwritten there;
    ``versions_in``: the container in which it does, where that is a visible one."""

    policy: int
    versioned: bool
    versions_in: str = ""


@dataclass(frozen=True, slots=True)
class Shards:
    """``places``: account and container of each. ``versioned``: of the container that they are shards of."""

    places: tuple[tuple[str, str], ...] = ()
    versioned: bool = False


class LocalSwift:
    """Wraps an InternalClient that tries once: pauses between tries are the caller's business."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def request(self, method: str, path: str, headers: Mapping[str, str], query: str = "") -> Answer:
        """``path``: account/container/object, unquoted. Raises LocalUnavailable when nothing answered."""
        target = f"/v1/{quote(path)}{'?' if query else ''}{query}"
        try:
            response = self._client.make_request(method, target, headers, _EVERY_STATUS)
        except (UnexpectedResponse, OSError, Timeout) as error:
            raise LocalUnavailable(f"{method} {path}: {error}") from error
        return Answer(response)

    def containers(self, account: str, after: str = "", reserved: bool = False) -> Iterator[str]:
        """The containers of an account, sorted; with ``reserved`` all of them, Swift's reserved ones too.

        Raises LocalUnavailable, with ``reserved`` also when there is no such account.
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
        """The entries of a container's JSON listing whose names begin exactly so and are greater than
        ``after``, sorted.

        The newest replica of the container answers; it may not have heard of the latest changes yet. Where
        there is no such container, there is nothing; with ``reserved`` (all names), where whoever is told
        that there is nothing may delete something, another question has to say so, too: it may have been
        deleted while it was read. Raises LocalUnavailable.
        """
        for entry in self._entries_of(account, container, prefix, after, reserved):
            if not all(isinstance(entry.get(key), kind) for key, kind in _OBJECT):
                raise LocalUnavailable(f"listing of {account}/{container}: no object: {entry!r:.200}")
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
        """None = no such container. Raises LocalUnavailable."""
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
        """The shards of a container, with those that are being made or given up; none if it does not exist.

        Asks as Swift's own sharder does (``_fetch_shard_ranges``). Raises LocalUnavailable.
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
        """The entries of all pages. Raises LocalUnavailable; LocalMissing where there must be something."""
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
                raise LocalMissing(f"listing of {path}: there is no such thing")
            if answer.status != 200:
                raise LocalUnavailable(f"listing of {path}: status {answer.status}")
            try:
                entries = _entries(body)
            except ValueError as error:
                raise LocalUnavailable(f"listing of {path}: {error}") from error
            if not entries:
                return
            if entries[-1]["name"] <= after:
                raise LocalUnavailable(f"listing of {path}: it does not get beyond {after!r}")
            yield from entries
            after = entries[-1]["name"]


def internal_client(conf_path: str, log_name: str) -> LocalSwift:
    """From ``conf_path``, or from a built-in pipeline when there is no such file. Raises LocalError.

    ``use_swift_dir`` must have been called before. A pipeline with a gatekeeper is refused, as later
    Swifts do themselves: it would take the timestamp out of our deletes, which then hit newer objects.
    """
    if any(factory.endswith("#gatekeeper") for factory in _filters(conf_path)):
        raise LocalError(f"the pipeline of {conf_path} must not have a gatekeeper")
    conf = conf_path if os.path.exists(conf_path) else ConfigString(_BUILT_IN.format(swift_dir=swift_dir()))
    try:
        client = InternalClient(conf, log_name, 1, global_conf={"log_name": log_name})
    except (Exception, SystemExit) as error:  # what its filters are made of may say no in any way
        reason = " ".join(str(error).split()) or repr(error)
        raise LocalError(f"cannot load the internal client from {conf_path}: {reason}") from error
    return LocalSwift(client)


def has_encryption(conf_path: str) -> bool:
    """Whether the pipeline in ``conf_path`` decrypts, so that objects must be read through it.

    A wrong False costs time, not safety: ciphertext is recognised in every answer.
    """
    return any(factory.endswith("#encryption") or ".crypto" in factory for factory in _filters(conf_path))


def _filters(conf_path: str) -> Iterator[str]:
    """What the filters of the pipeline in ``conf_path`` are made by; nothing when there is no such file.
    Raises LocalError."""
    if not os.path.exists(conf_path):
        return
    try:
        if not os.path.isdir(conf_path):
            read_file(conf_path, _LONGEST)
        sections = readconf(conf_path, raw=True)
    except Exception as error:
        reason = " ".join(str(error).split())  # some have several lines
        raise LocalError(f"cannot load the internal client from {conf_path}: {reason}") from error
    for name in sections.get("pipeline:main", {}).get("pipeline", "").split():
        section = sections.get(f"filter:{name}", {})
        yield section.get("use", "") + section.get("paste.filter_factory", "")


def _entries(body: bytes) -> list[dict[str, Any]]:
    """Those of a JSON listing, each with a name. Raises ValueError."""
    found = parse_json(body)
    if not isinstance(found, list):
        raise ValueError("it is no list")
    for entry in found:
        if not isinstance(entry, dict) or not is_text(entry.get("name")):
            raise ValueError(f"an entry without a name: {entry!r:.200}")
    return found


def _from_wsgi(text: str) -> str:
    """A WSGI string (bytes as latin-1 characters) as the text it stands for."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
