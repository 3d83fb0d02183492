"""A rule that is broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """``file`` is below s3_sync. ``old`` stands there exactly once."""

    rule: str
    file: str
    old: str
    new: str
    test: str
