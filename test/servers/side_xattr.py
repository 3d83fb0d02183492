"""Extended attributes in files of their own, where the file system gives Swift too little room.

ext4 holds about 4 KiB of them per file: an object with 3 KiB of metadata is then answered 507. Where a
large one cannot be stored, `install()` makes Swift's object server keep them in a directory instead,
one file per inode. Good for test clusters: nothing is ever moved to another file system.
"""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
from pathlib import Path
from typing import Protocol

FIRST_KEY = b"user.swift.metadata"  # swift.obj.diskfile writes it first when it replaces the metadata
NEEDED = 60_000  # bytes in one attribute


class HasFileno(Protocol):
    def fileno(self) -> int: ...


File = int | str | HasFileno


def large_xattrs_work(directory: Path) -> bool:
    """Whether files in `directory` take an attribute as large as Swift may write."""
    with tempfile.NamedTemporaryFile(dir=directory) as probe:
        try:
            os.setxattr(probe.name, FIRST_KEY, bytes(NEEDED))
        except OSError:
            return False
        return True


def install(directory: Path) -> None:
    """Replace the attributes of `swift.obj.diskfile` in this process by files in `directory`."""
    import swift.obj.diskfile

    directory.mkdir(parents=True, exist_ok=True)
    swift.obj.diskfile.xattr = SideXattr(directory)


class SideXattr:
    """The three functions of the module `xattr` that Swift calls."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def setxattr(self, file: File, key: bytes | str, value: bytes) -> None:
        path = self._path(file)
        # An inode can be a removed file's: the first key starts afresh.
        attributes = {} if _name(key) == FIRST_KEY else self._load(path)
        self._save(path, attributes | {_name(key): value})

    def getxattr(self, file: File, key: bytes | str) -> bytes:
        try:
            return self._load(self._path(file))[_name(key)]
        except KeyError:
            raise OSError(errno.ENODATA, "no such attribute") from None

    def removexattr(self, file: File, key: bytes | str) -> None:
        path = self._path(file)
        attributes = self._load(path)
        if attributes.pop(_name(key), None) is None:
            raise OSError(errno.ENODATA, "no such attribute")
        self._save(path, attributes)

    def _path(self, file: File) -> Path:
        status = os.stat(file if isinstance(file, int | str) else file.fileno())
        return self.directory / f"{status.st_dev:x}-{status.st_ino:x}"

    @staticmethod
    def _load(path: Path) -> dict[bytes, bytes]:
        try:
            return dict(pickle.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}

    @staticmethod
    def _save(path: Path, attributes: dict[bytes, bytes]) -> None:
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(pickle.dumps(attributes))
        new.replace(path)


def _name(key: bytes | str) -> bytes:
    return key.encode() if isinstance(key, str) else key
