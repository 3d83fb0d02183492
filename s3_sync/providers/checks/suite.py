"""The checks of a store, in the order in which they run."""

from __future__ import annotations

from s3_sync.providers.checks.access import ACCESS, UPLOADS
from s3_sync.providers.checks.base import Check
from s3_sync.providers.checks.large_objects import LARGE_OBJECTS
from s3_sync.providers.checks.names import NAMES_AND_METADATA
from s3_sync.providers.checks.parts import PARTS
from s3_sync.providers.checks.rules import CLOCK, RULES
from s3_sync.providers.checks.writes import WRITES

#: what the store is like, beside what the credentials may do
PROPERTIES: tuple[Check, ...] = (
    *WRITES,
    *PARTS,
    *LARGE_OBJECTS,
    *NAMES_AND_METADATA,
    *RULES,
    CLOCK,
)
ALL: tuple[Check, ...] = (*ACCESS, *UPLOADS, *PROPERTIES)
#: without listings nothing is known of the first, and the second could leave names that it has not written
NEED_LISTINGS = tuple(check for check in NAMES_AND_METADATA if check.name in ("listings", "kinds of names"))
