"""What is known of a file: the object's digest and metadata.

A record also has the size and the time of the file that it is about, and a digest of the object's key. One
that does not fit the file counts for nothing: somebody else has changed the file, or copied it.

*Extended attributes* go with their file, so bytes and metadata change in one step. *Sidecars* are files below
``%meta`` with up to four records, the newest first. The record of a new file is added before the file itself
takes its place, so that whichever is there has one, wherever a crash comes between; the time of a new file
differs from those of all others in the sidecar.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from s3_sync.errors import AccessDenied, ObjectRefused
from s3_sync.model.objects import ObjectMeta, is_md5
from s3_sync.providers.file.directories import (
    read_small,
    remove_file,
    remove_quietly,
    sync_directory,
    write_small,
)
from s3_sync.providers.file.share import ATTRIBUTE, TEMPORARY
from s3_sync.streams.small_files import is_count, is_text, number, parse_json

#: ext4 keeps all attributes of a file in one block of 4 KiB
_MAX_ATTRIBUTE = 3800
_MAX_RECORDS = 4
#: the last second of the year 9999: what dates can show
MAX_TIME = 253402300799.0
_NONE = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT})


@dataclass(frozen=True, slots=True)
class Record:
    """``modified``: of the file, in nanoseconds. ``written``: when bytes or metadata were, by the clock of
    the node, in seconds since the epoch."""

    key: str
    size: int
    modified: int
    md5: str
    written: float
    meta: ObjectMeta

    def is_about(self, status: os.stat_result) -> bool:
        return (self.size, self.modified) == (status.st_size, status.st_mtime_ns)

    def to_json(self) -> dict[str, Any]:
        meta = {"headers": self.meta.headers, "user": self.meta.user, "marks": self.meta.marks}
        return {
            "key": _digest(self.key),
            "size": self.size,
            "mtime": self.modified,
            "md5": self.md5,
            "written": self.written,
            **{name: dict(values) for name, values in meta.items() if values},
        }


def record_size(record: Record) -> int:
    return len(_dump(record.to_json()))


def check_record(record: Record, sidecars: bool) -> None:
    """Raise ObjectRefused for metadata that cannot be stored with the object."""
    if not sidecars and (size := record_size(record)) > _MAX_ATTRIBUTE:
        detail = f"{size} bytes of metadata as an extended attribute; the limit is {_MAX_ATTRIBUTE}"
        raise ObjectRefused("metadata_too_large", detail)


class AttributeRecords:
    """Records in extended attributes."""

    def all(self, descriptor: int, key: str, path: Sequence[str]) -> list[Record]:
        """The records of this key's file, open as ``descriptor``; the newest first."""
        try:
            content = os.getxattr(descriptor, ATTRIBUTE)
        except OSError as error:
            if error.errno in _NONE:
                return []
            raise
        return _parse(content, key)

    def write(self, descriptor: int, path: Sequence[str], record: Record) -> None:
        os.setxattr(descriptor, ATTRIBUTE, _dump(record.to_json()))

    def remove(self, path: Sequence[str]) -> None:
        """Does nothing: the attributes have gone with the file."""


class SidecarRecords:
    """Records in files. ``bucket``: descriptor of its directory. ``open_parent``: opens the directory of a
    path below it, and makes it if the second argument says so; raises FileNotFoundError."""

    def __init__(self, bucket: int, open_parent: Callable[[Sequence[str], bool], int]) -> None:
        self._bucket = bucket
        self._open_parent = open_parent

    def all(self, descriptor: int, key: str, path: Sequence[str]) -> list[Record]:
        try:
            parent = self._open_parent(path, False)
        except (FileNotFoundError, AccessDenied):  # a link instead of a directory says nothing
            return []
        try:
            return _parse(read_small(parent, path[-1]), key)
        except (FileNotFoundError, ValueError):
            return []
        finally:
            os.close(parent)

    def write(self, descriptor: int, path: Sequence[str], record: Record) -> None:
        """Add the record before the others, which the file may still have."""
        parent = self._open_parent(path, True)
        try:
            others = [each for each in self._others(parent, path[-1]) if not _same_file(each, record)]
            temporary = uuid4().hex
            directory = os.open(TEMPORARY, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._bucket)
            try:
                content = _dump([record.to_json(), *others[: _MAX_RECORDS - 1]])
                file = write_small(directory, temporary, content)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)
                os.rename(temporary, path[-1], src_dir_fd=directory, dst_dir_fd=parent)
            except BaseException:
                remove_quietly(directory, temporary)
                raise
            finally:
                os.close(directory)
            sync_directory(parent)
        finally:
            os.close(parent)

    def remove(self, path: Sequence[str]) -> None:
        with suppress(FileNotFoundError):
            parent = self._open_parent(path, False)
            try:
                remove_file(parent, path[-1])
            finally:
                os.close(parent)

    def _others(self, parent: int, name: str) -> list[Any]:
        with suppress(FileNotFoundError, ValueError):
            found = parse_json(read_small(parent, name))
            if isinstance(found, list):
                return [each for each in found if isinstance(each, dict)]
        return []


def _same_file(written: dict[str, Any], record: Record) -> bool:
    return (written.get("size"), written.get("mtime")) == (record.size, record.modified)


def _parse(content: bytes, key: str) -> list[Record]:
    try:
        found = parse_json(content)
    except ValueError:
        return []
    written = found if isinstance(found, list) else [found]
    return [record for each in written if (record := _record(each, key)) is not None]


def _record(written: Any, key: str) -> Record | None:
    """None for what is none, or of another key: users of the share can write anything."""
    if not isinstance(written, dict) or written.get("key") != _digest(key):
        return None
    size, modified, md5 = written.get("size"), written.get("mtime"), written.get("md5")
    time = number(written.get("written"), -1.0)
    parts = [written.get(name, {}) for name in ("headers", "user", "marks")]
    if not (is_count(size) and is_count(modified) and isinstance(md5, str) and is_md5(md5)):
        return None
    if not (0 <= time <= MAX_TIME and all(map(is_texts, parts))):
        return None
    return Record(key, size, modified, md5, time, ObjectMeta(*parts))


def is_texts(values: Any) -> bool:
    return isinstance(values, dict) and all(
        is_text(name) and is_text(value) for name, value in values.items()
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8")).hexdigest()[:32]


def _dump(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
