"""Which Swift this process belongs to: the version installed, and the directory of its configuration."""

from __future__ import annotations

import os
import re

from s3_sync.errors import LocalError

OLDEST = (2, 30)


def check_version(version: str) -> None:
    """Raise LocalError, in one clear line, for a Swift that is too old."""
    match = re.match(r"(\d+)\.(\d+)", version)
    if not match or (int(match[1]), int(match[2])) < OLDEST:
        raise LocalError(f"Swift {OLDEST[0]}.{OLDEST[1]} or later is needed; this is {version}")


def use_swift_dir(path: str) -> None:
    """Read swift.conf, its storage policies and its constraints from ``path``, for this whole process.

    Swift reads /etc/swift/swift.conf when it is imported; ``set_swift_dir`` alone replaces the hash path
    but neither the policies nor the constraints. Raises LocalError when Swift is missing or too old,
    and when there is no usable swift.conf.
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
        # Swift exits where it finds no swift.conf, and fails in many ways where it is damaged; some messages
        # have several lines
        reason = " ".join(str(error).split())
        raise LocalError(f"no usable swift.conf in {path}: {reason}") from error


def swift_dir() -> str:
    """The directory in use."""
    from swift.common import utils

    path: str = os.path.dirname(utils.SWIFT_CONF_FILE)
    return path
