"""How many objects a mapping has deleted remotely, as the journal keeps it: over restarts, and for whoever
asks what is going on."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields

from s3_sync.streams.small_files import is_count, is_text, number, parse_json

#: what the journal calls it
NOTED = "deletes"


@dataclass(frozen=True, slots=True)
class DeleteCount:
    """All times in seconds since the epoch.

    ``began``: the interval; ``used``: deletes since then, some of them perhaps only reserved; ``limit``: how
    many may be. ``held_since``: when the first one had to wait, 0.0 = none has to. ``allowed_until``: what
    was deleted in Swift up to then the operator has allowed. ``budget``: what the configuration said.
    """

    began: float = 0.0
    used: int = 0
    limit: int = 0
    held_since: float = 0.0
    allowed_until: float = 0.0
    budget: str = ""

    @property
    def held(self) -> bool:
        """Whether deletes wait."""
        return self.held_since > 0.0

    def as_text(self) -> str:
        return json.dumps(asdict(self))


def read_count(text: str | None) -> DeleteCount:
    """What ``as_text`` gave; anything else is as good as nothing."""
    nothing = DeleteCount()
    try:
        found = parse_json(text or "{}")
    except ValueError:
        return nothing
    if not isinstance(found, dict):
        return nothing
    told = {each.name: found.get(each.name, getattr(nothing, each.name)) for each in fields(DeleteCount)}
    if all(_is_like(value, getattr(nothing, name)) for name, value in told.items()):
        return DeleteCount(**told)
    return nothing


def _is_like(value: object, example: object) -> bool:
    if isinstance(example, int):
        return is_count(value)
    if isinstance(example, float):
        return not math.isnan(number(value, math.nan))
    return is_text(value)
