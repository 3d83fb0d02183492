"""One bucket's directory while an operation uses it: finding, placing and removing the files of keys.

Nothing here follows a link, and only regular files are objects. A file with several names is one only if its
record says that it is this key's: users of the share can link anything to anywhere.

An object's file has the last name of its path, or, while a directory has that, the same with ``%@``. It is
looked for in this order, and moves only in this order, so that readers need no lock. Writers hold one, which
nodes share as far as the share's locks do (``flock``).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from s3_sync.errors import AccessDenied
from s3_sync.providers.file.directories import (
    DIRECTORY,
    READING,
    is_directory,
    make_directory,
    regular_file,
    remove_file,
    sync_directory,
)
from s3_sync.providers.file.names import SHADOW, path_of
from s3_sync.providers.file.record import MAX_TIME, AttributeRecords, Record, SidecarRecords
from s3_sync.providers.file.share import LOCKS, METADATA, Opened, Share
from s3_sync.runtime.real_threads import Touch

Path = tuple[str, ...]
#: how often a directory may vanish under a writer, because others have deleted the last object in it
_ATTEMPTS = 20
_NOT_EMPTY = frozenset(
    {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY, errno.ENOTDIR, errno.EACCES}
)
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Found:
    """The file of an object, open for reading. ``records``: of its key; the first that ``is_about`` the file
    counts."""

    descriptor: int
    status: os.stat_result
    records: Sequence[Record]

    @property
    def record(self) -> Record | None:
        """None if the file was changed since it was written."""
        return next((record for record in self.records if record.is_about(self.status)), None)

    @property
    def identity(self) -> tuple[int, int, int]:
        return self.status.st_dev, self.status.st_ino, self.status.st_mtime_ns

    def close(self) -> None:
        os.close(self.descriptor)


class Site:
    """The directory of ``opened``; to be closed."""

    def __init__(self, opened: Opened) -> None:
        self.marker = opened.marker
        self.bucket = opened.descriptor
        self.records: AttributeRecords | SidecarRecords = (
            SidecarRecords(self.bucket, lambda path, create: self.open_directory(path[:-1], create))
            if opened.marker.sidecars
            else AttributeRecords()
        )

    @classmethod
    @contextmanager
    def of(cls, share: Share, bucket: str) -> Iterator[Site]:
        site = cls(share.open_bucket(bucket))
        try:
            yield site
        finally:
            site.close()

    def close(self) -> None:
        os.close(self.bucket)

    def path_of(self, key: str) -> Path:
        return path_of(key, self.marker.portable)

    def sync(self, found: Found) -> None:
        """Make the record of a file durable, unless it is in a sidecar, which is durable already."""
        if not self.marker.sidecars:
            os.fsync(found.descriptor)

    @staticmethod
    def sidecar(path: Path) -> Path:
        """Where the sidecar of the object at ``path`` is; never the name of a directory."""
        return (METADATA, *path[:-1], path[-1] + SHADOW)

    def find(self, key: str) -> Found | None:
        """Open the file of a key; None if there is none. The caller closes it."""
        path = self.path_of(key)
        try:
            parent = self.open_directory(path[:-1])
        except FileNotFoundError:
            return None
        try:
            # the first one once more: it may have been written when there was a directory no longer
            for name in (path[-1], path[-1] + SHADOW, path[-1]):
                if (found := self.open_file(parent, name, key)) is not None:
                    return found
            return None
        finally:
            os.close(parent)

    def open_file(self, parent: int, name: str, key: str) -> Found | None:
        """Open the object ``key`` under this name; None if it is none."""
        if regular_file(parent, name) is None:
            return None
        try:
            descriptor = os.open(name, READING, dir_fd=parent)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                records = self.records.all(descriptor, key, self.sidecar(self.path_of(key)))
                found = Found(descriptor, status, records)
                if status.st_nlink <= 1 or found.record is not None:
                    return found
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def open_directory(self, names: Sequence[str], create: bool = False) -> int:
        """Open a directory below the bucket's. Raises FileNotFoundError, and AccessDenied where something
        that is no directory is in the way."""
        descriptor = os.dup(self.bucket)
        for length in range(1, len(names) + 1):
            try:
                below = self._open_below(descriptor, names[:length], create)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def _open_below(self, parent: int, path: Sequence[str], create: bool) -> int:
        name = path[-1]
        for _ in range(_ATTEMPTS):
            try:
                return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            except FileNotFoundError:
                if not create:
                    raise
                make_directory(parent, name)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                if regular_file(parent, name) is None and not is_directory(parent, name):
                    where = "/".join(path)
                    raise AccessDenied(f"{where} is no directory: a link is not followed") from error
                if not create:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
                self._make_room(parent, path)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _make_room(self, parent: int, path: Sequence[str]) -> None:
        """Give an object's file its other name, so that there can be a directory."""
        with self.lock(path):
            if regular_file(parent, path[-1]) is not None:
                os.rename(path[-1], path[-1] + SHADOW, src_dir_fd=parent, dst_dir_fd=parent)
                make_directory(parent, path[-1])
                sync_directory(parent)

    @contextmanager
    def lock(self, path: Sequence[str], touch: Touch = lambda: None) -> Iterator[None]:
        """Hold the lock of a path, and of some others. No two are held by one thread."""
        name = hashlib.sha256("/".join(path).encode("utf-8")).hexdigest()[:2]
        directory = os.open(LOCKS, DIRECTORY | os.O_NOFOLLOW, dir_fd=self.bucket)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o666, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            touch()  # ends the call if it was abandoned
            yield
        finally:
            os.close(descriptor)

    def place(self, parent: int, name: str, temporary: tuple[int, str], only_new: bool) -> bool:
        """Make a file that is complete the object of this name; the lock is held. Returns False if
        ``only_new``, and there is one. Raises FileNotFoundError if ``parent`` was removed."""
        directory, source = temporary
        for _ in range(_ATTEMPTS):
            shadowed = is_directory(parent, name)
            target = name + SHADOW if shadowed else name
            try:
                if only_new and self._try_link(directory, source, parent, target):
                    os.unlink(source, dir_fd=directory)
                else:
                    os.rename(source, target, src_dir_fd=directory, dst_dir_fd=parent)
            except FileExistsError:
                if regular_file(parent, target) is not None:
                    return False
                remove_file(parent, target)  # a link or a pipe, which nobody can see as an object
                continue
            except IsADirectoryError:
                continue
            if not shadowed:
                remove_file(parent, name + SHADOW)  # an older version
            sync_directory(parent)
            return True
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    @staticmethod
    def _try_link(directory: int, source: str, parent: int, target: str) -> bool:
        """Returns False if the share has no hard links. Raises FileExistsError."""
        try:
            os.link(source, target, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        return True

    def remove(self, key: str, touch: Touch = lambda: None) -> bool:
        """Remove the file of a key, and directories that are empty then. Returns whether there was one."""
        path = self.path_of(key)
        removed = False
        try:
            parent = self.open_directory(path[:-1])
        except FileNotFoundError:
            return False
        try:
            with self.lock(path, touch):
                for name in (path[-1] + SHADOW, path[-1]):  # the older one first
                    if (found := self.open_file(parent, name, key)) is not None:
                        found.close()
                        removed = remove_file(parent, name) or removed
                if removed:
                    sync_directory(parent)
                self.records.remove(self.sidecar(path))
        finally:
            os.close(parent)
        self.prune(path[:-1])
        if self.marker.sidecars:
            self.prune((METADATA, *path[:-1]), keep=1)
        return removed

    def prune(self, path: Path, keep: int = 0) -> None:
        """Remove a directory and those above it as far as they are empty, but not the first ``keep``."""
        for length in range(len(path), keep, -1):
            try:
                parent = self.open_directory(path[: length - 1])
            except FileNotFoundError:
                continue
            try:
                os.rmdir(path[length - 1], dir_fd=parent)
            except OSError as error:
                if error.errno in _NOT_EMPTY:
                    return
                raise
            finally:
                os.close(parent)


def hash_file(descriptor: int, size: int, touch: Touch) -> str:
    """The MD5 of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    position = 0
    while position < size and (piece := os.pread(descriptor, 1024 * 1024, position)):
        digest.update(piece)
        position += len(piece)
        touch()
    return digest.hexdigest()


def modified_at(status: os.stat_result) -> float:
    """When a file was modified: seconds since the epoch that every program can show. Its users can set any
    time."""
    return min(max(status.st_mtime, 0.0), MAX_TIME)


def close_quietly(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)
