"""Finds the large objects and symlinks in an account that still name an object.

Swift keeps no such index, so only a scan of the account finds them. It reads

- the manifest of every SLO, recognised in a listing by ``slo_etag``, which Swift has written since 2018;
- the headers of every empty object: DLOs and symlinks are empty, and their headers say what they name.

Swift's reserved containers, which hold versions, are included. Not found: a DLO whose manifest has bytes of
its own, links from other accounts, and whatever is written to a part of the account that was already scanned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from s3_sync.cluster.client import Container, LocalSwift
from s3_sync.cluster.newest import NewestState, Present
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.symlinks import SYMLINK_TARGET
from s3_sync.errors import LocalChanged, LocalMissing, LocalUnavailable
from s3_sync.largeobject.manifest import named_objects, read_manifest
from s3_sync.largeobject.naming import Named, Place, PlaceIndex, may_name, place_of
from s3_sync.model.headers import is_true

_MAX_MANIFEST = 64 * 1024 * 1024
_ATTEMPTS = 3


class References:
    """Shared by all threads of a process."""

    def __init__(self, reader: ObjectReader, newest: NewestState, client: LocalSwift) -> None:
        self._reader = reader
        self._newest = newest
        self._client = client

    def walk(self, account: str, wanted: Collection[Place], last: Collection[str]) -> Iterator[set[Place]]:
        """Scan the account; yield, for every object read, those of ``wanted`` that it names.

        The containers ``last`` are scanned last, so that concurrent writes to them are most likely seen.
        Raises LocalUnavailable and ObjectRefused if anything cannot be read; what was yielded is then
        incomplete.
        """
        index = PlaceIndex(wanted)
        scanned_last = set(last)
        missing = set(scanned_last)
        for container in self._client.containers(account, reserved=True):
            missing.discard(container)
            if container not in scanned_last:
                yield from self._in_container(account, container, index, listed=True)
        for container in sorted(scanned_last):
            yield from self._in_container(account, container, index, container not in missing)

    def _in_container(
        self, account: str, container: str, index: PlaceIndex, listed: bool
    ) -> Iterator[set[Place]]:
        found = self._container(account, container)
        if found is None:
            return
        if not listed:
            raise LocalUnavailable(f"the listing of {account} does not know of container {container} yet")
        for entry in self._client.objects(account, container, "", reserved=True):
            if entry["name"].startswith("\0") and not container.startswith("\0"):
                continue  # impossible: swift.common.request_helpers.validate_internal_obj
            if may_name(entry["bytes"], entry["hash"], "") or "slo_etag" in entry:
                yield index.matching(self.named_by(account, container, entry["name"], found.policy))

    def _container(self, account: str, container: str) -> Container | None:
        """Get the container, retrying at once: a server that is slow for a moment must not undo a long
        scan."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(LocalUnavailable):
                return self._client.container(account, container)
        return self._client.container(account, container)

    def named_by(self, account: str, container: str, name: str, policy: int) -> Named:
        """Return what one object names now. It is read again if a client is writing it.

        Raises LocalUnavailable and ObjectRefused if it cannot be read.
        """
        for _ in range(_ATTEMPTS - 1):
            with suppress(LocalMissing, LocalChanged):
                return self._named_by(account, container, name, policy)
        try:
            return self._named_by(account, container, name, policy)
        except (LocalMissing, LocalChanged) as error:
            raise LocalUnavailable(f"{account}/{container}/{name}: {error}") from error

    def _named_by(self, account: str, container: str, name: str, policy: int) -> Named:
        state = self._newest.of(account, container, name, [policy])
        if not isinstance(state, Present):
            return Named()
        if is_true(state.headers.get("x-static-large-object", "")):
            return Named(frozenset(named_objects(self._manifest(account, container, name, state))))
        if target := state.headers.get("x-object-manifest"):
            return Named(below=place_of(target))
        if target := state.headers.get(SYMLINK_TARGET):
            return Named(frozenset({place_of(target)}), is_link=True)
        return Named()

    def _manifest(self, account: str, container: str, name: str, state: Present) -> bytes:
        reader = self._reader.starting_at(state.node)
        with reader.open(account, container, name, state.policy, expect=state.data_timestamp) as found:
            return read_manifest(found.body, found.info.etag, _MAX_MANIFEST)
