"""Who in an account still names an object as a part of itself.

Swift keeps no such record, so that nothing but a walk through the account tells. What is looked at:

- every object that a listing shows to be an SLO (``slo_etag``, which Swift has written since 2018): its
  manifest is read;
- every empty object: DLOs and symlinks look like that, and their headers say what they name.

Swift's reserved containers, where versions are kept, are among them. What is not seen: a DLO whose manifest
has bytes of its own, links from other accounts, and whatever is written to a part of the account that has
been passed already.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.newest import NewestState, Present
from s3_sync.cluster.objects import SYMLINK_TARGET
from s3_sync.cluster.reader import ObjectReader
from s3_sync.errors import LocalChanged, LocalMissing, LocalUnavailable, ObjectRefused
from s3_sync.largeobject.manifest import named_objects
from s3_sync.model.headers import is_true
from s3_sync.streams.reader import read_all

#: container and name
Place = tuple[str, str]

_LARGEST = 64 * 1024 * 1024
_TRIES = 3


class References:
    """Shared by all threads of a process."""

    def __init__(self, reader: ObjectReader, newest: NewestState, client: LocalSwift) -> None:
        self._reader = reader
        self._newest = newest
        self._client = client

    def walk(self, account: str, wanted: Collection[Place], last: Collection[str]) -> Iterator[set[Place]]:
        """Yields, for every object looked at, those of ``wanted`` that it names.

        The containers ``last`` come last, so that what is written there meanwhile is most likely seen.
        Raises LocalUnavailable and ObjectRefused where it cannot be known; then nothing that was yielded is
        the whole truth.
        """
        known = _Wanted(wanted)
        late = set(last)
        for container in self._client.containers(account, reserved=True):
            if container not in late:
                yield from self._in_container(account, container, known)
        for container in sorted(late):
            yield from self._in_container(account, container, known)

    def _in_container(self, account: str, container: str, known: _Wanted) -> Iterator[set[Place]]:
        found = self._client.container(account, container)
        if found is None:
            return
        for entry in self._client.objects(account, container, "", reserved=True):
            if _may_name(entry):
                yield self._look(account, container, entry["name"], found.policy, known)

    def _look(self, account: str, container: str, name: str, policy: int, known: _Wanted) -> set[Place]:
        """A client may write it just now; then it is looked at again."""
        for _ in range(_TRIES - 1):
            with suppress(LocalMissing, LocalChanged):
                return self._named_by(account, container, name, policy, known)
        try:
            return self._named_by(account, container, name, policy, known)
        except (LocalMissing, LocalChanged) as error:
            raise LocalUnavailable(f"{account}/{container}/{name}: {error}") from error

    def _named_by(self, account: str, container: str, name: str, policy: int, known: _Wanted) -> set[Place]:
        state = self._newest.of(account, container, name, [policy])
        if not isinstance(state, Present):
            return set()
        if is_true(state.headers.get("x-static-large-object", "")):
            return known.among(named_objects(self._manifest(account, container, name, state)))
        if target := state.headers.get("x-object-manifest"):
            return known.below(*_place(target))
        if target := state.headers.get(SYMLINK_TARGET):
            return known.among({_place(target)})
        return set()

    def _manifest(self, account: str, container: str, name: str, state: Present) -> bytes:
        reader = self._reader.starting_at(state.node)
        with reader.open(account, container, name, state.policy, expect=state.data_timestamp) as found:
            try:
                return read_all(found.body, _LARGEST)
            except ValueError as error:
                raise ObjectRefused("slo_malformed", f"{account}/{container}/{name}: {error}") from error


class _Wanted:
    """The objects in question, ready to be looked up."""

    def __init__(self, places: Collection[Place]) -> None:
        self._places = frozenset(places)
        self._names: dict[str, list[str]] = defaultdict(list)
        for container, name in sorted(places):
            self._names[container].append(name)

    def among(self, named: set[Place]) -> set[Place]:
        return named & self._places

    def below(self, container: str, prefix: str) -> set[Place]:
        """Those whose names begin exactly so."""
        names = self._names.get(container, [])
        found: set[Place] = set()
        for index in range(bisect_left(names, prefix), len(names)):
            if not names[index].startswith(prefix):
                break
            found.add((container, names[index]))
        return found


def _may_name(entry: dict[str, Any]) -> bool:
    """By its entry in a listing. What is encrypted there (``swift_meta``) may be anything."""
    etag = entry["hash"]
    return entry["bytes"] == 0 or "slo_etag" in entry or "slo_etag=" in etag or "swift_meta=" in etag


def _place(target: str) -> Place:
    """From a header's quoted ``container/name``."""
    container, _, name = unquote(target).lstrip("/").partition("/")
    return container, name
