"""Where segments may lie, so that a manifest gives nobody rights that he does not have already."""

from __future__ import annotations

from collections.abc import Collection

from s3_sync.config.coverage import EVERYWHERE, SEGMENTS


def may_hold_segments(container: str, of: str, allowed: Collection[str] = ()) -> bool:
    """Whether objects of ``container`` count as segments of a manifest in ``of``, in the same account.

    Any user may write a manifest, and it may name any object. A writer of ``of`` can write, or is meant to
    write, its segment containers; for the ``allowed`` ones the operator vouches.
    """
    own = (of, *(of + suffix for suffix in SEGMENTS))
    return container in own or EVERYWHERE in allowed or container in allowed
