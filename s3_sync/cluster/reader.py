"""Reading objects of the local cluster.

Plain reads go straight to an object server, which costs about a tenth of a read through a proxy
application. What a single server cannot answer goes through the internal client: erasure-coded
policies, clusters with encryption, symlinks, and objects whose every server fails.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from swift.common.utils import whataremyips

from s3_sync.cluster.client import LocalSwift, has_encryption
from s3_sync.cluster.objects import ClientStream, Found, LocalObject, ServerStream, Stream
from s3_sync.cluster.rings import Node, ObjectRings, Placement
from s3_sync.cluster.servers import ObjectServers
from s3_sync.cluster.symlinks import (
    MAX_HOPS,
    SYMLINK_TARGET,
    Follow,
    LinkTarget,
    check_followed,
    is_link,
    is_version,
    link_target,
    visible_container,
)
from s3_sync.config.settings import Settings
from s3_sync.errors import LocalChanged, LocalMissing, LocalUnavailable, ObjectRefused, SyncError
from s3_sync.http.pool import Headers, HttpError, Response
from s3_sync.model.objects import ByteRange
from s3_sync.model.timestamps import Timestamp

_NEVER = Timestamp(0)
#: how many servers at most are asked through the internal client for the newest metadata
_TRIES = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read. ``expect``: only the version whose bytes were written then. ``policy`` None: that of the
    container."""

    account: str
    container: str
    name: str
    policy: int | None
    expect: Timestamp | None = None
    byte_range: ByteRange | None = None

    @property
    def path(self) -> str:
        return f"{self.account}/{self.container}/{self.name}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """A range is about the bytes that a link leads to, never about the link, which has none."""
        if self.byte_range is None:
            return []
        return [
            ("Range", self.byte_range.header),
            ("X-Backend-Ignore-Range-If-Metadata-Present", SYMLINK_TARGET),
        ]


class ObjectReader:
    """Shared by all threads of a process. ``rings`` and ``servers`` may be used by others too."""

    def __init__(self, settings: Settings, client: LocalSwift) -> None:
        self._client = client
        self._encrypted = has_encryption(settings.internal_client_path)
        self._first: Node | None = None
        self._as_of = _NEVER
        self._follow: Follow = "container"
        self.rings = ObjectRings(settings.swift_dir)
        # each lane has its own workers, for rows and for the parts of large objects, very large ones besides
        lanes = {mapping.lane for mapping in settings.mappings}
        connections = 2 * 4 * settings.workers * max(1, len(lanes))
        self.servers = ObjectServers(connections, whataremyips(settings.swift_bind_ip))

    def starting_at(self, node: Node, as_of: Timestamp = _NEVER) -> ObjectReader:
        """The same reader, but it asks ``node`` first: the one that is known to hold the newest state.

        ``as_of``: when anything last changed there. What can only be read through the internal client, which
        asks whom it likes, is asked for until an answer is as new; the last one is given in any case.
        """
        other = copy.copy(self)
        other._first, other._as_of = node, as_of
        return other

    def following(self, follow: Follow) -> ObjectReader:
        """The same reader, which follows symlinks so far."""
        other = copy.copy(self)
        other._follow = follow
        return other

    def open(
        self,
        account: str,
        container: str,
        name: str,
        policy: int,
        expect: Timestamp | None = None,
        byte_range: ByteRange | None = None,
    ) -> LocalObject:
        """Open an object, or a range of it, for reading; always close it.

        With ``expect``, exactly the version with that data timestamp: replicas that are older are passed
        over. Without, the first one found that no tombstone overrules; for the newest state of all
        replicas see ``NewestState``. A symlink is followed as far as ``following`` says, by default within
        its own container.

        Raises LocalChanged (something newer is there), LocalMissing (known to be deleted or expired),
        LocalUnavailable (too few answers, or only older versions), and ObjectRefused: ``encrypted_no_key``
        where all that can be read is ciphertext, ``symlink_broken`` where a symlink leads nowhere,
        ``symlink_elsewhere`` where it leads too far.
        """
        wanted = Wanted(account, container, name, policy, expect, byte_range)
        found = self._find(wanted)

        def reopen() -> Stream:
            return self._find_again(wanted, found)

        return LocalObject(name, found, reopen)

    def close(self) -> None:
        self.servers.close()

    def _find(self, wanted: Wanted) -> Found:
        found = self._find_one(wanted)
        return self._followed(wanted, found) if found.is_link else replace(found, container=wanted.container)

    def _find_one(self, wanted: Wanted) -> Found:
        """What stands under this very name: a link itself, not what it leads to."""
        if self._encrypted or wanted.policy is None or not self.rings.is_replicated(wanted.policy):
            return self._through_client(wanted)
        placement = self.rings.placement(wanted.policy, wanted.account, wanted.container, wanted.name)
        search = _Search(wanted)
        found = self._direct(search, placement)
        if found is None:
            if search.answers:
                search.fail()
            return self._through_client(wanted)
        if found.is_ciphertext and not found.is_link:
            found.stream.close()
            return self._through_client(wanted)
        return found

    def _followed(self, wanted: Wanted, link: Found) -> Found:
        """What ``link`` leads to, with the link's own timestamps and the earliest expiry on the way.

        Each hop is checked before its target is read. Swift's own middleware is not asked to follow: with our
        rights it would go anywhere.
        """
        found, place, hops, delete_at = link, wanted, 0, link.delete_at
        while found.is_link:
            found.stream.close()
            target = link_target(found.headers, place.account)
            check_followed(self._follow, wanted.account, wanted.container, target)
            hops += not is_version(target.container)
            if hops > MAX_HOPS:
                raise ObjectRefused("symlink_broken", f"{wanted.path}: more than {MAX_HOPS} links in a row")
            place = Wanted(target.account, target.container, target.name, None, byte_range=wanted.byte_range)
            found = self._target(place, target)
            delete_at = min(filter(None, (delete_at, found.delete_at)), default=None)
        return replace(
            found.expiring_at(delete_at),
            data_timestamp=link.data_timestamp,
            timestamp=link.timestamp,
            is_link=True,
            container=visible_container(place.container),
        )

    def _target(self, place: Wanted, target: LinkTarget) -> Found:
        try:
            found = self._from_client(place, newest=True)
        except LocalMissing as error:
            raise ObjectRefused(
                "symlink_broken", f"{target.path}: the symlink's target is missing"
            ) from error
        bound_to = link_target(found.headers, place.account).etag if found.is_link else ""
        if target.etag and target.etag != (bound_to or found.etag):
            found.stream.close()
            raise ObjectRefused("symlink_broken", f"{target.path}: not the ETag that the symlink is bound to")
        return found

    def _find_again(self, wanted: Wanted, before: Found) -> Stream:
        again = self._find(replace(wanted, expect=before.data_timestamp))
        if (again.timestamp, again.etag, again.size) != (before.timestamp, before.etag, before.size):
            again.stream.close()
            raise LocalChanged(f"{wanted.path} changed while it was read")
        return again.stream

    def _direct(self, search: _Search, placement: Placement) -> Found | None:
        """Primaries, then as many handoffs, which is how far Swift's proxies go by default."""
        count = len(placement.primaries)
        for node in self.servers.order(placement.primaries, self._first):
            if found := self._ask(node, search, placement):
                return found
        if search.tombstone is None or search.wanted.expect is not None:
            for node in islice(placement.handoffs(), count):
                if found := self._ask(node, search, placement):
                    return found
        return None

    def _ask(self, node: Node, search: _Search, placement: Placement) -> Found | None:
        try:
            response = self.servers.request("GET", node, placement, search.wanted.headers)
        except HttpError as error:
            search.silent.append(str(error))
            return None
        try:
            found = search.consider(response)
        except SyncError:
            response.drain()
            raise
        if found is None:
            response.drain()
        return found

    def _through_client(self, wanted: Wanted) -> Found:
        if wanted.expect is not None:
            # one replica will do if it is the right one; asking for the newest means to ask them all, and
            # says nothing about metadata: "newest" are the bytes (swift.proxy.controllers.base)
            with suppress(LocalUnavailable, LocalMissing):
                for _ in range(_TRIES):
                    found = self._from_client(wanted, newest=False)
                    if found.timestamp >= self._as_of:
                        return found
                    found.stream.close()
        return self._from_client(wanted, newest=True)

    def _from_client(self, wanted: Wanted, newest: bool) -> Found:
        """A link is given itself: ``symlink=get``."""
        headers = {"X-Newest": str(newest), **dict(wanted.headers)}
        if wanted.policy is not None:
            headers["X-Backend-Storage-Policy-Index"] = str(wanted.policy)
        answer = self._client.request("GET", wanted.path, headers, "symlink=get")
        fields = Headers(answer.headers)
        try:
            if answer.status not in (200, 206):
                raise _refusal(wanted, answer.status)
            length = fields.get("content-length", "")
            stream = ClientStream(answer, int(length) if length and length.isdigit() else None)
            found = _found(fields, stream)
            if found is None:
                raise LocalUnavailable(f"{wanted.path}: an answer without timestamps")
            if found.is_ciphertext:
                raise ObjectRefused("encrypted_no_key", f"{wanted.path} can only be read as ciphertext")
            _check_expected(wanted, found.data_timestamp)
        except BaseException:
            answer.close()
            raise
        return found


class _Search:
    """What the servers said so far about one object."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.answers = 0
        #: why others gave no answer
        self.silent: list[str] = []
        #: the newest deletion, or expired version, that any server knows of
        self.tombstone: Timestamp | None = None
        #: the newest version that was passed over because it is older than what is wanted
        self.older: Timestamp | None = None

    def consider(self, response: Response) -> Found | None:
        """The object, if this is the version to read; None to go on. May raise like ``open``."""
        expect = self.wanted.expect
        if response.status == 404:
            self.answers += 1
            deleted = _timestamp(response.headers, "x-backend-timestamp")
            if deleted > (self.tombstone or _NEVER):
                self.tombstone = deleted
            if expect is not None and deleted >= expect:
                raise LocalMissing(f"{self.wanted.path} was deleted, or expired, at {deleted}")
            return None
        has_it = response.status in (200, 206, 416)
        found = _found(response.headers, ServerStream(response)) if has_it else None
        if found is None:
            self.silent.append(f"status {response.status}")
            return None
        self.answers += 1
        if found.data_timestamp < (expect or self.tombstone or _NEVER):
            self.older = max(self.older or _NEVER, found.data_timestamp)
            return None
        _check_expected(self.wanted, found.data_timestamp)
        if response.status == 416:
            raise LocalChanged(f"{self.wanted.path} is shorter than it was")
        return found

    def fail(self) -> None:
        """Raise what follows from all answers together."""
        path, expect = self.wanted.path, self.wanted.expect
        if expect is not None and (self.older or self.tombstone):
            known = max(self.older or _NEVER, self.tombstone or _NEVER)
            raise LocalUnavailable(f"{path}: nothing newer than {known} found, {expect} wanted")
        if self.tombstone is not None:
            raise LocalMissing(f"{path} was deleted, or expired, at {self.tombstone}")
        if self.silent:
            raise LocalUnavailable(f"{path}: not every server answered: {'; '.join(self.silent)}")
        raise LocalMissing(f"no server knows of {path}")


def _found(headers: Headers, stream: Stream) -> Found | None:
    data = _timestamp(headers, "x-backend-data-timestamp")
    last = _timestamp(headers, "x-backend-timestamp")
    if _NEVER in (data, last):
        return None
    fields = tuple((name, _cleaned(name, value)) for name, value in headers.items())
    return Found(fields, stream, data, max(data, last), is_link(fields))


def _cleaned(name: str, value: str) -> str:
    """An SLO's size travels to the container's listing behind its content type; proxies take it off."""
    if name == "content-type":
        plain, _, parameter = value.rpartition(";")
        if parameter.lstrip().startswith("swift_bytes="):
            return plain
    return value


def _timestamp(headers: Headers, name: str) -> Timestamp:
    try:
        return Timestamp.parse(headers.get(name, "0") or "0")
    except ValueError:
        return _NEVER


def _check_expected(wanted: Wanted, data_timestamp: Timestamp) -> None:
    if wanted.expect is None or data_timestamp == wanted.expect:
        return
    if data_timestamp > wanted.expect:
        raise LocalChanged(f"{wanted.path} was overwritten at {data_timestamp}")
    raise LocalUnavailable(f"{wanted.path}: only found as of {data_timestamp}, {wanted.expect} wanted")


def _refusal(wanted: Wanted, status: int) -> SyncError:
    """What an answer of the internal client that is no success means."""
    if status == 404:
        return LocalMissing(f"{wanted.path} is not there")
    if status == 416:
        return LocalChanged(f"{wanted.path} is shorter than it was")
    return LocalUnavailable(f"{wanted.path}: the internal client answered {status}")
