"""The warning, at the start and for each new or changed mapping, that objects leave the cluster, and when."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from s3_sync.config.settings import Mapping

log = logging.getLogger("s3-sync")


def announce(mappings: Iterable[Mapping]) -> None:
    """Log one warning for each mapping that moves objects."""
    for mapping in mappings:
        if not mapping.profile.retain_local:
            log.warning("%s", describe_move(mapping))


def describe_move(mapping: Mapping) -> str:
    """``AUTH_a/c: objects leave this cluster 30 days after their last change, for bucket "archive"``"""
    profile = mapping.profile
    when = f"{_days(profile.copy_after)} after their last change" if profile.copy_after else "at once"
    text = f'{mapping.label}: objects leave this cluster {when}, for bucket "{mapping.bucket}"'
    if mapping.rule_days:
        text += f"; the store deletes them {_days(mapping.rule_days * 86400)} later: then no copy remains"
    elif mapping.lifetime.seconds:
        text += f"; the store deletes them {_days(mapping.lifetime.seconds)} after that: then no copy remains"
    return text


def _days(seconds: int) -> str:
    if seconds % 86400:
        return f"{seconds} seconds"
    return f"{seconds // 86400} day{'' if seconds == 86400 else 's'}"
