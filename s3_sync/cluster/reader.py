"""Reads objects of the local cluster.

Plain reads go directly to an object server, which costs about a tenth of a read through a proxy application.
Reads that a single server cannot serve go through the internal client: erasure-coded policies, encrypted
clusters, symlinks, and objects whose every server fails.
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
    Within,
    check_followed,
    check_kept,
    is_link,
    is_version_of,
    is_versions_container,
    link_target,
    visible_container,
)
from s3_sync.config.settings import Mapping, Settings
from s3_sync.errors import LocalChanged, LocalMissing, LocalUnavailable, ObjectRefused, SyncError
from s3_sync.http.pool import Headers, HttpError, Response
from s3_sync.model.objects import ByteRange
from s3_sync.model.timestamps import Timestamp

_NEVER = Timestamp(0)
#: what Swift answers for a name that no object can have: users may write links to any
_NO_NAME = (400, 412)
#: attempts through the internal client to get the newest metadata
_NEWEST_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The object to read. ``expect``: only the version whose bytes were written then. ``policy`` None: the
    container's."""

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
        """The request's headers. A range applies to the bytes that a link leads to, never to the link, which
        has none."""
        if self.byte_range is None:
            return []
        return [
            ("Range", self.byte_range.header),
            ("X-Backend-Ignore-Range-If-Metadata-Present", SYMLINK_TARGET),
        ]


class ObjectReader:
    """Shared by all threads of a process. ``rings`` and ``servers`` may be used by others, too."""

    def __init__(self, settings: Settings, client: LocalSwift) -> None:
        self._client = client
        self._encrypted = has_encryption(settings.internal_client_path)
        self._first: Node | None = None
        self._as_of = _NEVER
        self._follow: Follow = "container"
        self._keep_within: Within | None = None
        self.rings = ObjectRings(settings.swift_dir)
        # each lane has its own workers, for rows and for parts of large objects, and again for very large
        # ones
        lanes = {mapping.lane for mapping in settings.mappings}
        connections = 2 * 4 * settings.workers * max(1, len(lanes))
        self.servers = ObjectServers(connections, whataremyips(settings.swift_bind_ip))

    def starting_at(self, node: Node, as_of: Timestamp = _NEVER) -> ObjectReader:
        """Return this reader, but querying ``node`` first: the one known to have the newest state.

        ``as_of``: when anything last changed there. Reads through the internal client, which chooses the
        server itself, are repeated until a response is as new; the last one is returned in any case.
        """
        other = copy.copy(self)
        other._first, other._as_of = node, as_of
        return other

    def following(self, follow: Follow) -> ObjectReader:
        """Return this reader, but following symlinks as far as ``follow`` says."""
        other = copy.copy(self)
        other._follow = follow
        return other

    def keeping_links(self, within: Within) -> ObjectReader:
        """Return this reader, but opening symlinks themselves, which have no bytes. They are refused if they
        lead out of their container, or account. Versions of an object are still followed."""
        other = copy.copy(self)
        other._keep_within = within
        return other

    def for_copies(self, mapping: Mapping, to_links: bool) -> ObjectReader:
        """Return this reader as the copies of a mapping need it. ``to_links``: the store has symlinks."""
        if to_links:
            return self.keeping_links("account" if mapping.is_account else "container")
        return self.following(mapping.profile.follow_symlinks)

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

        With ``expect``, exactly the version with that data timestamp: older replicas are skipped. Without,
        the first version found that no tombstone supersedes; for the newest state of all replicas see
        ``NewestState``. A symlink is followed as far as ``following`` says, by default within its own
        container.

        Raises LocalChanged (a newer version exists), LocalMissing (known to be deleted or expired),
        LocalUnavailable (too few responses, or only older versions), and ObjectRefused: ``encrypted_no_key``
        if only ciphertext can be read, ``symlink_broken`` if a symlink that is followed has no target,
        ``symlink_elsewhere`` if it leads too far.
        """
        wanted = ReadRequest(account, container, name, policy, expect, byte_range)
        found = self._find(wanted)

        def reopen() -> Stream:
            return self._find_again(wanted, found)

        return LocalObject(name, found, reopen)

    def close(self) -> None:
        self.servers.close()

    def _find(self, wanted: ReadRequest) -> Found:
        found = self._find_one(wanted)
        return self._followed(wanted, found) if found.is_link else replace(found, container=wanted.container)

    def _find_one(self, wanted: ReadRequest) -> Found:
        """Return the object of this very name: a link itself, not its target."""
        if self._encrypted or wanted.policy is None or not self.rings.is_replicated(wanted.policy):
            return self._through_client(wanted)
        placement = self.rings.placement(wanted.policy, wanted.account, wanted.container, wanted.name)
        search = _Search(wanted)
        found = self._direct(search, placement)
        if found is None:
            if search.answers:
                search.fail()
            return self._through_client(wanted)
        if found.is_ciphertext and (self._keep_within or not found.is_link):
            found.stream.close()
            return self._through_client(wanted)
        return found

    def _followed(self, wanted: ReadRequest, link: Found) -> Found:
        """Return the target of ``link``, or the first link that is kept, with the link's own timestamps and
        the earliest expiry on the way.

        Each hop is checked before its target is read. Swift's own middleware does not follow for us: with our
        rights it would follow a link anywhere.
        """
        found, current, hops, delete_at = link, wanted, 0, link.delete_at
        while found.is_link:
            try:
                target = link_target(found.headers, current.account)
                if self._is_kept(wanted, target):
                    break
                check_followed(self._follow, wanted.account, wanted.container, target)
            except SyncError:
                found.stream.close()
                raise
            found.stream.close()
            hops += not is_versions_container(target.container)
            if hops > MAX_HOPS:
                raise ObjectRefused("symlink_broken", f"{wanted.path}: more than {MAX_HOPS} links in a row")
            current = ReadRequest(
                target.account, target.container, target.name, None, byte_range=wanted.byte_range
            )
            found = self._target(current, target)
            delete_at = min(filter(None, (delete_at, found.delete_at)), default=None)
        return replace(
            found.with_delete_at(delete_at),
            data_timestamp=link.data_timestamp,
            timestamp=link.timestamp,
            is_link=True,
            container=visible_container(current.container),
        )

    def _is_kept(self, wanted: ReadRequest, target: LinkTarget) -> bool:
        """Whether a link to ``target`` is the object to read. Raises ObjectRefused if it must be, and leads
        too far."""
        if self._keep_within is None or is_version_of(wanted.container, wanted.account, target):
            return False
        check_kept(self._keep_within, wanted.account, wanted.container, target)
        return True

    def _target(self, current: ReadRequest, target: LinkTarget) -> Found:
        try:
            found = self._from_client(current, newest=True)
        except LocalMissing as error:
            raise ObjectRefused(
                "symlink_broken", f"{target.path}: the symlink's target is missing"
            ) from error
        bound_to = link_target(found.headers, current.account).etag if found.is_link else ""
        if target.etag and target.etag != (bound_to or found.etag):
            found.stream.close()
            raise ObjectRefused("symlink_broken", f"{target.path}: not the ETag that the symlink is bound to")
        return found

    def _find_again(self, wanted: ReadRequest, before: Found) -> Stream:
        again = self._find(replace(wanted, expect=before.data_timestamp))
        if (again.timestamp, again.etag, again.size) != (before.timestamp, before.etag, before.size):
            again.stream.close()
            raise LocalChanged(f"{wanted.path} changed while it was read")
        return again.stream

    def _direct(self, search: _Search, placement: Placement) -> Found | None:
        """Query the primaries, then as many handoffs, which is the default of Swift's proxies."""
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

    def _through_client(self, wanted: ReadRequest) -> Found:
        if wanted.expect is not None:
            # one replica is enough if it has the right version; X-Newest would query all of them, and ignores
            # metadata: it compares the bytes' timestamps (swift.proxy.controllers.base)
            with suppress(LocalUnavailable, LocalMissing):
                for _ in range(_NEWEST_ATTEMPTS):
                    found = self._from_client(wanted, newest=False)
                    if found.timestamp >= self._as_of:
                        return found
                    found.stream.close()
        return self._from_client(wanted, newest=True)

    def _from_client(self, wanted: ReadRequest, newest: bool) -> Found:
        """Read through the internal client. A link itself is returned: ``symlink=get``."""
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
                raise LocalUnavailable(f"{wanted.path}: a response without timestamps")
            if found.is_ciphertext:
                raise ObjectRefused("encrypted_no_key", f"{wanted.path} can only be read as ciphertext")
            _check_expected(wanted, found.data_timestamp)
        except BaseException:
            answer.close()
            raise
        return found


class _Search:
    """The servers' responses so far about one object."""

    def __init__(self, wanted: ReadRequest) -> None:
        self.wanted = wanted
        self.answers = 0
        #: errors of the servers without a valid response
        self.silent: list[str] = []
        #: the newest deletion, or expired version, on any server
        self.tombstone: Timestamp | None = None
        #: the newest version that was skipped as too old
        self.older: Timestamp | None = None

    def consider(self, response: Response) -> Found | None:
        """Return the object if this is the version to read; None to continue. May raise like ``open``."""
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
        """Raise the error that all responses together imply."""
        path, expect = self.wanted.path, self.wanted.expect
        if expect is not None and (self.older or self.tombstone):
            known = max(self.older or _NEVER, self.tombstone or _NEVER)
            raise LocalUnavailable(f"{path}: the newest version found is {known}, expected {expect}")
        if self.tombstone is not None:
            raise LocalMissing(f"{path} was deleted, or expired, at {self.tombstone}")
        if self.silent:
            raise LocalUnavailable(f"{path}: some servers did not answer: {'; '.join(self.silent)}")
        raise LocalMissing(f"no server has {path}")


def _found(headers: Headers, stream: Stream) -> Found | None:
    data = _timestamp(headers, "x-backend-data-timestamp")
    last = _timestamp(headers, "x-backend-timestamp")
    if _NEVER in (data, last):
        return None
    fields = tuple((name, _cleaned(name, value)) for name, value in headers.items())
    return Found(fields, stream, data, max(data, last), is_link(fields))


def _cleaned(name: str, value: str) -> str:
    """Remove an SLO's size, which travels to the container's listing after its content type, as proxies
    do."""
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


def _check_expected(wanted: ReadRequest, data_timestamp: Timestamp) -> None:
    if wanted.expect is None or data_timestamp == wanted.expect:
        return
    if data_timestamp > wanted.expect:
        raise LocalChanged(f"{wanted.path} was overwritten at {data_timestamp}")
    raise LocalUnavailable(f"{wanted.path}: found version {data_timestamp}, expected {wanted.expect}")


def _refusal(wanted: ReadRequest, status: int) -> SyncError:
    """Return the error for an unsuccessful status of the internal client."""
    if status in (404, *_NO_NAME):
        return LocalMissing(f"{wanted.path} does not exist")
    if status == 416:
        return LocalChanged(f"{wanted.path} is shorter than it was")
    return LocalUnavailable(f"{wanted.path}: the internal client answered {status}")
