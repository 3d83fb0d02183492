"""The containers and blobs of the strict Azure in ``fake_azure``, by the rules of its documentation."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

TIERS = ("Hot", "Cool", "Cold", "Archive")
#: "Naming and referencing containers, blobs, and metadata"
CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
IDENTIFIER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
MAX_METADATA, MAX_NAME = 8192, 1024


class Refused(Exception):
    """A request that the service refuses."""

    def __init__(self, status: int, code: str, message: str = "", **headers: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or f"The specified request is refused: {code}."
        self.headers = headers


@dataclass(frozen=True)
class Blob:
    """``blocks``: ID and bytes, in order; of a Put Blob one without an ID. ``pending``: the tier that it is
    being rehydrated to. ``tier`` empty: that of the account, Hot."""

    blocks: tuple[tuple[str, bytes], ...]
    etag: str
    properties: dict[str, str]
    metadata: dict[str, str]
    tier: str = ""
    pending: str = ""
    leased: bool = False
    snapshots: int = 0
    modified: float = field(default_factory=time.time)

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.blocks)


@dataclass
class Container:
    blobs: dict[str, Blob] = field(default_factory=dict)
    #: name -> ID -> bytes
    uncommitted: dict[str, dict[str, bytes]] = field(default_factory=dict)
    created: float = field(default_factory=time.time)


class Store:
    """One account. Not thread-safe: the server serialises requests."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self._numbers = count(1)

    def container(self, name: str) -> Container:
        if name not in self.containers:
            raise Refused(404, "ContainerNotFound")
        return self.containers[name]

    def blob(self, container: str, name: str) -> Blob:
        found = self.container(container).blobs.get(name)
        if found is None:
            raise Refused(404, "BlobNotFound")
        return found

    def new_etag(self) -> str:
        return f"0x8DD{next(self._numbers):012X}"

    def write(self, container: str, name: str, blob: Blob) -> Blob:
        """Commit a blob: all uncommitted blocks of that name are discarded."""
        place = self.container(container)
        before = place.blobs.get(name)
        if before is not None and before.tier == "Archive":
            raise Refused(409, "BlobArchived")
        if before is not None and before.leased:
            raise Refused(412, "LeaseIdMissing")
        if not blob.tier and before is not None:
            blob = replace(blob, tier=before.tier)  # an overwrite inherits it
        place.uncommitted.pop(name, None)
        place.blobs[name] = blob
        return blob

    def change(self, container: str, name: str, **changes: object) -> Blob:
        """Change properties, metadata or the tier. Of an archived blob only the latter can be changed."""
        blob = self.blob(container, name)
        if blob.tier == "Archive" and "tier" not in changes and "pending" not in changes:
            raise Refused(409, "BlobArchived")
        found = replace(blob, **changes)  # type: ignore[arg-type]
        self.container(container).blobs[name] = found
        return found

    def put_block(self, container: str, name: str, identity: str, data: bytes) -> None:
        blocks = self.container(container).uncommitted.setdefault(name, {})
        if any(len(other) != len(identity) for other in blocks):
            raise Refused(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")
        blocks[identity] = data

    def blocks(
        self, container: str, name: str, listed: list[tuple[str, str]]
    ) -> tuple[tuple[str, bytes], ...]:
        """The blocks that a list names, as (kind, ID)."""
        place = self.container(container)
        uncommitted = place.uncommitted.get(name, {})
        committed = dict(place.blobs[name].blocks) if name in place.blobs else {}
        found: list[tuple[str, bytes]] = []
        for kind, identity in listed:
            sources = {"Latest": (uncommitted, committed), "Committed": (committed,)}
            for source in sources.get(kind, (uncommitted,)):
                if identity in source:
                    found.append((identity, source[identity]))
                    break
            else:
                raise Refused(400, "InvalidBlockList", "The specified block list is invalid.")
        return tuple(found)

    def listing(self, container: str, prefix: str, delimiter: str) -> Iterator[tuple[str, Blob | None]]:
        """Sorted entries: blobs, and prefixes without one."""
        seen = ""
        for name, blob in sorted(self.container(container).blobs.items()):
            if not name.startswith(prefix):
                continue
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                yield name, blob
            elif name[: end + len(delimiter)] != seen:
                seen = name[: end + len(delimiter)]
                yield seen, None

    def finish_rehydration(self) -> None:
        """What takes the service hours."""
        for place in self.containers.values():
            for name, blob in place.blobs.items():
                if blob.pending:
                    place.blobs[name] = replace(blob, tier=blob.pending, pending="")


def check_metadata(metadata: dict[str, str]) -> None:
    if any(not IDENTIFIER.fullmatch(name) for name in metadata):
        raise Refused(400, "InvalidMetadata", "The specified metadata is invalid.")
    if any(not value.isascii() or not value.strip() for value in metadata.values()):
        raise Refused(400, "InvalidMetadata", "The specified metadata is invalid.")
    if sum(len(name) + len(value) for name, value in metadata.items()) > MAX_METADATA:
        raise Refused(400, "MetadataTooLarge")
