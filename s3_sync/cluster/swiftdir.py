"""The Swift installation of this process: its version, and its configuration directory."""

from __future__ import annotations

import os
import re

from s3_sync.errors import LocalError

MIN_VERSION = (2, 30)


def check_version(version: str) -> None:
    """Raise LocalError, with a one-line message, if Swift is too old."""
    match = re.match(r"(\d+)\.(\d+)", version)
    if not match or (int(match[1]), int(match[2])) < MIN_VERSION:
        raise LocalError(f"Swift {MIN_VERSION[0]}.{MIN_VERSION[1]} or later is needed; this is {version}")


def use_swift_dir(path: str) -> None:
    """Load swift.conf, its storage policies and its constraints from ``path``, for this whole process.

    Swift reads /etc/swift/swift.conf when it is imported; ``set_swift_dir`` alone replaces the hash path but
    neither the policies nor the constraints. Raises LocalError if Swift is missing or too old, or if there is
    no valid swift.conf.
    """
    try:
        import swift
        from swift.common import constraints, storage_policy, utils
    except ImportError as error:
        raise LocalError(f"the swift package cannot be imported: {error}") from error
    check_version(swift.__version__)
    try:
        if utils.set_swift_dir(path):
            storage_policy.reload_storage_policies()
            constraints.reload_constraints()
        utils.validate_configuration()
    except (Exception, SystemExit) as error:
        # Swift exits without a swift.conf, and fails in many ways if it is damaged; some messages have
        # several lines
        reason = " ".join(str(error).split())
        raise LocalError(f"no usable swift.conf in {path}: {reason}") from error


def swift_dir() -> str:
    """Return the directory in use."""
    from swift.common import utils

    path: str = os.path.dirname(utils.SWIFT_CONF_FILE)
    return path


def max_object_size() -> int:
    """Return the size in bytes of the largest object that this cluster takes as one."""
    from swift.common import constraints

    return int(constraints.MAX_FILE_SIZE)
