"""What is known about a key at the remote before its row is handled.

Knowing more saves requests; knowing less is never wrong:

- ``ABSENT``: nothing was stored for this mapping when these rows already existed. No check is needed.
- ``PROBABLY_ABSENT``: the row is newer than everything handled before. Nothing should be stored; a
  conditional PUT makes sure, if the store supports it.
- ``UNKNOWN``: the key may exist or not; a HEAD tells.
- ``ListedState``: a listing has just shown the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from s3_sync.model.objects import ListedObject

#: listings have whole seconds; some stores round down, some (Swift's s3api) up
LISTING_TIME_RESOLUTION = 1.0


class Presumption(Enum):
    ABSENT = "absent"
    PROBABLY_ABSENT = "probably_absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ListedState:
    """``info`` is None if the listing covers the name's position and the name was not there.
    ``clock_offset``: the maximum difference, in seconds, between the store's clock, which dated ``info``, and
    ours; never negative."""

    info: ListedObject | None
    clock_offset: float = 0.0


RemoteState = Presumption | ListedState
#: by object name
RemoteStates = Mapping[str, RemoteState]
