"""What is known about a key at the remote before a row is looked at.

Knowing more saves requests; knowing less is never wrong:

- ``ABSENT``: nothing was stored for this mapping when these rows already existed. No check is needed. -
``PROBABLY_ABSENT``: the row came after everything that was handled before. Nothing is expected to be stored,
and where the store can refuse to overwrite, it is asked to. - ``UNKNOWN``: it may be there or not; a HEAD
tells. - a ``ListedState``: a listing has just told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from s3_sync.model.objects import ObjectInfo

#: listings tell whole seconds; some stores round them down, some (Swift's s3api) up
ROUNDED = 1.0


class Presumption(Enum):
    ABSENT = "fresh"
    PROBABLY_ABSENT = "new"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ListedState:
    """``info`` None: the listing passed the name's place, and it was not there. ``off``: by how
    many seconds the store's clock, and so the date of ``info``, may differ from ours."""

    info: ObjectInfo | None
    off: float = 0.0


RemoteState = Presumption | ListedState
