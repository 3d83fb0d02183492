"""Files and directories by descriptors of their directories, so that no link on the way is followed."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: for reading what somebody else may have put there: a pipe must not block
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_SMALL = 1024 * 1024
#: of directories that are removed; what others make is not removed if it is deeper
_MAX_LEVELS = 100
#: errors of fsync at shares that do not support it for a directory: the server then writes at once
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS})


def sync_directory(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def make_directory(parent: int, name: str) -> None:
    """Make a directory that survives a power failure, unless it is there."""
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return
    sync_directory(parent)


def is_directory(parent: int, name: str) -> bool:
    """Whether there is a directory of that name; a link to one is none."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def regular_file(parent: int, name: str) -> os.stat_result | None:
    """The status of a regular file; None if there is none of that name."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def read_small(parent: int, name: str) -> bytes:
    """The content of a small regular file. Raises FileNotFoundError, and ValueError for anything else."""
    try:
        descriptor = os.open(name, READING, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("it is a link") from error
        raise
    try:
        content = b""
        while stat.S_ISREG(os.fstat(descriptor).st_mode) and len(content) <= _MAX_SMALL:
            if not (piece := os.read(descriptor, _MAX_SMALL)):
                return content
            content += piece
        raise ValueError("it is no small file")
    finally:
        os.close(descriptor)


def write_small(parent: int, name: str, content: bytes) -> int:
    """Create a file, which must not exist, and return its descriptor. There is none after an error."""
    descriptor = os.open(name, CREATING, 0o666, dir_fd=parent)
    try:
        write_all(descriptor, content)
    except BaseException:
        os.close(descriptor)
        remove_quietly(parent, name)
        raise
    return descriptor


def write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_file(parent: int, name: str) -> bool:
    """Remove a file or link. Returns False if there was none, or a directory."""
    try:
        os.unlink(name, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    return True


def remove_quietly(parent: int, name: str) -> None:
    """Remove what an operation that has failed leaves; if that fails, too, it is swept."""
    with suppress(OSError):
        remove_tree(parent, name)


def remove_tree(parent: int, name: str, levels: int = _MAX_LEVELS) -> None:
    """Remove a file, or a directory with all that is in it, without following links. Raises OSError for one
    that is deeper than ``levels``: we make none."""
    if not is_directory(parent, name):
        remove_file(parent, name)
        return
    if not levels:
        raise OSError(errno.ENAMETOOLONG, "directories are too deep", name)
    directory = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        for each in os.listdir(directory):
            remove_tree(directory, each, levels - 1)
    finally:
        os.close(directory)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)
