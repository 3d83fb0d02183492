"""Is the share mounted, and is it the right one?

The directory ``path`` of the share and each bucket's directory in it have a marker, which only setting up
the share writes. It has the share's id, and how names and metadata are written there, so that all
nodes do the same. Every operation opens the directories anew, reads both markers, and then works below the
descriptor of the bucket's directory, without following links. So neither an empty mount point nor another
share can be taken for an empty bucket, nor can a share that is unmounted in the middle of an operation.

The bucket's directory has, besides the objects, ``%tmp`` (files that are being written), ``%uploads``,
``%locks``, and ``%meta`` if there are no extended attributes.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import uuid4

from s3_sync.errors import InvalidRequest, NotFound, RemoteUnavailable
from s3_sync.providers.file.directories import (
    DIRECTORY,
    is_directory,
    make_directory,
    read_small,
    remove_quietly,
    remove_tree,
    sync_directory,
    write_small,
)
from s3_sync.providers.file.errors import no_bucket, translated
from s3_sync.runtime.real_threads import RealThreads, Touch
from s3_sync.streams.small_files import parse_json

Result = TypeVar("Result")
MARKER = "%swift-s3-sync.json"
TEMPORARY, UPLOADS, LOCKS, METADATA = "%tmp", "%uploads", "%locks", "%meta"
#: of the marker, with the share's id; of an object's file, with its record
ATTRIBUTE = "user.swift-s3-sync"
_FORMAT = 1
#: keys of a marker -> the value that makes a field of ``Marker`` true, and the other one
_KNOWN = {"metadata": ("sidecar", "xattr"), "names": ("portable", "exact"), "of": ("bucket", "share")}
_SWEEP_INTERVAL = 86400.0
_NO_ATTRIBUTES = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.ENODATA, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Marker:
    """``share``: its id. ``sidecars``: metadata is in files of its own, and not in extended attributes.
    ``portable``: as in ``names``. ``of_bucket``: of a bucket's directory, and not of the share's."""

    share: str
    sidecars: bool
    portable: bool
    of_bucket: bool = False

    def to_json(self) -> bytes:
        content = {
            "format": _FORMAT,
            "of": "bucket" if self.of_bucket else "share",
            "share": self.share,
            "metadata": "sidecar" if self.sidecars else "xattr",
            "names": "portable" if self.portable else "exact",
        }
        return json.dumps(content, indent=1).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Marker:
        """Raises ValueError."""
        found = parse_json(content)
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise ValueError("it is not of this version")
        if not isinstance(found.get("share"), str) or not found["share"]:
            raise ValueError("it has no id of the share")
        for key, values in _KNOWN.items():
            if found.get(key) not in values:
                raise ValueError(f"its {key} are neither {values[0]} nor {values[1]}")
        return cls(found["share"], *(found[key] == values[0] for key, values in _KNOWN.items()))


@dataclass(frozen=True, slots=True)
class Opened:
    """The directory of a bucket whose share was found to be mounted. Whoever opens it closes
    ``descriptor``."""

    bucket: str
    descriptor: int
    marker: Marker


class Share:
    """One mounted share, seen by one process.

    ``share_id``: the id that it must have, empty for that of its marker when it is first used. Raises
    RemoteUnavailable wherever it is not mounted, or another one is. ``timeout``: seconds that a call may be
    silent.
    """

    def __init__(self, path: str, share_id: str, *, connections: int, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self._share_id = share_id
        self._confirmed: tuple[Marker, int, int] | None = None
        self._threads = RealThreads(connections)
        self._swept: dict[str, float] = {}

    def call(self, what: str, function: Callable[[Touch], Result]) -> Result:
        """Call ``function`` in a thread of its own: it may use files only. ``what``: for the message of an
        error. Raises RemoteError; of a share that does not answer in time RemoteUnavailable."""
        with translated(f"{what} on the share {self.path}"):
            return self._threads.call(function, self.timeout)

    def call_later(self, function: Callable[[], object]) -> None:
        """Call ``function``, which cleans something up, without waiting for it."""
        self._threads.call_later(function)

    def is_sweep_due(self, bucket: str) -> bool:
        """Whether the last sweep of a bucket was a day ago or more. If so, the caller must do one now."""
        now = time.monotonic()
        if now - self._swept.get(bucket, -_SWEEP_INTERVAL) < _SWEEP_INTERVAL:
            return False
        self._swept[bucket] = now
        return True

    def close(self) -> None:
        self._threads.close()

    # The methods below are called in those threads.

    @contextmanager
    def root(self) -> Iterator[tuple[int, Marker]]:
        descriptor = os.open(self.path, DIRECTORY)
        try:
            yield descriptor, self._check(descriptor)
        finally:
            os.close(descriptor)

    def open_bucket(self, name: str) -> Opened:
        """Raises NotFound if the share is mounted, and has no such directory."""
        with self.root() as (root, marker):
            try:
                descriptor = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
            except FileNotFoundError:
                raise no_bucket(name) from None
        try:
            found = self._read_marker(descriptor, f"{self.path}/{name}")
            if found != replace(marker, of_bucket=True):
                raise self._outage(f"{self.path}/{name} belongs to another share ({found.share})")
        except BaseException:
            os.close(descriptor)
            raise
        return Opened(name, descriptor, marker)

    def is_set_up(self) -> bool:
        root = os.open(self.path, DIRECTORY)
        try:
            self._check(root, may_be_new=True)
        except NotFound:
            return False
        finally:
            os.close(root)
        return True

    def set_up(self, sidecars: bool | None = None, portable: bool | None = None) -> Marker:
        """Make a share of the directory, unless it is one. None: as a probe shows."""
        with translated(f"set up {self.path}"):
            root = os.open(self.path, DIRECTORY)
            try:
                with suppress(NotFound):
                    return self._check(root, may_be_new=True)
                if self._share_id:
                    raise self._outage(
                        f"{self.path} has no {MARKER}, so it is not the share {self._share_id}"
                    )
                found = _probe(root)
                marker = Marker(
                    uuid4().hex,
                    found.sidecars if sidecars is None else sidecars,
                    found.portable if portable is None else portable,
                )
                _write_marker(root, marker)
                return self._check(root)
            finally:
                os.close(root)

    def create_bucket(self, name: str) -> None:
        with self.root() as (root, marker):
            make_directory(root, name)
            descriptor = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        try:
            for each in (TEMPORARY, UPLOADS, LOCKS, *((METADATA,) if marker.sidecars else ())):
                make_directory(descriptor, each)
            with suppress(NotFound):
                if self._read_marker(descriptor, name, may_be_new=True) != replace(marker, of_bucket=True):
                    raise self._outage(f"{self.path}/{name} belongs to another share")
                return
            _write_marker(descriptor, replace(marker, of_bucket=True))
        finally:
            os.close(descriptor)

    def delete_bucket(self, name: str) -> None:
        """Delete a directory in which only the files of the bucket itself are left. Raises InvalidRequest."""
        opened = self.open_bucket(name)
        own = {MARKER, TEMPORARY, UPLOADS, LOCKS, METADATA}
        try:
            if set(os.listdir(opened.descriptor)) - own:
                raise InvalidRequest(f"{name} is not empty", status=409, code="BucketNotEmpty")
            for each in own:
                remove_tree(opened.descriptor, each)
        finally:
            os.close(opened.descriptor)
        with self.root() as (root, _):
            os.rmdir(name, dir_fd=root)
            sync_directory(root)

    def bucket_names(self) -> list[tuple[str, float]]:
        """Names and times of the buckets."""
        found: list[tuple[str, float]] = []
        with self.root() as (root, marker):
            for name in os.listdir(root):
                if not is_directory(root, name):
                    continue
                descriptor = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
                try:
                    if self._read_marker(descriptor, name, may_be_new=True) == replace(
                        marker, of_bucket=True
                    ):
                        found.append((name, os.stat(MARKER, dir_fd=descriptor).st_mtime))
                except NotFound:
                    continue  # a foreign directory
                finally:
                    os.close(descriptor)
        return found

    def _check(self, root: int, may_be_new: bool = False) -> Marker:
        """Raises RemoteUnavailable, and NotFound for a missing marker where it may be new."""
        marker = self._read_marker(root, self.path, may_be_new)
        if marker.of_bucket:
            raise self._outage(f"{self.path} is the directory of a bucket, not a share")
        status = os.fstat(root)
        if self._confirmed == (marker, status.st_dev, status.st_ino):
            return marker
        expected = self._share_id or (self._confirmed[0].share if self._confirmed else marker.share)
        if marker.share != expected:
            raise self._outage(f"the share {marker.share} is mounted at {self.path}, not {expected}")
        self._check_mount(root, marker)
        self._confirmed = (marker, status.st_dev, status.st_ino)
        return marker

    def _check_mount(self, root: int, marker: Marker) -> None:
        """Whether this mount can do what the marker says: nodes may mount a share by different protocols."""
        if not marker.sidecars and _attribute(root) != marker.share.encode():
            raise self._outage(
                f"{self.path} is mounted without the extended attributes that its objects have"
            )
        if not marker.portable and is_there(root, MARKER.upper()):
            raise self._outage(
                f"{self.path} is mounted so that names do not distinguish capital and small letters"
            )

    def _read_marker(self, descriptor: int, where: str, may_be_new: bool = False) -> Marker:
        try:
            return Marker.from_json(read_small(descriptor, MARKER))
        except FileNotFoundError:
            if may_be_new:
                raise NotFound(f"{where} has no {MARKER}") from None
            raise self._outage(
                f"{where} has no {MARKER}: it is not mounted, or was not set up (swift-s3-ctl share)"
            ) from None
        except ValueError as error:
            raise self._outage(f"{where}/{MARKER} is damaged: {error}") from None

    def _outage(self, message: str) -> RemoteUnavailable:
        return RemoteUnavailable(message, code="NotMounted")


def is_there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_marker(directory: int, marker: Marker) -> None:
    temporary = f"{MARKER}.new"
    descriptor = write_small(directory, temporary, marker.to_json())
    try:
        if not marker.sidecars:
            os.setxattr(descriptor, ATTRIBUTE, marker.share.encode())
        os.fsync(descriptor)
        os.rename(temporary, MARKER, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        remove_quietly(directory, temporary)  # it would be in the way of the next attempt
        raise
    finally:
        os.close(descriptor)
    sync_directory(directory)


def _attribute(root: int) -> bytes | None:
    descriptor = os.open(MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    try:
        return os.getxattr(descriptor, ATTRIBUTE)
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES:
            return None
        raise
    finally:
        os.close(descriptor)


def _probe(root: int) -> Marker:
    """Find out what the share supports, with files that are removed again."""
    name = f"%probe-{uuid4().hex}"
    os.mkdir(name, dir_fd=root)
    try:
        directory = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        try:
            return Marker("", not _keeps_attributes(directory), not _keeps_names(directory))
        finally:
            os.close(directory)
    finally:
        remove_tree(root, name)


def _keeps_attributes(directory: int) -> bool:
    descriptor = write_small(directory, "probe", b"probe")
    try:
        value = b"v" * 3000
        os.setxattr(descriptor, ATTRIBUTE, value)
        return os.getxattr(descriptor, ATTRIBUTE) == value
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES or error.errno in (errno.E2BIG, errno.ERANGE, errno.ENOSPC):
            return False
        raise
    finally:
        os.close(descriptor)


def _keeps_names(directory: int) -> bool:
    """Whether the share keeps names that others change, or do not tell apart."""
    names = {
        "case",
        "CASE",
        "caf\u00e9",
        "cafe\u0301",
        "dot.",
        "blank ",
        'a<b>:"|?*\\',
        "nul",
        "\u017f",
        "s",
        "n" * 255,
    }
    for name in names:
        try:
            os.close(write_small(directory, name, b""))
        except OSError as error:
            if error.errno in (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENOSPC, errno.EDQUOT):
                raise
            return False
    return set(os.listdir(directory)) - {"probe"} == names
