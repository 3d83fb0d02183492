"""The query of a container listing: which names it covers, and how they are shown.

The rules are those of ``ContainerBroker.list_objects_iter`` (swift/container/backend.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: occurs in no name that clients may see (swift.common.utils.RESERVED)
RESERVED = "\0"
#: entries per page unless the client sets a limit
DEFAULT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """Names that begin with ``prefix``, greater than ``after`` and less than ``before``; empty = no bound.

    With ``delimiter``, of any length, names that contain it after the prefix are shown as one entry that ends
    with it, a *group*. With ``level`` (``path=`` of the request; the delimiter is then ``/``) they are
    omitted instead, unless they end with it. ``limit``: the number of entries, the greatest ones first if
    ``reverse``.
    """

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    before: str = ""
    limit: int = DEFAULT_LIMIT
    reverse: bool = False
    level: bool = False

    @classmethod
    def from_request(
        cls, parameters: Mapping[str, str], limit: int = DEFAULT_LIMIT, reverse: bool = False
    ) -> ListingQuery:
        """Build the query from the client's ``marker``, ``end_marker``, ``prefix``, ``delimiter`` and
        ``path``.

        An empty parameter counts as absent, but an empty ``path`` is the container's top level.
        """
        after, before = parameters.get("marker", ""), parameters.get("end_marker", "")
        if reverse:
            after, before = before, after
        prefix, delimiter = parameters.get("prefix", ""), parameters.get("delimiter", "")
        path = parameters.get("path")
        if path is not None:
            prefix, delimiter = (path.rstrip("/") + "/" if path else ""), "/"
        return cls(prefix, delimiter, after, before, limit, reverse, path is not None)

    @property
    def is_empty(self) -> bool:
        """Whether no name can match."""
        if not self.limit or (self.before and self.before <= max(self.after, self.prefix)):
            return True
        return self.after > self.prefix and not self.after.startswith(self.prefix)

    def group(self, name: str) -> str | None:
        """Return the group that a name is rolled up into, the name itself if it ends there; None for no
        group."""
        if not self.delimiter or not name.startswith(self.prefix):
            return None
        end = name.find(self.delimiter, len(self.prefix))
        return None if end < 0 else name[: end + len(self.delimiter)]
