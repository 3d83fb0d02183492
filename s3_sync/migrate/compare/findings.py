"""What a comparison can find."""

from __future__ import annotations

from dataclasses import dataclass

# differences
MISSING = "missing"  # not in Swift
EXTRA = "extra"  # in Swift, written by the migration, and not at the source
SIZE = "size"
DIGEST = "digest"  # other bytes, or another kind of object
METADATA = "metadata"  # other headers, metadata or X-Delete-At
UNSURE = "unsure"  # could not be determined

# what clients of the local cluster did: no differences, unless the comparison is strict
CHANGED_HERE = "changed_here"
ADDED_HERE = "added_here"
DELETED_HERE = "deleted_here"
BY_CLIENTS = frozenset({CHANGED_HERE, ADDED_HERE, DELETED_HERE})


@dataclass(frozen=True, slots=True)
class Finding:
    """``name``: of an object; empty for the container itself. ``what``: one of the kinds above."""

    name: str
    what: str
    detail: str = ""
