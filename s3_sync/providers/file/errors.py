"""Translates errors of the operating system into ``s3_sync.errors``."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from s3_sync.errors import (
    AccessDenied,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
)
from s3_sync.providers.http_errors import NO_SUCH_BUCKET

_DENIED = frozenset({errno.EACCES, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.ENAMETOOLONG, errno.EFBIG, errno.EXDEV, errno.ELOOP, errno.EMLINK})


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate any OSError. None becomes NotFound: only a caller that knows that the share is mounted can
    tell that an object or a bucket is missing."""
    try:
        yield
    except OSError as error:
        raise _translate(error, what) from error


def _translate(error: OSError, what: str) -> RemoteError:
    number = error.errno or 0
    code = errno.errorcode.get(number, "")
    message = f"{what}: {os.strerror(number) if number else error}"
    if number in _DENIED:
        return AccessDenied(message, code=code)
    if number in _FULL:
        return QuotaExceeded(message, code=code)
    if number in _REFUSED:
        return InvalidRequest(message, code=code)
    # the share is not usable: EIO, ESTALE, ENOTCONN, EROFS, a time-out, ENOENT of what must be there
    return RemoteUnavailable(message, code=code)


def no_object(name: str) -> NotFound:
    return NotFound(f"no object {name}", status=404, code="NoSuchKey")


def no_bucket(name: str) -> NotFound:
    return NotFound(f"no directory {name} on the share", status=404, code=NO_SUCH_BUCKET)


def condition_failed(status: int = 412) -> PreconditionFailed:
    return PreconditionFailed("the condition does not hold", status=status, code="PreconditionFailed")
