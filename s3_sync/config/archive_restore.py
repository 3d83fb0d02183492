"""How cloud-shunt has objects in archive classes retrieved: ``archive_restore``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ArchiveRestore:
    """``days``: for how long a retrieved object can be read. ``tier``: how fast the store retrieves it."""

    days: int = 7
    tier: Literal["Standard", "Bulk", "Expedited"] = "Standard"
