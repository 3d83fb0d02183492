"""Where segments may be, so that a manifest grants nobody rights that they do not already have."""

from __future__ import annotations

from collections.abc import Collection

from s3_sync.config.coverage import EVERYWHERE, SEGMENTS


def may_hold_segments(container: str, of: str, allowed: Collection[str] = ()) -> bool:
    """Return whether objects of ``container`` count as segments of a manifest in ``of``, in the same account.

    Any user may write a manifest, and it may name any object. A writer of ``of`` can write its segment
    containers, or is meant to; the operator vouches for the ``allowed`` ones, and nobody for containers
    that clients cannot name.
    """
    if container.startswith("\0"):
        return False
    own = (of, *(of + suffix for suffix in SEGMENTS))
    return container in own or EVERYWHERE in allowed or container in allowed
