"""Who the files of a daemon belong to."""

from __future__ import annotations

import os
import pwd

from s3_sync.errors import StateError


def become_owner_of(directory: str) -> None:
    """If run as root, switch permanently to the owner of a daemon's directory. Reading a database creates
    files beside it, and the daemon could not use them if root owned them. Raises StateError."""
    if os.geteuid() != 0:
        return
    try:
        owner = os.stat(directory)
        if owner.st_uid == 0:
            return
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    except FileNotFoundError:
        return  # no daemon has run here
    except (OSError, KeyError) as error:
        raise StateError(f"cannot switch to the owner of {directory}: {error}") from error
