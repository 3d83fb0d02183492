"""Reading and writing the file of one object."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from s3_sync.errors import BadDigest, RemoteUnavailable
from s3_sync.model.objects import ObjectInfo, ObjectMeta, is_md5
from s3_sync.providers.file.directories import CREATING, DIRECTORY, remove_file, remove_tree, write_all
from s3_sync.providers.file.errors import condition_failed
from s3_sync.providers.file.record import Record, check_record
from s3_sync.providers.file.share import TEMPORARY, UPLOADS, Share
from s3_sync.providers.file.site import Found, Site, close_quietly, hash_file, modified_at
from s3_sync.runtime.real_threads import Touch
from s3_sync.streams.reader import CHUNK, Body

#: bytes that are written or read at a time
BLOCK = 1024 * 1024
#: age in seconds from which a temporary file counts as abandoned
LEFT_AFTER = 86400.0
#: the same for an upload, since its last part
UPLOAD_LEFT_AFTER = 7 * 86400.0
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Condition:
    if_match: str | None = None
    if_absent: bool = False


@dataclass(slots=True)
class Draft:
    """A new file below ``%tmp``, until it is committed or discarded. Holds the bucket's directory open."""

    site: Site
    directory: int
    descriptor: int
    name: str
    size: int = 0
    digest: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    @classmethod
    def begin(cls, share: Share, bucket: str, first: bytes = b"") -> Draft:
        """Raises NotFound if there is no such bucket."""
        site = Site(share.open_bucket(bucket))
        name, directory = uuid4().hex, -1
        try:
            directory = os.open(TEMPORARY, DIRECTORY | os.O_NOFOLLOW, dir_fd=site.bucket)
            descriptor = os.open(name, CREATING, 0o666, dir_fd=directory)
        except BaseException:
            if directory >= 0:
                os.close(directory)
            site.close()
            raise
        draft = cls(site, directory, descriptor, name)
        try:
            if share.is_sweep_due(bucket):
                draft.sweep()
            draft.write(first)
        except BaseException:
            draft.discard()
            raise
        return draft

    def sweep(self) -> None:
        """Remove what killed processes, and nodes that are gone, have left; by the clock of the share."""
        now = os.fstat(self.descriptor).st_mtime
        uploads = os.open(UPLOADS, DIRECTORY | os.O_NOFOLLOW, dir_fd=self.site.bucket)
        try:
            _remove_old(self.directory, now - LEFT_AFTER)
            _remove_old(uploads, now - UPLOAD_LEFT_AFTER)
        finally:
            os.close(uploads)

    def write(self, block: bytes, touch: Touch = lambda: None) -> None:
        touch()
        self.digest.update(block)
        write_all(self.descriptor, block)
        self.size += len(block)

    def commit(self, key: str, meta: ObjectMeta, condition: Condition, touch: Touch) -> str:
        """Make it the object of this key, durably; return its MD5. Raises PreconditionFailed,
        ObjectRefused."""
        os.fsync(self.descriptor)
        touch()
        path = self.site.path_of(key)
        for attempt in range(_ATTEMPTS):
            parent = self.site.open_directory(path[:-1], create=True)
            try:
                with self.site.lock(path, touch):
                    self._place(key, path, meta, parent, condition)
                    return str(self.digest.hexdigest())
            except FileNotFoundError:  # the last object there was deleted, and the directory with it
                if attempt == _ATTEMPTS - 1:
                    raise
            finally:
                os.close(parent)
        raise AssertionError("not reached")

    def _place(
        self, key: str, path: tuple[str, ...], meta: ObjectMeta, parent: int, condition: Condition
    ) -> None:
        found = self.site.find(key)
        try:
            check_condition(found, condition)
            record = self._record(key, meta, found.records if found else ())
        finally:
            if found:
                found.close()
        check_record(record, self.site.marker.sidecars)
        self.site.records.write(self.descriptor, self.site.sidecar(path), record)
        os.fsync(self.descriptor)
        if not self.site.place(parent, path[-1], (self.directory, self.name), condition.if_absent):
            raise condition_failed()

    def _record(self, key: str, meta: ObjectMeta, others: Sequence[Record]) -> Record:
        """The record of this file, whose time becomes one that no other record of the key has."""
        now = time.time()
        taken = {record.modified // 10**9 for record in others}
        second = next(each for each in range(int(now), int(now) + 100) if each not in taken)
        # whole seconds: no change by somebody else has such a time, and every file system keeps it
        os.utime(self.descriptor, ns=(second * 10**9, second * 10**9))
        modified = os.fstat(self.descriptor).st_mtime_ns
        return Record(key, self.size, modified, self.digest.hexdigest(), now, meta)

    def discard(self) -> None:
        """Remove it, unless it has become an object. May be called after ``commit``."""
        try:
            remove_file(self.directory, self.name)
        finally:
            for descriptor in (self.descriptor, self.directory):
                close_quietly(descriptor)
            self.site.close()

    def close(self) -> None:
        """Discard the result of a call that was abandoned."""
        self.discard()


def _remove_old(directory: int, before: float) -> None:
    for name in os.listdir(directory):
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if status.st_mtime < before:
            with suppress(OSError):  # of another owner, or too deep: no reason to stop a write
                remove_tree(directory, name)


@contextmanager
def draft_of(share: Share, bucket: str, what: str, first: bytes = b"") -> Iterator[Draft]:
    draft = share.call(what, lambda touch: Draft.begin(share, bucket, first))
    try:
        yield draft
    except Exception as error:
        if isinstance(error, RemoteUnavailable):
            # the share may hang, and the caller has waited long enough
            share.call_later(draft.discard)
        else:
            share.call(what, lambda touch: draft.discard())
        raise
    except BaseException:
        share.call_later(draft.discard)
        raise
    share.call(what, lambda touch: draft.discard())


def blocks(body: Body, size: int) -> Iterator[bytes]:
    """A body of exactly ``size`` bytes in blocks; at least one, which may be empty. Raises BadDigest."""
    have, pending = 0, bytearray()
    while piece := body.read(min(CHUNK, size + 1 - have)):
        have += len(piece)
        if have > size:
            break
        pending += piece
        if len(pending) >= BLOCK:
            yield bytes(pending)
            pending.clear()
    if have != size:
        raise BadDigest(f"the body is {'longer' if have > size else 'shorter'} than {size} bytes")
    yield bytes(pending)


def check_condition(found: Found | None, condition: Condition) -> None:
    if condition.if_absent and found is not None:
        raise condition_failed()
    if condition.if_match is not None and (found is None or etag_of(found) != condition.if_match):
        raise condition_failed()


def etag_of(found: Found) -> str:
    """The MD5 of the bytes where it is known, else something that looks neither like an MD5 nor like a
    multipart ETag."""
    if found.record is not None:
        return found.record.md5
    return f"changed.{found.status.st_mtime_ns:x}.{found.status.st_size:x}"


def settle(site: Site, key: str, found: Found, touch: Touch) -> Found:
    """If the file has other times than in its record and the same size, the bytes decide: perhaps they were
    only copied back. The right record is written, where that is permitted."""
    if found.record is not None:
        return found
    same_size = [record for record in found.records if record.size == found.status.st_size]
    if not same_size:
        return found
    md5 = hash_file(found.descriptor, found.status.st_size, touch)
    record = next((record for record in same_size if record.md5 == md5), None)
    status = os.fstat(found.descriptor)
    if record is None or (status.st_mtime_ns, status.st_size) != (
        found.status.st_mtime_ns,
        found.status.st_size,
    ):
        return found
    true = Record(key, record.size, status.st_mtime_ns, md5, record.written, record.meta)
    try:
        with site.lock(site.path_of(key), touch):
            site.records.write(found.descriptor, site.sidecar(site.path_of(key)), true)
    except OSError:
        pass  # a share that is read-only, or a file of another owner: computed again next time
    return Found(found.descriptor, found.status, [true])


def describe(name: str, found: Found) -> ObjectInfo:
    """The answer to a HEAD. Of a file that was changed since only the size is known: digest and metadata of
    its record belong to other bytes."""
    record, size = found.record, found.status.st_size
    if record is None:
        return ObjectInfo(name, size, etag_of(found), None, modified_at(found.status), meta=ObjectMeta())
    mark = record.meta.marks.get("swift-etag", "")
    md5 = mark if is_md5(mark) else record.md5
    return ObjectInfo(name, size, record.md5, md5, record.written, meta=record.meta)


class FileBody:
    """Bytes ``first`` to ``last`` of a file, which stays the version that was opened."""

    def __init__(self, share: Share, bucket: str, key: str, found: Found, span: tuple[int, int]) -> None:
        self.length: int | None = span[1] - span[0] + 1
        self._share = share
        self._bucket = bucket
        self._key = key
        self._found: Found | None = found
        self._span = span
        self._start()

    def _start(self) -> None:
        self._position = self._span[0]
        self._block = b""

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; it may be fewer. Negative: all that are left."""
        if size < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        if not self._block and self._position <= self._span[1]:
            self._block = self._next_block()
        data, self._block = self._block[:size], self._block[size:]
        return data

    def _next_block(self) -> bytes:
        found = self._found
        if found is None:
            raise RemoteUnavailable("the file is closed")
        wanted, position = min(BLOCK, self._span[1] + 1 - self._position), self._position
        block = self._share.call("read", lambda touch: os.pread(found.descriptor, wanted, position))
        if not block:
            raise RemoteUnavailable("the file has become shorter while it was read")
        self._position += len(block)
        return block

    def rewind(self) -> None:
        """Raises PreconditionFailed if there is another version now."""
        found = self._found

        def check(touch: Touch) -> None:
            with Site.of(self._share, self._bucket) as site:
                now = site.find(self._key)
                if now is not None:
                    now.close()
                if now is None or found is None or now.identity != found.identity:
                    raise condition_failed()

        self._share.call("read", check)
        self._start()

    def close(self) -> None:
        found, self._found = self._found, None
        if found is not None:
            found.close()
